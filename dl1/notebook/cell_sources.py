"""The texts of the cells that have run, also of what a magic or ``exec`` has run, where IPython keeps no source."""

from __future__ import annotations

import ast
import inspect
import linecache
import types
import warnings
from collections.abc import Iterator
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

# Magics that run a text as part of the notebook, under a file name that says nothing: whole cells, and lines.
_CELL_MAGICS, _LINE_MAGICS = ("time", "prun"), ("time",)


def remembered_cells(namespace: dict[str, Any]) -> list[str]:
    """File names of the cells, the one that ran last first; :mod:`linecache` has their lines.

    Functions and methods that ran under ``%%time``, ``%%prun`` or ``exec`` get a file name of this kind, too.

    Args:
        namespace: the notebook's ``globals()``.
    """
    numbers = _reveal(namespace)
    # Only what was not read from a file has no time of modification.
    files = [name for name, entry in linecache.cache.items() if len(entry) == 4 and entry[1] is None]
    # A cell that runs again keeps its file; IPython's history knows about it.
    ran = {text.rstrip("\n"): number for number, text in enumerate(_history(namespace))}
    order = {
        name: (numbers.get(name, ran.get("".join(linecache.getlines(name)).rstrip("\n"), -1)), i)
        for i, name in enumerate(files)
    }
    return sorted(files, key=order.__getitem__, reverse=True)


def undefining_magic(namespace: dict[str, Any], name: str) -> str:
    """The cell magic, as ``%%timeit``, under which a cell defines what the notebook doesn't get; empty for none."""
    found = ""
    for text in _history(namespace):
        for call in _calls(text, "run_cell_magic"):
            magic, body = call[0], call[-1]
            if any(getattr(node, "name", "") == name for node in _parsed(_plain(body)).body):
                found = f"%%{magic}"
    return found


def _history(namespace: dict[str, Any]) -> list[str]:
    history = namespace.get("_ih", [])
    return [text if isinstance(text, str) else "" for text in history] if isinstance(history, list) else []


def _reveal(namespace: dict[str, Any]) -> dict[str, int]:
    """Gives functions without source the file name of a text that is kept; returns numbers of cells by file name."""
    numbers: dict[str, int] = {}
    files: dict[tuple, str] = {}
    for number, text in enumerate(_history(namespace)):
        for part, body in enumerate(_bodies(text)):
            file = f"<part {part} of cell {number}>"
            numbers[file] = number
            linecache.cache[file] = (len(body), None, body.splitlines(keepends=True), file)
            files |= {_key(code): file for code in _codes(_compiled(body, file))}
    for function in _notebook_functions(namespace):
        code = function.__code__
        if _key(code) in files and not linecache.getlines(code.co_filename):
            function.__code__ = _with_file(code, files[_key(code)])
    return numbers


def _bodies(text: str) -> Iterator[str]:
    """Texts that a cell has handed to a magic or to ``exec``."""
    for name, magics in (("run_cell_magic", _CELL_MAGICS), ("run_line_magic", _LINE_MAGICS)):
        for call in _calls(text, name):
            if call[0] in magics:
                yield _plain(call[-1])
    yield from (call[0] for call in _calls(text, "exec"))


def _calls(text: str, name: str) -> list[list[str]]:
    """Literal texts that a cell calls a function with."""
    found = []
    # Most cells have none, and need no parsing.
    for node in ast.walk(_parsed(text)) if f"{name}(" in text else ():
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            found += [texts] if texts else []
    return found


def _plain(body: str) -> str:
    """The Python that IPython makes of a text with magics in it, line by line."""
    try:
        return TransformerManager().transform_cell(body)
    except SyntaxError:
        return body


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _compiled(body: str, file: str) -> types.CodeType:
    with warnings.catch_warnings():
        # They came up when it ran.
        warnings.simplefilter("ignore")
        return compile(_parsed(body), file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: types.CodeType) -> tuple:
    return code.co_qualname, code.co_firstlineno, code.co_code


def _with_file(code: types.CodeType, file: str) -> types.CodeType:
    inner = [_with_file(one, file) if isinstance(one, types.CodeType) else one for one in code.co_consts]
    return code.replace(co_filename=file, co_consts=tuple(inner))


def _notebook_functions(namespace: dict[str, Any]) -> Iterator[types.FunctionType]:
    """Functions of the notebook and methods of its classes, with those that a decorator has wrapped."""
    values = list(namespace.values())
    for value in [one for one in values if isinstance(one, type) and one.__module__ == namespace.get("__name__")]:
        for member in vars(value).values():
            if isinstance(member, property):
                values += [member.fget, member.fset, member.fdel]
            values.append(getattr(member, "__func__", member))
    for value in values:
        while isinstance(value, types.FunctionType):
            yield value
            value = inspect.getattr_static(value, "__wrapped__", None)
