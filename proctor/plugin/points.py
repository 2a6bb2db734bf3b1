"""Autograded points of one submission in the gradebook."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError

_CHANGED = "the gradebook changed"


def clear(coursedir: CourseDirectory, assignment: str, student: str, notebooks: Sequence[str]) -> None:
    """Set the autograded points of these notebooks to 0; what staff have typed in stays, and what waits for them."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return
        for notebook in submission.notebooks:
            answers = {cell.name for cell in notebook.notebook.solution_cells}
            for one in notebook.grades if notebook.name in notebooks else ():
                if one.cell.cell_type != "code" or one.name in answers:
                    continue
                one.auto_score = 0
                if one.manual_score is None:
                    one.needs_manual_grade = False
        gradebook.db.commit()


@contextlib.contextmanager
def waiting_kept(coursedir: CourseDirectory, assignment: str, student: str) -> Iterator[None]:
    """What waits for staff is the same afterwards: nbgrader forgets it where a file has not the notebook's name."""
    before = _waiting(coursedir, assignment, student)
    yield
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        for notebook in gradebook.find_submission(assignment, student).notebooks if before else ():
            for one in notebook.grades:
                if one.id in before:
                    one.auto_score, one.needs_manual_grade = before[one.id]
        gradebook.db.commit()


def _waiting(coursedir: CourseDirectory, assignment: str, student: str) -> dict[str, tuple[float | None, bool]]:
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return {}
        grades = [one for notebook in submission.notebooks for one in notebook.grades]
        return {one.id: (one.auto_score, one.needs_manual_grade) for one in grades}


def changed_since(
    coursedir: CourseDirectory, assignment: str, student: str, notebooks: Sequence[str], root: Path | None = None
) -> str:
    """In plain words that the gradebook has other autograded points than the records of verdicts; empty if not.

    One that was put back from a backup has, and one that somebody wrote into.

    Args:
        root: of the course with the records, where the gradebook is a copy.
    """
    if not notebooks:
        return ""
    root = root or Path(coursedir.root).resolve()
    try:
        records = {name: verdict.load(verdict.record_path(root, assignment, student, name)) for name in notebooks}
        with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
            for name, record in records.items():
                if verdict.compare(record, of_tests(gradebook.find_submission_notebook(name, assignment, student))):
                    return _CHANGED
    except (ProctorError, MissingEntry):
        return _CHANGED
    return ""


def autograded(coursedir: CourseDirectory, assignment: str, student: str, notebook: str) -> dict[str, float | None]:
    """Autograded points of a notebook by grade_id.

    Raises:
        MissingEntry: the gradebook has no such submission.
    """
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        submitted = gradebook.find_submission_notebook(notebook, assignment, student)
        return of_tests(submitted)


def of_tests(notebook: SubmittedNotebook) -> dict[str, float | None]:
    """The same, of a notebook that was looked up."""
    return {one.name: one.auto_score for one in notebook.grades if one.cell.cell_type == "code"}


def odd(submission: SubmittedAssignment) -> list[str]:
    """Lines about points that somebody has typed and that may be a slip; they count all the same.

    The formgrader takes any number, also 40 where 4 is meant, and extra credit without an upper end.
    """
    lines = []
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            place = f"{notebook.name}, {grade.name}"
            typed, extra, most = grade.manual_score or 0.0, grade.extra_credit or 0.0, grade.cell.max_score
            if not 0.0 <= typed <= most:
                lines.append(
                    f"{place}: {typed:g} points were typed where there are 0 to {most:g}; correct that, or type what "
                    "is a bonus as extra credit"
                )
            if extra:
                lines.append(f"{place}: {extra:g} points of extra credit")
    return lines
