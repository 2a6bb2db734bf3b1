"""Every source notebook: its points, and hidden tests that the reference passes whatever inputs are drawn."""

from pathlib import Path

import pytest

from demo import scores
from dl1 import protocol
from proctor import inprocess, notebook_cells

SOURCE = Path(__file__).resolve().parent.parent / "source" / "assignment2"
# As the handout has them; where it adds up to something else than its header, its questions count.
POINTS = {
    "1a_padding": {"1.1": 9},
    "1b_rotation": {"1.2": 8},
    "2a_gpt_components": {"2.1": 10, "2.2": 8, "2.3": 8, "2.4": 5, "2.5": 4, "2.6": 5, "2.9": 4},
}
AUTOMATIC = {"1a_padding": 3, "1b_rotation": 5, "2a_gpt_components": 24}


def has_effect(cell: dict) -> bool:
    """Leaves the demos out: they show pictures and train."""
    return "demo" not in cell["metadata"].get("tags", [])


def test_every_notebook_is_listed():
    assert sorted(path.stem for path in SOURCE.glob("*.ipynb")) == sorted(POINTS) == sorted(AUTOMATIC)


@pytest.mark.parametrize("name", POINTS)
def test_points_per_question(name):
    points: dict[str, float] = {}
    notebook = notebook_cells.read(SOURCE / f"{name}.ipynb")
    for cell in notebook["cells"]:
        if notebook_cells.role(cell) in ("test", "manual"):
            question = scores.question_number(notebook_cells.grade_id(cell))
            points[question] = points.get(question, 0) + cell["metadata"]["nbgrader"]["points"]
    assert points == POINTS[name]
    assert notebook["metadata"]["proctor"]["points"] == sum(points.values())


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("key", [None, b"one submission", b"another", b"a third"])
def test_reference_gets_every_autograded_point_with_any_draw_of_the_inputs(name, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = SOURCE / f"{name}.ipynb"
    protocol.use_seed_key(key)
    try:
        results = inprocess.run(path, cells=has_effect)
    finally:
        protocol.use_seed_key(None)
    assert [result.label + ": " + result.error_text for result in results if not result.ok] == []
    points = inprocess.scores(results, path)
    assert sum(maximum for _, maximum in points.values()) == AUTOMATIC[name]
    assert [cell for cell, (score, maximum) in points.items() if score != maximum] == []
