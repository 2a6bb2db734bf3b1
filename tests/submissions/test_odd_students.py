"""Students whose names mean something to a shell, a program or a page, graded from another folder than the course's."""

import exercise
import pytest
from course_folder import Course

from proctor.sandbox.bubblewrap import availability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
NAMES = ["--help", "-rf", "$(id)", "<b>bold"]


def wrong(handed: exercise.Handed) -> None:
    handed.answer("q1_double", exercise.WRONG)
    handed.write()


def test_odd_names_are_names_and_the_engine_grades_from_everywhere(tmp_path):
    course = Course(tmp_path)
    for name in NAMES:
        course.submit(name, wrong)
    course.submit("zoe", exercise.Handed.write)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inside, course.folder = course.folder, elsewhere
    log = course.nbgrader("autograde", exercise.ASSIGNMENT, f"--course-dir={inside}")
    log += course.nbgrader("generate_feedback", exercise.ASSIGNMENT, f"--course-dir={inside}")
    course.folder = inside
    # Without the engine a wrong answer would have its points in the same way; the records are its own.
    assert course.points() == dict.fromkeys(NAMES, (0, 2, 2)) | {"zoe": (2, 2, 2)}, log[-3000:]
    for name in [*NAMES, "zoe"]:
        assert (inside / "proctor_records" / exercise.ASSIGNMENT / name / f"{exercise.NOTEBOOK}.json").exists()
        assert exercise.MARKER not in course.page(name)
    assert list(elsewhere.iterdir()) == []
    assert "uid=" not in log
