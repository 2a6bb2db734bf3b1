"""Whether what was graded would be graded in the same way now: tests, engine, limits and data, each as a digest."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.checked_cells import CHECKING_PACKAGE
from proctor.packages import folder_of
from proctor.settings import Proctor

# What decides about points; pages, commands and checks of the notebooks themselves don't.
_ENGINE = ("checking", "grading.py", "intake", "notebooks", "running", "sandbox", "secret.py")
_MAX_DATA = 10_000
SOURCES = "sources"


def source_digest(notebook: Mapping[str, Any]) -> str:
    """Digest of all in an instructor's notebook that can change what a submission earns.

    Texts to read, outputs and solutions can't: a regrade for a comma would help nobody.
    """
    parts: list[Any] = []
    for cell in notebook["cells"]:
        role, text = notebook_cells.role(cell), notebook_cells.source(cell)
        if cell["cell_type"] != "code":
            text = ""
        elif role in ("solution", "manual"):
            text = notebook_cells.cleared(text)
        metadata = notebook_cells.nbgrader_metadata(cell)
        points = metadata.get("points") if metadata.get("grade") or metadata.get("task") else None
        if text or points is not None:
            parts.append([notebook_cells.grade_id(cell), role, cell["cell_type"], points, text])
    return _digest(parts)


def source_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Digests of source notebooks by name; without those that can't be read, which grading itself complains about."""
    found = {}
    for name in names:
        try:
            found[name] = source_digest(notebook_cells.read(folder / f"{name}.ipynb"))
        except ProctorError:
            continue
    return found


def made_with(settings: Proctor, root: Path, sources: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, Any]:
    """All that a grading depends on beside the submission itself and the course secret.

    Args:
        sources: digests of the instructor's notebooks by name.
        files: the instructor's files beside them, by path in the assignment.
    """
    limits = {**asdict(settings.all_limits()), "sandbox": settings.sandbox}
    return {
        SOURCES: dict(sources),
        "files": _digest({path: _hash(place.read_bytes()) for path, place in files.items() if place.is_file()}),
        "engine": code_digest(*_ENGINE),
        "limits": _digest(limits),
        "data": _data_digest(root / settings.data) if settings.data else "",
    }


def reasons(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Why a submission has to be graded again, in plain words: what differs between two results of `made_with`.

    Args:
        then: None if it was not written down.
    """
    if then is None:
        return ["it was graded before the tests were written down"]
    found = [f"the tests of {', '.join(tests)} changed"] if (tests := changed_tests(then, now[SOURCES])) else []
    said = {"files": "the assignment's files", "engine": "the engine", "limits": "the limits", "data": "the data"}
    return found + [f"{words} changed" for part, words in said.items() if then.get(part) != now[part]]


def changed_tests(then: Mapping[str, Any] | None, sources: Mapping[str, str]) -> list[str]:
    """Notebooks of which the tests, or other code of the instructor's, are not those that a submission was graded with.

    Args:
        sources: digests of the notebooks as they are now; one that is missing can't be compared.
    """
    before = then.get(SOURCES) if then else None
    if not isinstance(before, dict):
        return []
    return sorted(name for name in sources if name in before and sources[name] != before[name])


@functools.cache
def code_digest(*names: str) -> str:
    """Digest of some of the engine's rooms and modules, by their names, and of what it shares with students' code."""
    own = Path(__file__).resolve().parents[1]
    shared = folder_of(CHECKING_PACKAGE)
    files = [file for name in names for file in ([own / name] if name.endswith(".py") else (own / name).rglob("*.py"))]
    files += shared.rglob("*.py")
    return _digest([[_relative(file, (own, shared)), _hash(file.read_bytes())] for file in sorted(files)])


def _relative(file: Path, folders: Sequence[Path]) -> str:
    folder = next(one for one in folders if file.is_relative_to(one))
    return f"{folder.name}/{file.relative_to(folder).as_posix()}"


def _data_digest(folder: Path) -> str:
    """Of names and sizes: a set that was not there yet, or was only there in part, is what makes a difference."""
    found: list[tuple[str, int]] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(place, name)
            if path.is_file():
                found.append((path.relative_to(folder).as_posix(), path.stat().st_size))
        if len(found) > _MAX_DATA:
            break
    return _digest(found)


def _digest(content: Any) -> str:
    return _hash(json.dumps(content, sort_keys=True).encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
