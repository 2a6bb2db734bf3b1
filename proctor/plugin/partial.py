"""A run with ``--notebook=NAME``: one notebook of each submission is graded, and nothing else changes.

Later notebooks of an assignment use what earlier ones make. So those are run, too, from the same staged copy, and their
results kept for the one that is graded; nothing of them is judged, written or told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.grading import Submission, keys_of, run_for_results
from proctor.intake.rebuild import Rebuilt
from proctor.plugin.surroundings import surroundings
from proctor.sandbox.budget import Budget
from proctor.settings import Proctor


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


def run(notebook: Rebuilt, submission: Submission, settings: Proctor, root: Path, budget: Budget) -> None:
    """Run a notebook for its results.

    Args:
        settings: of the course.
        root: the course's folder.
        budget: what is left of the submission's time.

    Raises:
        SandboxUnavailable: there is no usable sandbox.
    """
    keys = keys_of(settings.course_secret(root), submission)
    run_for_results(notebook.notebook, submission, surroundings(settings, root), keys, budget)
