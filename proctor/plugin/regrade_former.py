"""What there is of a submission's grading: to compare a new one with, and to be found again once that is stored."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.notebooks import cells as notebook_cells
from proctor.plugin.regrade_changes import Change, Former, Marks, Place
from proctor.plugin.regrade_kept import Looked
from proctor.staff_files import file_mode, make_folder

# No student can have a name that begins with a dot.
_FOLDER = ".former"
_ABOUT = "regraded.json"
_NUMBER = re.compile(r"\d{4,}")


def marks_of(gradebook: CourseDirectory, student: str, notebooks: Sequence[str]) -> dict[Place, Marks]:
    """Points of the checks of a submission, by notebook and cell; none if the gradebook has no such submission."""
    with Gradebook(gradebook.db_url, gradebook.course_id) as book:
        try:
            submission = book.find_submission(gradebook.assignment_id, student)
        except MissingEntry:
            return {}
        return {
            (one.name, grade.name): Marks(grade.auto_score, grade.manual_score)
            for one in submission.notebooks
            if one.name in notebooks
            for grade in one.grades
            if grade.cell.cell_type == "code"
        }


def former_of(
    course: CourseDirectory, gradebook: CourseDirectory, student: str, notebooks: Sequence[str], looked: Looked
) -> Former:
    """What there is of a submission.

    Args:
        course: whose records and graded notebooks are read.
        gradebook: whose gradebook is; a copy perhaps.
    """
    assignment = course.assignment_id
    folder = Path(course.format_path(course.autograded_directory, student, assignment))
    records, graded = {}, {}
    for name in notebooks:
        try:
            records[name] = verdict.load(verdict.record_path(Path(course.root).resolve(), assignment, student, name))
            graded[name] = notebook_cells.read(folder / f"{name}.ipynb")
        except ProctorError:
            continue
    return Former(records, graded, marks_of(gradebook, student, notebooks), looked.same, tuple(looked.about))


def fingerprint(course: CourseDirectory, gradebook: CourseDirectory, student: str, notebooks: Sequence[str]) -> str:
    """Digest of the grading that a submission has: records and autograded points; what people type is not in it."""
    root, found = Path(course.root).resolve(), []
    for name in [*notebooks, "complete"]:
        path = verdict.record_path(root, course.assignment_id, student, name)
        found.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
    marks = [[*place, one.auto] for place, one in sorted(marks_of(gradebook, student, notebooks).items())]
    return hashlib.sha256(json.dumps([found, marks]).encode()).hexdigest()


def keep(root: Path, assignment: str, student: str, reasons: Sequence[str], changes: Sequence[Change]) -> Path:
    """Put the records that a submission has beside those that it will have.

    Args:
        root: of the course.

    Raises:
        OSError: they can't be written.
    """
    records = verdict.record_path(root, assignment, student, "x").parent
    folder = records.parent / _FOLDER / records.name
    make_folder(folder, root / verdict.FOLDER)
    number = max((int(one.name) for one in folder.iterdir() if _NUMBER.fullmatch(one.name)), default=0) + 1
    made = folder / f"{number:04}"
    make_folder(made, root / verdict.FOLDER)
    for path in records.glob("[!.]*.json"):
        shutil.copyfile(path, made / path.name)
    when = time.strftime("%Y-%m-%d %H:%M")
    about = {"when": when, "by": _account(), "why": list(reasons), "changes": [asdict(one) for one in changes]}
    (made / _ABOUT).write_text(json.dumps(about), encoding="ascii")
    for path in made.iterdir():
        path.chmod(file_mode(made))
    return made


def kept(root: Path, assignment: str, student: str) -> list[dict[str, Any]]:
    """Former gradings of a submission, oldest first: when, by whom and why they were replaced, and where they lie."""
    try:
        records = verdict.record_path(root, assignment, student, "x").parent
    except ProctorError:
        return []
    found = []
    for folder in sorted((records.parent / _FOLDER / records.name).glob("*")):
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="ascii"))
            changes = [Change(**one) for one in about["changes"]]
            said = {name: about[name] for name in ("when", "by", "why")}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.append({**said, "changes": changes, "folder": str(folder.relative_to(root))})
    return found


def kept_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """The same in lines for a terminal."""
    lines = []
    for one in found:
        why = printable("; ".join(map(str, one["why"])), 300)
        lines.append(f"  graded again on {one['when']} by {printable(str(one['by']))} ({why})")
        for change in one["changes"]:
            kept = ", which was not taken" if change.kept else ""
            points = f"{change.before:g} → {change.after:g} of {change.most:g}"
            lines.append(f"    {change.question} ({change.cell}): {points}{kept}: {printable(change.why, 300)}")
        lines.append(f"    the former records lie in {one['folder']}")
    return lines


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
