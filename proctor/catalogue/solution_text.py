"""The text of a solution cell with its syntax tree, and what of it may be changed: the solution's own lines."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cached_property

from proctor.notebooks import cells as notebook_cells

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What binds at least as tightly as a call, so that `.f()` may follow it without brackets.
_ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.List, ast.Tuple, ast.Dict)


class SolutionText:
    """A solution cell without its marker lines and its comments.

    Attributes:
        text: the cell's text; each comment leaves its line behind.
        tree: its syntax tree; lines and columns are those of `text`.
        lines: numbers of the lines that lie in a solution region; all lines if the cell has none.
    """

    def __init__(self, source: str) -> None:
        self.text = _without_comments(notebook_cells.without_markers(source))
        self.tree = ast.parse(self.text)
        regions = notebook_cells.regions(source, "SOLUTION")
        markers = {line for region in regions for line in (region.begin, region.end)}
        kept = [number for number in range(1, source.count("\n") + 2) if number not in markers]
        self._in_cell = dict(enumerate(kept, start=1))
        inside = {line for region in regions for line in range(region.begin, region.end)}
        self.lines = frozenset(new for new, old in self._in_cell.items() if not regions or old in inside)
        self._bytes = self.text.encode()
        self._starts = [0, *(match.end() for match in re.finditer(rb"\n", self._bytes))]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def line_in_cell(self, line: int) -> int:
        """Number that a line of `text` has in the notebook's cell, with its markers."""
        return self._in_cell[line]

    def inside(self, node: ast.AST) -> bool:
        """Whether all of a node lies in the solution."""
        return hasattr(node, "lineno") and all(n in self.lines for n in range(node.lineno, node.end_lineno + 1))

    def nodes(self, *types: type[ast.AST]) -> Iterator[ast.AST]:
        """Nodes of these types in the solution, in the order of the text."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, types) and self.inside(node)]
        # What begins at the same place is longer outside than inside.
        return iter(sorted(found, key=lambda node: (self.span(node)[0], -self.span(node)[1])))

    def expressions(self, *types: type[ast.expr]) -> Iterator[ast.expr]:
        """Expressions of these types whose value is read."""
        for node in self.nodes(*(types or (ast.expr,))):
            if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and not self._is_part_of_text(node):
                yield node

    def functions(self) -> Iterator[Function]:
        """Functions with a part of the solution in them, outer ones first."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function) and any(self.inside(statement) for statement in node.body):
                yield node

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """The statements of each block that lie in the solution."""
        for node in ast.walk(self.tree):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and (own := [statement for statement in block if self.inside(statement)]):
                    yield own

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        above = self.parents.get(node)
        while above is not None and not isinstance(above, Function):
            above = self.parents.get(above)
        return above

    def segment(self, node: ast.AST) -> str:
        """Text of a node."""
        begin, end = self.span(node)
        return self._bytes[begin:end].decode()

    def operand(self, node: ast.expr) -> str:
        """Text of an expression, in brackets where it could fall apart among other operators."""
        return self.segment(node) if isinstance(node, _ATOMS) else f"({self.segment(node)})"

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, in bytes of the text in UTF-8."""
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def replaced(self, *changes: tuple[ast.AST, str]) -> str:
        """The text with something else in place of some nodes, none of which is a part of another."""
        return self.edited(*((*self.span(node), new) for node, new in changes))

    def inserted(self, line: int, new: Sequence[str]) -> str:
        """The text with new lines in front of a line, as far indented as it is."""
        lines = self.text.split("\n")
        indent = re.match(r"\s*", lines[line - 1]).group()
        return "\n".join([*lines[: line - 1], *(indent + one for one in new), *lines[line - 1 :]])

    def edited(self, *edits: tuple[int, int, str]) -> str:
        """The text with new text in place of the bytes from a first to before a last one."""
        data = self._bytes
        for begin, end, new in sorted(edits, reverse=True):
            data = data[:begin] + new.encode() + data[end:]
        return data.decode()

    def _is_part_of_text(self, node: ast.AST) -> bool:
        """Whether it stands in an f-string, of which Python 3.11 doesn't know the columns."""
        while node is not None:
            if isinstance(node, ast.JoinedStr):
                return True
            node = self.parents.get(node)
        return False


def _without_comments(text: str) -> str:
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column].rstrip()
    return "\n".join(lines)


def position(node: ast.AST) -> str:
    """Name of a place in the text, the same in every copy of the tree."""
    return f"{node.lineno}:{node.col_offset}:{node.end_lineno}:{node.end_col_offset}"


def called_name(node: ast.AST) -> str:
    """Last part of the name of what a call calls; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None) or ""
