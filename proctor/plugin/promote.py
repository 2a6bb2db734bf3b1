"""Makes the beginning of a catalogue entry of a submission that was graded: `proctor mistakes ASSIGNMENT --promote`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.catalogue.skeleton import add_draft, answer_of, lost_with, skeleton
from proctor.checking.verdict import Record
from proctor.diagnosis.naming import NOT_LOOKED_AT
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.settings import Proctor


def promote(
    settings: Proctor, coursedir: CourseDirectory, assignment: str, found: Sequence[Record], student: str, cell: str
) -> list[str]:
    """Write an entry, made of a student's answer, into the drafts of the catalogue.

    Args:
        found: the records of the assignment.
        cell: grade_id of the answer, or of a test cell that it has failed.

    Returns:
        Lines that say where it is, and what the author still has to fill in.

    Raises:
        ProctorError: there is no such answer, or no entry can be made of it; nothing was written then.
    """
    folder = Path(coursedir.root).resolve() / (settings.misconceptions or ".")
    if not settings.misconceptions or not folder.is_dir():
        raise ProctorError("there is no catalogue; make a folder for it, and set c.Proctor.misconceptions to its name")
    own = [record for record in found if record.student == student]
    if not own:
        raise ProctorError(f"{student}: no submission of {assignment} was graded; check the id")
    source = Path(coursedir.format_path(coursedir.source_directory, ".", assignment))
    notebooks = {record.notebook: notebook_cells.read(source / f"{record.notebook}.ipynb") for record in own}
    record = next((one for one in own if _has(notebooks[one.notebook], cell)), None)
    if record is None:
        raise ProctorError(f"{cell}: no notebook of {assignment} has such an answer or test cell; check the id")
    notebook = notebooks[record.notebook]
    answer = answer_of(notebook, cell)
    failed = {name: one for name, one in record.verdicts.items() if not one.passed and one.kind not in NOT_LOOKED_AT}
    loses = lost_with(notebook, answer, failed, cell)
    if named := sorted({name for test in loses for name in failed[test].mistakes}):
        raise ProctorError(f"{cell}: the catalogue names this mistake already: {', '.join(named)}")
    handed_in = Path(coursedir.format_path(coursedir.autograded_directory, student, assignment))
    graded = notebook_cells.solution_cells(notebook_cells.read(handed_in / f"{record.notebook}.ipynb"))
    if answer not in graded:
        raise ProctorError(f"{answer}: it is not in the graded notebook of {student}; grade it again")
    text = notebook_cells.source(graded[answer])
    entry = skeleton(notebook, answer, text, loses, [student, *_names(coursedir, student)])
    file = add_draft(folder, record.notebook, entry)
    return [
        f"{file}: {entry['name']}, which loses {', '.join(loses)}",
        "Read it; fill in `hint`, choose a name, and shorten the text. Then move it to "
        f"{folder / (record.notebook + '.toml')}: grading and `python -m proctor.catalogue` look there.",
    ]


def _has(notebook: dict, cell: str) -> bool:
    return cell in notebook_cells.solution_cells(notebook) or cell in notebook_cells.autograded_cells(notebook)


def _names(coursedir: CourseDirectory, student: str) -> list[str]:
    """What the gradebook calls a student."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            known = gradebook.find_student(student)
        except MissingEntry:
            return []
        names = [known.first_name, known.last_name, (known.email or "").partition("@")[0], known.lms_user_id]
    return [name for name in names if name]
