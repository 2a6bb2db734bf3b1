"""Where commands for staff write what they say about students: a folder of the course that is closed to others."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder, make_top

FOLDER = "proctor_reports"


def folder_of(root: Path, assignment: str, shared: bool) -> Path:
    """The folder for reports of an assignment, made if it is missing; for staff only.

    Raises:
        ProctorError: it can't be made, or the name can't be one of an assignment.
    """
    # Refuses names that would lead somewhere else.
    name = verdict.record_path(root, assignment, "student", "notebook").parents[1].name
    top = root / FOLDER
    try:
        make_top(top, shared)
        make_folder(top / name, top)
    except OSError as error:
        raise ProctorError(f"{top / name}: can't be made ({error.strerror}); correct its owner") from error
    return top / name


def write(target: Path, text: str) -> None:
    """Write a file for staff in place of an older one, all or nothing.

    Raises:
        ProctorError: it can't be written.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(draft, file_mode(target.parent))
            os.replace(draft, target)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ProctorError(f"{target}: can't be written ({error.strerror}); make room or correct its owner") from error
