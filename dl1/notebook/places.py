"""Where a notebook's files go: beside the notebook for a student, never into the course's source for an author."""

from __future__ import annotations

import os
from pathlib import Path

from dl1.errors import CourseError

CONFIG_NAME = "nbgrader_config.py"


def output_folder(notebook_folder: Path | None = None) -> Path:
    """Folder for exports and runs, made if it is missing.

    nbgrader releases every file of ``source/<assignment>``, and copies it over each submission. An author who runs a
    source notebook therefore gets ``scratch/<assignment>`` under the course's root instead.

    Args:
        notebook_folder: folder of the notebook; the current folder, which is a kernel's, if left out.

    Raises:
        CourseError: the current folder doesn't exist any more.
    """
    try:
        here = (notebook_folder or Path.cwd()).resolve()
    except FileNotFoundError:
        raise CourseError("the notebook's folder was moved or deleted: open the notebook again") from None
    source = here.parent
    if source.name == "source" and (source.parent / CONFIG_NAME).is_file():
        here = source.parent / "scratch" / here.name
    here.mkdir(parents=True, exist_ok=True)
    return here


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: an interruption leaves the older one.

    Raises:
        OSError: the folder can't be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
