"""What an expression of a test cell comes from: the lines of the probe calls whose answers have come into it.

The statements around it are followed in `proctor.authoring.answer_flow`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable

# Lines of the probe calls that a value comes from, or, for a tuple or list written out, those of each item.
Lines = frozenset[int]
Value = Lines | tuple
CLEAN: Lines = frozenset()
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Methods that change what they are called on.
_CHANGING = frozenset({"append", "extend", "insert", "add", "update", "setdefault", "appendleft", "__setitem__"})
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Look = Callable[[ast.Call, list[tuple[str | int, Lines]], Lines], None]


class Scope(dict):
    """Values by name; what isn't there is looked up in the scope around, as it is at that moment."""

    def __init__(self, outer: dict[str, Value]) -> None:
        super().__init__()
        self.outer = outer

    def get(self, name: str, default: Value = CLEAN) -> Value:
        return self[name] if name in self else self.outer.get(name, default)


class Values:
    """Values of expressions, and what assigning to them does to an environment.

    Attributes:
        functions: of the cell, by the name under which they are called.
        modules: names that are imported: nothing comes into them.
        under: what decides whether the statement at hand runs.
    """

    def __init__(self, probes: set[str], look: Look) -> None:
        self.probes = probes
        self.look = look
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = {}
        self.modules: set[str] = set()
        self.under: Lines = CLEAN

    def call(self, name: str, by_name: dict[str, Value] | None, everything: Lines, env: dict[str, Value]) -> Value:
        """Value of a call of a function of the cell: values by parameter, or what comes into all of them."""
        raise NotImplementedError

    def bind(self, target: ast.expr, value: Value, env: dict[str, Value]) -> None:
        if self.under:
            value = lines_of(value) | self.under
        if isinstance(target, ast.Name):
            env[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            starred = any(isinstance(one, ast.Starred) for one in target.elts)
            apart = isinstance(value, tuple) and len(value) == len(target.elts) and not starred
            for position, one in enumerate(target.elts):
                inner = one.value if isinstance(one, ast.Starred) else one
                self.bind(inner, value[position] if apart else lines_of(value), env)
        else:
            if isinstance(target, ast.Subscript):
                value = lines_of(value) | lines_of(self.value(target.slice, env))
            self.taint(target, lines_of(value), env)

    def taint(self, node: ast.expr, lines: Lines, env: dict[str, Value]) -> None:
        """Lines come into the object that an expression begins with."""
        root, lines = root_of(node), lines | self.under
        if root and lines and root not in self.modules:
            env[root] = lines_of(env.get(root, CLEAN)) | lines

    def element(self, iterable: ast.expr, env: dict[str, Value]) -> Value:
        """Value of one item of an iterable."""
        if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name):
            if iterable.func.id == "zip":
                return tuple(self.element(one, env) for one in iterable.args)
            if iterable.func.id == "enumerate":
                return (CLEAN, self.element(iterable.args[0], env))
        value = self.value(iterable, env)
        if isinstance(value, tuple) and isinstance(iterable, (ast.List, ast.Tuple, ast.Set, ast.Name)):
            return functools.reduce(merged, value) if value else CLEAN
        return lines_of(value)

    def length(self, iterable: ast.expr, env: dict[str, Value]) -> Lines:
        """What decides how many items an iterable has."""
        if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name):
            lengths = [self.length(one, env) for one in iterable.args]
            if iterable.func.id == "zip" and any(one.arg == "strict" for one in iterable.keywords):
                return min(lengths, key=len, default=CLEAN)
            if iterable.func.id in ("enumerate", "zip"):
                return lines_of(tuple(lengths))
        value = self.value(iterable, env)
        return CLEAN if isinstance(value, tuple) else value

    def value(self, node: ast.expr | None, env: dict[str, Value]) -> Value:
        if node is None or isinstance(node, ast.Constant):
            return CLEAN
        if isinstance(node, ast.Name):
            return self.of_name(node, env)
        if isinstance(node, (ast.Tuple, ast.List)) and not any(isinstance(one, ast.Starred) for one in node.elts):
            return tuple(self.value(one, env) for one in node.elts)
        if isinstance(node, ast.Call):
            return self.of_call(node, env)
        if isinstance(node, ast.NamedExpr):
            value = self.value(node.value, env)
            self.bind(node.target, value, env)
            return value
        if isinstance(node, ast.Lambda):
            inner = Scope(env)
            inner.update(dict.fromkeys(parameters_of(node.args), CLEAN))
            return self.value(node.body, inner)
        if isinstance(node, _COMPREHENSIONS):
            return self.of_comprehension(node, env)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            whole, index = self.value(node.value, env), node.slice.value
            if isinstance(whole, tuple) and isinstance(index, int) and -len(whole) <= index < len(whole):
                return whole[index]
            return lines_of(whole)
        if isinstance(node, ast.IfExp):
            either = merged(self.value(node.body, env), self.value(node.orelse, env))
            test = lines_of(self.value(node.test, env))
            return lines_of(either) | test if test else either
        parts = [self.value(part, env) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        return lines_of(tuple(parts))

    def of_name(self, node: ast.Name, env: dict[str, Value]) -> Value:
        if node.id in self.probes:
            return frozenset({node.lineno})
        if node.id in self.functions and not _known(env, node.id):
            return self.call(node.id, {}, CLEAN, env)
        return env.get(node.id, CLEAN)

    def of_comprehension(self, node: ast.expr, env: dict[str, Value]) -> Value:
        inner, reason = Scope(env), CLEAN
        for part in node.generators:
            self.bind(part.target, self.element(part.iter, inner), inner)
            reason |= lines_of(tuple(self.value(test, inner) for test in part.ifs))
        made = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        value = tuple(self.value(one, inner) for one in made)
        over = lines_of(tuple(self.value(part.iter, env) for part in node.generators[:1]))
        # Over a list of several values each item has its own; only a chosen one has all.
        return (
            lines_of(value)
            | reason
            | (over if isinstance(self.element(node.generators[0].iter, env), frozenset) else CLEAN)
        )

    def of_call(self, node: ast.Call, env: dict[str, Value]) -> Value:
        arguments: list[tuple[str | int, Value]] = []
        for position, one in enumerate(node.args):
            star = isinstance(one, ast.Starred)
            arguments.append(("*" if star else position, self.value(one.value if star else one, env)))
        arguments += [(one.arg or "**", self.value(one.value, env)) for one in node.keywords]
        called = getattr(node.func, "id", None) or getattr(node.func, "attr", None) or ""
        everything = lines_of(tuple(value for _, value in arguments))
        if isinstance(node.func, ast.Name) and called in self.probes:
            return frozenset({node.lineno})
        if isinstance(node.func, ast.Name) and called in self.functions:
            by_name = self.parameters(self.functions[called], arguments)
            return self.call(called, by_name, everything if by_name is None else CLEAN, env)
        if called.startswith("check_"):
            self.look(node, [(where, lines_of(value)) for where, value in arguments], self.under)
            return CLEAN
        if isinstance(node.func, ast.Attribute) and (called in _CHANGING or called.endswith("_")):
            self.taint(node.func.value, everything, env)
        if called in ("zip", "enumerate"):
            return everything
        return everything | lines_of(self.value(node.func, env))

    def parameters(self, function: ast.AST, arguments: list[tuple[str | int, Value]]) -> dict[str, Value] | None:
        """Values by parameter; None if a starred argument hides which is which."""
        named = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        found: dict[str, Value] = {}
        for where, value in arguments:
            if where in ("*", "**"):
                return None
            if isinstance(where, int):
                rest = function.args.vararg.arg if function.args.vararg else None
                where = named[where] if where < len(named) else rest
            elif where not in parameters_of(function.args) and function.args.kwarg:
                where = function.args.kwarg.arg
            if where is not None:
                found[where] = lines_of(found[where]) | lines_of(value) if where in found else value
        return found


def lines_of(value: Value) -> Lines:
    """All lines of a value, whatever its form."""
    return value if isinstance(value, frozenset) else functools.reduce(frozenset.union, map(lines_of, value), CLEAN)


def merged(one: Value, other: Value) -> Value:
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(merged(a, b) for a, b in zip(one, other, strict=True))
    return lines_of(one) | lines_of(other)


def root_of(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def bound_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def parameters_of(arguments: ast.arguments) -> list[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [one.arg for one in every if one is not None]


def _known(env: dict[str, Value], name: str) -> bool:
    return name in env or (isinstance(env, Scope) and _known(env.outer, name))
