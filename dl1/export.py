"""Turning finished notebook cells into a module that other notebooks, scripts and cluster jobs import.

A kernel knows nothing of cells and their tags, but every function remembers the file that it was compiled from, and
IPython keeps each cell's text under that name. From there the export follows what classes and functions use.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import math
import os
import pprint
import symtable
import sys
import tempfile
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dl1 import methods
from dl1.errors import CourseError
from dl1.places import output_folder

_CONSTANTS = (type(None), bool, int, float, str)


def export_module(filename: str, names: Iterable[str], namespace: dict[str, Any]) -> Path:
    """Writes classes, functions and constants of a notebook, with all they use, to an importable module.

    The module imports on its own: methods attached by ``@method_of`` and helper functions of other cells come along,
    and so do the imports that the code needs. An earlier export is replaced in one step, if the new one imports.

    Args:
        filename: name of the module's file, such as ``"gpt.py"``, in :func:`dl1.places.output_folder`.
        names: what the module has to define.
        namespace: the notebook's ``globals()``.

    Returns:
        Path of the written file.

    Raises:
        CourseError: something asked for doesn't exist, can't be written as source, or the module doesn't import.
    """
    names = list(names)
    collection = _Collection(namespace)
    for name in names:
        if name not in namespace:
            raise CourseError(f"there is no `{name}` to export: run the cells above this one first")
        collection.add(name)
    text = collection.text(filename)
    _try_import(filename, text, names)
    path = output_folder() / filename
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{filename}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    unfinished = [part for name in names for part in _unfinished_parts(name, namespace[name])]
    state = f"; not finished yet: {', '.join(unfinished)}" if unfinished else ""
    print(f"{path.name}: {len(names)} definitions written to {path.parent}{state}")
    return path


@dataclass
class _Collection:
    """Source statements in an order in which they can be executed."""

    namespace: dict[str, Any]
    imports: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, list[str]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        """Adds what a global name stands for, after everything it uses."""
        if name in self.begun or (name not in self.namespace and hasattr(builtins, name)):
            return
        self.begun.add(name)
        value = self.namespace.get(name, self)
        if value is self:
            return  # a name that never existed: the student's own NameError, seen when the code runs
        if isinstance(value, types.ModuleType):
            self.imports[name] = f"import {value.__name__} as {name}" if value.__name__ != name else f"import {name}"
        elif isinstance(value, type) or isinstance(inspect.unwrap(value), types.FunctionType):
            self._add_definition(name, value)
        elif _is_constant(value):
            self.pieces[name] = [f"{name} = {pprint.pformat(value, width=100, sort_dicts=False)}"]
        else:
            self._add_foreign(name, value)

    def text(self, filename: str) -> str:
        blocks = ["\n".join(sorted(self.imports.values()))] + [
            block for piece in self.pieces.values() for block in piece
        ]
        title = f'"""{filename}: written by the notebook\'s export cell. Change the notebook and export again."""'
        return "\n\n\n".join([title, *filter(None, blocks)]) + "\n"

    def _add_definition(self, name: str, value: Any) -> None:
        if value.__module__ == methods.__name__:
            self.pieces[name] = [inspect.getsource(value).rstrip()]
            return
        if value.__module__ != self.namespace.get("__name__"):
            self._add_foreign(name, value)
            return
        if value.__name__ != name and self.namespace.get(value.__name__) is value:
            self.add(value.__name__)
            self.pieces[name] = [f"{name} = {value.__name__}"]
            return
        blocks = [_definition(value)]
        if isinstance(value, type):
            blocks += _attached_methods(value, blocks[0])
        for block in blocks:
            for used in sorted(_global_names(block.text)):
                if used != name:
                    self.add(used)
        self.pieces[name] = [block.text for block in blocks]

    def _add_foreign(self, name: str, value: Any) -> None:
        module, original = getattr(value, "__module__", None), getattr(value, "__qualname__", name)
        if module and module != "__main__" and getattr(sys.modules.get(module), original, None) is value:
            self.imports[name] = f"from {module} import {original}" + ("" if original == name else f" as {name}")
            return
        kind = type(value).__name__
        raise CourseError(
            f"`{name}` ({kind}) can't be written into a module: define it inside the function that uses it, "
            "or pass it as an argument"
        )


@dataclass(frozen=True)
class _Definition:
    text: str
    file: str
    first: int
    last: int

    def holds(self, code: types.CodeType) -> bool:
        return code.co_filename == self.file and self.first <= code.co_firstlineno <= self.last


def _definition(value: Any) -> _Definition:
    """The statement, decorators included, that defined a class or function in a cell."""
    function = None if isinstance(value, type) else inspect.unwrap(value)
    name = value.__name__ if function is None else function.__name__
    files = [function.__code__.co_filename] if function else _files_of_class(value)
    for file in files:
        lines = linecache.getlines(file)
        for node in reversed(ast.parse("".join(lines)).body if lines else []):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                text = "".join(lines[first - 1 : node.end_lineno]).rstrip()
                return _Definition(text, file, first, node.end_lineno)
    raise CourseError(f"the cell that defines `{name}` isn't known any more: run it again, then export")


def _files_of_class(cls: type) -> list[str]:
    """Cells that may hold the class: that of its own methods, else every remembered one, newest first."""
    own = [
        f.__code__.co_filename for f in _functions(cls).values() if f.__qualname__.startswith(f"{cls.__qualname__}.")
    ]
    remembered = [name for name in reversed(list(linecache.cache)) if not os.path.exists(name)]
    return [*own, *remembered]


def _functions(cls: type) -> dict[str, types.FunctionType]:
    found = {}
    for name, value in vars(cls).items():
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType) and linecache.getlines(value.__code__.co_filename):
            found[name] = value
    return found


def _attached_methods(cls: type, definition: _Definition) -> list[_Definition]:
    return [
        _definition(function)
        for function in _functions(cls).values()
        if function.__module__ == cls.__module__ and not definition.holds(function.__code__)
    ]


def _unfinished_parts(name: str, value: Any) -> list[str]:
    """The functions, as ``RMSNorm.forward``, that still hold a stub."""
    functions = _functions(value) if isinstance(value, type) else {"": inspect.unwrap(value)}
    return [
        f"{name}.{part}".rstrip(".")
        for part, function in functions.items()
        if isinstance(function, types.FunctionType) and "raise NotImplementedError" in _source(function)
    ]


def _source(function: types.FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _global_names(source: str) -> set[str]:
    """Names that a statement looks up in its module."""
    names, tables = set(), [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (s.is_global() or (table.get_type() == "module" and not s.is_assigned()))
        }
    return names


def _is_constant(value: Any) -> bool:
    if isinstance(value, (list, tuple, set)):
        return all(map(_is_constant, value))
    if isinstance(value, dict):
        return all(map(_is_constant, [*value, *value.values()]))
    return type(value) in _CONSTANTS and (type(value) is not float or math.isfinite(value))


def _try_import(filename: str, text: str, names: list[str]) -> None:
    module = types.ModuleType(f"_export_of_{Path(filename).stem}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, filename, "exec"), vars(module))
    except Exception as error:
        raise CourseError(
            f"{filename} was not written, because it would not import: {type(error).__name__}: {error}"
        ) from error
    finally:
        del sys.modules[module.__name__]
    missing = [name for name in names if name not in vars(module)]
    if missing:
        raise CourseError(f"{filename} was not written, because it lacks {', '.join(missing)}")
