"""``python -m dl1.update NEW``: puts a new release of an assignment and a student's folder together."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dl1.errors import CourseError
from dl1.handing_in.changes import changes
from dl1.handing_in.folder import KEPT, content_of, find_folder
from dl1.handing_in.merged import Merged, merge
from dl1.merging import given_out, notebook_file
from dl1.merging.matching import match_files
from dl1.notebook.places import write_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if the folder is up to date by now, 1 if not, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.update",
        description="Take a corrected assignment into your folder: your answers and your own cells stay, and the "
        "folder as it was is kept beside it. Close the notebooks in JupyterLab before.",
    )
    parser.add_argument("new", help="the new release: a folder, or the zip file with it")
    parser.add_argument("folder", nargs="?", help="yours, with the notebooks; this one if left out")
    given = parser.parse_args(arguments)
    try:
        folder = find_folder(given.folder)
        with _opened(Path(given.new).expanduser()) as new:
            for line in update(folder, new):
                print(line, flush=True)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def update(folder: Path, new: Path) -> list[str]:
    """Take a new release into a student's folder.

    Args:
        folder: the student's.
        new: with the new release.

    Returns:
        What was changed, in plain lines.

    Raises:
        CourseError: something can't be read or written; the folder is as it was, or its copy is.
    """
    released = {path.stem: _read(path) for path in sorted(new.glob("*.ipynb"))}
    if not released:
        raise CourseError(f"{new} has no notebooks: name the folder of the new release")
    if new.resolve() == folder.resolve():
        raise CourseError(f"{folder} is your own folder: name the one of the new release first")
    before = given_out.load(folder)
    old = dict(before.notebooks) if before else {}
    matched = _matched(folder, released, old)
    lines: list[str] = []
    if before is None:
        lines.append("what you were given isn't known (there is no assignment.json): only new answers are told")
    written: dict[str, bytes] = {}
    replaced: list[str] = []
    for name, notebook in released.items():
        path = matched.paths.get(name)
        student, _ = notebook_file.parsed(matched.content.get(name) or b"")
        if path is not None and student is None:
            lines.append(f"{path}: can't be read, and stays as it is; repair it, and run this command again")
            continue
        if student is None:
            lines.append(f"{name}.ipynb: is new in your folder")
            written[f"{name}.ipynb"] = _as_file(notebook)
            continue
        result = merge(notebook, old.get(name), student)
        written[f"{name}.ipynb"] = _as_file(result.notebook)
        if path != f"{name}.ipynb":
            lines.append(f"{path}: is {name}.ipynb from now on")
            replaced.append(path)
        lines += [f"{name}.ipynb: {line}" for line in _told(name, notebook, old.get(name), student, result)]
    lines += [
        f"{name}.ipynb: is no part of the assignment any more, and stays" for name in sorted(old.keys() - released)
    ]
    kept = _keep(folder)
    try:
        for path, content in written.items():
            write_whole(folder / path, content)
        for path in replaced:
            (folder / path).unlink()
        _copy_others(new, folder)
    except OSError as error:
        why = error.strerror or str(error)
        raise CourseError(f"{folder} can't be written ({why}); as it was it lies in {kept}") from None
    return [*lines, f"Your folder as it was: {kept}"]


def _told(
    name: str, notebook: dict[str, Any], old: dict[str, Any] | None, student: dict[str, Any], result: Merged
) -> list[str]:
    after = given_out.expected_cells(given_out.described(notebook))
    if old is not None:
        lines = changes(given_out.expected_cells(old), after, result.answered, set(result.kept))
    else:
        there = json.dumps(student)
        lines = [f"{one.name} is new" for one in after if one.is_answer and f'"{one.name}"' not in there]
    lines += [
        "a text of yours that has no place any more is kept in a cell of its own" for one in result.kept if not one
    ]
    answers = sum(one.is_answer for one in after)
    kept = f"{len(result.answered)} of {answers} answers are yours"
    return [*(lines or ["nothing was changed"]), kept]


def _matched(folder: Path, released: dict[str, Any], old: dict[str, Any]) -> Any:
    """The student's files by what they were given, and for new notebooks by those."""
    known = {name: old.get(name) or given_out.described(notebook) for name, notebook in released.items()}
    paths = [path.name for path in sorted(folder.iterdir()) if path.is_file() and path.name != given_out.NAME]
    candidates = [path for path in paths if not path.startswith(".") and notebook_file.may_be_notebook(path)]
    return match_files(known, candidates, lambda path: content_of(folder / path))


def _read(path: Path) -> dict[str, Any]:
    content, _ = notebook_file.parsed(content_of(path) or b"")
    if content is None or type(content.get("cells")) is not list:
        raise CourseError(f"{path}: can't be read as a notebook; get the new release again")
    return content


def _as_file(notebook: dict[str, Any]) -> bytes:
    return (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode()


def _keep(folder: Path) -> Path:
    """A copy of the folder beside it."""
    kept = folder.with_name(f"{folder.name}{KEPT}{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        shutil.copytree(folder, kept, symlinks=True)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(kept, ignore_errors=True)
        raise CourseError(
            f"your folder can't be copied to {kept}, so nothing was changed: make room ({error})"
        ) from None
    return kept


def _copy_others(new: Path, folder: Path) -> None:
    for path in sorted(new.rglob("*")):
        inside = path.relative_to(new)
        if path.is_file() and path.suffix != ".ipynb" and not any(part.startswith(".") for part in inside.parts):
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / inside, path.read_bytes())


@contextmanager
def _opened(new: Path) -> Iterator[Path]:
    """The folder of a release, of which a zip file is unpacked."""
    if new.is_dir():
        yield _inner(new)
        return
    if not zipfile.is_zipfile(new):
        raise CourseError(f"{new}: there is no such folder or zip file; name the new release")
    with tempfile.TemporaryDirectory(prefix="new-release-") as scratch:
        try:
            with zipfile.ZipFile(new) as archive:
                archive.extractall(scratch)
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            raise CourseError(f"{new}: can't be unpacked ({error}); get it again") from None
        yield _inner(Path(scratch))


def _inner(folder: Path) -> Path:
    """Where the notebooks lie: here, or in the only folder that has any."""
    if any(folder.glob("*.ipynb")):
        return folder
    inside = sorted({path.parent for path in folder.glob("*/*.ipynb")})
    return inside[0] if len(inside) == 1 else folder
