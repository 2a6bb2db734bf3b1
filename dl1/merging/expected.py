"""What each cell of a notebook looked like when it was given out, and what tells its answer from others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from dl1.merging.hint_lines import without_lines
from dl1.merging.python_text import parse

UNTOUCHED = "YOUR ANSWER HERE"


@dataclass(frozen=True)
class Expected:
    """A cell of the instructor's notebook.

    Attributes:
        role: as in `dl1.merging.cells.role`.
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


def given_out(name: str, role: str, is_code: bool, released: str, index: int) -> Expected:
    """A cell by its text as it was given out, in which no solution stands."""
    answer = is_code and role in ("solution", "manual")
    return Expected(name, role, is_code, released, index, frozenset(definitions(released)) if answer else frozenset())


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
