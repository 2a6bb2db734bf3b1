"""What all answers of the formgrader about marking have in common: the course behind them, and who may ask."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.base import BaseHandler, check_notebook_dir, check_xsrf
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.plugin.marking import Essay, Question, essays_of


class Course:
    """Of the handler that inherits it: a course with its gradebook."""

    def course_root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    def essays(self, assignment: str, notebook: str) -> dict[str, Essay]:
        folder = self.coursedir.format_path(self.coursedir.source_directory, ".", assignment)
        path = Path(folder) / f"{notebook}.ipynb"
        try:
            # A name that leads elsewhere would take a student's notebook for the source.
            verdict.record_path(self.course_root(), assignment, "student", notebook)
            status = path.stat() if path.is_file() else None
        except (ProctorError, OSError):
            status = None
        return _essays(path, status.st_mtime_ns) if status else {}

    def question(self, assignment: str, notebook: str, cell: str) -> tuple[Question, Essay]:
        """A question with its scheme as it is now, and a gradebook that knows what others have just written."""
        self.gradebook.db.rollback()
        essay = self.essays(assignment, notebook).get(cell)
        if essay is None:
            raise web.HTTPError(404, f"{cell}: the source notebook has no marking scheme for it")
        return Question(self.course_root(), self.gradebook, assignment, notebook, cell), essay

    def submitted(self, submission_id: str) -> tuple[Any, str, str, str]:
        """A submission's notebook with the names of assignment, notebook and student."""
        try:
            found = self.gradebook.find_submission_notebook_by_id(submission_id)
        except MissingEntry:
            raise web.HTTPError(404, f"Invalid submission: {submission_id}") from None
        return found, found.assignment.assignment.name, found.notebook.name, found.student.id

    def answers(self, question: Question) -> list[tuple[Any, Any]]:
        """Answers whose notebook is there, in the question's own order."""
        assignment = question.names[0]
        every = question.grades()
        there = {one.id for one in self.api._filter_existing_notebooks(assignment, [one for one, _ in every])}
        return [(one, grade) for one, grade in every if one.id in there]


@functools.lru_cache(maxsize=64)
def _essays(path: Path, _: int) -> dict[str, Essay]:
    return essays_of(path)


@contextlib.contextmanager
def said_to(handler: BaseHandler) -> Iterator[None]:
    """What goes wrong as an answer that says what to do."""
    try:
        yield
    except (ProctorError, SQLAlchemyError, MissingEntry) as error:
        handler.gradebook.db.rollback()
        text = str(error) if isinstance(error, ProctorError) else str(error).partition("\n")[0]
        handler.log.error("marking: %s", text)
        handler.set_status(409 if isinstance(error, ProctorError) else 503)
        handler.write(json.dumps({"error": text}))


def for_staff(method: Callable[..., Any]) -> Callable[..., Any]:
    """Only who may open the formgrader, and what is written only from a page of its own."""
    return web.authenticated(check_xsrf(check_notebook_dir(method)))


def is_marked(grade: Any, bonus: bool) -> bool:
    """Whether somebody has given points, or nobody needs to."""
    if bonus:
        return grade.extra_credit is not None or grade.manual_score is not None
    return not grade.needs_manual_grade and (grade.manual_score is not None or grade.auto_score is not None)


def quoted(*names: str) -> str:
    """Names as parts of an address."""
    return "/".join(quote(name, safe="") for name in names)
