"""The text of somebody's answer without anything that says whose it is: no comments, no own names, no own texts.

What stays of a student's words is what the instructor's notebook has too, what libraries are called by, and short words
in lower case, which are settings ("mean"). Everything else gets a number, or is "text".
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import keyword
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.code import parse

_BY_HAND = "write the entry by hand"
_WORD = re.compile(r"[^\W\d_]+|\d+")
_OF_CAMEL = re.compile(r"[A-Z]?[a-z]+")
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,15}|\w{0,2}|\W*")
# Of a sum, "bhts,bhsd->bhtd".
_INDICES = re.compile(r"[a-zA-Z., ]*->[a-zA-Z., ]*")
_SHORTEST = 3
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def anonymous(text: str, notebook: Mapping[str, Any], personal: Collection[str]) -> str:
    """The text of an answer's cell, anonymous.

    Args:
        notebook: the instructor's, whose names and texts are nobody's own.
        personal: id and names of whoever wrote it.

    Raises:
        ProctorError: it is not Python, needs something else of its author, or still has one of these words in it.
    """
    code = parse(text)
    if code.error:
        raise ProctorError(f"the answer is not Python (line {code.error[0]}: {code.error[1]}); {_BY_HAND}")
    known = _Known(notebook)
    words = {word.lower() for one in personal for word in (one, *_WORD.findall(one)) if len(word) >= _SHORTEST}
    words -= known.words
    tree = _Texts(known.texts, words).visit(code.tree)
    _refuse_what_is_not_there(tree, known.names)
    tree = _Names(tree, known.names, words).visit(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module) and getattr(node, "body", None) == []:
            node.body = [ast.Pass()]
    # What is left of magics.
    tree.body = [node for node in tree.body if not isinstance(node, ast.Pass)]
    said = ast.unparse(ast.fix_missing_locations(tree))
    if left := sorted(_tokens(said) & words):
        raise ProctorError(f"the answer still has {', '.join(left)} in it, like its author; {_BY_HAND}")
    return said + "\n"


class _Known:
    """What the instructor's notebook and Python have: names, texts, and the words in them."""

    def __init__(self, notebook: Mapping[str, Any]) -> None:
        self.names = {*dir(builtins), *keyword.kwlist}
        self.texts: set[str] = set()
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            for node in ast.walk(parse(notebook_cells.source(cell)).tree):
                self.names.update(_names(node))
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    self.texts.add(node.value)
        self.words = {word for text in (*self.names, *self.texts) for word in _tokens(text)}


class _Texts(ast.NodeTransformer):
    """Leaves out texts that nobody reads, docstrings for instance, and changes those that are the author's own."""

    def __init__(self, known: Collection[str], words: Collection[str]) -> None:
        self._known, self._words = known, words

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A statement; of a text that stands alone nothing stays."""
        alone = node.value
        if isinstance(alone, ast.JoinedStr) or (isinstance(alone, ast.Constant) and isinstance(alone.value, str)):
            return None
        return self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        """A value in a text; how it is written (".3f") stays."""
        node.value = self.visit(node.value)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A text."""
        if isinstance(node.value, str):
            node.value = self._changed(node.value)
        elif isinstance(node.value, bytes):
            node.value = b"text"
        return node

    def _changed(self, text: str) -> str:
        if text in self._known:
            return text
        is_setting = _SETTING.fullmatch(text) or _INDICES.fullmatch(text)
        return text if is_setting and not any(word in text.lower() for word in self._words) else "text"


class _Names(ast.NodeTransformer):
    """Numbers in place of names that the text binds itself; of attributes only in place of those with its author's."""

    def __init__(self, tree: ast.AST, known: Collection[str], words: Collection[str]) -> None:
        nodes = list(ast.walk(tree))
        self._functions = {node.name for node in nodes if isinstance(node, _FUNCTIONS)}
        methods = {one for node in nodes if isinstance(node, ast.ClassDef) for one in node.body}
        taken = {name for node in nodes for name in _names(node)} | set(known)
        free = (f"own{number}" for number in range(1, 10_000) if f"own{number}" not in taken)
        bound = dict.fromkeys(name for node in nodes if node not in methods for name in _bound(node))
        self._new = {name: next(free) for name in bound if name not in known and not name.startswith("__")}
        stored = [node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
        stored += [node.name for node in methods if isinstance(node, _FUNCTIONS)]
        self._attributes = {name: next(free) for name in dict.fromkeys(stored) if _tokens(name) & set(words)}
        self._methods = methods

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Any node, with what it has of names."""
        new = self._attributes if node in self._methods else self._new
        for field in ("id", "arg", "name", "asname", "rest"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name in new and not isinstance(node, ast.alias | ast.keyword):
                setattr(node, field, new[name])
        if isinstance(node, ast.Attribute):
            node.attr = self._attributes.get(node.attr, node.attr)
        elif isinstance(node, ast.alias):
            node.asname = self._new.get(node.asname, node.asname)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._new.get(name, name) for name in node.names]
        elif isinstance(node, ast.Call) and _called(node) in self._functions:
            # The parameters of other functions have their own names.
            for one in node.keywords:
                one.arg = self._new.get(one.arg, one.arg)
        return super().generic_visit(node)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None) or ""


def _refuse_what_is_not_there(tree: ast.AST, known: Collection[str]) -> None:
    nodes = list(ast.walk(tree))
    modules = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    own = sorted(module for module in modules if module not in known and not _is_installed(module))
    there = {name for node in nodes for name in _bound(node, imports=True)} | set(known)
    own += sorted({node.id for node in nodes if isinstance(node, ast.Name) and node.id not in there})
    if own:
        raise ProctorError(f"the answer uses {', '.join(own)}, which its author has made elsewhere; {_BY_HAND}")


def _is_installed(module: str) -> bool:
    try:
        return module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _names(node: ast.AST) -> Iterator[str]:
    """All that a node calls by a name."""
    for field in ("id", "arg", "name", "attr", "asname", "rest", "module"):
        name = getattr(node, field, None)
        if isinstance(name, str):
            yield from (name, *name.split("."))


def _bound(node: ast.AST, imports: bool = False) -> Iterator[str]:
    """Names that a node gives a value; with those that it imports under their own name."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        if node.asname or imports:
            yield node.asname or node.name.split(".")[0]
    elif isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _tokens(text: str) -> set[str]:
    """Words in small letters: those between other characters, and their parts ("adaScores", "ada_2")."""
    found = [part for word in re.findall(r"\w+", text) for part in (word, *_WORD.findall(word))]
    return {part.lower() for part in (*found, *_OF_CAMEL.findall(text))}
