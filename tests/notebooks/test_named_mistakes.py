"""Catalogued wrong answers, each handed in once: what grading calls it. All of them: proctor.catalogue --diagnosed."""

import os
from pathlib import Path

import pytest

from proctor.catalogue.diagnosed import IN_A_SET, NAMED, diagnose
from proctor.catalogue.entries import load, variants
from proctor.catalogue.setup import Setup
from proctor.notebooks import cells as notebook_cells

ROOT = Path(__file__).resolve().parents[2]
# Of different kinds: matrices typed by hand, rows of a table, and layers that are asked through doubles.
SAMPLE = {
    "3a_graph_convolution": ("q3_1b_square", "q3_1c_laplacian"),
    "1a_padding": ("q1_1c_change",),
    "2a_gpt_components": ("q2_3a_rmsnorm",),
}


@pytest.mark.parametrize("stem", SAMPLE)
def test_each_mistake_is_named_or_stands_among_those_that_answer_alike(stem, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND", "NBGRADER_EXECUTION"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    path = ROOT / "source" / "assignment2" / f"{stem}.ipynb"
    entries = [entry for entry in load(ROOT / "misconceptions" / f"{stem}.toml") if entry.cell in SAMPLE[stem]]
    changed = variants(entries, notebook_cells.read(path))
    found = diagnose(
        path, changed, setup=Setup(), key=b"of a course", at_once=2, timeout=600.0, progress=lambda line: None
    )
    assert len(found) == sum(entry.kind == "wrong" for entry in entries) > 5
    unnamed = {one.name: one.named for one in found if one.result not in (NAMED, IN_A_SET)}
    assert unnamed == {}
    # Most mistakes are told apart.
    assert sum(one.result == NAMED for one in found) > len(found) / 2
