"""Right answers by rule: a reference answer with one expression written in another way that is as right.

Dtypes and storage of what is computed, einsum and loops for products, functions for methods and modules the other way
round. None may lose a point. What the expressions are worth was recorded, as for mutants.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from proctor.catalogue.recording import Seen
from proctor.catalogue.solution_text import Function, SolutionText, called_name

# First line of a cell whose text uses what is defined there.
IMPORT = "import proctor.catalogue.rewritten as rewritten"
_PRODUCTS = ("torch.matmul", *(f"rewritten.product_by_{way}" for way in ("einsum", "loops", "sums")))
_FUNCTIONS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul"}
_MODULES = {"softmax": "Softmax", "leaky_relu": "LeakyReLU", "relu": "ReLU", "sigmoid": "Sigmoid"}
_TENSORS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp)
# Functions of torch with the names of methods, but with other arguments.
_OTHER_MEANING = {"reshape", "permute"}
_SAME_STORAGE_NEEDED = {"view", "data"}


def rewritings(cell: SolutionText, seen: Seen) -> Iterator[tuple[str, str]]:
    """Name of a rule and the text that it makes, one at a time."""
    for rule in (
        _product,
        _operator_as_function,
        _operands_in_another_order,
        _times_the_inverse,
        _method_as_function,
        _function_as_method,
        _module_as_function,
        _function_as_module,
        _softmax_by_hand,
        _root,
        _reshaped,
        _transposed,
        _masked,
        _heads_one_by_one,
        _children,
        _extra_state,
        _storage,
        _number,
        _gradients_off,
        _row_by_row,
    ):
        name = rule.__name__.strip("_").replace("_", "-")
        for text in rule(cell, seen):
            yield name, text


def _product(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, ast.MatMult) and seen.is_a(node, "tensor"):
            for way in _PRODUCTS:
                yield cell.replaced((node, f"{way}({cell.segment(node.left)}, {cell.segment(node.right)})"))


def _operator_as_function(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        if type(node.op) in _FUNCTIONS and seen.is_a(node.left, "tensor"):
            name = _FUNCTIONS[type(node.op)]
            yield cell.replaced((node, f"torch.{name}({cell.segment(node.left)}, {cell.segment(node.right)})"))


def _operands_in_another_order(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, ast.Add | ast.Mult) and seen.is_a(node, "tensor"):
            yield cell.replaced((node.left, cell.operand(node.right)), (node.right, cell.operand(node.left)))


def _times_the_inverse(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, ast.Div) and seen.is_a(node.left, "real"):
            yield cell.replaced((node, f"({cell.operand(node.left)} * (1 / {cell.operand(node.right)}))"))


def _method_as_function(cell: SolutionText, seen: Seen) -> Iterator[str]:
    torch = sys.modules.get("torch")
    for call in cell.expressions(ast.Call):
        if isinstance(call.func, ast.Attribute) and seen.is_a(call.func.value, "tensor"):
            name = call.func.attr
            if callable(getattr(torch, name, None)) and name not in _OTHER_MEANING:
                yield cell.replaced((call, f"torch.{name}({_arguments(cell, call.func.value, call)})"))


def _function_as_method(cell: SolutionText, seen: Seen) -> Iterator[str]:
    torch = sys.modules.get("torch")
    for call in cell.expressions(ast.Call):
        if not isinstance(call.func, ast.Attribute) or cell.segment(call.func.value) not in ("torch", "F"):
            continue
        if call.args and seen.is_a(call.args[0], "tensor") and hasattr(torch.Tensor, call.func.attr):
            first, *others = [*call.args, *call.keywords]
            rest = ", ".join(map(cell.segment, others))
            yield cell.replaced((call, f"{cell.operand(first)}.{call.func.attr}({rest})"))


def _module_as_function(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if seen.is_a(call.func, "module") and not call.keywords:
            yield cell.replaced((call, f"rewritten.by_functional({_arguments(cell, call.func, call)})"))


def _function_as_module(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        module = _MODULES.get(called_name(call))
        if module is None or not isinstance(call.func, ast.Attribute):
            continue
        of_tensor = seen.is_a(call.func.value, "tensor")
        given, rest = (call.func.value, call.args) if of_tensor else (call.args[0], call.args[1:])
        options = ", ".join(map(cell.segment, [*rest, *call.keywords]))
        yield cell.replaced((call, f"torch.nn.{module}({options})({cell.segment(given)})"))


def _softmax_by_hand(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if called_name(call) == "softmax" and seen.is_a(call.func.value, "tensor"):
            yield cell.replaced((call, f"rewritten.softmax_by_hand({_arguments(cell, call.func.value, call)})"))


def _root(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Roots and squares in their other forms."""
    for call in cell.expressions(ast.Call):
        if called_name(call) == "rsqrt" and call.args:
            given = cell.segment(call.args[0])
            yield cell.replaced((call, f"(1 / torch.sqrt({given}))"))
            yield cell.replaced((call, f"(({given}) ** -0.5)"))
        if called_name(call) == "pow" and cell.segment(call).endswith(".pow(2)"):
            given = cell.operand(call.func.value)
            yield cell.replaced((call, f"({given} * {given})"))
            yield cell.replaced((call, f"{given}.square()"))
    for node in cell.expressions(ast.BinOp):
        if isinstance(node.op, ast.Pow) and cell.segment(node.right) == "0.5" and not seen.is_a(node, "tensor"):
            yield cell.replaced((node, f"__import__('math').sqrt({cell.segment(node.left)})"))
            yield cell.replaced((node, f"torch.tensor({cell.segment(node.left)}).sqrt()"))


def _reshaped(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if not isinstance(call.func, ast.Attribute) or not seen.is_a(call.func.value, "tensor"):
            continue
        given, options = cell.operand(call.func.value), ", ".join(map(cell.segment, [*call.args, *call.keywords]))
        if call.func.attr in ("view", "reshape"):
            yield cell.replaced((call, f"{given}.reshape({options})"))
            yield cell.replaced((call, f"{given}.contiguous().view({options})"))
            yield cell.replaced((call, f"rewritten.unflattened({cell.segment(call.func.value)}, {options})"))
        if cell.segment(call).endswith(".flatten(-2)"):
            yield cell.replaced((call, f"{given}.reshape(*{given}.shape[:-2], -1)"))
            yield cell.replaced((call, f"torch.cat({given}.unbind(-2), dim=-1)"))


def _transposed(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if called_name(call) == "transpose" and seen.is_a(call.func.value, "tensor") and len(call.args) == 2:
            given, (first, second) = cell.operand(call.func.value), map(cell.segment, call.args)
            yield cell.replaced((call, f"{given}.swapaxes({first}, {second})"))
            yield cell.replaced((call, f"{given}.movedim(({first}, {second}), ({second}, {first}))"))
            yield cell.replaced((call, f"rewritten.permuted({given}, {first}, {second})"))
            yield cell.replaced((call, f"{given}.transpose({first}, {second}).contiguous()"))
    for node in cell.expressions(ast.Attribute):
        if node.attr == "T" and seen.is_a(node.value, "tensor"):
            for form in (".t()", ".mT", ".transpose(0, 1)", ".permute(1, 0)", ".T.contiguous()"):
                yield cell.replaced((node, f"{cell.operand(node.value)}{form}"))


def _masked(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if called_name(call) == "masked_fill" and len(call.args) == 2:
            given, (mask, value) = cell.operand(call.func.value), map(cell.segment, call.args)
            yield cell.replaced((call, f"torch.where({mask}, {value}, {given})"))
            yield cell.replaced((call, f"{given}.clone().masked_fill_({mask}, {value})"))
        if cell.segment(call) == 'float("-inf")':
            yield cell.replaced((call, "-torch.inf"))
            yield cell.replaced((call, "torch.finfo(torch.float32).min"))
            yield cell.replaced((call, "-1e9"))


def _heads_one_by_one(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if called_name(call) == "scaled_dot_product_attention":
            yield cell.replaced((call.func, "rewritten.attention_head_by_head"))


def _children(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if called_name(call) == "Sequential":
            yield cell.replaced((call.func, "rewritten.named_children"))
            yield cell.replaced((call.func, "rewritten.OwnSequential"))


def _extra_state(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for function in cell.functions():
        if function.args.args[:1] and function.args.args[0].arg == "self":
            yield _first(cell, function, "self.calls_of_mine = getattr(self, 'calls_of_mine', 0) + 1")
            if function.name == "__init__":
                yield _first(cell, function, "self.register_buffer('mine', torch.zeros(2), persistent=False)")


def _storage(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Numbers in a row or not, own or a part of another tensor: of every tensor on its way, and of what is returned."""
    for node in cell.expressions(*_TENSORS):
        above = cell.parents.get(node)
        needed = isinstance(above, ast.Attribute) and above.attr in _SAME_STORAGE_NEEDED
        # The fused kernels take nothing else than numbers in a row, and what is written to is no copy.
        needed = needed or called_name(above) == "scaled_dot_product_attention"
        needed = needed or isinstance(getattr(above, "ctx", None), ast.Store)
        if seen.is_a(node, "tensor") and not needed:
            yield cell.replaced((node, f"rewritten.spread_out({cell.segment(node)})"))
            if isinstance(above, ast.Return | ast.Tuple | ast.Dict):
                yield cell.replaced((node, f"rewritten.part_of_another({cell.segment(node)})"))
                yield cell.replaced((node, f"{cell.operand(node)}.clone()"))


def _number(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Python numbers: rounded to float32, or tensors without dimensions."""
    for function in cell.functions():
        yield cell.inserted(function.lineno, ["@rewritten.numbers_in_float32"])
    for node in cell.expressions(ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.UnaryOp, ast.Constant):
        above = cell.parents.get(node)
        # What the answer computes, not what it was given.
        if seen.is_a(node, "float") and isinstance(node, ast.Call | ast.BinOp | ast.UnaryOp):
            yield cell.replaced((node, f"rewritten.in_float32({cell.segment(node)})"))
        number = seen.is_a(node, "float") or (isinstance(node, ast.Constant) and type(node.value) is float)
        if number and isinstance(above, ast.BinOp) and seen.is_a(above, "real"):
            yield cell.replaced((node, f"torch.tensor({cell.segment(node)})"))
    for call in cell.expressions(ast.Call):
        if re.fullmatch(r".*\.item\(\)", cell.segment(call), re.DOTALL):
            given = cell.segment(call.func.value)
            yield cell.replaced((call, f"float({given})"))
            yield cell.replaced((call, f"({given}).tolist()"))


def _gradients_off(cell: SolutionText, seen: Seen) -> Iterator[str]:
    for call in cell.expressions(ast.Call):
        if cell.segment(call) == "torch.no_grad()":
            yield cell.replaced((call, "torch.inference_mode()"))
            yield cell.replaced((call, "torch.set_grad_enabled(False)"))


def _row_by_row(cell: SolutionText, seen: Seen) -> Iterator[str]:
    """Of functions that call no module, which somebody may count."""
    for function in cell.functions():
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        if not any(seen.is_a(call.func, "module") for call in calls) and _has_tensor(seen, function):
            yield cell.inserted(function.lineno, ["@rewritten.row_by_row"])


def _has_tensor(seen: Seen, function: Function) -> bool:
    return any(seen.is_a(node, "real") for node in ast.walk(function) if isinstance(node, ast.expr))


def _arguments(cell: SolutionText, first: ast.expr, call: ast.Call) -> str:
    return ", ".join(map(cell.segment, [first, *call.args, *call.keywords]))


def _first(cell: SolutionText, function: Function, statement: str) -> str:
    line = min(one.lineno for one in function.body if cell.inside(one))
    return cell.inserted(line, [statement])
