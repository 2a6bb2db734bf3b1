"""Numbers and titles of questions, as the instructor's texts in a notebook tell them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from proctor.pages import notes

_HEADING = re.compile(r"^#{1,6}[ \t]+(.*)$", re.MULTILINE)
_NUMBER = re.compile(r"\b(\d+(?:\.\d+)+)((?:[ \t]*\([a-z]\))?(?:[ \t]+[ivx]+\b)?)([ \t]*[,–-])?")
_PART = re.compile(r"^\*\*(\([a-z]\))\*\*", re.MULTILINE)
_ONLY_NUMBER = re.compile(r"\w+[ \t]+\d")
_MARKS = str.maketrans("", "", "`*$#")
_MAX_TITLE = 120


class Named(NamedTuple):
    """A question: "2.1 (a)", "Attention"; one of them, or both, may be empty."""

    number: str
    title: str


def questions(cells: Iterable[Mapping[str, Any]]) -> dict[str, Named]:
    """The question of each graded cell, by its grade_id: as staff's texts before it tell."""
    found: dict[str, Named] = {}
    number = part = title = ""
    for cell in cells:
        source = "".join(cell.get("source", ""))
        metadata = cell.get("metadata", {})
        nbgrader = metadata.get("nbgrader", {})
        if nbgrader.get("grade") or nbgrader.get("task"):
            found[nbgrader.get("grade_id", "")] = Named(" ".join(f"{number} {part}".split()), title)
        elif cell.get("cell_type") == "markdown" and not notes.is_students(metadata) and not notes.is_note(metadata):
            for match in re.finditer(rf"{_HEADING.pattern}|{_PART.pattern}", source, re.MULTILINE):
                if match[1] is None:
                    part = match[2]
                    continue
                if named := _NUMBER.search(match[1]):
                    # "(a) – (c)" are parts that are named below.
                    number, part = named[1], "" if named[3] else named[2]
                title = _title(match[1]) or title
    return found


def title_of(cells: Iterable[Mapping[str, Any]]) -> str:
    """The first heading of a notebook; empty if it has none."""
    for cell in cells:
        metadata = cell.get("metadata", {})
        if cell.get("cell_type") != "markdown" or notes.is_students(metadata) or notes.is_note(metadata):
            continue
        if heading := _HEADING.search("".join(cell.get("source", ""))):
            return _plain(heading[1])
    return ""


def _title(heading: str) -> str:
    """What a heading says beside its number; empty where it only says which question follows: "Question 2.3 (a)"."""
    return "" if _ONLY_NUMBER.match(heading) else _plain(_NUMBER.sub(" ", heading, count=1))


def _plain(text: str) -> str:
    return " ".join(text.translate(_MARKS).split())[:_MAX_TITLE].strip(" ,–-")
