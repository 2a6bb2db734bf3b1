"""Collects what a student is told about a submission, from the gradebook, the records and the graded notebook."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.graded_notebook import NOTES_ID
from proctor.notebooks import cells as notebook_cells
from proctor.pages import notes
from proctor.pages.questions import Named, questions, title_of
from proctor.pages.report import (
    EMPTY,
    FAILED,
    NOT_JUDGED,
    PASSED,
    READ,
    WAITING,
    Mistake,
    NotebookReport,
    Part,
    Question,
    Report,
    in_points,
)
from proctor.pages.written import as_written
from proctor.plugin.lateness import Lateness
from proctor.plugin.standing import WAITS, Standings, open_cells

_MAX_LINES, _MAX_LINE = 40, 400
_MAX_MISTAKES, _MAX_HINT = 5, 600


def report_of(
    coursedir: CourseDirectory, lateness: Lateness, submission: SubmittedAssignment, standings: Standings | None = None
) -> Report:
    """All of a submission.

    Args:
        standings: says, for staff, why it can't count yet; None if nobody asks.
    """
    assignment, student = submission.assignment.name, submission.student.id
    folder = Path(coursedir.format_path(coursedir.autograded_directory, student, assignment))
    root, penalties = Path(coursedir.root).resolve(), lateness.penalties(submission)
    found = []
    for one in sorted(submission.notebooks, key=lambda one: one.name):
        try:
            cells = notebook_cells.read(folder / f"{one.name}.ipynb")["cells"]
        except ProctorError:
            cells = []
        found.append(notebook_report(root, submission, one, penalties[one.name], cells))
    unfinished = standings.of(submission).unfinished if standings else ""
    return head_of(lateness, submission, tuple(found), unfinished)


def head_of(
    lateness: Lateness,
    submission: SubmittedAssignment,
    notebooks: tuple[NotebookReport, ...] = (),
    unfinished: str = "",
) -> Report:
    """What is the same for all notebooks of a submission, with those that are given."""
    late = lateness.seconds(submission)
    taken = sum(one or 0.0 for one in lateness.penalties(submission).values()) if late else 0.0
    days = f" ({said})" if (said := lateness.said(submission)) else ""
    rule = f"the course's late rule takes off {in_points(taken)}{days}, of the points as they are now" if taken else ""
    return Report(
        assignment=submission.assignment.name,
        student=submission.student.id,
        handed_in=_time(submission.timestamp),
        due=_time(lateness.due_for(submission)),
        late_seconds=late,
        rule=rule or (f"that costs nothing{days}" if late else ""),
        notebooks=notebooks,
        unfinished=unfinished,
    )


def notebook_report(
    root: Path,
    submission: SubmittedAssignment,
    notebook: SubmittedNotebook,
    penalty: float | None,
    cells: Sequence[Mapping[str, Any]],
) -> NotebookReport:
    """One notebook of a submission.

    Args:
        root: of the course.
        penalty: what lateness takes from it.
        cells: of the graded notebook; none if it can't be read.
    """
    assignment, student = submission.assignment.name, submission.student.id
    try:
        record = verdict.load(verdict.record_path(root, assignment, student, notebook.name))
    except ProctorError:
        record = None
    return NotebookReport(
        name=notebook.name,
        title=title_of(cells),
        questions=_questions(notebook, cells, record, open_cells(root, assignment, student, notebook)),
        penalty=penalty or 0.0,
        accidents=tuple(accidents(cells)),
        digest=(record.digest if record.file is None else record.file) if record else "",
    )


def accidents(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the engine says in a graded notebook, in plain lines."""
    found: list[str] = []
    for cell in cells:
        if cell.get("id") == NOTES_ID and notes.is_note(cell["metadata"]):
            # The first line is its heading.
            found += as_written(notebook_cells.source(cell)).split("\n")[1:]
        # What is said beside a check is about the answer.
        for output in cell.get("outputs", []) if notebook_cells.role(cell) != "test" else []:
            if notes.is_note(output.get("metadata")) and not notes.is_aside(output["metadata"]):
                found.append("".join(output["data"].get("text/plain", "")))
    lines = [" ".join(line.removeprefix("- ").split())[:_MAX_LINE] for line in found]
    return list(dict.fromkeys(line for line in lines if line))[:_MAX_LINES]


def _questions(
    notebook: SubmittedNotebook,
    cells: Sequence[Mapping[str, Any]],
    record: verdict.Record | None,
    still_open: Mapping[str, str],
) -> tuple[Question, ...]:
    named = questions(cells)
    grades = {one.name: one for one in notebook.grades}
    order = [name for name in named if name in grades]
    order += sorted(grades.keys() - named.keys())
    comments = {one.name for one in notebook.comments if one.manual_comment}
    groups: dict[str, list[Part]] = {}
    titles: dict[str, Named] = {}
    for name in order:
        one = named.get(name, Named("", ""))
        # Without a number, what it is called is the cell's own name.
        key = one.number or f"cell {name}"
        titles.setdefault(key, one if one.number else Named("", ""))
        judged = record.verdicts.get(name) if record else None
        groups.setdefault(key, []).append(_part(grades[name], judged, still_open.get(name), name in comments))
    return tuple(Question(*titles[key], tuple(parts)) for key, parts in groups.items())


def _part(grade: Grade, judged: verdict.Verdict | None, still_open: str | None, comment: bool) -> Part:
    points = None if still_open else float(grade.score)
    wrong, like = "", ()
    if still_open:
        state = WAITING if still_open == WAITS else NOT_JUDGED
    elif grade.manual_score is not None:
        state = READ
    elif grade.cell.cell_type != "code" or judged is None:
        state = EMPTY if not points else READ
    else:
        state = PASSED if judged.passed else FAILED
    if judged is not None and not judged.passed and judged.kind != verdict.NO_VERDICT:
        wrong, like = what_is_wrong(judged), looks_like(judged)
    return Part(grade.name, state, points, float(grade.max_score), wrong, like, comment)


def what_is_wrong(judged: verdict.Verdict) -> str:
    """A failure in a word or two, in the checker's closed vocabulary."""
    if judged.hidden:
        return verdict.hidden_text(judged.name, judged.kind)
    words = " ".join(judged.name.split())
    return f"{words} — {judged.kind}" if words else judged.kind


def looks_like(judged: verdict.Verdict) -> tuple[Mistake, ...]:
    """The catalogue's mistakes that an answer looks like, where the record names any."""
    given = getattr(judged, "mistakes", None) or {}
    return tuple(Mistake(name[:_MAX_LINE], hint[:_MAX_HINT]) for name, hint in [*given.items()][:_MAX_MISTAKES])


def _time(moment: datetime.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
