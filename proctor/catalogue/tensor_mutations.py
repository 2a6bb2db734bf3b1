"""Mutations of this field: gradients, dropout, modes, devices, precision, transpositions, masks, sizes, random numbers.

Each is a mistake that leaves the values of a simple public check as they are. What the reference's expressions are
worth was recorded while its tests ran, so that only tensors are treated as tensors.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from proctor.catalogue.recording import Seen
from proctor.catalogue.solution_text import Function, SolutionText, called_name, position

_TENSORS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp)
# What only asks a tensor for its form, which is the same without a history, or rounded.
_FORM = {"shape", "device", "dtype", "ndim", "size", "dim", "numel", "new_zeros", "new_ones", "new_full", "detach"}
_ASKING = re.compile(r"(zeros|ones|full|empty)_like$|^(len|range|isinstance)$")
_NEW = re.compile(r"^(new_)?(zeros|ones|full|empty|arange|eye|tensor)(_like)?$")
_TRANSPOSING = {"transpose", "permute", "swapaxes", "movedim", "t", "flip"}
_TRANSPOSED = {"T", "mT"}
_IN_PLACE = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_", ast.Pow: "pow_"}
_IN_PLACE_CALLS = re.compile(
    r"abs|clamp|cos|div|exp|fill|index_add|masked_fill|mul|neg|pow|relu|rsqrt|scatter(_add|_reduce)?|sigmoid|sin|sqrt|"
    r"squeeze|transpose|unsqueeze"
)
_DRAWING = re.compile(r"drop|rand|multinomial|bernoulli|shuffle", re.IGNORECASE)


def mutations(cell: SolutionText, seen: Seen) -> Iterator[tuple[str, str]]:
    """Name of an operator and the text that it makes, one at a time."""
    for operator in (
        _detached,
        _no_grad,
        _no_grad_removed,
        _in_place,
        _mode,
        _dropout_added,
        _dropout_moved,
        _float32,
        _transposition,
        _mask,
        _hard_coded,
        _seeded,
        _input_changed,
        _cached,
    ):
        name = operator.__name__.strip("_").replace("_", "-")
        for text in operator(cell, seen):
            yield name, text


def _intermediate(cell: SolutionText, seen: Seen, kind: str = "real") -> Iterator[ast.expr]:
    """Expressions that were tensors of a kind, where more than their form is used."""
    for node in cell.expressions(*_TENSORS):
        if seen.is_a(node, kind) and not _NEW.search(called_name(node)) and not _asked_for_form(cell, node):
            yield node


def _asked_for_form(cell: SolutionText, node: ast.expr) -> bool:
    """Whether all that is made of it is a shape, an answer to yes or no, or a tensor like it."""
    above = cell.parents.get(node)
    if isinstance(above, ast.Compare) or (isinstance(above, ast.Attribute) and above.attr in _FORM):
        return True
    while isinstance(above, ast.expr):
        if isinstance(above, ast.Call) and above.args[:1] == [node] and _ASKING.search(called_name(above)):
            return True
        node, above = above, cell.parents.get(above)
    return False


def _detached(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in _intermediate(cell, seen, "graded"):
        yield cell.replaced((node, f"{cell.operand(node)}.detach()"))


def _no_grad(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for function in cell.functions():
        if _has(cell, seen, function, "graded"):
            yield _decorated(cell, function, "@torch.no_grad()")


def _no_grad_removed(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.nodes(ast.With):
        for item in node.items:
            if re.search(r"no_grad|inference_mode|set_grad_enabled", cell.segment(item.context_expr)):
                yield cell.replaced((item.context_expr, "torch.enable_grad()"))


def _in_place(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        # A result that nobody else holds may be changed as one likes.
        named = isinstance(node.left, ast.Name | ast.Attribute | ast.Subscript)
        if type(node.op) in _IN_PLACE and named and seen.is_a(node.left, "real") and seen.is_a(node, "real"):
            changed = f"{cell.operand(node.left)}.{_IN_PLACE[type(node.op)]}({cell.segment(node.right)})"
            yield cell.replaced((node, changed))
    for call in cell.expressions(ast.Call):
        if not isinstance(call.func, ast.Attribute) or not _IN_PLACE_CALLS.fullmatch(call.func.attr):
            continue
        of_tensor = isinstance(call.func.value, ast.Name | ast.Attribute | ast.Subscript)
        if of_tensor and seen.is_a(call.func.value, "tensor") and seen.is_a(call, "tensor"):
            name_end = cell.span(call.func)[1]
            yield cell.edited((name_end, name_end, "_"))


def _mode(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Train in place of eval and the other way round; a mode that nobody asked for."""
    other = {"train": "eval", "eval": "train"}
    for node in cell.expressions(ast.Attribute):
        if node.attr == "training":
            yield cell.replaced((node, f"(not {cell.segment(node)})"))
        if node.attr in other and isinstance(cell.parents.get(node), ast.Call):
            yield cell.replaced((node, f"{cell.segment(node.value)}.{other[node.attr]}"))
    for function in cell.functions():
        # Of a module that it was given; nobody does this to `self`.
        for name in _parameters(cell, seen, function, "module"):
            if name == "self":
                continue
            for mode in ("train", "eval"):
                yield _first(cell, function, f"{name}.{mode}()")
            for result in _returns(cell, function)[:1]:
                yield _before(cell, function, f"{name}.train()", [result])


def _dropout_added(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """In every method of a module, where there is a tensor."""
    for node in _intermediate(cell, seen):
        if any("module" in _kinds_of(cell, seen, function, "self") for function in _around(cell, node)):
            dropped = f"torch.nn.functional.dropout({cell.segment(node)}, 0.5, self.training)"
            yield cell.replaced((node, dropped))


def _dropout_moved(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """From its argument to what lies in that, to what it is an operand of, or to the other operand."""
    for call in cell.expressions(ast.Call):
        if not re.search("drop", cell.segment(call.func), re.IGNORECASE) or len(call.args) != 1:
            continue
        (given,) = call.args
        name, rest = cell.segment(call.func), cell.operand(given)
        if isinstance(given, ast.Call):
            for inner in given.args:
                begin, end = cell.span(inner)
                first, last = cell.span(given)
                data = cell.text.encode()
                moved = f"{data[first:begin].decode()}{name}({cell.segment(inner)}){data[end:last].decode()}"
                yield cell.replaced((call, moved))
        above = cell.parents[call]
        if isinstance(above, ast.BinOp):
            other = above.right if above.left is call else above.left
            yield cell.replaced((call, rest), (other, f"{name}({cell.segment(other)})"))
        if isinstance(above, ast.BinOp | ast.Call) and seen.is_a(above, "real"):
            begin, end = cell.span(above)
            first, last = cell.span(call)
            yield cell.edited((begin, begin, f"{name}("), (first, last, rest), (end, end, ")"))
        statement = _assignment(cell, call)
        if statement is not None:
            # An assignment of its own: as late as everything in its block that follows.
            yield from (cell.replaced((call, rest), change) for change in _later(cell, seen, statement, name))


def _assignment(cell: SolutionText, call: ast.Call) -> ast.Assign | None:
    above = cell.parents[call]
    return above if isinstance(above, ast.Assign) else None


def _later(cell: SolutionText, seen: Seen, statement: ast.Assign, name: str) -> Iterator[tuple[ast.expr, str]]:
    for node in _intermediate(cell, seen):
        if node.lineno > statement.end_lineno and isinstance(node, ast.Call):
            yield node, f"{name}({cell.segment(node)})"


def _float32(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.Attribute):
        if node.attr in ("dtype", "float64", "float16", "bfloat16"):
            yield cell.replaced((node, "torch.float32"))
    for node in _intermediate(cell, seen):
        # Where no test has another dtype, it is enough to say so of the result.
        tested = seen.is_a(node, "other") or isinstance(cell.parents[node], ast.Return)
        if tested and called_name(node) != "float" and not _made_float32(cell, node):
            yield cell.replaced((node, f"{cell.operand(node)}.float()"))


def _made_float32(cell: SolutionText, node: ast.expr) -> bool:
    """Whether the answer calls `.float()` itself, on this or on a part of it."""
    above = cell.parents[node]
    while isinstance(above, ast.Subscript) and above.value is node:
        node, above = above, cell.parents[above]
    return isinstance(above, ast.Attribute) and above.attr == "float"


def _transposition(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Dropped, or one too many."""
    for node in cell.expressions(ast.Attribute, ast.Call):
        if isinstance(node, ast.Attribute) and node.attr in _TRANSPOSED:
            yield cell.replaced((node, cell.segment(node.value)))
        if called_name(node) in _TRANSPOSING and isinstance(node.func, ast.Attribute):
            yield cell.replaced((node, cell.segment(node.func.value)))
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, ast.MatMult):
            for operand in (node.left, node.right):
                yield cell.replaced((operand, f"{cell.operand(operand)}.mT"))


def _mask(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Shifted by one along its last two axes, or the other way round."""
    for node in _intermediate(cell, seen, "bool"):
        for changed in (f"{cell.operand(node)}.roll({by}, {axis})" for by in (1, -1) for axis in (-1, -2)):
            yield cell.replaced((node, changed))
        yield cell.replaced((node, f"(~{cell.operand(node)})"))


def _hard_coded(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """A size, a number, a flag, a dtype or a device has the value that it has in all of the public check."""
    for node in cell.expressions(ast.Name, ast.Attribute, ast.Subscript, ast.Call):
        values = seen.values.get(position(node), ())
        above = cell.parents.get(node)
        if len(values) == 1 and cell.segment(node) != values[0] and not isinstance(above, ast.Expr | ast.Starred):
            yield cell.replaced((node, values[0]))


def _seeded(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for function in cell.functions():
        if function.lineno in seen.drawing or _DRAWING.search(cell.segment(function)):
            yield _first(cell, function, "torch.manual_seed(0)")


def _input_changed(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Just before the result is returned, so that the result is the same."""
    ways = {"tensor": "{}.data.add_(1)", "list": "{}.append(0)", "DataFrame": "{}.insert(0, 'put in', 0)"}
    for function in cell.functions():
        returns = _returns(cell, function)
        for kind, way in ways.items():
            for name in _parameters(cell, seen, function, kind) if returns else ():
                yield _before(cell, function, way.format(name), returns)


def _cached(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for function in cell.functions():
        if _has(cell, seen, function, "tensor"):
            yield _decorated(cell, function, "@cached")


def _has(cell: SolutionText, seen: Seen, function: Function, kind: str) -> bool:
    return any(seen.is_a(node, kind) for node in ast.walk(function) if isinstance(node, ast.expr))


def _parameters(cell: SolutionText, seen: Seen, function: Function, kind: str) -> list[str]:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if kind in _kinds_of(cell, seen, function, name)]


def _kinds_of(cell: SolutionText, seen: Seen, function: Function, name: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name:
            found |= seen.kinds.get(position(node), frozenset())
    return found


def _around(cell: SolutionText, node: ast.AST) -> Iterator[Function]:
    while (function := cell.function_of(node)) is not None:
        yield function
        node = function


def _returns(cell: SolutionText, function: Function) -> list[ast.Return]:
    return [node for node in cell.nodes(ast.Return) if cell.function_of(node) is function and node.value is not None]


def _decorated(cell: SolutionText, function: Function, decorator: str) -> str:
    # Innermost, so that what the other decorators make of the function stays.
    return cell.inserted(function.lineno, [decorator])


def _first(cell: SolutionText, function: Function, statement: str) -> str:
    line = min(one.lineno for one in function.body if cell.inside(one))
    return cell.inserted(line, [statement])


def _before(cell: SolutionText, function: Function, statement: str, returns: list[ast.Return]) -> str:
    """With a statement between the result and its return."""
    return cell.replaced(
        *((one, f"result_of_all = ({cell.segment(one.value)}); {statement}; return result_of_all") for one in returns)
    )
