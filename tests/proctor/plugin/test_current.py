"""A corrected test is used by the next autograding, by itself; what a TA has read stays read."""

import json

import exercise
import pytest
from course_folder import Course

from proctor.sandbox.bubblewrap import availability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]


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
