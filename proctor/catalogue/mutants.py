"""Mutants of a reference answer, made by rule: each is the solution cell with one small change."""

from __future__ import annotations

import ast
import itertools
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proctor.catalogue import library_mutations, syntax_mutations, tensor_mutations
from proctor.catalogue.recording import Seen
from proctor.catalogue.solution_text import SolutionText

Rules = Callable[[SolutionText, Seen], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Mutant:
    """One change of one solution cell.

    Attributes:
        cell: grade_id of the solution cell.
        operator: name of the rule that made it.
        line: where the change begins, counted in the notebook's cell, markers included.
        old: the lines that are changed, without their common indentation; empty if lines are only put in.
        new: what they become.
        occurrence: number, from 1, among the mutants of this cell with the same operator, old and new lines.
        source: text of the changed cell, without markers.
    """

    cell: str
    operator: str
    line: int
    old: str
    new: str
    occurrence: int
    source: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What tells it from every other mutant, wherever in the cell its lines stand."""
        return self.cell, self.operator, self.old, self.new, self.occurrence

    @property
    def shown(self) -> str:
        """Place, operator and change, a line each for what goes and what comes."""
        number = f" ({self.occurrence})" if self.occurrence > 1 else ""
        lines = [f"{self.cell}, line {self.line}: {self.operator}{number}"]
        lines += [f"    - {line}" for line in self.old.splitlines()]
        return "\n".join([*lines, *(f"    + {line}" for line in self.new.splitlines())])


def mutations(cell: SolutionText, seen: Seen) -> Iterator[tuple[str, str]]:
    """Names of the rules for mutants, and the texts that they make, one at a time."""
    yield from library_mutations.mutations(cell)
    yield from syntax_mutations.mutations(cell)
    yield from tensor_mutations.mutations(cell, seen)


def mutants_of(grade_id: str, source: str, seen: Seen, rules: Rules = mutations) -> list[Mutant]:
    """All mutants of a solution cell that differ from the reference and from each other.

    Args:
        source: the reference cell's text, with its markers.
        seen: what was recorded while the reference ran.
        rules: what makes them.
    """
    cell = SolutionText(source)
    known = {_meaning(cell.text)}
    counts: dict[tuple[str, str, str], int] = {}
    found = []
    for operator, text in rules(cell, seen):
        meaning = _meaning(text)
        # What is no Python would be a mistake that the student's own notebook names.
        if meaning is None or meaning in known:
            continue
        known.add(meaning)
        first, old, new = _change(cell.text, text)
        counts[operator, old, new] = number = counts.get((operator, old, new), 0) + 1
        line = cell.line_in_cell(min(first, cell.text.count("\n") + 1))
        found.append(Mutant(grade_id, operator, line, old, new, number, text))
    return found


def _meaning(text: str) -> str | None:
    """What Python makes of a text, None if it is no Python."""
    with warnings.catch_warnings():
        # Some mutants call a number, for instance.
        warnings.simplefilter("ignore")
        try:
            compile(text, "<mutant>", "exec", dont_inherit=True)
            return ast.dump(_Folded().visit(ast.parse(text)))
        except (SyntaxError, ValueError):
            return None


class _Folded(ast.NodeTransformer):
    """A negative number is one constant, `+1` is 1, and a slice from 0 is one from the beginning, whoever writes it."""

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.lower, ast.Constant) and node.lower.value == 0:
            node.lower = None
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.operand, ast.Constant) and type(node.operand.value) in (int, float):
            if isinstance(node.op, ast.USub):
                return ast.Constant(-node.operand.value)
            if isinstance(node.op, ast.UAdd):
                return node.operand
        return node


def _change(before: str, after: str) -> tuple[int, str, str]:
    """Number of the first line that differs, and the lines that do, before and after."""
    old, new = before.split("\n"), after.split("\n")
    start = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    end = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], rest))
    parts = (lines[start : len(lines) - end] for lines in (old, new))
    return start + 1, *(textwrap.dedent("\n".join(lines)).rstrip() for lines in parts)
