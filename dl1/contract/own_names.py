"""The names of a probe: Python's own built-in ones, whatever the notebook calls by these names, and the notebook's.

A cell that says ``max = 5`` or ``from torch import *`` changes what ``max`` is for the whole notebook. That is the
affair of its owner; the body of a check isn't to fail by it.
"""

from __future__ import annotations

import builtins
import contextlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

# Also those that IPython adds; what begins with "__" says which module it is and belongs to the notebook.
_BUILT_IN = frozenset(name for name in vars(builtins) if not name.startswith("_"))


def own_names(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Globals for a probe: those of a notebook, without the ones that hide something built in."""
    return {name: value for name, value in namespace.items() if name not in _BUILT_IN} | {"__builtins__": builtins}


def with_names(function: types.FunctionType, names: dict[str, Any]) -> types.FunctionType:
    """The same function with other globals."""
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    made.__qualname__, made.__module__, made.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return made


@contextlib.contextmanager
def doubles_with_names(
    doubles: Mapping[str, Any], namespace: dict[str, Any], names: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Test doubles that use ``names`` instead of the notebook's for the time of a block.

    Args:
        doubles: functions, and classes, whose methods are changed in place.
        namespace: globals with which they were defined.

    Yields:
        The doubles by the same keys.
    """
    with contextlib.ExitStack() as undo:
        made = {}
        for path, double in doubles.items():
            made[path] = _changed(double, namespace, names)
            if isinstance(double, type):
                for attribute, value in list(vars(double).items()):
                    changed = _changed(value, namespace, names)
                    if changed is not value:
                        undo.callback(setattr, double, attribute, value)
                        setattr(double, attribute, changed)
        yield made


def _changed(value: Any, namespace: dict[str, Any], names: dict[str, Any]) -> Any:
    if isinstance(value, types.FunctionType):
        return with_names(value, names) if value.__globals__ is namespace else value
    if isinstance(value, (staticmethod, classmethod)):
        inner = _changed(value.__func__, namespace, names)
        return value if inner is value.__func__ else type(value)(inner)
    if type(value) is property:
        parts = (value.fget, value.fset, value.fdel)
        return property(*(_changed(part, namespace, names) for part in parts), value.__doc__)
    return value
