"""A run with --notebook grades that notebook as a whole run does, and leaves the others as they are."""

import json

import exercise
import pytest
from course_folder import Course
from nbgrader.api import Gradebook

from proctor.plugin.partial import earlier
from proctor.sandbox.bubblewrap import availability

MAKES = "def double(x):\n    return 2 * x\n\nwith open('made.py', 'w') as file:\n    file.write('THREE = 3')"
USES = "import made\n\ndef last(x):\n    return x + made.THREE - 3"


def test_which_come_before():
    names = ["1a", "1b", "2a", "2b"]
    assert earlier(names, ["2a"]) == ["1a", "1b"]
    assert earlier(names, ["1a"]) == earlier(names, names) == []


def _submit(course: Course) -> None:
    handed = exercise.Handed(course.released, course.folder / "submitted" / "ada" / exercise.ASSIGNMENT)
    handed.folder.mkdir(parents=True)
    handed.answer("q1_double", MAKES)
    handed.answer("q2_norm", "def unit(x):\n    return x")
    # Under a name that nbgrader would take for none.
    handed.write("exercise (1).ipynb")
    released = course.folder / "release" / exercise.ASSIGNMENT / "follow_up.ipynb"
    second = json.loads(released.read_text())
    next(cell for cell in second["cells"] if cell["id"] == "q5_last")["source"] = USES
    (handed.folder / "follow_up.ipynb").write_text(json.dumps(second))


def _accounts(course: Course) -> list[tuple]:
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "test") as gradebook:
        return sorted(
            (notebook.name, one.name, one.auto_score, one.manual_score, one.needs_manual_grade)
            for notebook in gradebook.find_submission(exercise.ASSIGNMENT, "ada").notebooks
            for one in notebook.grades
        )


@pytest.mark.slow
@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
def test_one_notebook_has_what_earlier_ones_make_and_nothing_else_changes(tmp_path):
    course = Course(tmp_path, {"follow_up": exercise.follow_up_notebook()})
    _submit(course)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    before = _accounts(course)
    scores = {name: score for _, name, score, *_ in before}
    assert (scores["q1_test"], scores["q2_test"], scores["q3_test"], scores["q5_test"]) == (2, 0, 2, 2), said
    done = course.folder / "proctor_records" / exercise.ASSIGNMENT / "ada" / "complete.json"
    finished = json.loads(done.read_text())
    assert finished["state"]
    page = course.folder / "autograded" / "ada" / exercise.ASSIGNMENT / "exercise.ipynb"
    first = page.read_text()
    for name in ("follow_up", "exercise"):
        said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--force", f"--notebook={name}")
        assert _accounts(course) == before, said
        assert json.loads(done.read_text()) == finished
        staff = (page.with_name(f"{name}.ipynb")).read_text()
        assert "no notebook of this assignment" not in staff
        assert ("was taken for exercise.ipynb" in staff) == (name == "exercise")
    assert json.loads(page.read_text())["cells"][0] == json.loads(first)["cells"][0]
    assert "graded before" in course.nbgrader("autograde", exercise.ASSIGNMENT)
    # A name that is none changes nothing and is said.
    said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--force", "--notebook=other")
    assert "homework has no notebook other; it has exercise, follow_up" in said
    assert _accounts(course) == before
