"""A submission is made ready for grading: staged, its notebooks rebuilt, where nbgrader finds them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from proctor.errors import ProctorError
from proctor.graded_notebook import NOTES_ID
from proctor.intake.copier import printable
from proctor.intake.inert import OF_NBGRADER, TIMESTAMP
from proctor.intake.rebuild import Rebuilt, rebuild
from proctor.intake.staging import Staged, stage
from proctor.notebooks import cells as notebook_cells
from proctor.plugin.collect import is_time
from proctor.stations import timed

_BROKEN = "**Notes from the grading**\n\nThis notebook could not be graded. The course staff has been told."


@dataclass
class Prepared:
    """What was made ready.

    Attributes:
        rebuilt: by notebook of the assignment.
        broken: why a notebook can't be graded, for staff, by notebook.
    """

    staged: Staged
    rebuilt: dict[str, Rebuilt] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


@timed("staging and rebuilding")
def prepare(
    submitted: Path, files: Path, folder: Path, sources: Mapping[str, Path], own_files: Mapping[str, Path]
) -> Prepared:
    """Make a submission ready.

    Args:
        submitted: the student's folder in `submitted/`.
        files: folder to make, for all files but notebooks, in place of an older one.
        folder: to make, for what nbgrader reads: rebuilt notebooks.
        sources: the instructor's notebooks, all of the assignment, by name.
        own_files: the instructor's files beside them, by path in the assignment.

    Raises:
        ProctorError: the submission can't be read or copied; or the instructor's notebook can't, which says nothing
            about the submission.
        OSError: a file of the assignment can't be copied.
    """
    notebooks = {name: notebook_cells.read(source) for name, source in sources.items()}
    staged = stage(submitted, files, own_files, notebooks)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Beside the notebooks lies only what nbgrader needs: nothing of a student's that any tool runs, loads or shows.
    for name in OF_NBGRADER:
        if (staged.files / name).is_file():
            shutil.copyfile(staged.files / name, folder / name)
    if not is_time(folder / TIMESTAMP):
        (folder / TIMESTAMP).unlink()
        staged.notes.append(f"left out {TIMESTAMP}: it holds no time, and this counts as handed in at no known time")
    return _rebuild_all(Prepared(staged), folder, notebooks)


def _rebuild_all(prepared: Prepared, folder: Path, notebooks: Mapping[str, dict[str, Any]]) -> Prepared:
    matched = prepared.staged.matched
    for name, notebook in notebooks.items():
        try:
            rebuilt = rebuild(notebook, matched.content[name])
        except Exception as error:
            # Of one notebook; the others of the submission, and other students, still get their grades.
            cells = [{"cell_type": "markdown", "id": NOTES_ID, "metadata": {}, "source": _BROKEN}]
            rebuilt = Rebuilt({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
            said = str(error) if isinstance(error, ProctorError) else f"{name}: {type(error).__name__}: {error}"
            prepared.broken[name] = said
        more = [*matched.notes[name], *matched.others, *prepared.staged.notes]
        rebuilt.notes += [printable(line, 300) for line in more]
        prepared.rebuilt[name] = rebuilt
        text = nbformat.writes(nbformat.from_dict(rebuilt.notebook))
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    return prepared
