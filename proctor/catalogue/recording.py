"""What a reference answer's expressions are worth while the tests run: kinds, and numbers that stay the same.

The reference runs once with a call of `recorded` around each expression of its solution. So operators of tensors change
tensors only, and a size can be replaced by the number that it has in the public check.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proctor.catalogue.solution_text import SolutionText, position

# First lines of a cell whose text uses what is defined here.
IMPORT = f"from {__name__} import cached, drawing, recorded"
_WRAPPED = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp)
_SEEN: dict[str, Any] = {"kinds": {}, "values": {}, "drawing": []}
# A value that changes more often than this is none that anybody would write down.
_MOST_VALUES = 2


@dataclass(frozen=True)
class Seen:
    """What a run has recorded, by the positions of expressions in a solution's text.

    Attributes:
        kinds: "tensor"; "bool", a bool tensor; "real", one of floating-point numbers; "other", one of these that is not
            float32; "graded", a gradient flows through it; "module"; "list"; "float", a Python number; "DataFrame".
        values: Python text of the values that it had in the public check, two at most.
        drawing: lines of functions that drew random numbers.
    """

    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drawing: frozenset[int] = frozenset()

    def is_a(self, node: ast.AST, kind: str) -> bool:
        """Whether an expression was of this kind at least once."""
        return hasattr(node, "lineno") and kind in self.kinds.get(position(node), ())


def with_recording(cell: SolutionText) -> str:
    """The text of a solution cell with a call of `recorded` around each expression in its solution."""
    inside = {position(node) for node in cell.expressions(*_WRAPPED)}
    functions = {function.lineno for function in cell.functions()}
    tree = _Recording(inside, functions).visit(copy.deepcopy(cell.tree))
    return f"{IMPORT}\n{ast.unparse(ast.fix_missing_locations(tree))}"


class _Recording(ast.NodeTransformer):
    def __init__(self, inside: set[str], functions: set[int]) -> None:
        self.inside, self.functions = inside, functions

    def visit(self, node: ast.AST) -> ast.AST:
        place = position(node) if isinstance(node, _WRAPPED) else ""
        if not isinstance(node, ast.JoinedStr):
            self.generic_visit(node)
        if isinstance(node, ast.FunctionDef) and node.lineno in self.functions:
            node.decorator_list.append(_call("drawing", ast.Constant(node.lineno)))
        if place in self.inside and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return _call("recorded", node, ast.Constant(place))
        return node


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def recorded(value: Any, place: str) -> Any:
    """The value itself; what it is gets noted."""
    _SEEN["kinds"].setdefault(place, set()).update(_kinds(value))
    text = _text(value)
    values = _SEEN["values"].setdefault(place, [])
    if text not in values and len(values) < _MOST_VALUES:
        values.append(text)
    return value


def drawing(line: int) -> Callable[[Callable], Callable]:
    """A decorator that notes a function which moves torch's random generator, and asks for gradients of its arguments.

    So an expression that depends on them is seen to be one through which a gradient flows, whether a test asks or not.
    """

    def decorated(function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            torch = sys.modules.get("torch")
            before = torch.get_rng_state() if torch else None
            result = function(*map(_with_history, args), **{k: _with_history(v) for k, v in kwargs.items()})
            if torch and not torch.equal(before, torch.get_rng_state()) and line not in _SEEN["drawing"]:
                _SEEN["drawing"].append(line)
            return result

        return called

    return decorated


def _with_history(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or type(value) is not torch.Tensor or not value.dtype.is_floating_point or value.requires_grad:
        return value
    # No leaf, which could not be changed in place.
    return value.detach().requires_grad_().clone() if torch.is_grad_enabled() else value


def cached(function: Callable) -> Callable:
    """A decorator that gives the first result again for arguments of the same shapes: what a mutant does."""
    kept: dict[Any, Any] = {}

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        key = tuple(map(_shape, (*args, *kwargs.values())))
        if key not in kept:
            # The arguments too: the number of an object is free again once it is gone.
            kept[key] = args, kwargs, function(*args, **kwargs)
        return kept[key][2]

    return called


def taken() -> dict[str, Any]:
    """What has been recorded in this process, in a form that JSON can hold."""
    return {**_SEEN, "kinds": {place: sorted(kinds) for place, kinds in _SEEN["kinds"].items()}}


def seen(all_tests: Mapping[str, Any], public_tests: Mapping[str, Any]) -> Seen:
    """What `taken` gave after all tests, and after their public parts alone."""
    return Seen(
        {place: frozenset(kinds) for place, kinds in all_tests["kinds"].items()},
        # None stands for a value that can't be written down.
        {place: tuple(values) for place, values in public_tests["values"].items() if None not in values},
        frozenset(all_tests["drawing"]),
    )


def _kinds(value: Any) -> set[str]:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        is_module = torch is not None and isinstance(value, torch.nn.Module)
        if is_module:
            return {"module"}
        return {type(value).__name__} & {"list", "float", "DataFrame"}
    kinds = {"tensor"}
    if value.dtype is torch.bool:
        kinds.add("bool")
    if value.dtype.is_floating_point:
        kinds.add("real")
        if value.requires_grad:
            kinds.add("graded")
        if value.dtype is not torch.float32:
            kinds.add("other")
    return kinds


def _text(value: Any) -> str | None:
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.dtype):
        return repr(value)
    if torch is not None and isinstance(value, torch.device):
        return f"torch.{value!r}"
    return None


def _shape(value: Any) -> Any:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return tuple(shape), getattr(value, "dtype", None)
    return value if value is None or isinstance(value, bool | int | float | str) else id(value)
