"""Names that a package offers and loads when they are first asked for: PEP 562.

Whoever takes one name of a page does not wait for the widgets, or for PyTorch, that the others need; a cluster's node
without Jupyter can train a model. Written here because no installed library does it, and one more would have to be in
every student's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        names: by module, relative to the package, what is taken from it. A name must not be that of a module or folder
            that lies directly in the package: importing that would put it in the name's place.
        modules: those of the package that are offered as a whole.
    """
    home = {name: f"{package}.{module}" for module, own in names.items() for name in own}
    offered = sorted([*home, *modules])

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return offered, get, lambda: offered
