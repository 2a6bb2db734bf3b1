"""Reading an nbgrader notebook as plain JSON: its cells, their roles, and the marked regions in them.

Nothing here needs Jupyter, so it also runs where only Python is installed (pre-commit, CI).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dl1.merging.cells import Region, grade_id, nbgrader_metadata, role, scan_regions
from dl1.merging.cells import source as source
from proctor.errors import ProctorError

CELL_TYPES = ("code", "markdown", "raw")
REGION_NAMES = ("SOLUTION", "HIDDEN TESTS")
# What nbgrader puts in place of a solution.
STUB = "raise NotImplementedError()"
# Metadata of a cell of the graded notebook: names of the answers that it is a part of, beside its own.
PARTS = "proctor_parts"


def read(path: str | Path) -> dict[str, Any]:
    """Read a notebook file (nbformat 4) as plain JSON.

    Raises ProctorError if the file is missing, is not JSON, is not a notebook or has another major format.
    """
    path = Path(path)
    try:
        # utf-8-sig: some editors on Windows put a byte order mark in front.
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ProctorError(f"{path}: there is no such file; check the path") from None
    except OSError as error:
        raise ProctorError(f"{path}: cannot be read ({error.strerror}); check its type and permissions") from None
    except (ValueError, RecursionError) as error:
        raise ProctorError(
            f"{path}: is not JSON ({error}); restore the notebook from version control or save it again in Jupyter"
        ) from None
    problem = _shape_problem(notebook)
    if problem:
        raise ProctorError(f"{path}: {problem}")
    return notebook


def _shape_problem(notebook: object) -> str | None:
    again = "save it again in Jupyter"
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        return f"is JSON but not a notebook; give an .ipynb file or {again}"
    if notebook["nbformat"] != 4:
        return f"has notebook format {notebook['nbformat']!r} and 4 is needed; open it in JupyterLab and {again}"
    if not isinstance(notebook.get("cells"), list) or not isinstance(notebook.get("metadata"), dict):
        return f"is not a notebook: 'cells' or 'metadata' is missing; {again}"
    for number, cell in enumerate(notebook["cells"], start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in CELL_TYPES:
            return f"cell number {number} is neither code nor markdown nor raw; {again}"
        if not isinstance(cell.get("metadata"), dict) or not _is_text(cell.get("source")):
            return f"cell number {number} has no metadata or its source is not text; {again}"
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))


def parts(cell: dict[str, Any]) -> set[str]:
    """Names of the answers that a cell of the graded notebook is a part of, beside its own."""
    return set(cell.get("metadata", {}).get(PARTS, ()))


def is_folded(cell: dict[str, Any]) -> bool:
    """Whether JupyterLab shows the first line of the cell only, until somebody opens it."""
    remembered = cell["metadata"].get("jupyter")
    return isinstance(remembered, dict) and remembered.get("source_hidden") is True


def regions(source: str, name: str) -> list[Region]:
    """Regions between `BEGIN name` and `END name` lines ("SOLUTION" or "HIDDEN TESTS"), in order.

    As in nbgrader a line is a marker if it contains these words. Raises ProctorError if the markers do not pair up.
    """
    found, problems = scan_regions(source, name)
    if problems:
        line, problem = problems[0]
        raise ProctorError(f"line {line}: {problem}")
    return found


def solution_cells(notebook: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Code cells with a solution by grade_id, in order."""
    return _code_cells(notebook, lambda cell: bool(nbgrader_metadata(cell).get("solution")))


def autograded_cells(notebook: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Autograded test cells by grade_id, in order."""
    return _code_cells(notebook, lambda cell: role(cell) == "test")


def cleared(source: str) -> str:
    """A solution cell's text with a stub in place of each solution, as nbgrader's ClearSolutions makes it.

    Raises ProctorError if the markers do not pair up.
    """
    found = regions(source, "SOLUTION")
    if not found:
        return STUB
    lines = source.split("\n")
    for region in reversed(found):
        indent = re.match(r"\s*", lines[region.begin - 1]).group()
        lines[region.begin - 1 : region.end] = [indent + STUB]
    return "\n".join(lines)


def without_markers(source: str) -> str:
    """A solution cell's text without the marker lines. Raises ProctorError if the markers do not pair up."""
    dropped = {line for region in regions(source, "SOLUTION") for line in (region.begin, region.end)}
    return "\n".join(text for number, text in enumerate(source.split("\n"), start=1) if number not in dropped)


def _code_cells(notebook: Mapping[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, dict[str, Any]]:
    return {
        grade_id(cell): cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and grade_id(cell) and wanted(cell)
    }


def find_notebooks(paths: Iterable[str | Path]) -> list[Path]:
    """Notebook files for a mixture of files and folders (searched recursively), each once, in the order given.

    Hidden folders (Jupyter's checkpoints) are left out. Raises ProctorError for a path that does not exist, a file
    that is not an .ipynb, and a folder without any notebook.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        found.update(dict.fromkeys(_notebooks_at(path)))
    return list(found)


def _notebooks_at(path: Path) -> Iterator[Path]:
    if path.is_dir():
        inside = sorted(
            notebook
            for notebook in path.rglob("*.ipynb")
            if notebook.is_file() and not any(part.startswith(".") for part in notebook.relative_to(path).parts)
        )
        if not inside:
            raise ProctorError(f"{path}: there is no notebook in this folder; check the path")
        yield from inside
    elif not path.exists():
        raise ProctorError(f"{path}: there is no such file or folder; check the path")
    elif path.suffix != ".ipynb":
        raise ProctorError(f"{path}: is not a notebook; give .ipynb files or folders")
    else:
        yield path
