"""A JupyterLab as a process of its own, and what somebody does in its window."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
MILLISECONDS = 300_000
# The notebook that is seen; others stay open in tabs behind it.
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
_READY = """async name => {
  const panel = window.jupyterapp.shell.currentWidget;
  if (panel?.context?.path !== name) return false;
  await panel.context.ready; await panel.sessionContext.ready;
  return Boolean(panel.sessionContext.session?.kernel);
}"""
_RUN = """async names => {
  const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
  const chosen = notebook.widgets.filter(cell => names.includes(cell.model.id));
  notebook.deselectAll();
  notebook.activeCellIndex = notebook.widgets.indexOf(chosen[0]);
  for (const cell of chosen.slice(1)) notebook.select(cell);
  await app.commands.execute('notebook:run-cell');
  // A cell that may raise an error doesn't end the others; behind any other that has raised one nothing is run.
  const ended = cell => cell.model.outputs.toJSON().some(one => one.output_type === 'error')
    && !(cell.model.getMetadata('tags') ?? []).includes('raises-exception');
  while (!chosen.some(ended)
      && chosen.some(cell => cell.model.executionState !== 'idle' || cell.model.executionCount === null))
    await new Promise(done => setTimeout(done, 50));
  return Object.fromEntries(chosen.map(cell => [cell.model.id, cell.model.outputs.toJSON()]));
}"""
_GO = """async ([name, where]) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const place = notebook.widgets.findIndex(cell => cell.model.id === name);
  notebook.deselectAll();
  notebook.activeCellIndex = place;
  await notebook.scrollToItem(place, where);
  return place;
}"""


@contextlib.contextmanager
def lab(
    folder: Path, root: Path, config: Sequence[Path], packages: Path = ROOT, options: Sequence[str] = ()
) -> Iterator[str]:
    """JupyterLab until the block ends.

    Args:
        folder: for its own files.
        root: the folder that it shows, and in which it runs.
        config: folders of settings, as JUPYTER_CONFIG_PATH names them.
        packages: where `dl1` is imported from.
        options: more words of its command.

    Yields:
        Its address.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--IdentityProvider.token=", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.expose_app_in_browser=True", *options]
    settings = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    settings["JUPYTER_CONFIG_PATH"] = os.pathsep.join(map(str, config))
    settings |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(packages)}
    settings["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=os.environ | settings, stdout=log, stderr=log)
    try:
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api"):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        process.terminate()
        process.wait()


def window(browser: Any, address: str) -> Any:
    """A window of JupyterLab."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.locator("#jp-MainMenu").wait_for()
    return page


def opened(page: Any, address: str, path: str) -> None:
    """Open a notebook, alone; its kernel need not be there yet."""
    page.goto(f"{address}/tree/{path}?reset")
    page.locator(f"{NOTEBOOK} .jp-RenderedMarkdown h1").first.wait_for()


def with_kernel(page: Any, path: str) -> None:
    """Wait until the notebook that is seen has its kernel."""
    page.wait_for_function(_READY, arg=path)


def run(page: Any, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Run cells of the notebook that is seen, in its order, as *Run Selected Cell* does; gives their outputs."""
    return page.evaluate(_RUN, list(names))


def go_to(page: Any, name: str, where: str = "start") -> Any:
    """Bring a cell to the top, the "center" or the "end" of the window; gives it."""
    place = page.evaluate(_GO, [name, where])
    cell = page.locator(f"{NOTEBOOK} .jp-Cell[data-windowed-list-index='{place}']")
    cell.wait_for()
    return cell


def said(outputs: Sequence[dict[str, Any]]) -> str:
    """All texts of a cell's outputs."""
    found = []
    for one in outputs:
        data = one.get("data", {})
        texts = [one.get("text", ""), data.get("text/plain", ""), data.get("text/html", ""), *one.get("traceback", [])]
        found += ["".join(text) for text in texts]
    return "\n".join(filter(None, found))


def end_kernels(page: Any, address: str) -> None:
    """End all kernels, so that only one is in memory at a time."""
    base = address.removesuffix("/lab")
    for one in page.request.get(f"{base}/api/sessions").json():
        token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "_xsrf")
        page.request.delete(f"{base}/api/sessions/{one['id']}", headers={"X-XSRFToken": token})
