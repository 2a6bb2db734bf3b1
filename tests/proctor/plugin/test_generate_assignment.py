"""Cells that came or went are refused in words before anything changes, by both commands; other changes are taken."""

import hashlib
import json
import logging

import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, source_notebook
from nbgrader.converters.base import NbGraderException

from dl1.merging.given_out import expected_cells, load
from dl1.merging.hint_lines import MARKER
from proctor.errors import ProctorError
from proctor.plugin import busy
from proctor.plugin.agreement import differences, listed
from proctor.plugin.current import Current
from proctor.plugin.generate_assignment import GenerateAssignment
from proctor.plugin.given_out import write_given_out
from proctor.settings import Proctor

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def without(name: str) -> dict:
    notebook = source_notebook()
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != name]
    return notebook


def other_kind() -> dict:
    notebook = source_notebook()
    notebook["cells"][1]["metadata"]["nbgrader"]["solution"] = True
    return notebook


CELLS = [
    (source_notebook(more="q3"), "2a: q3 is new"),
    (without("q2"), "2a: q2 is gone"),
    (other_kind(), "2a: q1 is now graded and an answer, and was graded"),
]


def check(course) -> None:
    Current(course.directory(), Proctor(), lambda assignment, source: {}).check()


def files(course) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in course.root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(("notebook", "said"), CELLS)
def test_autograding_refuses_cells_that_came_or_went(graded, notebook, said):
    check(graded)
    graded.write_source(notebook)
    with pytest.raises(ProctorError) as error:
        check(graded)
    assert said in str(error.value)
    assert "nothing was graded" in str(error.value)
    assert "no cell can be added or removed: put these cells back as they were" in str(error.value)


def test_autograding_refuses_points_that_the_gradebook_does_not_have_yet(graded):
    graded.write_source(source_notebook(points=3))
    with pytest.raises(ProctorError) as error:
        check(graded)
    assert "2a: q2 has 3 points, and 2 in the gradebook" in str(error.value)
    assert "run: nbgrader generate_assignment hw --force, then this again" in str(error.value)


@pytest.mark.parametrize("text", ["{", None])
def test_autograding_refuses_a_source_that_can_not_be_read(graded, text):
    path = graded.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ProctorError, match=f"nothing was graded: .*{NOTEBOOK}.ipynb: .*put it back as it was"):
        check(graded)


def test_generating_waits_for_a_run_that_grades(graded, caplog):
    with busy.held(graded.root, "another", "ada", "graded"), pytest.raises(NbGraderException):
        GenerateAssignment(coursedir=graded.directory(), force=True).start()
    assert "nothing was changed: a submission: it is being graded by" in caplog.text
    GenerateAssignment(coursedir=graded.directory(), force=True, log=logging.getLogger("generate")).start()


@pytest.mark.parametrize(("notebook", "said"), CELLS)
def test_generating_refuses_them_before_anything_changes(graded, notebook, said, caplog):
    graded.write_source(notebook)
    before = files(graded)
    with pytest.raises(NbGraderException):
        GenerateAssignment(coursedir=graded.directory(), force=True).start()
    assert files(graded) == before
    assert "nothing was changed: hw has submissions, so no cell can be added or removed" in caplog.text
    assert said in caplog.text
    assert "Traceback" not in caplog.text


def test_generating_refuses_notebooks_that_came_or_went(graded, caplog):
    folder = graded.root / "source" / ASSIGNMENT
    (folder / f"{NOTEBOOK}.ipynb").rename(folder / "2c.ipynb")
    with pytest.raises(NbGraderException):
        GenerateAssignment(coursedir=graded.directory(), force=True).start()
    assert "2a: the notebook is gone; 2c: the notebook is new" in caplog.text


def test_generating_takes_new_tests_and_points_and_then_both_agree(graded):
    graded.write_source(source_notebook(hidden="assert 7", points=3))
    GenerateAssignment(coursedir=graded.directory(), force=True, log=logging.getLogger("generate")).start()
    check(graded)
    with graded.gradebook() as gradebook:
        assert gradebook.find_grade("q2", NOTEBOOK, ASSIGNMENT, "ben").max_score == 3
        # Points that were given stay until the next grading.
        assert gradebook.find_grade("q2", NOTEBOOK, ASSIGNMENT, "ben").auto_score == 2


def test_without_submissions_cells_may_come_and_go(graded):
    with graded.gradebook() as gradebook:
        for student in ("ada", "ben"):
            gradebook.remove_submission(ASSIGNMENT, student)
    graded.write_source(source_notebook(more="q3"))
    GenerateAssignment(coursedir=graded.directory(), force=True, log=logging.getLogger("generate")).start()
    check(graded)
    graded.write_source(without("q2"))
    with pytest.raises(ProctorError, match="q2 is gone, q3 is gone.*run: nbgrader generate_assignment"):
        check(graded)


def test_a_long_list_is_cut():
    assert listed({"b": [f"c{n}" for n in range(8)], "a": ["x"]}) == "a: x; b: c0, c1, c2, c3, c4, c5 and 2 more"


def test_only_the_notebooks_that_were_asked_for_are_compared(graded):
    graded.write_source(source_notebook(more="q3"))
    with graded.gradebook() as gradebook:
        folder = graded.root / "source" / ASSIGNMENT
        assert differences(gradebook.find_assignment(ASSIGNMENT), folder, ["another"]) == {}


def test_the_release_says_what_it_is_and_nothing_that_is_secret(graded):
    """Made from what was released: the file has the deadline of the gradebook and the texts that students have."""
    release = graded.root / "release" / ASSIGNMENT
    release.mkdir(parents=True)
    notebook = source_notebook()
    notebook["metadata"]["secret"] = "of the staff"
    notebook["cells"][1]["metadata"]["secret"] = "of the staff"
    notebook["cells"][1]["source"] += f"\n{MARKER}aGludA=="
    (release / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))
    path = write_given_out(graded.directory())
    text = path.read_text()
    assert "of the staff" not in text
    assert MARKER not in text
    found = load(release)
    assert (found.name, found.due.replace(tzinfo=None), found.limits["files"]) == (ASSIGNMENT, DUE, 2_000)
    assert [one.name for one in expected_cells(found.notebooks[NOTEBOOK])] == [one["id"] for one in notebook["cells"]]
    assert [path.name for path in release.iterdir() if path.name.startswith(".")] == []
