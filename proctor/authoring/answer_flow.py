"""Where the results of probes go in a test cell: a small interpreter that knows of a value only whether, and from which
lines, an answer of the submission has come into it.

Statements are followed in their order, loops until nothing new turns up, functions of the cell at each call. What is
chosen by an answer comes from it, too: a branch of an `if`, the item at an index, the place where a loop was left.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable

from proctor.authoring.answer_values import (
    CLEAN,
    FUNCTIONS,
    Lines,
    Look,
    Scope,
    Value,
    Values,
    bound_in,
    lines_of,
    merged,
    parameters_of,
    root_of,
)

_ROUNDS = 10
_MAX_CALLS = 40


def follow(tree: ast.Module, probes: Iterable[str], look: Look) -> None:
    """Go through a cell from its first statement to its last.

    Args:
        tree: of the cell.
        probes: names of its probes.
        look: gets each call of a name or attribute that begins with `check_`: the call, what its arguments come from
            (by position or keyword), and what decides whether it takes place at all.
    """
    flow = _Flow(set(probes), look)
    flow.block([node for node in tree.body if getattr(node, "name", None) not in flow.probes], {})


class _Flow(Values):
    def __init__(self, probes: set[str], look: Look) -> None:
        super().__init__(probes, look)
        # What the function at hand has returned so far, and what has decided whether it, or a loop, was left.
        self.returned: list[Value] = []
        self.left: Lines = CLEAN
        self.active: list[str] = []

    def block(self, body: list[ast.stmt], env: dict[str, Value]) -> None:
        for statement in body:
            handler = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if handler is not None:
                handler(statement, env)
                continue
            for part in ast.iter_child_nodes(statement):
                if isinstance(part, ast.expr):
                    self.value(part, env)

    def _import(self, node: ast.Import | ast.ImportFrom, env: dict[str, Value]) -> None:
        self.modules |= {alias.asname or alias.name.split(".")[0] for alias in node.names}

    _importfrom = _import

    def _functiondef(self, node: ast.FunctionDef, env: dict[str, Value]) -> None:
        self.functions[node.name] = node
        env.pop(node.name, None)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, env: dict[str, Value]) -> None:
        self.block([one for one in node.body if not isinstance(one, FUNCTIONS)], Scope(env))

    def _assign(self, node: ast.Assign, env: dict[str, Value]) -> None:
        if isinstance(node.value, ast.Lambda) and isinstance(node.targets[0], ast.Name):
            self.functions[node.targets[0].id] = node.value
        value = self.value(node.value, env)
        for target in node.targets:
            self.bind(target, value, env)

    def _annassign(self, node: ast.AnnAssign, env: dict[str, Value]) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value, env), env)

    def _augassign(self, node: ast.AugAssign, env: dict[str, Value]) -> None:
        root = root_of(node.target)
        before = env.get(root, CLEAN) if root else CLEAN
        self.bind(node.target, lines_of(before) | lines_of(self.value(node.value, env)), env)

    def _expr(self, node: ast.Expr, env: dict[str, Value]) -> None:
        value = lines_of(self.value(node.value, env))
        # Nobody takes the result: such a call is there for what it does to the object.
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self.taint(node.value.func.value, value, env)

    def _return(self, node: ast.Return, env: dict[str, Value]) -> None:
        value = self.value(node.value, env) if node.value else CLEAN
        self.returned.append(value if not self.under else lines_of(value) | self.under)
        self.left |= self.under

    def _break(self, node: ast.Break, env: dict[str, Value]) -> None:
        self.left |= self.under

    _continue = _break

    def _if(self, node: ast.If, env: dict[str, Value]) -> None:
        self.branches(lines_of(self.value(node.test, env)), [node.body, node.orelse], env)

    def _match(self, node: ast.Match, env: dict[str, Value]) -> None:
        subject = lines_of(self.value(node.subject, env))
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None)
                if isinstance(name, str):
                    env[name] = subject
        # No case may fit.
        self.branches(subject, [*(case.body for case in node.cases), []], env)

    def _try(self, node: ast.Try, env: dict[str, Value]) -> None:
        asked = CLEAN
        for part in ast.walk(ast.Module(node.body, [])):
            if isinstance(part, ast.Name):
                asked |= lines_of(self.value(part, env))
        self.block(node.body, env)
        for handler in node.handlers:
            if handler.name:
                env[handler.name] = asked
        self.branches(asked, [*(handler.body for handler in node.handlers), node.orelse], env)
        self.block(node.finalbody, env)

    _trystar = _try

    def _with(self, node: ast.With, env: dict[str, Value]) -> None:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, env)
        self.block(node.body, env)

    def _for(self, node: ast.For, env: dict[str, Value]) -> None:
        def once() -> None:
            outer = self.under
            self.bind(node.target, self.element(node.iter, env), env)
            # Nothing takes place for the items that an answer doesn't have.
            self.under |= self.length(node.iter, env)
            self.block(node.body, env)
            self.under = outer

        self.loop(once, node, env)
        self.block(node.orelse, env)

    def _while(self, node: ast.While, env: dict[str, Value]) -> None:
        def once() -> None:
            self.branches(lines_of(self.value(node.test, env)), [node.body], env)

        self.loop(once, node, env)
        self.block(node.orelse, env)

    def loop(self, once: Callable[[], None], node: ast.For | ast.While, env: dict[str, Value]) -> None:
        outer_left, outer_under, self.left = self.left, self.under, CLEAN
        for _ in range(_ROUNDS):
            before = (dict(env), self.left)
            once()
            for name, value in before[0].items():
                env[name] = merged(env.get(name, CLEAN), value)
            # What was not left out yet depends on all that might have left the loop.
            self.under = outer_under | self.left
            if (dict(env), self.left) == before:
                break
        if self.left:
            for name in bound_in(node):
                env[name] = lines_of(env.get(name, CLEAN)) | self.left
        returns = any(isinstance(part, ast.Return) for part in ast.walk(node))
        self.under, self.left = outer_under, outer_left | (self.left if returns else CLEAN)

    def branches(self, reason: Lines, bodies: list[list[ast.stmt]], env: dict[str, Value]) -> None:
        """Each of the bodies may run, for this reason; what they bind comes from the reason, too."""
        start, outer = dict(env), self.under
        bound = {name for body in bodies for name in bound_in(ast.Module(body, []))}
        self.under = outer | reason
        ends = []
        for body in bodies:
            env.clear()
            env.update(start)
            self.block(body, env)
            ends.append(dict(env))
        env.clear()
        self.under = outer
        for end in ends:
            for name, value in end.items():
                changed = name not in start or value != start[name] or name in bound
                value = lines_of(value) | reason if reason and changed else value
                env[name] = merged(env[name], value) if name in env else value

    def call(self, name: str, by_name: dict[str, Value] | None, everything: Lines, env: dict[str, Value]) -> Value:
        function = self.functions[name]
        if name in self.active or len(self.active) > _MAX_CALLS:
            return everything | lines_of(tuple((by_name or {}).values()))
        inner = Scope(env)
        inner.update(dict.fromkeys(parameters_of(function.args), everything))
        inner.update(by_name or {})
        if isinstance(function, ast.Lambda):
            return self.value(function.body, inner)
        kept, self.returned, left, self.left = self.returned, [], self.left, CLEAN
        self.active.append(name)
        try:
            for statement in function.body:
                outer = self.under
                self.under |= self.left
                self.block([statement], inner)
                self.under = outer
            yields = [
                self.value(n.value, inner) for n in ast.walk(function) if isinstance(n, (ast.Yield, ast.YieldFrom))
            ]
            values = [*self.returned, *yields]
            return functools.reduce(merged, values) if values else CLEAN
        finally:
            self.active.pop()
            self.returned, self.left = kept, left
