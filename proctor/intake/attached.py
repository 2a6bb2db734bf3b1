"""Pictures in students' texts: taken out of a file before it is rebuilt, and put with the texts that show them.

Cells are split, copied and moved, so a picture goes by its name, which is one of the whole notebook: JupyterLab calls
each first one that is pasted into a cell image.png. What the files hold is looked at later (`proctor.pages.album`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from proctor.notebooks import cells as notebook_cells
from proctor.pages.notes import is_note, students_metadata
from proctor.pages.sanitise import safe_markdown

MAX_PICTURES = 500
_MAX_NAME = 300
# Larger files are refused, or made smaller, before.
_MAX_BYTES = 128 * 2**20
# Only what is long: a short one may as well stand in an example of code.
_IN_TEXT = re.compile(r"data:(image/(?:png|jpe?g));base64,([A-Za-z0-9+/=]{400,})", re.IGNORECASE)
_MARKS = (b'"attachments"', b"data:image/", b"DATA:IMAGE/")
Attachments = dict[str, dict[str, str]]


def pictures_apart(submitted: bytes | None) -> tuple[bytes | None, Attachments]:
    """Takes the pictures out of a notebook's file.

    Returns:
        The file with names in place of pictures in texts, and by name the kind of each picture with its file in
        base 64; nothing for an attachment that holds no text.
    """
    if submitted is None or len(submitted) > _MAX_BYTES or not any(mark in submitted for mark in _MARKS):
        return submitted, {}
    try:
        content = json.loads(submitted.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return submitted, {}
    kept: Attachments = {}
    cells = content.get("cells") if type(content) is dict else None
    for cell in cells if type(cells) is list else ():
        if type(cell) is dict and cell.get("cell_type") != "code":
            _take(cell, kept)
    return json.dumps(content).encode() if kept else submitted, kept


def for_pages(notebook: dict[str, Any], instructor: Mapping[str, Any], pictures: Attachments) -> None:
    """Marks the texts of a rebuilt notebook that a student wrote, makes them harmless, and adds their pictures."""
    answers = ("solution", "manual")
    staffs = {cell["id"] for cell in instructor["cells"] if notebook_cells.role(cell) not in answers}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" or cell["id"] in staffs or is_note(cell["metadata"]):
            continue
        source = cell["source"]
        shown = {name: bundle for name, bundle in pictures.items() if any(one in source for one in _written(name))}
        if shown:
            cell["attachments"] = shown
        cell["source"] = safe_markdown(source)
        cell["metadata"] |= students_metadata()


def _take(cell: dict[str, Any], kept: Attachments) -> None:
    source = cell.get("source", "")
    source = "".join(part for part in source if type(part) is str) if type(source) is list else source
    source = source if type(source) is str else ""
    given = cell.pop("attachments", None)
    for name, bundle in given.items() if type(given) is dict else ():
        if type(bundle) is not dict or len(name) > _MAX_NAME or len(kept) >= MAX_PICTURES:
            continue
        picture = _first(bundle)
        fresh = _fresh(name.encode("utf-8", "replace").decode(), picture, kept)
        kept[fresh] = picture
        if fresh != name:
            for written in _written(name):
                source = source.replace(written, f"attachment:{fresh}")

    def named(match: re.Match) -> str:
        if len(kept) >= MAX_PICTURES:
            return match[0]
        name = _fresh("in-the-text", {match[1].lower(): match[2]}, kept)
        kept[name] = {match[1].lower(): match[2]}
        return f"attachment:{name}"

    cell["source"] = _IN_TEXT.sub(named, source)


def _fresh(name: str, picture: dict[str, str], kept: Attachments) -> str:
    """A name that no other picture has."""
    stem, dot, ending = name.rpartition(".")
    tried, number = name, 1
    while tried in kept and kept[tried] != picture:
        number += 1
        tried = f"{stem}-{number}{dot}{ending}" if stem else f"{name}-{number}"
    return tried


def _written(name: str) -> list[str]:
    """How a text may call an attachment: some systems write the dots of an umlaut behind its letter."""
    forms = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
    quoted = [quote(form, safe=safe) for form in forms for safe in ("/", "()!*'~")]
    return list(dict.fromkeys(f"attachment:{one}" for one in (*forms, *quoted)))


def _first(bundle: dict[str, Any]) -> dict[str, str]:
    """Of the forms of a picture the one that can be shown; an editor that writes lines makes a list of them."""
    for kind in ("image/png", "image/jpeg", *sorted(bundle)):
        text = bundle.get(kind)
        text = "".join(part for part in text if type(part) is str) if type(text) is list else text
        if type(text) is str and text.isascii() and kind.isascii() and len(kind) <= 100:
            return {kind: text}
    return {}
