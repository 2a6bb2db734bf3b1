"""Whether the gradebook still has the points that were given."""

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK

from proctor.checking import verdict
from proctor.plugin.points import changed_since

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def changed(course, student: str = "ben", notebooks: tuple[str, ...] = (NOTEBOOK,)) -> str:
    return changed_since(course.directory(), ASSIGNMENT, student, notebooks)


def test_what_staff_type_is_no_change(graded):
    graded.read_essay("ben", 3)
    graded.change("ben", "q1", manual_score=0)
    assert changed(graded) == changed(graded, "ada") == changed(graded, "nobody", ()) == ""


def test_other_points_a_student_who_is_gone_and_a_record_that_is(graded):
    graded.change("ben", "q1", auto_score=0)
    assert (changed(graded), changed(graded, "ada")) == ("the gradebook changed", "")
    verdict.record_path(graded.root, ASSIGNMENT, "ada", NOTEBOOK).unlink()
    assert changed(graded, "ada") == "the gradebook changed"
    graded.change("ben", "q1", auto_score=1)
    with graded.gradebook() as gradebook:
        gradebook.remove_student("ben")
    assert changed(graded) == "the gradebook changed"
