"""Whether source notebooks and gradebook have the same graded cells and points: looked at before anything changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Notebook

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

_SHOWN = 6


def differences(assignment: Assignment, folder: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """How the notebooks in a folder of `source/` differ from the gradebook, in plain words by notebook.

    Those that are alike are left out, and those that can't be read or that the gradebook doesn't have.

    Args:
        names: of the notebooks to compare.
    """
    found = {}
    for notebook in assignment.notebooks:
        if notebook.name in names and (source := _read(folder / f"{notebook.name}.ipynb")):
            lines = [*_changed(_cells_of_source(source), _cells_of_gradebook(notebook)), *_points(source, notebook)]
            if lines:
                found[notebook.name] = lines
    return found


def cell_changes(assignment: Assignment, folder: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """The same, of cells that came or went; points aside, which nbgrader can change while there are submissions."""
    found = {}
    for notebook in assignment.notebooks:
        if notebook.name in names and (source := _read(folder / f"{notebook.name}.ipynb")):
            lines = _changed(_cells_of_source(source), _cells_of_gradebook(notebook))
            if lines:
                found[notebook.name] = lines
    return found


def listed(found: Mapping[str, list[str]]) -> str:
    """Differences in one line."""
    return "; ".join(f"{name}: {_some(lines)}" for name, lines in sorted(found.items()))


def _some(lines: list[str]) -> str:
    return ", ".join(lines[:_SHOWN]) + (f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return notebook_cells.read(path)
    except ProctorError:
        # Whoever needs the notebook says what is wrong with it.
        return None


def _cells_of_source(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Roles by grade_id, as nbgrader sees them."""
    found = {}
    for cell in notebook["cells"]:
        metadata, name = notebook_cells.nbgrader_metadata(cell), notebook_cells.grade_id(cell)
        graded, answer, task = (bool(metadata.get(flag)) for flag in ("grade", "solution", "task"))
        if name and (graded or answer or task or metadata.get("locked")):
            found[name] = _role(graded, answer, task)
    return found


def _cells_of_gradebook(notebook: Notebook) -> dict[str, str]:
    graded = {cell.name for cell in notebook.grade_cells}
    answers = {cell.name for cell in notebook.solution_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    names = graded | answers | tasks | {cell.name for cell in notebook.source_cells}
    return {name: _role(name in graded, name in answers, name in tasks) for name in names}


def _role(graded: bool, answer: bool, task: bool) -> str:
    words = ["graded"] if graded else []
    words += ["an answer"] if answer else []
    words += ["a task"] if task else []
    return " and ".join(words) or "read-only"


def _changed(source: Mapping[str, str], gradebook: Mapping[str, str]) -> list[str]:
    lines = [f"{name} is new" for name in source if name not in gradebook]
    lines += [f"{name} is gone" for name in sorted(gradebook) if name not in source]
    both = [name for name in source if name in gradebook and source[name] != gradebook[name]]
    return lines + [f"{name} is now {source[name]}, and was {gradebook[name]}" for name in both]


def _points(source: Mapping[str, Any], notebook: Notebook) -> list[str]:
    known = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
    lines = []
    for cell in source["cells"]:
        name, points = notebook_cells.grade_id(cell), notebook_cells.nbgrader_metadata(cell).get("points")
        if name in known and isinstance(points, int | float) and float(points) != known[name]:
            lines.append(f"{name} has {points:g} points, and {known[name]:g} in the gradebook")
    return lines
