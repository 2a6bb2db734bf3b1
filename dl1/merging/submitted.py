"""The cells of a student's file, whatever editor or format has made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dl1.merging.places import Submitted

# Characters of one cell that are read.
MAX_SOURCE = 2**20


def cells_of(content: dict[str, Any]) -> Iterator[Submitted]:
    """The cells of a file, whatever its format is; their places in it are not numbered yet."""
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
        # Editors that drop metadata keep the cell's id, which is the grade_id in the released notebook; others move it.
        names = [name, cell.get("id"), metadata.get("id") if type(metadata) is dict else None]
        kind = cell.get("cell_type")
        yield Submitted(
            tuple(name for name in names if type(name) is str),
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
