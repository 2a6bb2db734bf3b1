"""Turning finished notebook cells into a module that other notebooks, scripts and cluster jobs import.

A kernel knows nothing of cells and their tags, but every function remembers the file that it was compiled from, and
IPython keeps each cell's text under that name. From there the export follows what classes and functions use.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import inspect
import linecache
import math
import pprint
import re
import symtable
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dl1.errors import CourseError
from dl1.notebook import methods
from dl1.notebook.cell_sources import remembered_cells, undefining_magic
from dl1.notebook.kept_definitions import with_older_ones
from dl1.notebook.places import output_folder, write_whole

_CONSTANTS = (type(None), bool, int, float, str)
_ABSENT = object()
# Every module has these of its own.
_MODULE_NAMES = {*vars(types.ModuleType("module")), "__builtins__", "__file__"}
_AT_ONCE = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def export_module(filename: str, names: Iterable[str], namespace: dict[str, Any], *, keep: bool = False) -> Path:
    """Writes classes, functions and constants of a notebook, with all they use, to an importable module.

    The module imports on its own: methods attached by ``@method_of`` and helper functions of other cells come along,
    and so do the imports that the code needs. An earlier export is replaced in one step, if the new one imports.

    Args:
        filename: name of the module's file, such as ``"gpt.py"``, in :func:`dl1.notebook.places.output_folder`.
        names: what the module has to define.
        namespace: the notebook's ``globals()``.
        keep: whether definitions of an earlier export that are not among these stay, such as another notebook's.

    Returns:
        Path of the written file.

    Raises:
        CourseError: something asked for doesn't exist, can't be written as source, or the module doesn't import; or
            the file's name is not that of a module.
    """
    stem, dot, suffix = filename.partition(".")
    if not stem.isidentifier() or dot + suffix != ".py":
        raise CourseError(f"{filename!r} can't be imported: name the file like a variable, with .py, such as 'gpt.py'")
    names = list(names)
    collection = _Collection(namespace, remembered_cells(namespace))
    for name in names:
        if name not in namespace:
            magic = undefining_magic(namespace, name)
            advice = f"take `{magic}` out of its cell and run it" if magic else "run the cells above this one first"
            raise CourseError(f"there is no `{name}` to export: {advice}")
        collection.add(name)
    path = output_folder() / filename
    text = collection.text(filename)
    if keep and path.is_file():
        text = with_older_ones(path, text, lambda merged: _try_import(filename, merged, names))
    _try_import(filename, text, names)
    write_whole(path, text.encode())
    unfinished = [part for name in names for part in _unfinished_parts(name, namespace[name])]
    state = f"; not finished yet: {', '.join(unfinished)}" if unfinished else ""
    print(f"{path.name}: {len(names)} definitions written to {path.parent}{state}")
    return path


@dataclass
class _Collection:
    """Source statements in an order in which they can be executed."""

    namespace: dict[str, Any]
    cells: list[str]
    imports: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, list[str]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    @functools.cached_property
    def known_imports(self) -> list[tuple[str, str, Any]]:
        return list(_imports(self.cells))

    def add(self, name: str) -> None:
        """Adds what a global name stands for, with everything it uses."""
        if name in self.begun or name in _MODULE_NAMES:
            return
        self.begun.add(name)
        built_in = getattr(builtins, name, _ABSENT)
        value = self.namespace.get(name, built_in)
        if value is _ABSENT:
            return  # a name that never existed: the student's own NameError, seen when the code runs
        if value is built_in or (built_in is not _ABSENT and getattr(value, "__wrapped__", None) is built_in):
            # IPython puts a wrapper of open into the namespace, and display among the builtins.
            if str(getattr(built_in, "__module__", "")).startswith("IPython."):
                self._add_foreign(name, value)
        elif isinstance(value, types.ModuleType):
            self._add_foreign(name, value)
        elif isinstance(value, type) or isinstance(inspect.unwrap(value), types.FunctionType):
            self._add_definition(name, value)
        elif type(value) is float and not math.isfinite(value):
            self.pieces[name] = [f'{name} = float("{value}")']
        elif _is_constant(value):
            self.pieces[name] = [f"{name} = {pprint.pformat(value, width=100, sort_dicts=False)}"]
        else:
            self._add_foreign(name, value)

    def text(self, filename: str) -> str:
        code = [block for piece in self.pieces.values() for block in piece]
        title = f'"""{filename}: written by the notebook\'s export cell. Change the notebook and export again."""'
        deferred = self.namespace.get("annotations") is __future__.annotations
        imports = {*self.imports.values(), *self._submodules("\n".join(code))}
        blocks = ["from __future__ import annotations" if deferred else "", "\n".join(sorted(imports)), *code]
        return "\n\n\n".join([title, *filter(None, blocks)]) + "\n"

    def _add_definition(self, name: str, value: Any) -> None:
        if value.__module__ == methods.__name__:
            alias = [] if name == value.__name__ else [f"{name} = {value.__name__}"]
            self.pieces[name] = [inspect.getsource(value).rstrip(), *alias]
            return
        if value.__module__ != self.namespace.get("__name__"):
            self._add_foreign(name, value)
            return
        if value.__name__ != name and self.namespace.get(value.__name__) is value:
            self.add(value.__name__)
            self.pieces[name] = [f"{name} = {value.__name__}"]
            return
        definition = _definition(name, value, self.cells)
        if definition.binds != name:
            raise CourseError(
                f"`{name}` is an older `{definition.binds}`: run the cell that says what `{name}` is again, then export"
            )
        blocks = [definition]
        if isinstance(value, type):
            blocks += _attached_methods(value, definition, self.cells)
        at_once, later = map(set().union, *(_global_names(block.text) for block in blocks))
        for used in sorted(at_once - {name}):
            self.add(used)
        self.pieces[name] = [block.text for block in blocks]
        # After the piece itself: a base class may make its own subclasses when it is called.
        for used in sorted(later):
            self.add(used)

    def _add_foreign(self, name: str, value: Any) -> None:
        for statement, binds, found in self.known_imports:
            if binds == name and found is value:
                self.imports[name] = statement
                return
        if isinstance(value, types.ModuleType):
            self.imports[name] = f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
            return
        module, original = getattr(value, "__module__", None), getattr(value, "__qualname__", name)
        if module and module != "__main__" and getattr(sys.modules.get(module), original, None) is value:
            self.imports[name] = f"from {module} import {original}" + ("" if original == name else f" as {name}")
            return
        raise CourseError(
            f"`{name}` ({type(value).__name__}) can't be written into a module: define it inside the function that "
            "uses it, or pass it as an argument"
        )

    def _submodules(self, code: str) -> list[str]:
        """Imports of what the code uses as ``a.b``, where a cell says ``import a.b`` and the name is only ``a``."""
        dotted = {statement.removeprefix("import ") for statement, binds, _ in self.known_imports if binds == ""}
        return [
            f"import {module}"
            for module in dotted
            if module.partition(".")[0] in self.imports and re.search(rf"\b{re.escape(module)}\b", code)
        ]


@dataclass(frozen=True)
class _Definition:
    text: str
    binds: str
    decorated: bool
    file: str
    first: int
    last: int

    def holds(self, code: types.CodeType) -> bool:
        return code.co_filename == self.file and self.first <= code.co_firstlineno <= self.last


def _statements(file: str) -> list[ast.stmt]:
    try:
        return ast.parse("".join(linecache.getlines(file))).body
    except (SyntaxError, ValueError):  # a cell that never ran
        return []


def _imports(cells: list[str]) -> Iterator[tuple[str, str, Any]]:
    """Import statements of the cells: statement, name that it binds, value; an ``import a.b`` once more under ""."""
    for node in (node for file in cells for statement in _statements(file) for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                binds = alias.asname or alias.name.partition(".")[0]
                target = alias.name if alias.asname else binds
                yield f"import {target}" + (f" as {binds}" if alias.asname else ""), binds, sys.modules.get(target)
                if target != alias.name:
                    yield f"import {alias.name}", "", None
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                value = getattr(sys.modules.get(node.module), alias.name, _ABSENT)
                suffix = f" as {alias.asname}" if alias.asname else ""
                yield f"from {node.module} import {alias.name}{suffix}", alias.asname or alias.name, value


def _definition(name: str, value: Any, cells: list[str]) -> _Definition:
    """The statement that gave a global name its class or function, decorators included."""
    function = None if isinstance(value, type) else inspect.unwrap(value)
    # A lambda, or what a call returned: the code of such a function lies where it was made, not where it got its name.
    made = function is not None and (function.__name__ != name or "<" in function.__qualname__)
    if function is None:
        own = [f.__code__.co_filename for f in _functions(value).values() if _belongs(f, value)]
        wanted, files = {name, value.__name__}, [*own, *cells]
    else:
        wanted, files = {name}, cells if made else [function.__code__.co_filename]
    for file in files:
        for node in reversed(_statements(file)):
            if _bound(node) not in wanted:
                continue
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            text = "".join(linecache.getlines(file)[first - 1 : node.end_lineno]).rstrip()
            found = _Definition(text, _bound(node), bool(decorators), file, first, node.end_lineno)
            if function is None or (made and (decorators or isinstance(node, ast.Assign))):
                return found
            # What wraps a function that has no decorator came later, and the statement alone would lose it.
            if not made and found.holds(function.__code__) and (decorators or value is function):
                return found
    parts = [function] if function else vars(value).values()
    functions = [one for one in parts if isinstance(one, types.FunctionType)]
    if functions and not any(linecache.getlines(one.__code__.co_filename) for one in functions):
        raise CourseError(
            f"the text of `{name}` is hidden by what ran it: take the magic, such as `%%time`, or the `exec` out of "
            "its cell and run it, then export"
        )
    raise CourseError(
        f"no known cell has a `def {name}` or `class {name}` at its left margin that makes `{name}` what it is: "
        "write it like this, or run its cell again, then export"
    )


def _bound(node: ast.stmt) -> str:
    """Name that a definition binds; so does a call or a lambda: ``Point = namedtuple(...)``. Else empty."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Call, ast.Lambda)) and len(node.targets) == 1:
        return getattr(node.targets[0], "id", "")
    return ""


def _belongs(function: types.FunctionType, cls: type) -> bool:
    return function.__qualname__.startswith(f"{cls.__qualname__}.")


def _functions(cls: type) -> dict[str, types.FunctionType]:
    found = {}
    for name, value in vars(cls).items():
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType) and linecache.getlines(value.__code__.co_filename):
            found[name] = value
    return found


def _attached_methods(cls: type, definition: _Definition, cells: list[str]) -> list[_Definition]:
    """What gave the class a method after its definition: ``@method_of``, or an assignment ``GPT.forward = forward``."""
    found = []
    for name, function in _functions(cls).items():
        if function.__module__ != cls.__module__ or definition.holds(function.__code__):
            continue
        method = _definition(function.__name__, function, cells)
        if function.__qualname__ != f"{cls.__qualname__}.{name}":
            if vars(cls)[name] is not function and not method.decorated:
                raise CourseError(f"`{cls.__name__}.{name}` can't be written: put @method_of above its definition")
            method = replace(method, text=f"{method.text}\n\n\n{cls.__name__}.{name} = {function.__name__}")
        found.append(method)
    return found


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


def _global_names(source: str) -> tuple[set[str], set[str]]:
    """Names that a statement looks up in its module: when it runs itself, and when what it defines is called."""
    at_once, later = set(), set()
    tables = [(symtable.symtable(source, "cell", "exec"), at_once)]
    while tables:
        table, names = tables.pop()
        for child in table.get_children():
            waits = child.get_type() == "function" and child.get_name() not in _AT_ONCE
            tables.append((child, later if waits else names))
        top = table.get_type() == "module"
        symbols = [s for s in table.get_symbols() if s.is_referenced()]
        names |= {s.get_name() for s in symbols if (not s.is_assigned() if top else s.is_global())}
    return at_once, later


def _is_constant(value: Any) -> bool:
    # Exact types: the text of a torch.Size or a Counter needs a name that the module doesn't have.
    if type(value) in (list, tuple, set):
        return all(map(_is_constant, value))
    if type(value) is dict:
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
