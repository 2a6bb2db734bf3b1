"""Keeps instructor notebooks reviewable: `python -m proctor.authoring.normalise [--check] PATH…`.

A normalised notebook has no outputs or execution counts, a fixed kernelspec, only the metadata that matters, and
stable cell ids; the bytes are the ones that Jupyter itself writes for this content, so that saving in JupyterLab
makes a small diff.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks.cells import find_notebooks, grade_id, is_folded, nbgrader_metadata, read, role, source

# What JupyterLab writes for its standard kernel.
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}
NBGRADER_KEYS = ("grade", "grade_id", "locked", "points", "schema_version", "solution", "task")
# The pattern of nbformat 4.5 for cell ids.
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def normalise(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook as it should stand in the repository; the argument is left alone.

    Sources keep their text (line ends become `\\n`, as Python reads them anyway); attachments are kept, for the
    linter to report.
    """
    metadata: dict[str, Any] = {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE_INFO)}
    if "proctor" in notebook["metadata"]:
        metadata["proctor"] = notebook["metadata"]["proctor"]
    cells = [
        _normalised_cell(cell, cell_id) for cell, cell_id in zip(notebook["cells"], _cell_ids(notebook), strict=True)
    ]
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def to_text(notebook: dict[str, Any]) -> str:
    """A normalised notebook as file content, the same characters that `nbformat.write` produces."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, separators=(",", ": "), sort_keys=True) + "\n"


def _normalised_cell(cell: dict[str, Any], cell_id: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    managed = nbgrader_metadata(cell)
    # nbgrader leaves its metadata behind, all false, on a cell that somebody took away from it.
    if any(managed.get(part) for part in ("grade", "solution", "locked", "task")):
        metadata["nbgrader"] = {key: managed[key] for key in NBGRADER_KEYS if key in managed}
    if cell["metadata"].get("tags"):
        metadata["tags"] = cell["metadata"]["tags"]
    # Of what JupyterLab remembers of a cell: that a check comes folded.
    if role(cell) == "test" and is_folded(cell):
        metadata["jupyter"] = {"source_hidden": True}
    kept: dict[str, Any] = {
        "cell_type": cell["cell_type"],
        "id": cell_id,
        "metadata": metadata,
        "source": _text(cell).splitlines(keepends=True),
    }
    if cell["cell_type"] == "code":
        kept |= {"execution_count": None, "outputs": []}
    elif cell.get("attachments"):
        kept["attachments"] = {name: _normalised_bundle(bundle) for name, bundle in cell["attachments"].items()}
    return kept


def _normalised_bundle(bundle: dict[str, Any]) -> dict[str, Any]:
    """One attachment as nbformat writes it: text in a list of lines, everything else in one string."""
    kept = {}
    for mime, data in bundle.items():
        is_json = mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))
        if not is_json and isinstance(data, list) and all(isinstance(line, str) for line in data):
            data = "".join(data)
        is_text = mime.startswith("text/") or mime in ("application/javascript", "image/svg+xml")
        kept[mime] = data.splitlines(keepends=True) if is_text and isinstance(data, str) else data
    return kept


def _text(cell: dict[str, Any]) -> str:
    return source(cell).replace("\r\n", "\n").replace("\r", "\n")


def _cell_ids(notebook: dict[str, Any]) -> list[str]:
    """One id per cell: grade_id, else the id that is there, else one derived from the cell and its neighbours.

    A second cell with a taken id (a copied cell) gets a derived one.
    """
    cells = notebook["cells"]
    chosen: list[str | None] = [None] * len(cells)
    # All grade_ids come first, so that a copied plain cell further up cannot take one away.
    for wishes in ([grade_id(cell) for cell in cells], [cell.get("id") for cell in cells]):
        for index, wish in enumerate(wishes):
            valid = isinstance(wish, str) and CELL_ID.fullmatch(wish)
            if chosen[index] is None and valid and wish not in chosen:
                chosen[index] = wish
    taken = {cell_id for cell_id in chosen if cell_id}
    ids: list[str] = []
    for index, cell_id in enumerate(chosen):
        if cell_id is None:
            cell_id = next(candidate for candidate in _derived_ids(cells, index) if candidate not in taken)
            taken.add(cell_id)
        ids.append(cell_id)
    return ids


def _derived_ids(cells: list[dict[str, Any]], index: int) -> Iterator[str]:
    around = [
        (cells[place]["cell_type"], _text(cells[place])) if 0 <= place < len(cells) else None
        for place in (index - 1, index, index + 1)
    ]
    attempt = 0
    while True:
        content = json.dumps([around, attempt]).encode()
        yield hashlib.sha256(content).hexdigest()[:8]
        attempt += 1


def normalised_text(path: Path) -> str:
    """What the notebook file should contain. Raises ProctorError if it cannot be read or cannot be written as UTF-8."""
    notebook = read(path)
    for number, cell in enumerate(notebook["cells"], start=1):
        attachments = cell.get("attachments", {})
        if not isinstance(attachments, dict) or not all(isinstance(bundle, dict) for bundle in attachments.values()):
            raise ProctorError(f"{path}: cell number {number} has damaged attachments; remove them in JupyterLab")
        if attachments and cell["cell_type"] == "code":
            raise ProctorError(f"{path}: code cell number {number} has attachments; only text can, so remove them")
    text = to_text(normalise(notebook))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ProctorError(
            f"{path}: contains half of a character ({text[error.start]!r}); find and retype it in JupyterLab"
        ) from None
    return text


def write_atomically(path: Path, text: str) -> None:
    """Replace the file's content in one step: a reader, or a crash, sees the old text or the new one.

    A link is followed and the file's mode kept. Raises ProctorError if the folder or the file does not allow it.
    """
    path = path.resolve()
    temporary = ""
    try:
        mode = path.stat().st_mode & 0o7777
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise ProctorError(f"{path}: cannot be written ({error.strerror}); check permissions and space") from None
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0 for nothing to do or done, 1 for `--check` with files to change, 2 for errors."""
    parser = argparse.ArgumentParser(
        prog="python -m proctor.authoring.normalise",
        description="Bring instructor notebooks into their reviewable form.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="notebooks, or folders to search for them")
    parser.add_argument("--check", action="store_true", help="change nothing; list files that would change, exit 1")
    options = parser.parse_args(arguments)
    changed = failed = False
    try:
        notebooks = find_notebooks(options.paths)
    except ProctorError as error:
        print(error, file=sys.stderr)
        return 2
    for path in notebooks:
        try:
            text = normalised_text(path)
            if path.read_bytes() == text.encode():
                continue
            changed = True
            if options.check:
                print(f"{path}: would change; run python -m proctor.authoring.normalise {path}")
            else:
                write_atomically(path, text)
                print(f"{path}: normalised")
        except ProctorError as error:
            failed = True
            print(error, file=sys.stderr)
    if failed:
        return 2
    return 1 if changed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
