"""Which packages are installed, whether they are those of the course, and whether they can be imported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from dl1.installation.seen import KNOW, MEND, OK, Seen, quoted

_EXTRA = "notebooks"
PINS = ("constraints.txt", "requirements.txt")
# What is imported to see that it can be, in an order in which the first that fails is the one to mend.
_IMPORTED = ("numpy", "pandas", "sklearn", "matplotlib.pyplot", "torch", "torchvision", "torch_geometric")
_IMPORTED += ("ipywidgets", "anywidget", "cryptography.fernet", "tensorboard")
_PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    print("begun", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print("failed", name, type(error).__name__, " ".join(str(error).split())[:200], flush=True)
    else:
        print("done", name, flush=True)
"""
_SECONDS = 300


def find_pins(folder: Path) -> dict[str, str]:
    """Versions by package that the course was tried with, from a file near the notebooks or the environment."""
    for place in (folder, *folder.parents[:3], Path(sys.prefix), Path(sys.prefix).parent):
        for name in PINS:
            try:
                found = read_pins((place / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if "torch" in found:
                return found
    return {}


def read_pins(text: str) -> dict[str, str]:
    """Versions by package, from lines such as ``torch==2.5.1``."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#]+)", text, re.MULTILINE)
    return {plain(name): version for name, version in found}


def packages(pins: dict[str, str]) -> Iterator[Seen]:
    """Each package that the course's own one requires: whether it is there, and new enough, and as tried."""
    try:
        lines = metadata.requires("dl1") or []
    except metadata.PackageNotFoundError:
        return
    missing, other = [], []
    for line in lines:
        if "extra ==" in line.replace("extra==", "extra ==") and _EXTRA not in line:
            continue
        name = re.match(r"[\w.-]+", line).group()
        wanted = pins.get(plain(name))
        exact = quoted(f"{name}=={wanted}") if wanted else f'"{line.partition(";")[0].strip()}"'
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            yield Seen(MEND, f"{name} isn't installed", f"{_pip()} {exact}")
            continue
        lowest = re.search(r">=\s*([\w.]+)", line)
        if lowest and numbers(version) < numbers(lowest.group(1)):
            yield Seen(MEND, f"{name} {version} is too old: {lowest.group(1)} is needed", f"{_pip()} {exact}")
        elif wanted and numbers(version) != numbers(wanted):
            other.append(f"{name} {version} ({wanted})")
    if other:
        line = f"not the versions that the course was tried with (in brackets): {', '.join(other)}"
        yield Seen(KNOW, line, f'{_pip()} -c {_pins_file()} "dl1[{_EXTRA}]"')
    if not missing:
        unknown = "" if pins else "; which versions the course was tried with isn't known here"
        yield Seen(OK, f"{len(lines)} packages are installed{unknown}")


def imports(names: tuple[str, ...] = _IMPORTED) -> Iterator[Seen]:
    """What is there and can't be imported, with its own error; of what follows from another failure nothing is said."""
    left = [name for name in names if _is_there(name.partition(".")[0])]
    reasons: set[str] = set()
    while left:
        said, status = _import(left)
        begun = [words[1] for words in said if words[0] == "begun"]
        if not begun:
            yield Seen(MEND, f"{sys.executable} can't be started ({status})", "make the environment again")
            return
        failed = [(words[1], " ".join(words[2:])) for words in said if words[0] == "failed"]
        if len([words for words in said if words[0] in ("done", "failed")]) < len(begun):
            failed.append((begun[-1], f"Python ended while it was imported ({status})"))
        for name, why in failed:
            if why not in reasons:
                yield _failed(name, why)
            reasons.add(why)
        left = left[len(begun) :]
    if not reasons:
        yield Seen(OK, "what is installed can be imported, PyTorch too")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _import(names: list[str]) -> tuple[list[list[str]], str]:
    command = [sys.executable, "-c", _PROGRAM, *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        told, status = done.stdout, f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as late:
        told = late.stdout.decode("utf-8", "replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        status = f"after {_SECONDS} seconds"
    except OSError as error:
        told, status = "", str(error)
    lines = [line.split() for line in told.splitlines()]
    return [words for words in lines if len(words) > 1 and words[0] in ("begun", "done", "failed")], status


def _failed(module: str, why: str) -> Seen:
    name = module.partition(".")[0]
    lacking = re.search(r"No module named '([\w]+)", why)
    if lacking:
        return Seen(MEND, f"{module} can't be imported: {lacking.group(1)} is missing", f"{_pip()} {lacking.group(1)}")
    distribution = {"sklearn": "scikit-learn", "torch_geometric": "torch-geometric"}.get(name, name)
    if name in ("torch", "torchvision"):
        mend = f"{_pip()} --force-reinstall -c {_pins_file()} torch torchvision"
        return Seen(MEND, f"{module} can't be imported: {why}", mend)
    return Seen(MEND, f"{module} can't be imported: {why}", f"{_pip()} --force-reinstall --no-deps {distribution}")


def _pip() -> str:
    return f"{quoted(sys.executable)} -m pip install"


def _pins_file() -> str:
    return PINS[0]


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, of which "2.5.1+cpu" has the same as "2.5.1"."""
    found = tuple(int(part) for part in re.findall(r"\d+", re.split(r"[+a-zA-Z]", version)[0]))
    while found and not found[-1]:
        found = found[:-1]
    return found


def plain(name: str) -> str:
    """The name of a package in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()
