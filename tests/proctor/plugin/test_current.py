"""A corrected test is used by the next autograding, by itself; what a TA has read stays read."""

import json

import exercise
import pytest
from course_folder import Course
from graded_course import ASSIGNMENT, Graded, source_notebook

from proctor.plugin.current import Current
from proctor.sandbox.bubblewrap import availability
from proctor.settings import Proctor

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def gradebook(course: Course):
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "test")


def essay(course: Course) -> tuple[float | None, bool, str | None]:
    with gradebook(course) as book:
        place = ("q4_why", exercise.NOTEBOOK, exercise.ASSIGNMENT, "ada")
        grade, comment = book.find_grade(*place), book.find_comment(*place)
        return grade.manual_score, grade.needs_manual_grade, comment.manual_comment


def read_it(course: Course) -> None:
    with gradebook(course) as book:
        place = ("q4_why", exercise.NOTEBOOK, exercise.ASSIGNMENT, "ada")
        grade = book.find_grade(*place)
        grade.manual_score, grade.needs_manual_grade = 1, False
        book.find_comment(*place).manual_comment = "Well said"
        book.db.commit()


def edit(course: Course, old: str, new: str) -> None:
    path = course.folder / "source" / exercise.ASSIGNMENT / f"{exercise.NOTEBOOK}.ipynb"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.slow
@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
def test_a_corrected_test_is_used_without_force_and_essays_stay_read(tmp_path):
    course = Course(tmp_path)
    course.submit("ada", exercise.Handed.write)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == {"ada": (2, 2, 2)}, said
    assert essay(course) == (None, True, None)
    read_it(course)
    # Something only to be read: no reason.
    edit(course, "# Exercise", "# Exercise 1")
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert "ada  graded before\n" in said
    # The instructor's copy in the gradebook has still the old test.
    edit(course, json.dumps("2 * x, name='double of large numbers'")[1:-1], "3 * x, name='three times large numbers'")
    said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--Autograde.regrade_stale=False")
    assert "ada  graded before (the tests of exercise changed since)" in said
    assert course.points() == {"ada": (2, 2, 2)}
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert "ada  graded again (the tests of exercise changed)" in said
    assert course.points() == {"ada": (0, 2, 2)}, said
    assert essay(course) == (1, False, "Well said")
    assert "three times large numbers" in course.staff_page("ada")
    assert "ada  graded before\n" in course.nbgrader("autograde", exercise.ASSIGNMENT)
    # Points are nbgrader's to change, in the gradebook of all.
    edit(course, '"points": 2', '"points": 3')
    said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--force")
    assert "q1_test has 3 points, and 2 in the gradebook" in said
    assert "Traceback" not in said
    assert course.points() == {"ada": (0, 2, 2)}
    done = course.folder / "proctor_records" / exercise.ASSIGNMENT / "ada" / "complete.json"
    assert json.loads(done.read_text())["state"]


@pytest.fixture
def two(tmp_path):
    """A course with two notebooks, and a student's submission that was graded with both."""
    made = Graded(tmp_path)
    (tmp_path / "source" / ASSIGNMENT).mkdir(parents=True)
    write(made, "1a", "assert 1")
    write(made, "2a", "assert 1")
    current = Current(made.directory(), Proctor(), lambda assignment, source: {})
    done = made.finished("ada")
    current.begin("ada", done)
    done.write("x", [], current.made_with("ada", ["1a", "2a"]))
    return made, current, done


def write(course: Graded, name: str, hidden: str) -> None:
    path = course.root / "source" / ASSIGNMENT / f"{name}.ipynb"
    path.write_text(json.dumps(source_notebook(hidden=hidden)))


def test_a_run_for_one_notebook_looks_at_that_one_and_leaves_the_others_as_stale_as_they_were(two):
    course, current, done = two
    both = ["1a", "2a"]
    assert current.why_again(done, both) == ""
    write(course, "1a", "assert 2")
    write(course, "2a", "assert 2")
    assert current.why_again(done, both) == "the tests of 1a, 2a changed"
    assert current.why_again(done, ["2a"]) == "the tests of 2a changed"
    current.begin("ada", done, current.why_again(done, ["2a"]))
    assert current.outcome("ada") == "graded again (the tests of 2a changed)"
    done.write("x", [], current.made_with("ada", ["2a"]))
    assert current.why_again(done, ["2a"]) == ""
    assert current.why_again(done, both) == "the tests of 1a changed"
    current.begin("ada", done)
    done.write("x", [], current.made_with("ada", both))
    assert current.why_again(done, both) == ""


def test_of_one_notebook_after_an_engine_that_wrote_nothing_down_nothing_is_claimed(two):
    _, current, done = two
    done.write("x", [])
    current.begin("ada", done)
    assert current.made_with("ada", ["2a"]) is None
    assert current.made_with("ada", ["1a", "2a"]) is not None
