"""How much of what is hidden students' pages show: more than kinds of failures only once nobody can hand in any more.

A student with an extension would otherwise read the hidden checks on the page of somebody who has none.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.intake.copier import read_file
from proctor.notebooks import cells as notebook_cells
from proctor.pages.template import REVEALED
from proctor.plugin.lateness import Lateness
from proctor.settings import KIND, LEVELS, Proctor

# What a page's resources say: how much it shows, and where the instructor's notebook lies.
LEVEL, SOURCE = "proctor_reveal", "proctor_source"
# Whoever cleans a page sorts attributes.
_MARK = re.compile(rf'<meta (?:content="(\w+)" )?name="{REVEALED}"(?: content="(\w+)")? ?/?>')
_HEAD = 4_000


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


def refuse_more(level: str, pages: Iterable[Path], made: Mapping[str, str]) -> None:
    """Stop where a page shows more of what is hidden than may be shown now: the deadline was moved since it was made.

    Args:
        level: in force.
        pages: of one student; what stands in each head is believed, and it is older than anything of the student's.
        made: by notebook how much its page showed when it was made, for pages of a course's own template.

    Raises:
        ProctorError: some page does; the message names its notebook and says what to do.
        OSError: a page can't be read.
    """
    most = LEVELS.index(level)
    open_ = sorted(page.stem for page in pages if max(_shown(page), _rank(made.get(page.stem, KIND))) > most)
    if open_:
        raise ProctorError(
            f"the page of {', '.join(open_)} shows what is hidden from some who can still hand in (the deadline, an "
            "extension or c.Proctor.reveal was changed); run nbgrader generate_feedback, which makes it anew"
        )


def _shown(page: Path) -> int:
    head = (read_file(page, _HEAD) or b"").decode("utf-8", "replace")
    mark = _MARK.search(head.partition("<title>")[0])
    return _rank(mark[1] or mark[2]) if mark else 0


def _rank(level: str) -> int:
    # A level that nobody knows may be any.
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def model_answers(source: str) -> dict[str, str]:
    """The instructor's answers of a notebook, by grade_id; empty if its file can't be read."""
    try:
        cells = notebook_cells.read(Path(source))["cells"]
        answers = [cell for cell in cells if notebook_cells.role(cell) in ("solution", "manual")]
        texts = [notebook_cells.without_markers(notebook_cells.source(cell)) for cell in answers]
    except ProctorError:
        return {}
    return dict(zip(map(notebook_cells.grade_id, answers), texts, strict=True))
