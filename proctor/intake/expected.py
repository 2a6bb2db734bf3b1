"""What each of the instructor's cells looks like in the released notebook."""

from __future__ import annotations

from typing import Any

from dl1.merging.expected import UNTOUCHED, Expected, given_out
from proctor.notebooks import cells as notebook_cells


def expected_cells(instructor: dict[str, Any]) -> list[Expected]:
    """The cells of a source notebook."""
    found = []
    for index, cell in enumerate(instructor["cells"]):
        role, is_code = notebook_cells.role(cell), cell["cell_type"] == "code"
        released = _released(cell, role, is_code)
        found.append(given_out(cell["id"], role, is_code, released, index))
    return found


def _released(cell: dict[str, Any], role: str, is_code: bool) -> str:
    source = notebook_cells.source(cell)
    if role == "test":
        return _without(source, "HIDDEN TESTS", [])
    if role not in ("solution", "manual"):
        return source
    if is_code:
        return notebook_cells.cleared(source)
    if notebook_cells.nbgrader_metadata(cell).get("solution") and not notebook_cells.regions(source, "SOLUTION"):
        return UNTOUCHED
    return _without(source, "SOLUTION", [UNTOUCHED])


def _without(source: str, region: str, instead: list[str]) -> str:
    lines = source.split("\n")
    for found in reversed(notebook_cells.scan_regions(source, region)[0]):
        lines[found.begin - 1 : found.end] = instead
    return "\n".join(lines)
