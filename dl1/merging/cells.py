"""The cells of an nbgrader notebook as plain JSON: texts, names, roles, and the regions that are marked in them.

Nothing here needs Jupyter, or anything else that isn't Python's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Region(NamedTuple):
    """A marked part of a cell; `begin` and `end` are the 1-based lines of the two markers, `text` lies between them."""

    begin: int
    end: int
    text: str


def source(cell: dict[str, Any]) -> str:
    """Text of a cell, whether the file holds it as one string or as a list of lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def nbgrader_metadata(cell: dict[str, Any]) -> dict[str, Any]:
    """nbgrader's metadata of a cell; empty if it has none."""
    metadata = cell.get("metadata", {}).get("nbgrader")
    return metadata if isinstance(metadata, dict) else {}


def grade_id(cell: dict[str, Any]) -> str | None:
    """nbgrader's name of a cell, None on a cell that nbgrader does not manage."""
    value = nbgrader_metadata(cell).get("grade_id")
    return value if isinstance(value, str) and value else None


def role(cell: dict[str, Any]) -> str:
    """What a cell is for.

    "solution" (students answer with code), "test" (autograded), "manual" (graded by hand), "given" (read-only),
    or, without a part in nbgrader, "code" or "text" (markdown and raw).
    """
    metadata = nbgrader_metadata(cell)
    if metadata.get("grade") and (metadata.get("solution") or metadata.get("task")):
        return "manual"
    if metadata.get("grade"):
        return "test"
    if metadata.get("solution"):
        return "solution"
    if metadata.get("locked"):
        return "given"
    return "code" if cell["cell_type"] == "code" else "text"


def scan_regions(source: str, name: str) -> tuple[list[Region], list[tuple[int, str]]]:
    """Like `regions`, with the mistakes as a list of (line, what to do) instead of an exception."""
    begin_words, end_words = f"BEGIN {name}", f"END {name}"
    found: list[Region] = []
    problems: list[tuple[int, str]] = []
    lines = source.split("\n")
    open_at: int | None = None
    for number, line in enumerate(lines, start=1):
        if begin_words in line:
            if open_at is not None:
                problems.append((number, f"nested {begin_words}; first close line {open_at} with {end_words}"))
            else:
                open_at = number
        elif end_words in line:
            if open_at is None:
                problems.append((number, f"{end_words} without {begin_words}; add the opening marker above it"))
            else:
                found.append(Region(open_at, number, "\n".join(lines[open_at : number - 1])))
                open_at = None
    if open_at is not None:
        problems.append((open_at, f"{begin_words} without {end_words}; add the closing marker"))
    return found, problems
