"""Several people who mark at the same moment: nobody writes over what he has not seen.

A page of the formgrader says with each change what it shows. If the gradebook has something else by then, somebody was
there before: nothing is written, and the page shows what he wrote and who it was. Who goes through the answers of a
question is led past those that others have open.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.apihandlers import CommentHandler, GradeHandler
from nbgrader.server_extensions.formgrader.base import check_notebook_dir, check_xsrf
from tornado import web

from proctor.errors import ProctorError
from proctor.notebooks.marking_scheme import points_text
from proctor.plugin import marked_by
from proctor.plugin.marks_file import Mark, MarksFile

# In the body of a change: what its page shows of the fields that it changes.
SEEN = "proctor_seen"
_WATCHED = "proctor_asks_what_was_seen"
# Seconds for which a page that somebody has loaded counts as open.
_OPEN_FOR = 300.0
# By person the answer whose page he has loaded last, and when; by comment who has written it. Of this server process:
# on a hub all staff use the same one.
_open: dict[str, tuple[tuple[str, ...], float]] = {}
_writers: dict[str, str] = {}


class Changed(ProctorError):
    """What is to be changed is not any more what a page shows."""


def standing(grade: Any, mark: Mark | None) -> dict[str, Any]:
    """What a page shows of an answer: its points, and the items that they were made of."""
    choices = None if mark is None else {one.item: one.line for one in mark.choices}
    return {"manual_score": grade.manual_score, "extra_credit": grade.extra_credit, "choices": choices}


def differs(now: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether the gradebook has something else than a page shows."""
    return any(_plain(now.get(name)) != _plain(value) for name, value in seen.items() if name in now)


def ask_what_was_seen() -> None:
    """Change nbgrader's handlers of points and comments of this server process; once is enough."""
    if not hasattr(GradeHandler.put, _WATCHED):
        GradeHandler.put = _asking(GradeHandler.put, "find_grade_by_id", ("manual_score", "extra_credit"))
        CommentHandler.put = _asking(CommentHandler.put, "find_comment_by_id", ("manual_comment",))


def _asking(put: Callable[..., Any], find: str, names: tuple[str, ...]) -> Callable[..., Any]:
    @functools.wraps(put)
    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def asking(self: Any, entry_id: str) -> Any:
        body = self.get_json_body()
        seen = body.get(SEEN) if isinstance(body, dict) else None
        try:
            # What others have just written.
            self.gradebook.db.rollback()
            entry = getattr(self.gradebook, find)(entry_id)
        except MissingEntry:
            raise web.HTTPError(404) from None
        with _alone(self, entry):
            self.gradebook.db.refresh(entry)
            now = {name: getattr(entry, name) for name in names}
            if isinstance(seen, dict) and differs(now, seen):
                self.set_status(409)
                answer = {"error": told(self, entry), "now": entry.to_dict()}
                return self.write(json.dumps(answer))
            answered = put(self, entry_id)
        _writers[entry_id] = marked_by.marker(self.current_user)
        return answered

    setattr(asking, _WATCHED, True)
    return asking


@contextlib.contextmanager
def _alone(handler: Any, entry: Any) -> Iterator[None]:
    """Meanwhile no other server of this course changes the answer; without a place for the lock there is none."""
    notebook = entry.notebook
    names = (notebook.assignment.assignment.name, notebook.notebook.name, entry.name)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ProctorError):
            stack.enter_context(MarksFile(Path(handler.coursedir.root).resolve(), *names).locked())
        yield


def told(handler: Any, entry: Any) -> str:
    """Who has changed a grade or a comment, as a sentence for the one who wanted to."""
    who = _writers.get(entry.id)
    if not hasattr(entry, "manual_score"):
        return f"{_name(handler, who)} written here meanwhile."
    notebook = entry.notebook
    place = (notebook.student.id, notebook.notebook.name, entry.name)
    root = Path(handler.coursedir.root).resolve()
    with contextlib.suppress(ProctorError):
        marks, _ = marked_by.read(root, notebook.assignment.assignment.name)
        who = next((one.marker for one in reversed(marks) if (one.student, one.notebook, one.cell) == place), who)
    points = entry.manual_score if not entry.extra_credit else (entry.manual_score or 0) + entry.extra_credit
    if points is None:
        return f"{_name(handler, who)} taken the points back meanwhile."
    return f"{_name(handler, who)} given {points_text(points)} for this answer meanwhile, which you see now."


def _name(handler: Any, who: str | None) -> str:
    if who is None:
        return "Somebody else has"
    return "You have, in another window," if who == marked_by.marker(handler.current_user) else f"{who} has"


def open_here(handler: Any, *place: str) -> str | None:
    """Note that a person looks at an answer.

    Args:
        place: names of assignment, notebook and cell, and the submission's id.

    Returns:
        Who else has it open; None for nobody.
    """
    others = _open_elsewhere(handler)
    _open[marked_by.marker(handler.current_user)] = (place, time.monotonic())
    return others.get(place)


def first_free(handler: Any, question: tuple[str, str, str], submissions: Sequence[Any]) -> Any:
    """The first submission whose answer nobody else has open; if there is none the first; None of nothing."""
    others = _open_elsewhere(handler)
    free = (one for one in submissions if (*question, one.id) not in others)
    return next(free, submissions[0] if submissions else None)


def _open_elsewhere(handler: Any) -> dict[tuple[str, ...], str]:
    """By answer who else has it open."""
    me, now = marked_by.marker(handler.current_user), time.monotonic()
    return {place: who for who, (place, since) in _open.items() if who != me and now - since < _OPEN_FOR}


def _plain(value: Any) -> Any:
    """A field as the gradebook has it: pages send nothing as an empty text."""
    return None if value == "" else value
