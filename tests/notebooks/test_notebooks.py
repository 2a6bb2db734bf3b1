"""Every source notebook: its points, and hidden tests that the reference passes whatever inputs are drawn."""

import shutil
from pathlib import Path

import pytest

from demo import scores
from dl1.contract import protocol
from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import DEMO, has_effect, purpose

SOURCE = Path(__file__).resolve().parents[2] / "source" / "assignment2"
# As the handout has them; where it adds up to something else than its header, its questions count.
POINTS = {
    "1a_padding": {"1.1": 9},
    "1b_rotation": {"1.2": 8},
    "2a_gpt_components": {"2.1": 10, "2.2": 8, "2.3": 8, "2.4": 5, "2.5": 4, "2.6": 5, "2.9": 4},
    # Two more points of 2.8 are a bonus, which a TA types as extra credit.
    "2b_gpt_training": {"2.7": 4, "2.8": 5},
    "3a_graph_convolution": {"3.1": 8, "3.2": 4, "3.3": 10},
    "3b_graph_attention": {"3.4": 12},
}
AUTOMATIC = {
    "1a_padding": 3,
    "1b_rotation": 5,
    "2a_gpt_components": 24,
    "2b_gpt_training": 7,
    "3a_graph_convolution": 11,
    "3b_graph_attention": 3,
}
HANDED_IN = SOURCE.parent.parent / "demo" / "handed_in"


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Path:
    """What lies beside a notebook: a trained model, and what 2a exports for it."""
    folder = tmp_path_factory.mktemp("beside")
    shutil.copytree(HANDED_IN, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        inprocess.run(
            SOURCE / "2a_gpt_components.ipynb",
            cells=lambda cell: has_effect(cell) and notebook_cells.role(cell) != "test",
        )
    return folder


def test_the_maximum_of_the_course():
    assert sum(points for notebook in POINTS.values() for points in notebook.values()) == 104


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
def test_the_last_cell_looks_at_the_folder_and_grading_leaves_it_out(name):
    """It also has to do in a kernel that has run nothing else, for whoever comes back only to hand in."""
    last = notebook_cells.read(SOURCE / f"{name}.ipynb")["cells"][-1]
    assert (last["id"], purpose(last)) == ("hand_in", DEMO)
    assert notebook_cells.source(last).split("\n")[1:] == ["from dl1 import hand_in", "", "hand_in()"]


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize(
    "key", [None, *(pytest.param(key, marks=pytest.mark.slow) for key in (b"one submission", b"another", b"a third"))]
)
def test_reference_gets_every_autograded_point_with_any_draw_of_the_inputs(name, key, beside, tmp_path, monkeypatch):
    shutil.copytree(beside, tmp_path, dirs_exist_ok=True)
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
