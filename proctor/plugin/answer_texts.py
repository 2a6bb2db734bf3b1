"""The answers of all students as they were graded, cell by cell, and what the course itself had put there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.pages.written import as_written

_MAX_FILE = 256 * 2**20
_MAX_ANSWER = 50_000

Cell = tuple[str, str]


@dataclass(frozen=True)
class Answers:
    """All answers to an assignment.

    Attributes:
        given: by answer cell (notebook, grade_id) what a student finds in it.
        code: the cells that are answered with code; the others are texts.
        of: by student the answers that differ from what was given, by cell.
        problems: lines about notebooks that can't be read.
    """

    given: dict[Cell, str] = field(default_factory=dict)
    code: set[Cell] = field(default_factory=set)
    of: dict[str, dict[Cell, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def answers(coursedir: CourseDirectory, assignment: str) -> Answers:
    """Read them from `source/` and `autograded/`, where each answer stands in its own cell, whatever was handed in.

    Raises:
        ProctorError: there are no source notebooks, or nothing is graded.
    """
    found = Answers()
    source = Path(coursedir.format_path(coursedir.source_directory, ".", assignment))
    names = [path.stem for path in sorted(source.glob("*.ipynb"))]
    for name in names:
        for cell, text, is_code in _answer_cells(source / f"{name}.ipynb"):
            found.given[name, cell] = notebook_cells.cleared(text)
            if is_code:
                found.code.add((name, cell))
    if not found.given:
        raise ProctorError(f"{source}: there are no answer cells in notebooks there; is {assignment} the right name?")
    pattern = Path(coursedir.format_path(coursedir.autograded_directory, "*", assignment))
    for folder in sorted(pattern.parent.parent.glob(f"*/{pattern.name}")):
        own = found.of.setdefault(folder.parent.name, {})
        for name in names:
            path = folder / f"{name}.ipynb"
            if not path.is_file() or path.is_symlink():
                continue
            try:
                if path.stat().st_size > _MAX_FILE:
                    raise ProctorError(f"{path}: has more than {_MAX_FILE >> 20} MiB, and is left out")
                for cell, text, _ in _answer_cells(path):
                    if (name, cell) in found.given and _squeezed(text) != _squeezed(found.given[name, cell]):
                        own[name, cell] = text[:_MAX_ANSWER]
            except ProctorError as error:
                found.problems.append(str(error))
    if not found.of:
        raise ProctorError(f"nothing of {assignment} is graded yet; run: nbgrader autograde {assignment}")
    return found


def _answer_cells(path: Path) -> Iterator[tuple[str, str, bool]]:
    for cell in notebook_cells.read(path)["cells"]:
        name, is_code = notebook_cells.grade_id(cell), cell["cell_type"] == "code"
        if name and notebook_cells.role(cell) in ("solution", "manual"):
            text = notebook_cells.source(cell)
            yield name, text if is_code else as_written(text), is_code


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
