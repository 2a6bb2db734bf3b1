"""What an answer may not take ready-made from a library: named around its call, and refused where it runs.

The names are literal text in a probe, because a grading engine also reads them there and looks for them in the text of
the answer: what runs beside student code can be undone by it, what is read elsewhere can't.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any

from dl1.errors import CourseError

# How students write the packages that they import under a short name.
_SHORT = {"torch.nn.functional.": "F.", "torch.nn.": "nn."}


@contextlib.contextmanager
def without_ready_made(*names: str) -> Iterator[None]:
    """Refuses named functions and classes of libraries while the block runs, under whatever name they were imported.

    What counts is that one of them runs, at any depth: ``nn.RMSNorm`` runs ``F.rms_norm``, and so is refused with it,
    whereas ``nn.LayerNorm`` is not. A tensor's method counts as the function of that name, an own class derived from a
    refused one as that one. A library that nobody has imported is not imported for this.

    Args:
        names: dotted, literal text, such as ``"torch.nn.functional.rms_norm"``, ``"torch.nn.MultiheadAttention"``, or
            ``"torch_geometric.nn.*"`` for all that this package and the modules in it define.

    Raises:
        CourseError: when one of them is called; once more at the end of the block, if the answer caught the first.
    """
    watch = _Watch(names)
    before = sys.getprofile()
    try:
        with contextlib.ExitStack() as undo:
            # A profiler of the notebook that is no Python function can't be put back by anybody but itself.
            undo.callback(sys.setprofile, before if callable(before) else None)
            sys.setprofile(watch.look)
            yield
    finally:
        if watch.found:
            raise CourseError(watch.found) from None


class _Watch:
    """Looks at every call, of Python functions and of built-in ones, until a refused one is found."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.found = ""
        self._packages: dict[str, str] = {}
        self._last_parts: dict[str, list[tuple[str, str]]] = {}
        for name in names:
            path, _, last = name.rpartition(".") if isinstance(name, str) else ("", "", "")
            if not path or not last:
                raise CourseError(f'name what may not be used with its package, as "torch.nn.RMSNorm", not {name!r}')
            if last == "*":
                self._packages[path] = name
            else:
                self._last_parts.setdefault(last, []).append((path.split(".")[0], name))

    def look(self, frame: types.FrameType, event: str, called: Any) -> None:
        """Called by Python for each call; what it raises is raised in the code that calls."""
        if event == "call":
            name = self._of_function(frame)
        elif event == "c_call":
            name = self._of_builtin(called)
        else:
            return
        if name:
            self.found = f"{_short(name)} is what this question asks you to write: do it with your own operations"
            raise CourseError(self.found)

    def _of_function(self, frame: types.FrameType) -> str | None:
        module, code = frame.f_globals.get("__name__"), frame.f_code
        if not isinstance(module, str):
            return None
        for part in code.co_qualname.split("."):
            found = self._named(part, module)
            if found:
                return found
        package = self._in_package(module)
        if package:
            return package.replace("*", code.co_qualname.split(".")[0])
        if module.startswith("torch.") and code.co_argcount:
            owner = frame.f_locals.get(code.co_varnames[0])
            if code.co_name in ("__init__", "_call_impl"):
                return self._of_class(type(owner))
            if code.co_qualname == "OpOverload.__call__":
                return self._named(str(owner).split(".")[-2], module)
        return None

    def _of_class(self, kind: type) -> str | None:
        """For a layer whose own class says nothing, because it inherits all that is called."""
        for one in kind.__mro__:
            found = self._named(one.__name__, one.__module__)
            if not found and self._in_package(one.__module__):
                found = self._in_package(one.__module__).replace("*", one.__name__)
            if found:
                return found
        return None

    def _of_builtin(self, called: Any) -> str | None:
        name = getattr(called, "__name__", None)
        if name not in self._last_parts:
            return None
        # A tensor's methods and torch's own functions don't say where they are from in one way.
        module = getattr(called, "__module__", None) or getattr(
            type(getattr(called, "__self__", None)), "__module__", ""
        )
        return self._named(name, module)

    def _named(self, last: str, module: str) -> str | None:
        root = module.split(".")[0]
        return next((name for package, name in self._last_parts.get(last, ()) if package == root), None)

    def _in_package(self, module: str) -> str | None:
        return next((n for path, n in self._packages.items() if module == path or module.startswith(f"{path}.")), None)


def _short(name: str) -> str:
    for long, short in _SHORT.items():
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name
