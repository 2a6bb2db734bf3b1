"""A run with ``--notebook=NAME``: one notebook of each submission is graded, and nothing else changes.

Later notebooks of an assignment use what earlier ones make. So those are run, too, from the same staged copy, and their
results kept for the one that is graded; nothing of them is judged, written or told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory


def all_notebooks(coursedir: CourseDirectory) -> list[str]:
    """Names of the assignment's notebooks in the order in which they are graded, whichever of them were asked for."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            return sorted(one.name for one in gradebook.find_assignment(coursedir.assignment_id).notebooks)
        except MissingEntry:
            return []


def earlier(names: Sequence[str], chosen: Sequence[str]) -> list[str]:
    """The notebooks that are not graded in this run and come before the last one that is."""
    return [name for name in names if name not in chosen and chosen and name < max(chosen)]


@contextlib.contextmanager
def whole_submission(coursedir: CourseDirectory, folder: str) -> Iterator[None]:
    """nbgrader gives no points to notebooks that it misses in `submitted/`, where a file may have another name.

    Args:
        folder: in which all notebooks of the assignment lie, as a pattern of the kind of ``submitted_directory``.
    """
    before = coursedir.submitted_directory
    coursedir.submitted_directory = folder
    try:
        yield
    finally:
        coursedir.submitted_directory = before
