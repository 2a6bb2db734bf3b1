"""How long each widget of the notebooks takes from an input to its changed picture, in JupyterLab in Chromium.

    python -m benchmarks.widget_latency [--tries 15]

Measured in the page: from the time stamp of the browser's own event (pointerdown, keydown) until the new picture stands
in it, its images are decoded, and the next frame begins. Inputs come one at a time. Networks are the notebooks' own,
untrained; the data are those that are there without a download.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pandas as pd
from playwright.sync_api import sync_playwright
from tqdm import tqdm

from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect
from tests.e2e.lab_window import CHROMIUM, NOTEBOOK, end_kernels, go_to, lab, run, said, window, with_kernel

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "source" / "assignment2"
_WATCH = """root => {
  const look = () => [...root.querySelectorAll('img, svg, table, .dl1-drawing')].map(one => one.outerHTML).join();
  const before = look();
  let begun = null;
  const note = event => { begun ??= event.timeStamp; };
  for (const kind of ['pointerdown', 'keydown']) root.addEventListener(kind, note, {capture: true, once: true});
  window.measured = new Promise(done => {
    const watch = new MutationObserver(async () => {
      if (begun === null || look() === before) return;
      watch.disconnect();
      await Promise.all([...root.querySelectorAll('img')].map(one => one.decode().catch(() => null)));
      requestAnimationFrame(() => done(performance.now() - begun));
    });
    watch.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
  });
}"""


class Widget(NamedTuple):
    """A widget as its notebook shows it.

    Attributes:
        notebook: whose definitions and answers it needs.
        shown: code that shows it.
        slider: label of the slider that is moved; empty for the neighbourhood, whose picture is clicked.
        before: code that has to run before.
    """

    name: str
    notebook: str
    shown: str
    slider: str
    before: str = ""


_CORPUS = (
    "corpus = load_corpus()\ntokenizer = CharTokenizer.from_text(corpus.text)\ngpt = student_gpt()\n"
    "model = build_gpt(gpt, tokenizer.vocab_size, chosen_profile(corpus))"
)
_GRAPH = "graph = load_citation_graph()"
WIDGETS = [
    Widget("convolution, step by step", "1a_padding", "KernelStepper()", "Step"),
    Widget(
        "turned image",
        "1b_rotation",
        'angle_slider({"upright": Cnn(), "turned": Cnn()}, images[:200], labels[:200], test_set.classes)',
        "angle (°)",
        "_, test_set = load_images()\nimages, labels = sweep_images(test_set)",
    ),
    Widget(
        "sampling",
        "2b_gpt_training",
        'sampling_sliders(model, tokenizer, next_token_probabilities, generate, "Once upon a time ")',
        "temperature",
        _CORPUS,
    ),
    Widget(
        "attention maps",
        "2b_gpt_training",
        'attention_maps(model, tokenizer, "The king said to the frog")',
        "character",
        _CORPUS,
    ),
    Widget(
        "RoPE dial", "2b_gpt_training", "rope_dial(gpt.CausalSelfAttention, gpt.GPTConfig)", "query position m", _CORPUS
    ),
    Widget(
        "message passing",
        "3a_graph_convolution",
        "message_steps(adjacency_first(), torch.randn(5, 2), MessageGraphConvolution(2, 2))",
        "Node",
    ),
    Widget(
        "neighbourhood",
        "3b_graph_attention",
        "explore_neighbourhood(GraphAttention(graph.x.shape[1], graph.num_classes), graph)",
        "",
        _GRAPH,
    ),
    Widget(
        "bots (each input trains two networks)",
        "3b_graph_attention",
        "bot_demo(GraphAttention, mean_convolution())",
        "Bots",
        _GRAPH,
    ),
]


def write_notebooks(folder: Path) -> None:
    """For each notebook with widgets one of its definitions and answers, with cells that show the widgets."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        # It writes gpt.py.
        inprocess.run(
            SOURCE / "2a_gpt_components.ipynb",
            cells=lambda cell: has_effect(cell) and notebook_cells.role(cell) != "test",
        )
    finally:
        os.chdir(here)
    for name in {widget.notebook for widget in WIDGETS}:
        made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        made.cells = [nbformat.v4.new_markdown_cell(f"# {name}", id="title")]
        for cell in notebook_cells.read(SOURCE / f"{name}.ipynb")["cells"]:
            if cell["cell_type"] == "code" and has_effect(cell) and notebook_cells.role(cell) != "test":
                made.cells.append(nbformat.v4.new_code_cell(notebook_cells.source(cell), id=cell["id"]))
        own = [widget for widget in WIDGETS if widget.notebook == name]
        if own[0].before:
            made.cells.append(nbformat.v4.new_code_cell(own[0].before, id="before"))
        for widget in own:
            made.cells.append(nbformat.v4.new_code_cell(widget.shown, id=cell_of(widget)))
        nbformat.write(made, folder / f"{name}.ipynb")


def cell_of(widget: Widget) -> str:
    return f"widget-{WIDGETS.index(widget)}"


def measure(page: Any, widget: Widget, tries: int) -> dict[str, list[float]]:
    """Milliseconds of each try, by mouse and by keyboard."""
    cell = go_to(page, cell_of(widget))
    root = cell.locator(".jp-OutputArea-output:has(.widget-vbox)").first
    root.wait_for()
    found: dict[str, list[float]] = {"mouse": [], "keyboard": []}
    for number in range(tries):
        for way, times in found.items():
            act = (_moves if widget.slider else _goes)(page, root, widget, way, number)
            root.evaluate(_WATCH)
            act()
            times.append(page.evaluate("() => window.measured"))
            page.wait_for_timeout(100)
    return found


def _moves(page: Any, root: Any, widget: Widget, way: str, number: int) -> Any:
    """Moves a slider: a click on its track, left and right in turns, or an arrow key."""
    slider = root.locator(".widget-slider").filter(has_text=widget.slider).first
    if way == "mouse":
        track = slider.locator(".noUi-base").bounding_box()
        place = 0.3 if number % 2 else 0.7
        return lambda: page.mouse.click(track["x"] + place * track["width"], track["y"] + track["height"] / 2)
    slider.locator("[role=slider]").focus()
    return lambda: page.keyboard.press("ArrowLeft")


def _goes(page: Any, root: Any, widget: Widget, way: str, number: int) -> Any:
    """Goes to the first of the neighbours."""
    neighbour = root.locator("[data-go]").first
    if way == "mouse":
        return lambda: neighbour.click(force=True)
    neighbour.focus()
    return lambda: page.keyboard.press("Enter")


def main() -> None:
    parser = argparse.ArgumentParser(description="From an input to a widget's changed picture")
    parser.add_argument("--tries", type=int, default=15, help="by mouse, and as many by keyboard (default: 15)")
    tries = parser.parse_args().tries
    rows = []
    with tempfile.TemporaryDirectory(prefix="latency-") as scratch:
        folder = Path(scratch)
        (folder / "work").mkdir()
        write_notebooks(folder / "work")
        settings = [ROOT / "deploy" / "student"]
        with lab(folder, folder / "work", settings) as address, sync_playwright() as playwright:
            options = ["--no-sandbox"] if os.getuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
            page = window(browser, address)
            for name in tqdm(sorted({widget.notebook for widget in WIDGETS})):
                page.goto(f"{address}/tree/{name}.ipynb?reset")
                page.locator(f"{NOTEBOOK} h1").first.wait_for()
                with_kernel(page, f"{name}.ipynb")
                content = nbformat.read(folder / "work" / f"{name}.ipynb", as_version=4)
                outputs = run(page, *(cell.id for cell in content.cells if cell.cell_type == "code"))
                for one, made in outputs.items():
                    if any(output["output_type"] == "error" for output in made):
                        raise SystemExit(f"{name}, {one}: {said(made)}")
                for widget in (one for one in WIDGETS if one.notebook == name):
                    for way, times in measure(page, widget, tries).items():
                        rows.append((widget.name, way, statistics.median(times), max(times)))
                end_kernels(page, address)
            version = browser.version
            browser.close()
    table = pd.DataFrame(rows, columns=["widget", "by", "median, ms", "slowest, ms"])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Chromium {version}; {tries} tries")
    print(table.set_index(["widget", "by"]).unstack("by").round(0).astype(int).to_string())


if __name__ == "__main__":
    main()
