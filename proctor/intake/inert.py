"""Names under which a student's files lie on the staff's disk, so that no tool runs or loads one of them.

The name decides what a tool makes of a file: git runs what `.git/config` says, Python loads `torch.py`, pytest
`conftest.py`, Jupyter `nbgrader_config.py`, and nobody knows all such names. So there is no list of them: every file
and folder of a submission gets an ending that no tool looks for, and a first character that is a letter, a digit or _.
As they are stay only notebooks, and the two files that nbgrader puts beside them. The name that a
file was handed in with can be read off, and has it again in the sandbox.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath

ENDING = ".handed-in"
TIMESTAMP = "timestamp.txt"
SUBMISSION_SECRET = "submission_secret.txt"
OF_NBGRADER = (TIMESTAMP, SUBMISSION_SECRET)
# For notes to staff alone: what is kept from running does not depend on this list.
_KNOWN = re.compile(
    r"\..*|.*_config\.(py|json)|(conftest|sitecustomize|usercustomize|setup|noxfile|fabfile)\.py|.*\.(pth|desktop|so|pyd)"
    r"|(GNU)?makefile|justfile|dockerfile|HEAD|package\.json|(pyproject|pytest|tox|setup|uv|ruff)\.(toml|ini|cfg)",
    re.IGNORECASE,
)


def stored_name(name: str, on_top: bool, is_folder: bool) -> str:
    """The name under which a file or folder of a submission lies in `submitted/`.

    Args:
        name: as handed in; not empty.
        on_top: it lies in the submission's own folder, not further down.
    """
    plain = name[0].isalnum() or name[0] == "_"
    if plain and (name.endswith(".ipynb") or (name in OF_NBGRADER and on_top and not is_folder)):
        return name
    return f"{'' if name[0].isalnum() else '_'}{name}{ENDING}"


def handed_in_name(name: str) -> str:
    """The name that a stored file or folder was handed in with; any other name is given back as it is."""
    if not _is_stored(name):
        return name
    inner = name.removesuffix(ENDING)
    return inner[1:] if inner.startswith("_") else inner


def stored_path(path: str) -> PurePosixPath:
    """Where the file `path` of a submission, relative and with /, lies among stored ones."""
    *folders, name = PurePosixPath(path).parts
    inner = [stored_name(folder, False, True) for folder in folders]
    return PurePosixPath(*inner, stored_name(name, not folders, False))


def place_of(folder: Path, path: str) -> Path:
    """Where the file `path` lies in a folder of stored ones, though it may be called so on the student's system alone.

    Some systems take `Fig.PNG` for `fig.png`, and write the dots of an umlaut behind its letter.
    """
    place = exact = folder / stored_path(path)
    if not exact.exists():
        place = folder
        for part in stored_path(path).parts:
            there = os.listdir(place) if place.is_dir() else []
            alike = [name for name in there if _alike(name) == _alike(part)]
            if len(alike) != 1:
                return exact
            place = place / alike[0]
    return place


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def make_inert(folder: Path) -> list[str]:
    """Rename what somebody has put into `submitted/` past the engine's own collecting.

    A file that was put beside its stored older version takes its place.

    Returns:
        A plain line for everything that could not be renamed.
    """
    lines: list[str] = []
    waiting = [(folder, True)]
    while waiting:
        place, on_top = waiting.pop()
        try:
            for entry in list(os.scandir(place)):
                if not _is_stored(entry.name):
                    _rename(Path(entry.path), on_top, lines)
            waiting += [(Path(entry.path), False) for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            lines.append(f"{place}: can't be looked at ({error.strerror})")
    return lines


def restore(stored: Path, target: Path) -> None:
    """Copy stored files, without notebooks, into a folder, under the names that they were handed in with."""
    lay_over(stored, target, named=handed_in_name)


def lay_over(source: Path, target: Path, named: Callable[[str], str] = str) -> None:
    """Copy a folder into another, without notebooks and links; what is there in a file's place makes room for it."""
    for entry in sorted(source.iterdir()):
        name = named(entry.name)
        # A stored name whose rest is "..", say, belongs to no file that was handed in.
        if name in ("", ".", "..") or entry.is_symlink():
            continue
        place = target / name
        if entry.is_dir():
            if place.is_symlink() or place.is_file():
                place.unlink()
            place.mkdir(exist_ok=True)
            lay_over(entry, place, named)
        elif entry.is_file() and not name.endswith(".ipynb"):
            if place.is_dir():
                shutil.rmtree(place)
            shutil.copyfile(entry, place)


def run_by_tools(paths: list[str]) -> list[str]:
    """Those of the paths in a submission whose names some tool is known to run or to load, for a note to staff."""

    def known(path: str) -> bool:
        parts = PurePosixPath(path).parts
        # What is installed is looked for only if it matters, since that takes a quarter of a second.
        loaded = path.endswith((".py", ".so", ".pyd")) and parts[0].removesuffix(".py") in _modules()
        return loaded or any(_KNOWN.fullmatch(part) for part in parts)

    return sorted(path for path in paths if known(path))


@cache
def _modules() -> frozenset[str]:
    return frozenset(sys.stdlib_module_names) | frozenset(metadata.packages_distributions())


def _is_stored(name: str) -> bool:
    return len(name) > len(ENDING) and name.endswith(ENDING) and (name[0].isalnum() or name[0] == "_")


def _rename(path: Path, on_top: bool, lines: list[str]) -> None:
    target = path.with_name(stored_name(path.name, on_top, _is_folder(path)))
    try:
        if target != path:
            _put(path, target)
    except OSError as error:
        lines.append(f"{path}: can't be renamed to {target.name} ({error.strerror})")


def _put(source: Path, target: Path) -> None:
    """Rename, in place of an older file or folder; of two folders one is made."""
    if _is_folder(target) and _is_folder(source):
        for inner in list(source.iterdir()):
            stored = _is_stored(inner.name)
            _put(inner, target / (inner.name if stored else stored_name(inner.name, False, _is_folder(inner))))
        source.rmdir()
        return
    if _is_folder(target):
        shutil.rmtree(target)
    elif _is_folder(source):
        target.unlink(missing_ok=True)
    os.rename(source, target)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
