"""The beginning of a catalogue entry, made of somebody's answer: what it says and loses; the author adds the rest."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from proctor.catalogue.anonymous import anonymous
from proctor.catalogue.entries import Entry, apply, question
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

DRAFTS = "drafts"
_QUOTES = "'''"
_TO_DO = """\
# An answer that somebody has handed in. Still to do: the hint, a name that says what is wrong, and a shorter text, best
# as a `change` of the reference; then move the entry to {file}, and: make misconceptions ARGS="--only NAME"
"""


def answer_of(notebook: Mapping[str, Any], cell: str) -> str:
    """The solution cell that a cell belongs to: itself, or the last one above a test cell, of its own question if any.

    Args:
        notebook: the instructor's.

    Raises:
        ProctorError: it has no such cell, or nothing stands above the test.
    """
    solutions, tests = notebook_cells.solution_cells(notebook), notebook_cells.autograded_cells(notebook)
    if cell in solutions:
        return cell
    if cell not in tests:
        raise ProctorError(
            f"{cell}: no answer and no test cell has this id; there are {', '.join([*solutions, *tests])}"
        )
    above: list[str] = []
    for one in map(notebook_cells.grade_id, notebook["cells"]):
        if one == cell:
            break
        above += [one] if one in solutions else []
    if not above:
        raise ProctorError(f"{cell}: no answer stands above this test cell; name the answer's cell")
    return ([one for one in above if question(one) == question(cell)] or above)[-1]


def lost_with(notebook: Mapping[str, Any], answer: str, failed: Collection[str], cell: str) -> list[str]:
    """Test cells of one question that a failed answer has lost.

    Args:
        notebook: the instructor's.
        answer: the solution cell.
        failed: all test cells that were failed.
        cell: one of the question that is meant, or the solution cell.

    Raises:
        ProctorError: there is none.
    """
    own = [one for one in notebook_cells.autograded_cells(notebook) if one in failed]
    own = [one for one in own if answer_of(notebook, one) == answer]
    meant = [one for one in own if question(one) == question(cell if cell in own else own[0])]
    if not meant or (cell != answer and cell not in meant):
        raise ProctorError(f"{cell}: this answer has failed no check that could be an entry's; name another one")
    return meant


def skeleton(
    notebook: Mapping[str, Any], answer: str, text: str, loses: Iterable[str], personal: Collection[str]
) -> dict:
    """The entry, whose hint is still empty.

    Args:
        notebook: the instructor's.
        answer: the solution cell.
        text: of this cell, as it was handed in.
        loses: the test cells that it loses.
        personal: id and names of whoever handed it in.

    Raises:
        ProctorError: no entry can be made of it; the message says why.
    """
    source = anonymous(text, notebook, personal)
    name = f"{answer}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    loses = tuple(loses)
    reference = notebook_cells.source(notebook_cells.solution_cells(notebook)[answer])
    apply(Entry("wrong", name, "", answer, "", "", loses, None, source, name), reference)
    return {"name": name, "cell": answer, "hint": "", "loses": list(loses), "source": source}


def add_draft(folder: Path, stem: str, entry: Mapping[str, Any]) -> Path:
    """Write an entry behind those that are in the drafts of a notebook's catalogue; what is there stays.

    Args:
        folder: of the catalogue. Grading reads no drafts.
        stem: of the notebook.

    Returns:
        The file.

    Raises:
        ProctorError: the entry is there already, or the file can't be written.
    """
    file, text = folder / DRAFTS / f"{stem}.toml", _toml(entry, f"{folder.name}/{stem}.toml")
    try:
        for one in (folder / f"{stem}.toml", file):
            if one.exists() and entry["name"] in _names(one):
                raise ProctorError(f"{one}: has an entry {entry['name']} already, which stays as it is")
        file.parent.mkdir(exist_ok=True)
        before = file.read_text(encoding="utf-8") + "\n" if file.exists() else ""
        draft = file.with_name(f".{file.name}.draft")
        draft.write_text(before + text, encoding="utf-8")
        os.replace(draft, file)
    except OSError as error:
        raise ProctorError(f"{file}: can't be written ({error.strerror}); correct folder or owner") from error
    return file


def _names(file: Path) -> set[str]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProctorError(f"{file}: is not TOML ({error}); correct it there") from None
    return {str(one.get("name")) for kind in content.values() if isinstance(kind, list) for one in kind}


def _toml(entry: Mapping[str, Any], file: str) -> str:
    lines = [_TO_DO.format(file=file) + "[[wrong]]"]
    lines += [f"{key} = {json.dumps(entry[key], ensure_ascii=False)}" for key in ("name", "cell", "hint", "loses")]
    source = entry["source"]
    plain = _QUOTES not in source and all(one.isprintable() or one == "\n" for one in source)
    shown = f"{_QUOTES}\n{source}{_QUOTES}" if plain else json.dumps(source)
    return "\n".join([*lines, f"source = {shown}"]) + "\n"
