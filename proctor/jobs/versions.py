"""What points depend on in the machine that grades: Python, this package, libraries, and whether there is a sandbox."""

from __future__ import annotations

import hashlib
import platform
import socket
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks.checked_cells import CHECKING_PACKAGE
from proctor.packages import folder_of
from proctor.sandbox.bubblewrap import availability

# Beside what the course lets be imported once for all notebooks.
_ALWAYS = ("torch", "numpy", "IPython", "distributed")
_SHOWN = 12
MISSING = "not installed"


def about(warm: Sequence[str]) -> dict[str, Any]:
    """What this machine grades with.

    Args:
        warm: modules that notebooks use.

    Returns:
        "host", "sandbox" (why there is none; empty if there is one) and "versions".
    """
    return {"host": socket.gethostname(), "sandbox": availability() or "", "versions": versions(warm)}


def versions(warm: Sequence[str]) -> dict[str, str]:
    """Versions by name; this package and what it shares with students' code have a digest of their modules."""
    found = {"Python": platform.python_version()}
    for package in ("proctor", CHECKING_PACKAGE):
        try:
            found[package] = _digest(folder_of(package))
        except ProctorError:
            found[package] = MISSING
    known = metadata.packages_distributions()
    for module in dict.fromkeys(name.split(".")[0] for name in (*_ALWAYS, *warm)):
        for name in known.get(module, [module]):
            found[name] = _version(name)
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What differs, in plain words; empty if nothing does."""
    return [
        f"{name} {there.get(name, MISSING)} instead of {here.get(name, MISSING)}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name, MISSING) != there.get(name, MISSING)
    ]


def _version(name: str) -> str:
    try:
        # A build for some kind of machine has a suffix, "2.1.0+cpu".
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return MISSING


def _digest(package: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        for part in (file.relative_to(package).as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return f"with modules {digest.hexdigest()[:_SHOWN]}"
