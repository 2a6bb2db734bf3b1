"""Checks that we could not judge: no mark, but work for a TA, who finds them where essays wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError

_SHOWN = 5


def names_of(record: verdict.Record) -> list[str]:
    """The checks of a notebook that were not judged, by grade_id."""
    return sorted(name for name, one in record.verdicts.items() if one.kind == verdict.NO_VERDICT)


def found(root: Path, assignment: str, student: str, notebooks: Iterable[str]) -> list[str]:
    """The same of a whole submission; of a notebook without a record, which says itself that it is missing, none.

    Args:
        root: of the course.
    """
    names = []
    for notebook in notebooks:
        try:
            names += names_of(verdict.load(verdict.record_path(root, assignment, student, notebook)))
        except ProctorError:
            continue
    return names


def said(names: Sequence[str]) -> str:
    """In words, for the table of a run; empty if all were judged."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {'check' if len(names) == 1 else 'checks'} not judged: {', '.join(names[:_SHOWN])}{more}"


def queue(coursedir: CourseDirectory, assignment: str, student: str, notebook: str) -> None:
    """Put the checks of a notebook that could not be graded at all before a TA; points that staff have typed stay."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            submitted = gradebook.find_submission_notebook(notebook, assignment, student)
        except MissingEntry:
            return
        answers = {cell.name for cell in submitted.notebook.solution_cells}
        for grade in submitted.grades:
            if grade.cell.cell_type == "code" and grade.name not in answers and grade.manual_score is None:
                grade.needs_manual_grade = True
        gradebook.db.commit()
