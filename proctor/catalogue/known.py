"""A notebook's catalogue in the form in which grading names mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.catalogue.entries import Entry, load, variants
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer, known_answers
from proctor.notebooks import cells as notebook_cells


def read_known(path: Path, file: Path) -> KnownAnswers:
    """What a catalogue file knows about the instructor's notebook at `path`.

    Raises:
        ProctorError: one of them can't be read, or an entry doesn't fit the notebook; the message says what to do.
    """
    notebook = notebook_cells.read(path)
    return known_of(notebook, variants(load(file), notebook))


def known_of(notebook: Mapping[str, Any], changed: Sequence[tuple[Entry, str]]) -> KnownAnswers:
    """The same of entries with the changed texts of their cells; right variants are left out."""
    wrong = [
        WrongAnswer(entry.name, entry.hint, entry.cell, text, entry.loses)
        for entry, text in changed
        if entry.kind == "wrong"
    ]
    return known_answers(notebook, wrong)
