"""Python itself, and the environment that it runs in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dl1.installation.seen import KNOW, MEND, OK, Seen, quoted

OLDEST = (3, 11)
# Modules of which a file of the same name beside a notebook takes the place.
_HIDDEN = ("torch", "torchvision", "numpy", "random", "types", "typing", "copy", "json", "math", "pandas", "matplotlib")


def python(version: tuple[int, ...] | None = None) -> Iterator[Seen]:
    """The version of Python, and whether its packages are an environment of their own."""
    version = tuple(version or sys.version_info)[:2]
    said = ".".join(map(str, version))
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        mend = f"install Python {oldest} or newer, and make the environment with it: python3.12 -m venv course"
        yield Seen(MEND, f"Python {said} is too old for the course's packages", mend)
    elif sys.maxsize < 2**32:
        yield Seen(MEND, "this Python is a 32-bit one, for which there is no PyTorch", "install a 64-bit Python")
    else:
        yield Seen(OK, "Python " + said)


def environment() -> Iterator[Seen]:
    """Where packages come from."""
    conda = os.environ.get("CONDA_PREFIX")
    if sys.prefix == sys.base_prefix and not (conda and Path(conda) == Path(sys.prefix)):
        line = f"{sys.prefix} is no environment of its own: other programs' packages can get in the way"
        yield Seen(KNOW, line, "python3 -m venv course, activate it, and install there")
    else:
        yield Seen(OK, "the environment " + sys.prefix)
    for name in ("PYTHONHOME", "PYTHONPATH"):
        if os.environ.get(name):
            line = f"{name} is set to {os.environ[name]}: packages from there come first"
            yield Seen(KNOW, line, f"unset {name}    (on Windows: set {name}=)")


def hidden_modules(folder: Path) -> Iterator[Seen]:
    """Files in a folder of notebooks that are imported in place of packages."""
    for name in _HIDDEN:
        for path in (folder / (name + ".py"), folder / name / "__init__.py"):
            if path.is_file():
                line = f"{path} is imported in place of the package {name}"
                yield Seen(MEND, line, "rename it, and delete the folder __pycache__ beside it")


def kit() -> Iterator[Seen]:
    """Whether the course's own package is an installed one."""
    from importlib import metadata

    spec = find_spec("dl1")
    place = Path(spec.origin).parent if spec is not None and spec.origin else Path("?")
    try:
        version = metadata.version("dl1")
    except metadata.PackageNotFoundError:
        mend = quoted(sys.executable) + ' -m pip install -c constraints.txt "./dl1-0.1.0-py3-none-any.whl[notebooks]"'
        yield Seen(MEND, f"dl1 isn't installed in this environment; it was found in {place}", mend)
        return
    yield Seen(OK, f"dl1 {version} in {place}")
