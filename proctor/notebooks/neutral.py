"""The text of a probe as student code may see it: what it does, without a word that says what it is for.

Code under test can look at the frame that calls it, and at all that a question brings into its process. So a probe
travels as a function `_` whose parameters and own names are numbered, without docstring, comments and annotations, and
a double travels under the name that it stands in for. Only what others look up by name stays: attributes, dict keys,
and the parameters of methods and doubles.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks.code import reads
from proctor.notebooks.renaming import FUNCTIONS, Renamer, numbered

NAME = "_"
# What looks for a name that stands only in a text.
_BY_TEXT = frozenset({"locals", "vars", "dir", "eval", "exec"})


def neutral_probe(probe: ast.FunctionDef) -> str:
    """Text of a probe that can be told from another one by what it does alone.

    All parameters are keywords, as :func:`bound_arguments` names them. What the body raises comes back as the result:
    nothing of the engine has to be called around it then.

    Raises:
        ProctorError: it can't be written with other names, because it uses `locals` or the like.
    """
    own = _stripped(probe)
    own.decorator_list = []
    before = reads(own)
    renamer = Renamer(NAME)
    own = renamer.function(own)
    own.name = NAME
    given = own.args
    defaults = [None] * (len(given.posonlyargs) + len(given.args) - len(given.defaults)) + list(given.defaults)
    pairs = list(zip([*given.posonlyargs, *given.args], defaults, strict=True))
    pairs += [(given.vararg, None)] if given.vararg else []
    pairs += list(zip(given.kwonlyargs, given.kw_defaults, strict=True))
    pairs += [(given.kwarg, None)] if given.kwarg else []
    own.args = ast.arguments([], [], None, [one for one, _ in pairs], [default for _, default in pairs], None, [])
    error = renamer.fresh()
    handler = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), error, [ast.Return(ast.Name(error, ast.Load()))])
    own.body = [ast.Try(own.body, [handler], [], [])]
    return _text(own, before | {"BaseException"}, probe.name)


def neutral_double(double: ast.stmt, stands_for: str) -> str:
    """Text of a class or function under the name of what it replaces: "Norm", or "forward" for "Layer.forward".

    Raises:
        ProctorError: it can't be written with other names, because it uses `locals` or the like.
    """
    own = _stripped(double)
    before = reads(own)
    renamer = Renamer(NAME)
    # Whoever calls a double may name its parameters, as they may those of the answer.
    own = renamer.function(own, keep_parameters=True) if isinstance(own, FUNCTIONS) else renamer.visit(own)
    own.name = stands_for.rpartition(".")[2]
    return _text(own, before, double.name)


def bound_arguments(function: Callable, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a call of the probe as its neutral text takes them.

    Args:
        function: the probe's own function, under its own names.

    Raises:
        TypeError: the function can't be called like this.
    """
    signature = inspect.signature(function)
    given = signature.bind(*args, **kwargs).arguments
    several = {inspect.Parameter.VAR_POSITIONAL: (), inspect.Parameter.VAR_KEYWORD: {}}
    return {
        numbered(NAME, position): given.get(name, several.get(parameter.kind))
        for position, (name, parameter) in enumerate(signature.parameters.items())
        if name in given or parameter.kind in several
    }


def _text(made: ast.stmt, globals_before: set[str], name: str) -> str:
    text = ast.unparse(ast.fix_missing_locations(made)) + "\n"
    # Python's own scopes have the last word on whether the same names are looked up outside as before.
    if reads(ast.parse(text)) - {made.name} != globals_before - {name, made.name}:
        raise ProctorError(f"{name} can't be written with neutral names: write it more simply")
    return text


def _stripped(definition: ast.stmt) -> Any:
    for part in ast.walk(definition):
        if isinstance(part, ast.Name) and part.id in _BY_TEXT:
            raise ProctorError(f"{definition.name} uses {part.id}, which looks for names by their text: write them out")
    return ast.fix_missing_locations(_Stripped().visit(copy.deepcopy(definition)))


class _Stripped(ast.NodeTransformer):
    """Without docstrings and other texts that nobody reads, and without annotations but those of a class's fields."""

    def visit(self, node: ast.AST) -> Any:
        node = super().visit(node)
        if isinstance(node, FUNCTIONS):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block:
                setattr(node, field, [one for one in block if not _is_text(one)] or [ast.Pass()])
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [one if isinstance(one, ast.AnnAssign) else self.visit(one) for one in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None:
            return ast.Assign([node.target], node.value)
        if not isinstance(node.target, ast.Name):
            return ast.Pass()
        # It only makes the name one of the function's own.
        return ast.If(ast.Constant(False), [ast.Assign([node.target], ast.Constant(None))], [])


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
