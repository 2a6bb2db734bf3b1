"""What the given code cells of a notebook are for, as the tags of the instructor's cells say.

A tag is Jupyter's own: authors see it in the sidebar, nbgrader and the released notebook keep it. Grading reads those
of the instructor's notebook; what a student's file says is never looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.effects import changed_objects, changes, imported

DEFINITIONS, FIGURE, DEMO = "definitions", "figure", "demo"
PURPOSES = {
    DEFINITIONS: "other cells need its names",
    FIGURE: "whoever grades by hand reads its output, or it makes what such a cell shows",
    DEMO: "a picture, a timing, a widget or an example that no other cell needs: not run while grading",
}


def is_given(cell: Mapping[str, Any]) -> bool:
    """Whether it is code that students are given: no answer, no test."""
    return cell["cell_type"] == "code" and notebook_cells.role(cell) in ("given", "code")


def declared(cell: Mapping[str, Any]) -> list[str]:
    """The purposes that an instructor's cell declares: one, unless its author has made a mistake."""
    tags = cell["metadata"].get("tags")
    return [tag for tag in tags if tag in PURPOSES] if isinstance(tags, list) else []


def purpose(cell: Mapping[str, Any]) -> str | None:
    """What a given cell is for; None for every other cell. Where it isn't said, or said twice, others may need it."""
    if not is_given(cell):
        return None
    said = declared(cell)
    return said[0] if len(said) == 1 else DEFINITIONS


def has_effect(cell: Mapping[str, Any]) -> bool:
    """Whether answers and tests may need a cell: it is no picture, and no other thing that is there to be looked at."""
    return purpose(cell) not in (FIGURE, DEMO)


def of_demo(tree: ast.Module, others: Iterable[ast.Module]) -> set[str]:
    """Names of the notebook that are another thing, or not there at all, if a demo is not run.

    Args:
        tree: of the demo.
        others: of the given cells that are no demos; an import that stands there, too, makes no difference.
    """
    same = [set(imported(other).items()) for other in others]
    again = {name for name, what in imported(tree).items() if any((name, what) in one for one in same)}
    return changes(tree) - again | changed_objects(tree)
