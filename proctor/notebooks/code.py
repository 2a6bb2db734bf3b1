"""The Python of a code cell: parsing it, with or without IPython's own lines, and the names that it binds and reads.

Scopes come from Python's own symbol tables (`symtable`), so comprehensions, nested functions, class bodies, lambdas and
assignment expressions are resolved as the compiler resolves them.
"""

from __future__ import annotations

import ast
import copy
import symtable
import warnings

from dl1.merging.python_text import Code as Code
from dl1.merging.python_text import parse as parse

_COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")


def bound_names(code: ast.AST) -> set[str]:
    """Names that running this code as a cell binds in the notebook: assignments, imports, definitions, loop targets…"""
    table = _table(code)
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return names | _names_set_as_global(table)


def reads_at_once(code: ast.AST) -> set[str]:
    """Names of the notebook that this code needs the moment it runs, not only when its functions are called."""
    return _reads(_table(code), deferred=False)


def reads(code: ast.AST) -> set[str]:
    """Names of the notebook that this code needs at once or whenever its functions are called."""
    return _reads(_table(code), deferred=True)


def reads_later(code: ast.AST) -> set[str]:
    """Names of the notebook that functions of this code need whenever they are called."""
    return _reads_later(_table(code))


def line_of(code: ast.AST, name: str) -> int:
    """Line where this code first reads a name, else where it first mentions it, else where it starts."""
    mentions = [node for node in ast.walk(code) if isinstance(node, ast.Name) and node.id == name]
    reading = [node for node in mentions if isinstance(node.ctx, ast.Load)] or mentions
    return min((node.lineno for node in reading), default=getattr(code, "lineno", 1))


class _NeedsFirst(ast.NodeTransformer):
    """Symbol tables count `x += 1` and `del x` as binding x; both need it to be there, so they become plain reads."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        return ast.Expr(ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value))

    def visit_Delete(self, node: ast.Delete) -> ast.AST:
        return ast.Expr(ast.Tuple(node.targets, ast.Load()))


def _table(code: ast.AST) -> symtable.SymbolTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if any(isinstance(part, (ast.AugAssign, ast.Delete)) for part in ast.walk(code)):
            code = _NeedsFirst().visit(copy.deepcopy(code))
        return symtable.symtable(ast.unparse(code), "cell", "exec")


def _reads(table: symtable.SymbolTable, deferred: bool) -> set[str]:
    # Names that the cell itself binds count as global as well.
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
    for inner in table.get_children():
        if deferred or _runs_at_once(inner):
            names |= _reads(inner, deferred)
    return names


def _reads_later(table: symtable.SymbolTable) -> set[str]:
    names = set()
    for inner in table.get_children():
        names |= _reads_later(inner) if _runs_at_once(inner) else _reads(inner, deferred=True)
    return names


def _runs_at_once(table: symtable.SymbolTable) -> bool:
    return table.get_type() == "class" or table.get_name().strip("<>") in _COMPREHENSIONS


def _names_set_as_global(table: symtable.SymbolTable) -> set[str]:
    """Names that inner scopes bind outside: after a `global`, or by `:=` in a comprehension of the cell itself."""
    names = set()
    for inner in table.get_children():
        names |= {
            symbol.get_name() for symbol in inner.get_symbols() if symbol.is_declared_global() and symbol.is_assigned()
        }
        names |= _names_set_as_global(inner)
    return names
