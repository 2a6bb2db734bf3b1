"""Words of the engine in a notebook, told apart from a student's by metadata that a student can't write."""

from __future__ import annotations

import html
from typing import Any

KEY = "proctor"
_NOTE, _ASIDE = "note", "aside"
# How they look is for the page to say, see `proctor.pages.frame`.
_BOX = '<div class="proctor-note">{}</div>'
_ASIDE_LINE = '<div class="proctor-aside">{}</div>'


# A cell or an output whose text a student wrote: it is stored as `proctor.pages.written` has it.
_STUDENTS = "student"


def students_metadata() -> dict[str, Any]:
    """Metadata of a cell that holds a student's text in markdown."""
    return {KEY: _STUDENTS}


def is_students(metadata: Any) -> bool:
    """Whether these are the metadata of a cell that holds a student's text in markdown."""
    return isinstance(metadata, dict) and metadata.get(KEY) == _STUDENTS


def note_output(text: str) -> dict[str, Any]:
    """An output of a code cell in which the engine says something; pages draw it as a box."""
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": note_metadata()}


def aside_output(text: str) -> dict[str, Any]:
    """An output of a code cell in which the engine says something that is neither good nor bad, in small letters."""
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {KEY: _ASIDE}}


def output_box(output: Any) -> str:
    """HTML of an output in which the engine says something."""
    text = str(output.get("data", {}).get("text/plain", ""))
    return _ASIDE_LINE.format(html.escape(text)) if output["metadata"][KEY] == _ASIDE else box(text)


def note_metadata() -> dict[str, Any]:
    """Metadata of an output or a cell in which the engine says something."""
    return {KEY: _NOTE}


def is_note(metadata: Any) -> bool:
    """Whether these are the metadata of an output or a cell that the engine has written.

    Metadata of students' cells and outputs are never kept, see `proctor.intake.rebuild` and `proctor.pages.sanitise`.
    """
    return isinstance(metadata, dict) and metadata.get(KEY) in (_NOTE, _ASIDE)


def is_aside(metadata: Any) -> bool:
    """Whether these are the metadata of an output in which the engine says what is neither good nor bad."""
    return isinstance(metadata, dict) and metadata.get(KEY) == _ASIDE


def box(text: str) -> str:
    """HTML of a note with a text that may hold anything."""
    text = html.escape(text)
    return _BOX.format(f"<b>From the grading</b><pre>{text}</pre>")


def refused_box(what: list[str]) -> str:
    """HTML of a note that a text holds things which stand there as they were written."""
    each = ", ".join(f"{what.count(one)} × {one}" for one in dict.fromkeys(what))
    return box(f"Shown as written, not drawn: {each}")


def box_around(markup: str) -> str:
    """HTML of a note that is HTML already, and has its own heading."""
    return _BOX.format(markup)
