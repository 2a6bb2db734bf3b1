"""Numbers in place of the names that functions bind for themselves, by Python's rules of scopes.

Names that are looked up elsewhere stay: globals, attributes of classes, imported modules, parameters of methods, and
those of inner functions that a keyword names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def numbered(prefix: str, number: int) -> str:
    """The neutral name of this number; parameters of the outermost function come first, from 0."""
    return f"{prefix}{number}"


class _Scope:
    """Names of a function or comprehension, with their new ones; or of a class, whose names stay as they are."""

    def __init__(self, names: dict[str, str], is_class: bool = False) -> None:
        self.names = names
        self.is_class = is_class


class Renamer(ast.NodeTransformer):
    """Renames in place; all numbers of one renamer differ."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.count = 0
        self.scopes: list[_Scope] = []
        self.keywords: set[str] = set()

    def fresh(self) -> str:
        """A name that it has not given yet."""
        self.count += 1
        return numbered(self.prefix, self.count - 1)

    def function(self, node: Any, keep_parameters: bool = False) -> Any:
        """The outermost function, whose own name is left to the caller."""
        if not self.scopes:
            self.keywords = {part.arg for part in ast.walk(node) if isinstance(part, ast.keyword) and part.arg}
        arguments = _arguments(node)
        self._visit_outside(node)
        kept = {one.arg for one in arguments} if keep_parameters else set()
        if self.scopes:
            kept |= {one.arg for one in arguments} & self.keywords
        body = node.body if isinstance(node.body, list) else [node.body]
        self._enter([one.arg for one in arguments], body, kept)
        for one in arguments:
            one.arg = self._name(one.arg)
        node.body = [self.visit(one) for one in body] if isinstance(node.body, list) else self.visit(node.body)
        self.scopes.pop()
        return node

    def _visit_outside(self, node: Any) -> None:
        """Decorators and defaults belong to the scope around."""
        node.args.defaults = [self.visit(one) for one in node.args.defaults]
        node.args.kw_defaults = [one and self.visit(one) for one in node.args.kw_defaults]
        if isinstance(node, FUNCTIONS):
            node.decorator_list = [self.visit(one) for one in node.decorator_list]

    def _enter(self, parameters: Iterable[str], body: Iterable[ast.AST], kept: set[str]) -> None:
        outside: set[str] = set()
        imported: set[str] = set()
        bound = dict.fromkeys(parameters)
        for node in _own_nodes(body):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                outside |= set(node.names)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                imported |= {alias.name.split(".")[0] for alias in node.names if alias.asname is None}
            bound.update(dict.fromkeys(_bound_by(node)))
        stay = kept | imported
        names = {}
        for name in bound:
            if name not in outside:
                names[name] = name if name in stay or name.startswith("__") else self.fresh()
        # A global declared here is one for the functions inside, too, but for them Python looks further out.
        self.scopes.append(_Scope(names))

    def _name(self, name: str) -> str:
        for scope in reversed(self.scopes):
            if scope.is_class:
                if scope is self.scopes[-1] and name in scope.names:
                    return name
            elif name in scope.names:
                return scope.names[name]
        return name

    def visit_FunctionDef(self, node: Any) -> Any:
        is_method = bool(self.scopes) and self.scopes[-1].is_class
        name = self._name(node.name)
        node = self.function(node, keep_parameters=is_method)
        node.name = name
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not self.scopes:
            self.keywords = {part.arg for part in ast.walk(node) if isinstance(part, ast.keyword) and part.arg}
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.bases = [self.visit(one) for one in node.bases]
        node.keywords = [self.visit(one) for one in node.keywords]
        name = self._name(node.name)
        names = {name for part in _own_nodes(node.body) for name in _bound_by(part)}
        self.scopes.append(_Scope(dict.fromkeys(names, ""), is_class=True))
        node.body = [self.visit(one) for one in node.body]
        self.scopes.pop()
        node.name = name
        return node

    def _comprehension(self, node: Any) -> ast.AST:
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        names: dict[str, str] = {}
        for generator in node.generators:
            for part in _own_nodes([generator.target]):
                for name in _bound_by(part):
                    names.setdefault(name, self.fresh())
        self.scopes.append(_Scope(names))
        for number, generator in enumerate(node.generators):
            generator.target = self.visit(generator.target)
            if number:
                generator.iter = self.visit(generator.iter)
            generator.ifs = [self.visit(one) for one in generator.ifs]
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self.visit(getattr(node, field)))
        self.scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        node.asname = node.asname and self._name(node.asname)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._name(name) for name in node.names]
        return node

    def _with_a_name(self, node: Any) -> ast.AST:
        field = "rest" if isinstance(node, ast.MatchMapping) else "name"
        if getattr(node, field):
            setattr(node, field, self._name(getattr(node, field)))
        return self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = visit_MatchMapping = _with_a_name


def _arguments(node: Any) -> list[ast.arg]:
    given = node.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [one for one in every if one is not None]


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Nodes of one scope in the order of the text; of a comprehension only what `:=` binds outside of it."""
    for node in body:
        yield node
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, _COMPREHENSIONS):
            inner = [part for part in ast.walk(node) if isinstance(part, ast.NamedExpr)]
            yield from (part.target for part in inner)
            continue
        yield from _own_nodes(ast.iter_child_nodes(node))


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Names that this node itself binds in its scope."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        if node.name:
            yield node.name
    elif isinstance(node, ast.MatchMapping):
        if node.rest:
            yield node.rest
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.split(".")[0]
