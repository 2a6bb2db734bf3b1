"""What each of the instructor's cells looks like in the released notebook, and what tells its answer from others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.code import parse
from proctor.notebooks.hint_lines import without_lines

UNTOUCHED = "YOUR ANSWER HERE"


@dataclass(frozen=True)
class Expected:
    """A cell of the instructor's notebook.

    Attributes:
        role: as in `proctor.notebooks.cells.role`.
        released: its text as students get it.
        index: its place among the instructor's cells.
        defines: what its stub defines, as `definitions` names it; for cells of code that are answers.
    """

    name: str
    role: str
    is_code: bool
    released: str
    index: int
    defines: frozenset[str]

    @property
    def is_answer(self) -> bool:
        return self.role in ("solution", "manual")

    @property
    def is_essay(self) -> bool:
        return self.is_answer and not self.is_code

    @property
    def is_free(self) -> bool:
        """Whether it is code that students may change."""
        return self.role == "code"

    def untouched(self, text: str) -> bool:
        """Whether a text is what was released."""
        return plain_lines(text) == plain_lines(self.released)

    @property
    def heading(self) -> str:
        """First line of what an essay is asked with; empty if there is none."""
        lines = [line.strip() for line in self.released.split("\n")]
        return next((line for line in lines if line and line != UNTOUCHED), "")


def expected_cells(instructor: dict[str, Any]) -> list[Expected]:
    """The cells of a source notebook."""
    found = []
    for index, cell in enumerate(instructor["cells"]):
        role, is_code = notebook_cells.role(cell), cell["cell_type"] == "code"
        released = _released(cell, role, is_code)
        answer = is_code and role in ("solution", "manual")
        defines = frozenset(definitions(released)) if answer else frozenset()
        found.append(Expected(cell["id"], role, is_code, released, index, defines))
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


def plain_lines(text: str) -> str:
    """A text without what no student wrote: blanks at the ends of lines, empty lines around it, sealed hints."""
    return "\n".join(line.rstrip() for line in without_lines(text).strip().split("\n"))


def added_text(text: str, released: str, whole: bool) -> tuple[str, str]:
    """What of a cell's text stands in front of the released one, and behind or in it.

    Args:
        whole: whether the released text has to be there as it is; otherwise all lines that are not of it count.
    """
    text, released = plain_lines(text), plain_lines(released)
    before, found, after = text.partition(released)
    if released and found:
        return before.strip("\n"), after.strip("\n")
    known = set(released.split("\n"))
    return "", "" if whole else "\n".join(line for line in text.split("\n") if line not in known).strip("\n")


def definitions(source: str) -> set[str]:
    """What running a cell defines: names of functions, classes, variables and imports.

    A function under a decorator that is a call, as `@method_of(Net)`, counts by both: Net has it, and not the notebook.
    """
    try:
        return set(_definitions(parse(source).tree.body))
    except RecursionError:
        return set()


def is_prose(cell_type: str, source: str) -> bool:
    """Whether a cell holds words for a reader: any but code, or code that is none."""
    if cell_type != "code":
        return True
    code = parse(source)
    nothing = all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in code.tree.body)
    return code.error is not None or (nothing and not code.magics)


def _definitions(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            calls = [f"@{ast.unparse(one)} " for one in node.decorator_list if isinstance(one, ast.Call)]
            yield "".join([*calls, node.name])
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        for target in targets:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and target is not None:
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
        for part in ("body", "orelse", "finalbody"):
            yield from _definitions(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from _definitions(handler.body)


def mentions(source: str, defined: frozenset[str]) -> bool:
    """Whether a text has one of the names in it, which is soon seen."""
    return any(name.rpartition(" ")[2] in source for name in defined)
