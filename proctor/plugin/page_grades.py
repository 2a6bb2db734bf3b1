"""Points, states and the summary on a student's page: what has no points yet says so, and doesn't count as 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.preprocessors import GetGrades

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.marking_scheme import word_limit, words_in
from proctor.notebooks.purposes import DEMO, purpose
from proctor.pages import notes
from proctor.pages.report import EMPTY, FAILED, NOT_JUDGED, SIGNS, WAITING, WORDS, NotebookReport, in_points, number
from proctor.pages.report_html import like_html, summary_html
from proctor.pages.template import KEY, SUMMARY, TITLE
from proctor.plugin.lateness import Lateness
from proctor.plugin.reporting import head_of, notebook_report
from proctor.running.needed import SKIPPED

_CLASSES = {WAITING: "open", NOT_JUDGED: "open", FAILED: "failed", EMPTY: "failed"}


class PageGrades(GetGrades):
    """nbgrader's step, with the late rule applied to the points as they are now, and marks on what is open."""

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Put points, comments and marks into the notebook; totals are those of what has points."""
        nb, resources = super().preprocess(nb, resources)
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            submission = gradebook.find_submission(names["assignment"], names["student"])
            notebook = next(one for one in submission.notebooks if one.name == names["notebook"])
            lateness = Lateness(self)
            penalty = lateness.penalties(submission)[notebook.name]
            report = notebook_report(course_root(self), submission, notebook, penalty, nb.cells)
            counts = word_counts(nb.cells, {one.name: one.source or "" for one in notebook.notebook.source_cells})
            head = head_of(lateness, submission)
        names |= {"late_penalty": report.penalty, "score": report.score, "max_score": report.judged}
        names |= {SUMMARY: summary_html(head, report), TITLE: report.title}
        known = dict(marks(report))
        for cell in nb.cells:
            shown = cell.metadata.pop(KEY, {})
            name = notebook_cells.grade_id(cell)
            if notebook_cells.role(cell) == "test":
                cell.metadata[KEY] = {"kind": "check", **shown, **known.get(name, {})}
            elif notebook_cells.role(cell) in ("solution", "manual", "task"):
                cell.metadata[KEY] = {"kind": "answer", "cell": name, **shown, **known.get(name, {})}
                cell.metadata[KEY]["count"] = counts.get(name, "")
            elif _is_skipped(cell):
                cell.metadata[KEY] = {"kind": "demo"}
        return nb, resources


def word_counts(cells: Iterable[Any], asked: Mapping[str, str]) -> dict[str, str]:
    """How many words the answers to essays have, in words, by grade_id.

    Args:
        asked: the released text of cells by grade_id; where it has no limit nothing is said.
    """
    cells, found = list(cells), {}
    for name, question in asked.items():
        limit = word_limit(question)
        if limit is not None:
            count = words_in(cells, name, question)
            words = f"{count} word{'' if count == 1 else 's'}"
            found[name] = f"{words}, over the limit of {limit}" if count > limit else f"{words} of at most {limit}"
    return found


def marks(report: NotebookReport) -> Iterator[tuple[str, dict[str, str]]]:
    """What the template shows of each graded cell, by its grade_id."""
    for question in report.questions:
        for part in question.parts:
            whole = in_points(part.possible)
            points = whole if part.points is None else f"{number(part.points)} of {whole}"
            yield (
                part.cell,
                {
                    "cell": part.cell,
                    "class": _CLASSES.get(part.state, part.state),
                    "sign": SIGNS[part.state],
                    "words": WORDS[part.state],
                    "points": points,
                    "label": " · ".join(one for one in (question.number, part.cell) if one),
                    "like": like_html(part),
                },
            )


def _is_skipped(cell: Any) -> bool:
    said = [one for one in cell.get("outputs", []) if notes.is_aside(one.get("metadata"))]
    return purpose(cell) == DEMO and any("".join(one["data"].get("text/plain", "")) == SKIPPED for one in said)


def course_root(step: Any) -> Path:
    """The course that a step of a converter works for."""
    parent = step.parent
    while parent is not None and not hasattr(parent, "coursedir"):
        parent = parent.parent
    return Path(parent.coursedir.root if parent is not None else ".").resolve()
