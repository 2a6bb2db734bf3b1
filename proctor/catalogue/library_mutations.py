"""Mutations by the operators of the library cosmic-ray: arithmetic, comparison, boolean, unary, numbers, loops.

Only its operators are used, which change a syntax tree of parso. Its own runner starts a process and imports the code
under test for each mutant, and knows no notebooks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from proctor.catalogue.solution_text import SolutionText
from proctor.errors import ProctorError

# The library replaces each binary operator by each other; between these groups the result is never a number.
_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "FloorDiv", "Pow", "Mod")
_BITS = ("BitOr", "BitAnd", "BitXor")
_OTHERS = (
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ZeroIterationForLoop",
)


def mutations(cell: SolutionText) -> Iterator[tuple[str, str]]:
    """Name of an operator and the text that it makes, one at a time.

    Raises:
        ProctorError: the library is not installed.
    """
    try:
        from cosmic_ray.ast import ast_nodes, get_ast
        from cosmic_ray.operators.provider import OperatorProvider
    except ImportError:
        raise ProctorError("mutants need the library cosmic-ray: pip install -c constraints.txt -e '.[dev]'") from None
    provider = OperatorProvider()
    nodes = list(ast_nodes(get_ast(cell.text)))
    for name in filter(_fits, provider):
        operator = provider[name]()
        for number, index in _places(operator, nodes, cell):
            # A changed tree can't be changed back: each mutant begins with a tree of its own.
            tree = get_ast(cell.text)
            node = next(itertools.islice(ast_nodes(tree), number, None))
            _put(node, operator.mutate(node, index))
            yield _short(name), tree.get_code()


def _places(operator: Any, nodes: Sequence[Any], cell: SolutionText) -> Iterator[tuple[int, int]]:
    """Numbers of the nodes that an operator can change in the solution, and of its ways to change each."""
    for number, node in enumerate(nodes):
        for index, ((line, _), (last, _)) in enumerate(operator.mutation_positions(node)):
            if all(one in cell.lines for one in range(line, last + 1)):
                yield number, index


def _put(node: Any, new: Any) -> None:
    """Puts what an operator returned in the place of the node that it was given."""
    if new is not None and new.type == "number":
        # The library puts a space in front, and drops what stood there.
        new.value, new.prefix = new.value.strip(), node.prefix
    if new is not node:
        siblings = node.parent.children
        siblings[:] = [new if one is node else one for one in siblings if one is not node or new is not None]


def _fits(name: str) -> bool:
    kind, _, pair = name.partition("_")
    old, _, new = pair.partition("_")
    if kind == "ReplaceBinaryOperator":
        return any(old in group and new in group for group in (_ARITHMETIC, _BITS))
    return kind in ("ReplaceComparisonOperator", "ReplaceUnaryOperator") or name in _OTHERS


def _short(name: str) -> str:
    """`number` for NumberReplacer, `binary-add-sub` for ReplaceBinaryOperator_Add_Sub."""
    kind, *pair = re.sub(r"Operator|Replacer|Replace", "", name).split("_")
    return "-".join([*re.findall(r"[A-Z][a-z]*", kind), *pair]).lower()
