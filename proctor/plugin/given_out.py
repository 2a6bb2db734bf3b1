"""Writes beside released notebooks what they were when they were given out, for the commands that students have.

It is made of the release alone, from which all that is secret is gone by then, and nothing of the staff's reads it.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from dl1.merging.given_out import NAME, GivenOut, as_text, described
from proctor.errors import ProctorError
from proctor.intake.copier import Caps
from proctor.notebooks import cells as notebook_cells


def write_given_out(coursedir: CourseDirectory) -> Path:
    """Write the file of the assignment that was just released, in place of an older one.

    Returns:
        Its path.

    Raises:
        ProctorError: the release can't be read, or the file not be written.
    """
    assignment, caps = coursedir.assignment_id, Caps()
    folder = Path(coursedir.format_path(coursedir.release_directory, ".", assignment))
    notebooks = {path.stem: described(notebook_cells.read(path)) for path in sorted(folder.glob("*.ipynb"))}
    limits = {
        "files": caps.files,
        "bytes": caps.total_bytes,
        # nbgrader counts in thousands, and hands in nothing of a folder that is larger.
        "file_bytes": coursedir.max_file_size * 1000,
        "folder_bytes": coursedir.max_dir_size * 1000,
    }
    made = GivenOut(assignment, coursedir.course_id, _due(coursedir), _now(), limits, notebooks)
    path = folder / NAME
    draft = path.with_name(f".{NAME}")
    try:
        draft.write_text(as_text(made), encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise ProctorError(f"{path}: can't be written ({error.strerror}); make room or correct its rights") from None
    return path


def _due(coursedir: CourseDirectory) -> datetime.datetime | None:
    """The deadline in the gradebook, which is the one that counts; of extensions nothing leaves the staff."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            due = gradebook.find_assignment(coursedir.assignment_id).duedate
        except MissingEntry:
            return None
    return due.replace(tzinfo=datetime.UTC) if due else None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
