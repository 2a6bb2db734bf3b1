"""Submissions that use up all their time: what was judged stands, the rest is told, and the next student is graded."""

import re

import exercise
import hostile_limits
import pytest
from course_folder import Course

from proctor.sandbox.bubblewrap import availability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
# An honest notebook of this course takes some ten seconds where nothing else runs. The submission's time is that of one
# notebook, so that the second one finds nothing left.
LIMITS = {"notebook_wall_seconds": 90, "asking_wall_seconds": 60, "cell_wall_seconds": 60, "submission_seconds": 150}


def costly(handed: exercise.Handed) -> None:
    (case,) = [case for case in hostile_limits.COSTLY if case.name == "slow-cells"]
    case.make(handed)
    handed.notebook["cells"] = []
    handed.write("follow_up.ipynb")


def test_a_submission_without_end_ends_and_the_batch_goes_on(tmp_path):
    course = Course(tmp_path, {"follow_up": exercise.follow_up_notebook()}, LIMITS)
    course.submit("a_costly", costly)
    course.submit("b_honest", exercise.Handed.write)
    log = course.nbgrader("autograde", exercise.ASSIGNMENT) + course.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    assert course.points() == {"a_costly": (2, 0, 0), "b_honest": (2, 2, 2)}, log[-3000:]
    table = dict(line.split("  ", 1) for line in log.splitlines() if re.match(r"[ab]_\w+  ", line))
    assert table["b_honest"].startswith("graded")
    assert "used up" not in table["b_honest"]
    (slowest,) = [line for line in log.splitlines() if line.startswith("slowest: ")]
    assert re.fullmatch(r"slowest: a_costly \d+ s, b_honest \d+ s", slowest)
    page = re.sub(r"<[^>]+>", "", course.page("a_costly"))
    # Of the first notebook the early question was judged by the state that it had left.
    for was in ("stopped", "not run"):
        assert re.search(
            rf"this cell was {was}: the time for the cells of the notebook was used up \(\S+ seconds\)", page
        )
