"""The notebook that is graded: the instructor's, with nothing of the student's file but the text of their answers.

Taken from the submission are the sources of solution cells (all texts of those that were split or copied), of code that
was not locked, and of cells that the student added, at their place: what *Run All* would run, and the pictures of those
in markdown. Metadata, outputs, kernelspec and all oddities of the format stay behind. What can't be read becomes an
untouched notebook, with a plain line that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dl1.merging import notebook_file
from dl1.merging.answers import Answers, layout
from dl1.merging.expected import Expected
from dl1.merging.labels import label, with_own_parts
from dl1.merging.notebook_file import MAX_BYTES
from dl1.merging.places import Submitted
from dl1.merging.submitted import cells_of
from proctor.intake.attached import for_pages, pictures_apart
from proctor.intake.expected import expected_cells
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks import purposes
from proctor.pages.notes import note_metadata

MAX_CELLS = 3_000


@dataclass
class Rebuilt:
    """A notebook of nbformat 4.5, and plain lines about what was odd."""

    notebook: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def rebuild(instructor: dict[str, Any], submitted: bytes | None) -> Rebuilt:
    """The instructor's notebook with a student's answers.

    Args:
        instructor: source notebook, with solutions and hidden tests, as `notebook_cells.read` gives it.
        submitted: content of the student's file; None if there is none.
    """
    notes: list[str] = []
    submitted, pictures = pictures_apart(submitted)
    cells = _submitted_cells(submitted, notes)
    expected = expected_cells(instructor)
    lost = label(cells or [], expected)
    answers = Answers(expected, with_own_parts(cells or [], {one.name: one for one in expected}), lost)
    if lost:
        notes.append(_lost(answers))
    notes += answers.notes if cells is not None else []
    maker = _Maker(instructor, answers)
    made = [cell for one, submitted in layout(answers) for cell in maker.of(one, submitted)]
    notebook = {
        "cells": made,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    for_pages(notebook, instructor, pictures)
    return Rebuilt(notebook, notes)


def _made(one: Expected, source: str, cell: dict[str, Any]) -> dict[str, Any]:
    """An instructor's cell with a text; all else is the instructor's."""
    metadata = {"nbgrader": dict(notebook_cells.nbgrader_metadata(cell))} if notebook_cells.grade_id(cell) else {}
    if said := purposes.declared(cell):
        metadata["tags"] = said
    return _cell(one.name, cell["cell_type"], source, metadata)


def _cell(name: str, kind: str, source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _lost(answers: Answers) -> str:
    there = sum(bool(answer.cells) for answer in answers.found.values())
    return (
        "the cells of the notebook have lost their names, as some editors drop them: "
        f"{there} of {len(answers.found)} answers were found by the texts that are still there"
    )


class _Maker:
    """Makes the cells of the graded notebook, each with an id of its own."""

    def __init__(self, instructor: dict[str, Any], answers: Answers) -> None:
        self.cells = {cell["id"]: cell for cell in instructor["cells"]}
        self.answers = answers
        self.ids: set[str] = set()

    def of(self, one: Expected | None, cell: Submitted | None) -> list[dict[str, Any]]:
        if one is None:
            return self._added(cell)
        if not one.is_answer:
            return [_made(one, notebook_cells.source(self.cells[one.name]), self.cells[one.name])]
        answer = self.answers.found[one.name]
        made = _made(one, answer.text if cell is None else cell.source, self.cells[one.name])
        marks = cell.of if cell is not None else []
        if marks:
            made["metadata"][notebook_cells.PARTS] = list(marks)
        return [made]

    def _added(self, cell: Submitted) -> list[dict[str, Any]]:
        one = self.answers.by_name.get(cell.label or "")
        parts = [*([one.name] if one is not None and one.is_answer else []), *cell.of]
        kind = one.is_code if one is not None and one.is_answer else not cell.is_text
        name = self._id(f"added-{cell.number}")
        made = _cell(name, "code" if kind else "markdown", cell.source, {notebook_cells.PARTS: parts} if parts else {})
        read = [part for part in parts if self.answers.by_name[part].role == "manual"]
        if not read and not cell.maybe:
            return [made]
        words = f"a part of the answer {', '.join(read)}" if read else f"this may be the answer {', '.join(cell.maybe)}"
        text = f"**Added by the student**: {words}."
        return [_cell(f"mark-of-{name}", "markdown", text, note_metadata()), made]

    def _id(self, wanted: str) -> str:
        name = next(n for n in (wanted, *(f"{wanted}-{i}" for i in range(2, MAX_CELLS))) if n not in self.ids)
        self.ids.add(name)
        return name


def _submitted_cells(submitted: bytes | None, notes: list[str]) -> list[Submitted] | None:
    if submitted is None:
        notes.append("the notebook was not handed in; all its questions count as unanswered")
        return None
    content = _parsed(submitted, notes)
    if content is None:
        return None
    found = list(cells_of(content))
    if len(found) > MAX_CELLS:
        notes.append(f"the notebook has more than {MAX_CELLS} cells; the rest was left out")
        del found[MAX_CELLS:]
    for number, cell in enumerate(found, start=1):
        cell.number = number
    return found


def _parsed(submitted: bytes, notes: list[str]) -> dict[str, Any] | None:
    if len(submitted) > MAX_BYTES:
        notes.append(f"the notebook's file is larger than {MAX_BYTES // 2**20} MiB; it counts as unanswered")
        return None
    content, encoding = notebook_file.parsed(submitted)
    if content is not None:
        if encoding != "utf-8-sig":
            notes.append(f"the notebook's file was in the encoding {encoding}, not in UTF-8; it was read all the same")
        return content
    notes.append("the notebook's file can't be read as a notebook; all its questions count as unanswered")
    return None
