"""Autograded points of one submission in the gradebook."""

from __future__ import annotations

from collections.abc import Sequence

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory


def clear(coursedir: CourseDirectory, assignment: str, student: str, notebooks: Sequence[str]) -> None:
    """Set the autograded points of these notebooks to 0; what staff have typed in stays."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return
        for notebook in submission.notebooks:
            for one in notebook.grades if notebook.name in notebooks else ():
                if one.cell.cell_type == "code":
                    one.auto_score, one.needs_manual_grade = 0, False
        gradebook.db.commit()


def autograded(coursedir: CourseDirectory, assignment: str, student: str, notebook: str) -> dict[str, float | None]:
    """Autograded points of a notebook by grade_id.

    Raises:
        MissingEntry: the gradebook has no such submission.
    """
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        submitted = gradebook.find_submission_notebook(notebook, assignment, student)
        return {one.name: one.auto_score for one in submitted.grades if one.cell.cell_type == "code"}
