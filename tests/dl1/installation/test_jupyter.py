"""Kernels that are another environment's, and widgets that JupyterLab can't draw."""

import json
import sys
from pathlib import Path

from dl1.installation import jupyter
from dl1.installation.seen import KNOW, MEND, OK


def kernel(folder: Path, name: str, program: str) -> Path:
    (folder / "kernels" / name).mkdir(parents=True)
    content = {"argv": [program, "-m", "ipykernel_launcher"], "display_name": name}
    (folder / "kernels" / name / "kernel.json").write_text(json.dumps(content))
    return folder


def notebook(folder: Path, name: str) -> None:
    (folder / "x.ipynb").write_text(json.dumps({"cells": [], "metadata": {"kernelspec": {"name": name}}}))


def levels(found) -> list[str]:
    return [one.level for one in found]


def test_the_first_kernel_found_counts(tmp_path):
    own = kernel(tmp_path / "own", "python3", "python")
    other = kernel(tmp_path / "other", "python3", str(tmp_path / "bin" / "python"))
    assert levels(jupyter.kernel([own, other], tmp_path)) == [OK]
    (one,) = jupyter.kernel([other, own], tmp_path)
    assert one.level == MEND
    assert str(tmp_path / "bin" / "python") in one.line
    assert one.mend.endswith("-m ipykernel install --sys-prefix")
    this = kernel(tmp_path / "this", "python3", sys.executable)
    assert levels(jupyter.kernel([this], tmp_path)) == [OK]
    (own / "kernels" / "python3" / "kernel.json").write_text("{")
    assert levels(jupyter.kernel([own], tmp_path)) == [MEND]


def test_a_notebook_may_ask_for_another_kernel(tmp_path):
    own = kernel(tmp_path / "own", "python3", "python")
    notebook(tmp_path, "conda-old")
    found = list(jupyter.kernel([own], tmp_path))
    assert levels(found) == [OK, KNOW]
    assert "ask for the kernel conda-old, which isn't there" in found[1].line
    kernel(own, "conda-old", str(tmp_path / "python"))
    found = list(jupyter.kernel([own], tmp_path))
    assert levels(found) == [OK, MEND]
    assert "which starts another Python" in found[1].line


def test_the_command_jupyter_may_be_another_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(jupyter.shutil, "which", lambda name, path=None: None)
    assert levels(jupyter.started_jupyter()) == [KNOW]
    beside = str(Path(sys.executable).parent)
    monkeypatch.setattr(jupyter.shutil, "which", lambda name, path=None: f"{beside}/{name}" if path == beside else None)
    (one,) = jupyter.started_jupyter()
    assert (one.level, f"{beside}/jupyter lab starts" in one.line) == (OK, True)
    monkeypatch.setattr(jupyter.shutil, "which", lambda name, path=None: str(tmp_path / "jupyter"))
    (one,) = jupyter.started_jupyter()
    assert (one.level, str(tmp_path) in one.line) == (MEND, True)
    monkeypatch.setattr(jupyter.shutil, "which", lambda name, path=None: str(Path(sys.prefix, "bin", "jupyter")))
    assert levels(jupyter.started_jupyter()) == [OK]


def test_widgets_need_their_extensions_and_nobody_who_switches_them_off(tmp_path):
    assert levels(jupyter.widgets(tmp_path, [])) == [MEND, MEND]
    for name in ("@jupyter-widgets/jupyterlab-manager", "anywidget"):
        (tmp_path / "share/jupyter/labextensions" / name).mkdir(parents=True)
    assert levels(jupyter.widgets(tmp_path, [tmp_path])) == [OK]
    (tmp_path / "labconfig").mkdir()
    settings = tmp_path / "labconfig" / "page_config.json"
    settings.write_text('{"disabledExtensions": {"anywidget": true}}')
    (one,) = jupyter.widgets(tmp_path, [tmp_path])
    assert (one.level, "labextension enable anywidget" in one.mend) == (MEND, True)
    settings.write_text('{"disabledExtensions": {"anywidget": false}}')
    assert levels(jupyter.widgets(tmp_path, [tmp_path])) == [OK]
