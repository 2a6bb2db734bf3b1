"""The course's sealed hints: made of what is there now, and opened by the mistakes that they are about.

All of them: `python -m proctor.catalogue --sealed`.
"""

import os
from pathlib import Path

import pytest

from proctor.catalogue.entries import load, variants
from proctor.catalogue.hint_sealing import OWN, Run, as_text, is_fine, open_all
from proctor.catalogue.known import known_of
from proctor.catalogue.setup import Setup
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import file_of, public_part, read_sealed

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "misconceptions"
STEMS = sorted(file.stem for file in CATALOGUE.glob("*.toml"))


def changed(stem: str) -> tuple[Path, list]:
    path = ROOT / "source" / "assignment2" / f"{stem}.ipynb"
    return path, variants(load(CATALOGUE / f"{stem}.toml"), notebook_cells.read(path))


@pytest.mark.parametrize("stem", STEMS)
def test_they_are_those_of_the_notebook_and_its_catalogue(stem):
    path, entries = changed(stem)
    notebook = notebook_cells.read(path)
    tests = notebook_cells.autograded_cells(notebook)
    known = known_of(notebook, entries)
    now = known.digests({name: public_part(notebook_cells.source(cell)) for name, cell in tests.items()})
    sealed = read_sealed(file_of(CATALOGUE, stem))
    assert {name: one.made_of for name, one in sealed.items()} == {
        name: now[name] for name in {test for one in known.wrong for test in one.loses}
    }, "run: make misconceptions ARGS=--seal"
    assert any(one.line for one in sealed.values())


def test_a_sample_of_mistakes_opens_them_and_right_and_unfinished_answers_do_not(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND", "NBGRADER_EXECUTION"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    path, entries = changed("3a_graph_convolution")
    entries = [(entry, text) for entry, text in entries if entry.cell == "q3_1a_adjacency"]
    sealed = {name: one for name, one in read_sealed(file_of(CATALOGUE, path.stem)).items() if name.startswith("q3_1a")}
    found = open_all(path, entries, sealed, Run(Setup(), 2, 600.0, lambda line: None))
    assert is_fine([found]), as_text([found])
    assert found.count[OWN] > 3
    assert found.right > 1
    assert found.tried
    assert found.unfinished
