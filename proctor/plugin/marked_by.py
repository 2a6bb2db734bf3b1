"""Who gave which points by hand, and when: nbgrader's gradebook doesn't say.

A line for each time that points are typed in the formgrader, in a file of each person among the records. The gradebook
alone says what points there are; this only says who it was, so that a person who marks otherwise than the others is
seen. It is no proof: whoever can write the records can write this, too.
"""

from __future__ import annotations

import datetime
import functools
import getpass
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.apihandlers import GradeHandler
from sqlalchemy.exc import DBAPIError

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder

# No student can have a name that begins with a dot.
FOLDER = ".marked"
# On a hub the page's user is the person; a server by itself is one account, and its users have made-up names.
_HUB = "JUPYTERHUB_API_TOKEN"
_NOTED = "proctor_notes_markers"


@dataclass(frozen=True)
class Mark:
    """Points that a person typed.

    Attributes:
        time: in UTC, ISO 8601.
        score: the points; None if they were taken away again.
        extra: extra credit; None for none.
    """

    time: str
    marker: str
    student: str
    notebook: str
    cell: str
    score: float | None
    extra: float | None = None


def write(root: Path, assignment: str, mark: Mark) -> None:
    """Add a line.

    Args:
        root: of the course.

    Raises:
        ProctorError: it can't be written.
    """
    # The names are those of a folder and a file of records, which are checked there.
    folder = verdict.record_path(root, assignment, "student", "x").parents[1] / FOLDER
    path = folder / f"{quote(mark.marker, safe='')[:150]}.jsonl"
    line = json.dumps(asdict(mark), ensure_ascii=True) + "\n"
    try:
        make_folder(folder, root / verdict.FOLDER)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.fchmod(descriptor, file_mode(folder))
            # One call, so that two servers of one person don't mix their lines.
            os.write(descriptor, line.encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ProctorError(f"{path}: can't be written ({error.strerror}); make room or correct its owner") from error


def read(root: Path, assignment: str) -> tuple[list[Mark], list[str]]:
    """All marks in the order of their times, and a line for each file that can't be read in full."""
    folder = verdict.record_path(root, assignment, "student", "x").parents[1] / FOLDER
    found, lines = [], []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            lines.append(f"{path}: can't be read ({error})")
            continue
        bad = 0
        for line in text.splitlines():
            try:
                found.append(Mark(**json.loads(line)))
            except (ValueError, TypeError):
                bad += 1
        lines += [f"{path}: {bad} lines in it are damaged, and don't count"] if bad else []
    return sorted(found, key=lambda one: str(one.time)), lines


def note_markers() -> None:
    """Change nbgrader's handler of points of this server process; once is enough, and more does nothing."""
    if not hasattr(GradeHandler.put, _NOTED):
        GradeHandler.put = _with_marker(GradeHandler.put)


def _with_marker(put: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(put)
    def noted(self: GradeHandler, grade_id: str) -> Any:
        # It raises for whoever may not mark.
        answered = put(self, grade_id)
        note(self, grade_id)
        return answered

    setattr(noted, _NOTED, True)
    return noted


def note(handler: Any, grade_id: str) -> None:
    """Write down that whoever asked a handler of the formgrader's API has just given the points that a grade has now.

    Whatever goes wrong here, the points are in the gradebook: then there is a line in the server's log.
    """
    try:
        grade = handler.gradebook.find_grade_by_id(grade_id)
        notebook = grade.notebook
        submission = notebook.assignment
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        who, points = marker(handler.current_user), (grade.manual_score, grade.extra_credit)
        mark = Mark(now, who, submission.student.id, notebook.name, grade.name, *points)
        write(Path(handler.coursedir.root).resolve(), submission.assignment.name, mark)
    except (ProctorError, MissingEntry, DBAPIError, OSError) as error:
        handler.log.warning("who marked was not written down: %s", error)


def marker(user: Any) -> str:
    """The name of whoever marks: on a hub the page's user, otherwise the account that runs the server."""
    name = getattr(user, "username", None) or (user.get("name") if isinstance(user, dict) else None)
    if os.environ.get(_HUB) and name:
        return str(name)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.geteuid()}"


def last_words(found: list[Mark]) -> Iterator[Mark]:
    """Of each person and answer the last mark that gives points, in the order of their times."""
    last: dict[tuple[str, str, str, str], Mark] = {}
    for one in found:
        key = (one.marker, one.student, one.notebook, one.cell)
        last.pop(key, None)
        last[key] = one
    return (one for one in last.values() if one.score is not None)
