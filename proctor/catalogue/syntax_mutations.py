"""Mutations of any Python: what the library of operators doesn't have.

Statements and calls dropped, arguments swapped or left out, axes moved, conditions forced, loops cut short.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from proctor.catalogue.solution_text import SolutionText, called_name

_AXES = ("dim", "axis")
# `x.transpose(1, 2)` is `x.transpose(2, 1)`.
_SYMMETRIC = ("transpose", "swapaxes", "swapdims")
# `a - b` is not `b - a`.
_NOT_COMMUTATIVE = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)


def mutations(cell: SolutionText) -> Iterator[tuple[str, str]]:
    """Name of an operator and the text that it makes, one at a time."""
    for operator in (
        _statement_dropped,
        _statements_swapped,
        _call_dropped,
        _arguments_swapped,
        _argument_dropped,
        _operands_swapped,
        _operand_dropped,
        _axis_moved,
        _slice_moved,
        _condition_forced,
        _loop_cut,
        _text_changed,
    ):
        name = operator.__name__.strip("_").replace("_", "-")
        for text in operator(cell):
            yield name, text


def _statement_dropped(cell: SolutionText) -> Iterator[str]:
    for statement in cell.nodes(ast.stmt):
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Pass):
            yield cell.replaced((statement, "pass"))


def _statements_swapped(cell: SolutionText) -> Iterator[str]:
    for block in cell.blocks():
        for first, second in itertools.pairwise(block):
            fixed = isinstance(second, ast.Return | ast.FunctionDef) or isinstance(first, ast.FunctionDef)
            if not fixed and not _independent(first, second):
                yield cell.replaced((first, cell.segment(second)), (second, cell.segment(first)))


def _independent(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether two assignments to names use nothing of each other."""
    if not all(isinstance(one, ast.Assign) for one in (first, second)):
        return False
    if any(isinstance(target, ast.Attribute | ast.Subscript) for one in (first, second) for target in one.targets):
        return False
    set_first, set_second = _names(first, ast.Store), _names(second, ast.Store)
    used_first, used_second = _names(first, ast.Load), _names(second, ast.Load)
    return not (set_first & (set_second | used_second) or set_second & used_first)


def _names(statement: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


def _call_dropped(cell: SolutionText) -> Iterator[str]:
    """`f(x)` becomes `x`, `x.f(…)` becomes `x`."""
    for call in cell.expressions(ast.Call):
        kept = [one for one in call.args if not isinstance(one, ast.Starred | ast.GeneratorExp)]
        if isinstance(call.func, ast.Attribute):
            kept.append(call.func.value)
        for one in kept:
            yield cell.replaced((call, cell.operand(one)))


def _arguments_swapped(cell: SolutionText) -> Iterator[str]:
    for node in cell.nodes(ast.Call, ast.List, ast.Tuple):
        if called_name(node) in _SYMMETRIC:
            continue
        for first, second in itertools.pairwise(node.args if isinstance(node, ast.Call) else node.elts):
            yield cell.replaced((first, cell.segment(second)), (second, cell.segment(first)))


def _argument_dropped(cell: SolutionText) -> Iterator[str]:
    """An argument, or an item of a list or of a dict, is left out."""
    for node in cell.expressions(ast.Call, ast.List, ast.Dict):
        if isinstance(node, ast.Call):
            parts = [cell.span(one) for one in (*node.args, *node.keywords)]
        elif isinstance(node, ast.List):
            parts = [cell.span(one) for one in node.elts]
        else:
            pairs = zip(node.keys, node.values, strict=True)
            parts = [(cell.span(key)[0], cell.span(value)[1]) for key, value in pairs if key is not None]
        for number, (begin, end) in enumerate(parts):
            # With the comma that separates it from the next one, or from the one before.
            if number + 1 < len(parts):
                end = parts[number + 1][0]
            elif number:
                begin = parts[number - 1][1]
            yield cell.edited((begin, end, ""))


def _operands_swapped(cell: SolutionText) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, _NOT_COMMUTATIVE):
            left, right = cell.operand(node.left), cell.operand(node.right)
            between = cell.text.encode()[cell.span(node.left)[1] : cell.span(node.right)[0]].decode()
            yield cell.replaced((node, f"({right} {between.strip(' ()')} {left})"))


def _operand_dropped(cell: SolutionText) -> Iterator[str]:
    """`a + b` becomes `a`, and `b`; the same for `and`, `or` and conditional expressions."""
    for node in cell.expressions(ast.BinOp, ast.BoolOp, ast.IfExp):
        if isinstance(node, ast.BinOp):
            kept = [node.left, node.right]
        else:
            kept = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
        for one in kept:
            yield cell.replaced((node, cell.operand(one)))


def _axis_moved(cell: SolutionText) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        for keyword in call.keywords:
            axis = _whole_number(keyword.value)
            if keyword.arg in _AXES and axis is not None:
                for moved in (axis - 1, axis + 1):
                    yield cell.replaced((keyword.value, str(moved)))


def _slice_moved(cell: SolutionText) -> Iterator[str]:
    """A bound of a slice moved by one, or left out: a mask, a window or a pairing shifted."""
    for node in cell.nodes(ast.Slice):
        for bound in filter(None, (node.lower, node.upper)):
            number = _whole_number(bound)
            for by in (1, -1):
                moved = f"{cell.operand(bound)} {'+' if by > 0 else '-'} 1" if number is None else str(number + by)
                yield cell.replaced((bound, moved))
            # A slice has no text but its bounds: without this one the colon stays.
            yield cell.replaced((bound, ""))


def _condition_forced(cell: SolutionText) -> Iterator[str]:
    for node in cell.nodes(ast.If, ast.While, ast.IfExp):
        for value in ("True", "False"):
            # `while True` has no end, and proves nothing but that.
            if not (isinstance(node, ast.While) and value == "True"):
                yield cell.replaced((node.test, value))


def _loop_cut(cell: SolutionText) -> Iterator[str]:
    for node in cell.nodes(ast.For):
        for part in (":1", "1:", ":-1", "::-1"):
            yield cell.replaced((node.iter, f"list({cell.segment(node.iter)})[{part}]"))


def _text_changed(cell: SolutionText) -> Iterator[str]:
    for node in cell.expressions(ast.Constant):
        if isinstance(node.value, str) and not isinstance(cell.parents.get(node), ast.Expr):
            yield cell.replaced((node, repr(node.value + "x")))
            if node.value != node.value.capitalize():
                yield cell.replaced((node, repr(node.value.capitalize())))


def _whole_number(node: ast.expr) -> int | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None
