"""What a new release changes, in lines for a student: "2.6: text was added: …; your answer was kept"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from dl1.merging.expected import Expected, plain_lines
from dl1.merging.places import longest_rising

_NUMBER = re.compile(r"q(\d+)_(\d+)([a-z]?)(?:_|$)")
_SHOWN = 240


def changes(before: Sequence[Expected], after: Sequence[Expected], answered: set[str], kept: set[str]) -> list[str]:
    """The differences of two releases of a notebook.

    Args:
        answered: names of the answers that are the student's and stand in the new one.
        kept: names of the cells of which the student's text is kept in a cell of its own.
    """
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    answers = {one.name for one in after if one.is_answer}
    lines: list[str] = []
    for one in after:
        if one.name not in old:
            if one.is_answer:
                lines.append(f"{called(one, after)}: is new ({one.name})")
            elif not _beside_new(one, after, old):
                lines.append(f"{called(one, after)}: a cell is new: {_brief(one.released)}")
        elif not old[one.name].untouched(one.released):
            asked = _asked(one, after)
            told = _difference(one, old[one.name].released, one.released)
            lines.append(f"{called(one, after)}: {told}{_fate(one, asked, answered, kept)}")
    for one in before:
        if one.name not in new and one.is_answer:
            fate = "what you wrote is kept in a cell of your own" if one.name in kept else "you had not begun it"
            lines.append(f"{called(one, before)}: is asked for no more ({one.name}); {fate}")
        elif one.name not in new and _asked(one, before) in answers:
            lines.append(f"{called(one, before)}: a cell is gone: {_brief(one.released)}")
    moved = list(_moved([one.name for one in before if one.name in new], {one.name: one.index for one in after}))
    if moved:
        names = ", ".join(dict.fromkeys(called(new[name], after) for name in moved))
        lines.append(f"cells of {names} stand in another place; your answers went with them")
    return lines


def called(one: Expected, cells: Sequence[Expected]) -> str:
    """What a student calls the question that a cell belongs to: its number, where its name has one."""
    name = _asked(one, cells) or one.name
    found = _NUMBER.match(name)
    if not found:
        return name
    part, number, letter = found.groups()
    return f"{part}.{number} ({letter})" if letter else f"{part}.{number}"


def _asked(one: Expected, cells: Sequence[Expected]) -> str:
    """The answer that a cell is about: itself, of a check the one above, of a text the one below."""
    if one.is_answer:
        return one.name
    answers = [other for other in cells if other.is_answer]
    above = [other.name for other in answers if other.index < one.index]
    below = [other.name for other in answers if other.index > one.index]
    first, second = (above[::-1], below) if one.role == "test" else (below, above[::-1])
    return next(iter([*first[:1], *second[:1]]), "")


def _beside_new(one: Expected, after: Sequence[Expected], old: Mapping[str, Expected]) -> bool:
    return _asked(one, after) not in old


def _difference(one: Expected, before: str, after: str) -> str:
    old, new = plain_lines(before).split("\n"), plain_lines(after).split("\n")
    steps = list(difflib.ndiff(old, new))
    added = [line[2:].strip() for line in steps if line.startswith("+ ") and line[2:].strip()]
    gone = [line[2:].strip() for line in steps if line.startswith("- ") and line[2:].strip()]
    what = {"test": "its public check", "solution": "what stands around the answer", "manual": "what is asked"}
    subject = what.get(one.role, "the text" if not one.is_code else "code that is given")
    if added and not gone:
        return f"{subject} says more: {_brief(' '.join(added))}"
    if gone and not added:
        return f"{subject} says less; gone is: {_brief(' '.join(gone))}"
    return f"{subject} was changed: {_brief(' '.join(added))}"


def _fate(one: Expected, asked: str, answered: set[str], kept: set[str]) -> str:
    if one.name in kept and not one.is_answer:
        return "; you had changed this cell: your text is kept beside the new one"
    if asked in answered:
        return "; your answer was kept"
    return "; you have not begun it" if asked else ""


def _moved(order: Sequence[str], index: Mapping[str, int]) -> Iterator[str]:
    numbers = [index[name] for name in order]
    kept = set(longest_rising(numbers))
    yield from (name for place, name in enumerate(order) if place not in kept)


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= _SHOWN else text[:_SHOWN] + ' …'}”"
