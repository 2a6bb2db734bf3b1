"""How much of what is hidden students' pages show: more than kinds of failures only once nobody can hand in any more.

A student with an extension would otherwise read the hidden checks on the page of somebody who has none.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.plugin.lateness import Lateness
from proctor.settings import KIND, Proctor

# What a page's resources say: how much it shows, and where the instructor's notebook lies.
LEVEL, SOURCE = "proctor_reveal", "proctor_source"


def level_now(
    settings: Proctor,
    coursedir: CourseDirectory,
    lateness: Lateness,
    assignment: str,
    now: datetime.datetime | None = None,
) -> tuple[str, str]:
    """The level in force.

    Args:
        now: in UTC without a zone; the clock's if None.

    Returns:
        The level; and in plain words why it is not the one that the course has set, empty if it is.
    """
    level = settings.reveal.get(assignment, KIND)
    if level == KIND:
        return KIND, ""
    now = now or datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            last = lateness.last_due(gradebook.find_assignment(assignment))
        except MissingEntry:
            last = None
    if last is None:
        return KIND, f"c.Proctor.reveal: {assignment} has no deadline, so its hidden checks are not shown"
    if now <= last:
        return KIND, f"c.Proctor.reveal: hidden checks of {assignment} are shown from {last:%Y-%m-%d %H:%M} UTC on"
    return level, ""


def model_answers(source: str) -> dict[str, str]:
    """The instructor's answers of a notebook, by grade_id; empty if its file can't be read."""
    try:
        cells = notebook_cells.read(Path(source))["cells"]
        answers = [cell for cell in cells if notebook_cells.role(cell) in ("solution", "manual")]
        texts = [notebook_cells.without_markers(notebook_cells.source(cell)) for cell in answers]
    except ProctorError:
        return {}
    return dict(zip(map(notebook_cells.grade_id, answers), texts, strict=True))
