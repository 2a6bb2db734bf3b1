"""What the formgrader's server answers about marking: schemes beside answers, items given, one question for all.

All of it is the formgrader's own: the same log-in, the same protection of what is written (XSRF), the same gradebook.
"""

from __future__ import annotations

import asyncio
import functools
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, BaseHandler
from tornado import web

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.marking_scheme import key_of, points_text, words_in
from proctor.pages.drawer import drawer
from proctor.plugin import at_once, marked_by
from proctor.plugin.marking import (
    FOLLOWS,
    Essay,
    Question,
    first_of_question,
    points_now,
)
from proctor.plugin.marking_course import Course, for_staff, is_marked, quoted, said_to
from proctor.plugin.marking_script import SCRIPT
from proctor.settings import Proctor

_NAME = r"([^/]+)"
_QUESTION = rf"{_NAME}/{_NAME}/{_NAME}"
_LIST = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{title}</title><link rel="stylesheet" href="'
    '{base}/formgrader/static/node_modules/bootstrap/dist/css/bootstrap.min.css"/></head>\n<body>'
    '<div class="container"><h3>{title}</h3><p>One question for all students, in an order of its own. '
    '<a href="{base}/formgrader/gradebook/{address}">All submissions</a></p>\n'
    '<table class="table"><tr><th>question</th><th>points</th><th>marked</th></tr>\n'
    "{rows}\n</table></div></body></html>\n"
)


class _Marks(Course, BaseApiHandler):
    """Schemes, counted words and given items of a submission; and giving items."""

    @for_staff
    async def get(self, submission_id: str) -> None:
        """Everything that stands beside the answers of a submission; of one only with ``?cell=``."""
        with said_to(self):
            self.gradebook.db.rollback()
            submission, assignment, notebook, student = self.submitted(submission_id)
            only = self.get_argument("cell", None)
            cells = self._cells(student, assignment, notebook)
            found = {}
            for name, essay in self.essays(assignment, notebook).items():
                grade = next((one for one in submission.grades if one.name == name), None)
                if grade is None or only not in (None, name):
                    continue
                found[name] = await self._panel(
                    Question(self.course_root(), self.gradebook, assignment, notebook, name), essay, student, grade
                )
                found[name]["words"] = words_in(cells, name, essay.scheme.question)
                if only:
                    found[name]["open"] = at_once.open_here(self, assignment, notebook, name, submission_id)
            self.write(json.dumps({"cells": found}))

    @for_staff
    def put(self, submission_id: str) -> None:
        """Give items: ``{"cell": name, "items": {key: key of a line, or ""}}``; null takes the mark back."""
        with said_to(self):
            body = self.get_json_body()
            if not isinstance(body, dict) or not isinstance(body.get("cell"), str) or "items" not in body:
                raise web.HTTPError(400, "name a cell and its items")
            wanted, seen = body["items"], body.get(at_once.SEEN)
            if wanted is not None and not (
                isinstance(wanted, dict) and all(isinstance(one, str) for one in wanted.values())
            ):
                raise web.HTTPError(400, "items are named by their keys")
            self.gradebook.db.rollback()
            _, assignment, notebook, student = self.submitted(submission_id)
            question, essay = self.question(assignment, notebook, body["cell"])
            names = (body["cell"], notebook, assignment, student)
            grade, comment = self.gradebook.find_grade(*names), self.gradebook.find_comment(*names)
            found = {}
            try:
                question.give(student, essay.scheme, wanted, seen if isinstance(seen, dict) else None)
                marked_by.note(self, grade.id)
            except at_once.Changed:
                self.set_status(409)
                found["error"] = at_once.told(self, grade)
            found |= {"grade": grade.to_dict(), "comment": comment.to_dict()}
            self.write(json.dumps(found | question.given(student, essay.scheme, grade)))

    def _cells(self, student: str, assignment: str, notebook: str) -> list[dict[str, Any]]:
        folder = self.coursedir.format_path(self.coursedir.autograded_directory, student, assignment)
        try:
            return notebook_cells.read(Path(folder) / f"{notebook}.ipynb")["cells"]
        except ProctorError:
            return []

    async def _panel(self, question: Question, essay: Essay, student: str, grade: Any) -> dict[str, Any]:
        scheme = essay.scheme
        texts = [essay.context, scheme.model, *scheme.notes, *(one.text for one in scheme.anchors)]
        texts += [one.text for item in scheme.items for one in (item, *item.partial)]
        folder = self.coursedir.format_path(self.coursedir.source_directory, ".", question.names[0])
        limits = Proctor(config=self.settings["nbgrader_formgrader"].config).page_limits()
        loop = asyncio.get_running_loop()
        drawn = iter(await loop.run_in_executor(None, _html_of, tuple(texts), folder, limits))
        panel: dict[str, Any] = {"context": next(drawn), "model": next(drawn)}
        panel["notes"] = [next(drawn) for _ in scheme.notes]
        panel["anchors"] = [
            {"of": f"{points_text(one.points)} of {points_text(one.of)}", "html": next(drawn)} for one in scheme.anchors
        ]
        panel["items"] = [
            {
                "key": item.key,
                "points": points_text(item.points),
                "html": next(drawn),
                "lines": [
                    {"key": key_of(one.text), "points": points_text(one.points), "html": next(drawn)}
                    for one in item.partial
                ],
            }
            for item in scheme.items
        ]
        now = points_now(grade, scheme)
        typed = question.is_typed(grade, question.file.load().get(student), scheme)
        panel |= question.given(student, scheme, grade)
        every = question.grades()
        panel |= {
            "problems": [f"In source/, in the marking scheme: {one}" for one in essay.problems],
            "limit": scheme.limit,
            "bonus": scheme.total if scheme.bonus else None,
            "typed": typed,
            "points": None if now is None else points_text(now),
            "comments": question.offered(student),
            "changed": len([one for one in question.changes(scheme) if one.how == FOLLOWS]),
            "marked": sum(is_marked(one, scheme.bonus) for _, one in every),
            "all": len(every),
        }
        return panel


class _Again(Course, BaseApiHandler):
    """Points made anew, for all answers of a question, after its scheme has changed."""

    @for_staff
    def post(self, assignment: str, notebook: str, cell: str) -> None:
        """Say what would change, and with ``{"apply": true}`` change it."""
        with said_to(self):
            body = self.get_json_body()
            question, essay = self.question(assignment, notebook, cell)
            done = isinstance(body, dict) and body.get("apply") is True
            if done and essay.problems:
                raise ProctorError(f"correct the marking scheme in source/ first: {essay.problems[0]}")
            found = question.follow(essay.scheme) if done else question.changes(essay.scheme)
            self.write(
                json.dumps(
                    {"applied": done, "changes": [one._asdict() | {"mark": None, "student": None} for one in found]}
                )
            )


class _Walk(Course, BaseHandler):
    """To the next answer of the same question that nobody has marked, or to the one before."""

    @for_staff
    def get(self, assignment: str, notebook: str, cell: str, submission_id: str = "", where: str = "next") -> None:
        """Redirect there."""
        question, essay = self.question(assignment, notebook, cell)
        ids = self.answers(question)
        at = next((number for number, (one, _) in enumerate(ids) if one.id == submission_id), -1)
        base = f"{self.base_url}/formgrader/mark/{quoted(assignment, notebook)}"
        if where == "prev":
            found = ids[at - 1][0] if at > 0 else None
        else:
            turned = [*ids[at + 1 :], *ids[: max(at, 0)]]
            waiting = [one for one, grade in turned if not is_marked(grade, essay.scheme.bonus)]
            found = at_once.first_free(self, question.names, waiting)
        self.redirect(f"{base}/" if found is None else f"{base}/{quoted(cell)}/{found.id}/", permanent=False)


class _Questions(Course, BaseHandler):
    """The questions of a notebook that are marked by hand, and how many answers wait."""

    @for_staff
    def get(self, assignment: str, notebook: str) -> None:
        """Write the page."""
        self.gradebook.db.rollback()
        rows = []
        for cell, essay in self.essays(assignment, notebook).items():
            try:
                grades = Question(self.course_root(), self.gradebook, assignment, notebook, cell).grades()
            except MissingEntry:
                continue
            marked = sum(is_marked(grade, essay.scheme.bonus) for _, grade in grades)
            link = f"{self.base_url}/formgrader/mark/{quoted(assignment, notebook, cell)}/"
            points = points_text(essay.scheme.total) + (" (bonus)" if essay.scheme.bonus else "")
            shown = f'<a href="{html.escape(link)}">{html.escape(cell)}</a>'
            rows.append(f"<tr><td>{shown}</td><td>{points}</td><td>{marked} of {len(grades)}</td></tr>")
        title = html.escape(f"{assignment}: {notebook}")
        self.set_header("Content-Security-Policy", f"{self.content_security_policy}; script-src 'none'")
        self.write(
            _LIST.format(
                title=title,
                base=html.escape(self.base_url),
                address=quoted(assignment, notebook),
                rows="\n".join(rows),
            )
        )


class _Script(web.RequestHandler):
    """Hands out the script of the panels; as open as nbgrader's own scripts are."""

    def get(self) -> None:
        """Write it."""
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.write(SCRIPT)


def only_question(text: str, cell: str) -> str:
    """A notebook's file with one answer, what belongs to it, and what stands above it up to its heading.

    A file that is no notebook, or has no such answer, stays as it is.
    """
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
        at = next(number for number, one in enumerate(cells) if notebook_cells.grade_id(one) == cell)
        first = first_of_question(cells, at)
        notebook["cells"] = [
            one for number, one in enumerate(cells) if first <= number <= at or cell in notebook_cells.parts(one)
        ]
        return json.dumps(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StopIteration):
        return text


def scripts_of(base_url: str, names: Mapping[str, str]) -> str:
    """Elements for the head of a page with answers: the script of the panels, and what it has to know."""
    known = json.dumps(dict(names)).replace("<", "\\u003c")
    return (
        f'<script type="text/javascript">var proctor_marking = {known};</script>\n'
        f'<script src="{html.escape(base_url)}/formgrader/static/js/proctor_marking.js"></script>\n'
    )


@functools.lru_cache(maxsize=256)
def _html_of(texts: tuple[str, ...], folder: str, limits: Any) -> list[str]:
    return drawer(limits).do("texts", texts=list(texts), folder=folder)


def routes(page: type) -> list[tuple[str, type]]:
    """Addresses and who answers them.

    Args:
        page: handler of the page with one answer.
    """
    return [
        (r"/formgrader/static/js/proctor_marking\.js", _Script),
        (rf"/formgrader/api/marking/{_NAME}", _Marks),
        (rf"/formgrader/api/marking_again/{_QUESTION}", _Again),
        (rf"/formgrader/mark/{_NAME}/{_NAME}/?", _Questions),
        (rf"/formgrader/mark/{_QUESTION}/?", _Walk),
        (rf"/formgrader/mark/{_QUESTION}/{_NAME}/(next|prev)/?", _Walk),
        (rf"/formgrader/mark/{_QUESTION}/{_NAME}/", page),
    ]


def answer_marking(page: type) -> None:
    """Add them to what servers of this process answer from now on; once is enough, and more does nothing."""
    if not any(route == r"/formgrader/static/js/proctor_marking\.js" for route, *_ in handlers.default_handlers):
        handlers.default_handlers[:0] = routes(page)
