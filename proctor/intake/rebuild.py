"""The notebook that is graded: the instructor's, with nothing of the student's file but the text of their answers.

Taken from the submission are the sources of solution cells (matched by grade_id; of duplicates the first) and of cells
that the student added, at their place, and pictures in texts. Metadata, outputs, kernelspec and all oddities of the
format stay behind. What can't be read becomes an untouched notebook, with a plain line that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from proctor.intake.attached import for_pages, pictures_apart
from proctor.notebooks import cells as notebook_cells

MAX_BYTES = 32 * 2**20
MAX_CELLS = 3_000
MAX_SOURCE = 2**20
_UNTOUCHED = "YOUR ANSWER HERE"
_ANSWERS = ("solution", "manual")


@dataclass
class Rebuilt:
    """A notebook of nbformat 4.5, and plain lines about what was odd."""

    notebook: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass
class _Submitted:
    """A cell of the student's file: its grade_id, or else its id."""

    name: str | None
    cell_type: str
    source: str


def rebuild(instructor: dict[str, Any], submitted: bytes | None) -> Rebuilt:
    """The instructor's notebook with a student's answers.

    Args:
        instructor: source notebook, with solutions and hidden tests, as `notebook_cells.read` gives it.
        submitted: content of the student's file; None if there is none.
    """
    notes: list[str] = []
    submitted, pictures = pictures_apart(submitted)
    cells = _submitted_cells(submitted, notes)
    known = {cell["id"]: notebook_cells.role(cell) in _ANSWERS for cell in instructor["cells"]}
    answers, added = _sorted(cells, known, notes)
    made = [_added(one, number) for number, one in added.get(None, [])]
    for cell in instructor["cells"]:
        made.append(_instructors(cell, answers, cells is not None, notes))
        made += [_added(one, number) for number, one in added.get(cell["id"], [])]
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


def _instructors(cell: dict[str, Any], answers: dict[str, str], there: bool, notes: list[str]) -> dict[str, Any]:
    name, role = notebook_cells.grade_id(cell), notebook_cells.role(cell)
    source = notebook_cells.source(cell)
    if role in _ANSWERS:
        if name in answers:
            source = answers[name]
        else:
            source = notebook_cells.cleared(source) if role == "solution" else _cleared_text(source)
            if there:
                notes.append(f"the answer cell {name} is missing; it counts as unanswered")
    metadata: dict[str, Any] = {}
    if name:
        metadata["nbgrader"] = dict(notebook_cells.nbgrader_metadata(cell))
    made = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _added(cell: _Submitted, number: int) -> dict[str, Any]:
    kind = "code" if cell.cell_type == "code" else "markdown"
    made = {"cell_type": kind, "id": f"added-{number}", "metadata": {}, "source": cell.source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _cleared_text(source: str) -> str:
    lines = source.split("\n")
    for region in reversed(notebook_cells.regions(source, "SOLUTION")):
        lines[region.begin - 1 : region.end] = [_UNTOUCHED]
    return "\n".join(lines)


def _sorted(
    cells: list[_Submitted] | None, known: dict[str, bool], notes: list[str]
) -> tuple[dict[str, str], dict[str | None, list[tuple[int, _Submitted]]]]:
    """Answers by name, and added cells by the name of the instructor's cell that they follow (None: at the top).

    Args:
        known: whether it is an answer, by the name of each of the instructor's cells.
    """
    answers: dict[str, str] = {}
    added: dict[str | None, list[tuple[int, _Submitted]]] = {}
    last: str | None = None
    for number, cell in enumerate(cells or [], start=1):
        if cell.name not in known:
            if cell.source.strip():
                added.setdefault(last, []).append((number, cell))
            continue
        last = cell.name
        if cell.name in answers:
            notes.append(f"the cell {cell.name} is there more than once; the first one counts")
        elif known[cell.name]:
            answers[cell.name] = cell.source
    return answers, added


def _submitted_cells(submitted: bytes | None, notes: list[str]) -> list[_Submitted] | None:
    if submitted is None:
        notes.append("the notebook was not handed in; all its questions count as unanswered")
        return None
    content = _parsed(submitted, notes)
    if content is None:
        return None
    found = list(_cells_of(content))
    if len(found) > MAX_CELLS:
        notes.append(f"the notebook has more than {MAX_CELLS} cells; the rest was left out")
        del found[MAX_CELLS:]
    return found


def _parsed(submitted: bytes, notes: list[str]) -> dict[str, Any] | None:
    if len(submitted) > MAX_BYTES:
        notes.append(f"the notebook's file is larger than {MAX_BYTES // 2**20} MiB; it counts as unanswered")
        return None
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        try:
            text = submitted.decode(encoding)
            content = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if encoding != "utf-8-sig":
            notes.append(f"the notebook's file was in the encoding {encoding}, not in UTF-8; it was read all the same")
        if type(content) is dict:
            return content
    notes.append("the notebook's file can't be read as a notebook; all its questions count as unanswered")
    return None


def _cells_of(content: dict[str, Any]) -> Iterator[_Submitted]:
    cells = content.get("cells")
    if type(cells) is not list:
        # nbformat 3 has sheets of cells, and "input" for the source of a code cell
        sheets = content.get("worksheets")
        sheets = sheets if type(sheets) is list else []
        cells = [c for s in sheets if type(s) is dict and type(s.get("cells")) is list for c in s["cells"]]
    for cell in cells:
        if type(cell) is not dict:
            continue
        metadata = cell.get("metadata")
        nbgrader = metadata.get("nbgrader") if type(metadata) is dict else None
        name = nbgrader.get("grade_id") if type(nbgrader) is dict else None
        # Editors that drop metadata keep the cell's id, which is the grade_id in the released notebook.
        name = name if type(name) is str else cell.get("id")
        kind = cell.get("cell_type")
        yield _Submitted(
            name if type(name) is str else None,
            kind if type(kind) is str else "",
            _text(cell.get("source", cell.get("input", ""))),
        )


def _text(source: Any) -> str:
    if type(source) is list:
        source = "".join(part for part in source if type(part) is str)
    if type(source) is not str:
        return ""
    # A lone surrogate can't be written to any file.
    source = source.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return source[:MAX_SOURCE]


def match_files(expected: Sequence[str], found: dict[str, bytes]) -> tuple[dict[str, bytes | None], list[str]]:
    """Which submitted file is which notebook.

    Args:
        expected: names of the assignment's notebooks, without ending.
        found: content of the submitted notebook files by name, without ending.

    Returns:
        Content by expected name (None where there is none), and plain lines. A file of another name is taken for the
        one notebook that is missing if it has named cells and no other file can be meant.
    """
    matched = {name: found.get(name) for name in expected}
    notes = []
    missing = [name for name in expected if name not in found]
    others = sorted(set(found) - set(expected))
    if (
        len(missing) == 1
        and len(others) == 1
        and any(cell.name for cell in _submitted_cells(found[others[0]], []) or [])
    ):
        matched[missing[0]] = found[others[0]]
        notes.append(f"{others[0]}.ipynb was taken for {missing[0]}.ipynb: the file has another name")
    else:
        notes += [f"{name}.ipynb is no notebook of this assignment and was left out" for name in others]
    return matched, notes
