"""The notebook that staff read after grading: outputs, verdicts and notes, from which nbgrader reads the points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proctor.checking.verdict import HIDDEN_OUTPUT, NO_VERDICT, Verdict, mistakes_text
from proctor.notebooks import cells as notebook_cells
from proctor.pages.album import Album, take_pictures
from proctor.pages.cleaning import cleaned
from proctor.pages.limits import PageLimits
from proctor.pages.notes import aside_output, note_metadata, note_output
from proctor.running.session import CellOutcome
from proctor.stations import timed

NOTES_ID = "notes-from-grading"
FAILED = "CheckFailed"
# The formgrader shows a grey 0 in the box above it.
_TO_DO = "[staff] The 0 above is no mark yet: type the points in, or put right what is said here and grade it again"


@timed("pages")
def write_results(
    notebook: dict[str, Any],
    outcomes: list[CellOutcome],
    verdicts: Mapping[str, Verdict],
    notes: list[str],
    kind: str,
    pages: PageLimits,
    album: Album,
) -> None:
    """Writes outputs so that nbgrader's own reading of them gives exactly the verdicts.

    Staff read this notebook: a failed test cell shows everything. The student's page is made of it later.
    """
    if kind == "none":
        notes = ["sandbox off: this was graded without any protection", *notes]
    of_students = [
        (cell, outcome)
        for cell, outcome in zip(notebook["cells"], outcomes, strict=True)
        if cell["cell_type"] == "code" and notebook_cells.role(cell) != "test"
    ]
    take_pictures(notebook, album)
    safe = cleaned([*notes, *(outcome.outputs for _, outcome in of_students)], pages)
    for (cell, outcome), part in zip(of_students, safe[len(notes) :], strict=True):
        cell["outputs"] = part
        if outcome.note:
            cell["outputs"].append(note_output(outcome.note))
        if outcome.aside:
            cell["outputs"].append(aside_output(outcome.aside))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
    write_verdicts(notebook, verdicts)
    if notes:
        text = "**Notes from the grading**\n\n" + "\n".join(f"- {line}" for line in safe[: len(notes)])
        cell = {"cell_type": "markdown", "id": NOTES_ID, "metadata": note_metadata(), "source": text}
        notebook["cells"].insert(0, cell)


def write_verdicts(notebook: dict[str, Any], verdicts: Mapping[str, Verdict]) -> None:
    """Writes the outputs of test cells."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and notebook_cells.role(cell) == "test":
            cell["outputs"] = _verdict_outputs(verdicts[notebook_cells.grade_id(cell)])


def _verdict_outputs(verdict: Verdict) -> list[dict[str, Any]]:
    """Outputs of a test cell: an error for everything that did not pass, and never a value."""
    if verdict.passed:
        # What hidden tests print is meant for staff; a student's page has the text of the verdict alone.
        _, mark, hidden = verdict.staff_text.partition(HIDDEN_OUTPUT)
        text = verdict.student_text + (f"\n--- for staff ---\n{hidden}" if mark else "")
        return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
    lines = [verdict.student_text, *(f"[staff] {note}" for note in verdict.notes)]
    lines += [_TO_DO] if verdict.kind == NO_VERDICT else []
    if verdict.staff_text:
        lines += ["", "--- for staff ---", verdict.staff_text]
    first = verdict.student_text.splitlines()[-1] if verdict.student_text else verdict.kind
    error = {"output_type": "error", "ename": FAILED, "evalue": first, "traceback": "\n".join(lines).split("\n")}
    return [error, *([note_output(mistakes_text(verdict.mistakes))] if verdict.mistakes else [])]
