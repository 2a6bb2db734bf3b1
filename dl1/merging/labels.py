"""Which cells of a student's file are which of the instructor's: by names, else by the texts that are still there.

Editors drop names of cells, and students type text anew. A cell without a known name is taken for a missing one if it
has its text, or begins with the words that the question asks for an essay with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from dl1.merging.expected import Expected, added_text, plain_lines
from dl1.merging.places import Submitted


def label(cells: Sequence[Submitted], expected: Sequence[Expected]) -> bool:
    """Sets the labels of cells.

    Returns:
        Whether the file has lost its names: no cell of it has one that is known.
    """
    known = {one.name for one in expected}
    for cell in cells:
        cell.label = next((name for name in cell.names if name in known), None)
    lost = bool(cells) and not any(cell.label for cell in cells)
    _by_text(cells, expected)
    _by_heading(cells, expected)
    return lost


def with_own_parts(cells: Sequence[Submitted], expected: Mapping[str, Expected]) -> list[Submitted]:
    """The cells, and as cells of their own what a student has written into a cell that stays the instructor's.

    *Merge cells* keeps the metadata of the first one: an answer may have ended up in the test or the text above it.
    """
    # Where nothing is written where it was asked for, it may stand in the text beside it.
    written = {cell.label for cell in cells if cell.label and not expected[cell.label].untouched(cell.source)}
    found = []
    for cell in cells:
        before, after = _own_parts(cell, written, expected)
        kind = "code" if cell.label and expected[cell.label].is_code else "markdown"
        found += [Submitted((), kind, text, cell.number) for text in (before,) if text]
        found.append(cell)
        found += [Submitted((), kind, text, cell.number) for text in (after,) if text]
    return found


def _own_parts(cell: Submitted, written: set[str], expected: Mapping[str, Expected]) -> tuple[str, str]:
    one = expected.get(cell.label or "")
    if one is None or one.is_answer or one.is_free or one.untouched(cell.source):
        return "", ""
    # Where the answers beside a text are written, only what is certainly the student's: the text may be an older one.
    certain = one.is_code or all(answer.name in written for answer in _answers_beside(one, expected))
    return added_text(cell.source, one.released, whole=certain)


def _answers_beside(one: Expected, expected: Mapping[str, Expected]) -> Iterator[Expected]:
    answers = [other for other in expected.values() if other.is_answer]
    yield from [other for other in answers if other.index < one.index][-1:]
    yield from [other for other in answers if other.index > one.index][:1]


def _missing(cells: Sequence[Submitted], expected: Sequence[Expected]) -> list[Expected]:
    there = {cell.label for cell in cells}
    return [one for one in expected if one.name not in there]


def _by_text(cells: Sequence[Submitted], expected: Sequence[Expected]) -> None:
    asked: defaultdict[str, list[Expected]] = defaultdict(list)
    for one in _missing(cells, expected):
        asked[plain_lines(one.released)].append(one)
    given: defaultdict[str, list[Submitted]] = defaultdict(list)
    for cell in cells:
        if cell.label is None:
            given[plain_lines(cell.source)].append(cell)
    for text, wanted in asked.items():
        found = given.get(text, [])
        # Of several that look alike each has to be there, or nobody knows which one it is.
        if text and (len(wanted) == 1 or len(found) == len(wanted)):
            for one, cell in zip(wanted, found, strict=False):
                cell.label = one.name


def _by_heading(cells: Sequence[Submitted], expected: Sequence[Expected]) -> None:
    count = Counter(_first_line(one.released) for one in expected)
    for one in _missing(cells, expected):
        if one.is_essay and one.heading and count[one.heading] == 1:
            for cell in cells:
                if cell.label is None and _first_line(cell.source) == one.heading:
                    cell.label = one.name


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()
