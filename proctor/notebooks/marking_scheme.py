"""Marking schemes of essays, as they stand in the solution of the answer's cell: items with points, anchors, a limit.

    *Your answer to 2.1 (a), at most 200 words:*

    ### BEGIN SOLUTION
    #### Model answer

    …

    #### Marking scheme (2)

    - 1: what earns this point (wrapped lines are indented)
      - ½: what earns half of this item in place of the whole
      - 0: what earns nothing of it
    - 1: the next item
    - −1: over the word limit (a deduction: not in the sum)
    - A bullet without a number is a note for whoever marks.

    #### Anchor answers

    **0 of 2.** An answer as a student would write it.
    ### END SOLUTION

Points are written `0 ¼ ½ ¾ 1 1½ 2 …`. The list is the only source: the formgrader's items are made of it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from proctor.notebooks.cells import grade_id, parts, scan_regions, source

_FRACTIONS = {"¼": 0.25, "½": 0.5, "¾": 0.75}
_NUMBER = r"\d+[¼½¾]?|[¼½¾]"
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_SCHEME = re.compile(r"marking scheme\s*(?:\((.*)\))?", re.IGNORECASE)
_BONUS = re.compile(rf"bonus\b\D*?(?:0 to )?({_NUMBER})(?!\d| to)", re.IGNORECASE)
_BULLET = re.compile(r"( *)[-*+]\s+(.*)")
_PRICED = re.compile(rf"([−-]?)({_NUMBER}):\s+(\S.*)")
# A bullet that begins with what somebody may have meant as points.
_ALMOST = re.compile(r"[−+-]?\s*(?:\d|[¼½¾⅓])[\d.,/½¼¾⅓]*\s*(?:points?|p\.?)?\s*[:=)]")
# Points in the middle of a text: nobody could click on them.
_BESIDE = re.compile(r"[:,]\s*(?:[¼½¾]|0|minus (?:\d|[¼½¾]|one|half)\w*)(?=[.;,]|\s*$)")
_ANCHOR = re.compile(rf"\*\*({_NUMBER}) of ({_NUMBER})\.\*\*\s*(.*)")
_LIMIT = re.compile(r"\*[^*]*\bat most (\d{1,5}) words\b[^*]*\*\s*")
_FORMULA = re.compile(r"\$\$[^$]*\$\$|\$[^$\n]+\$")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
# Beyond it nobody needs the number.
_COUNTED = 200_000
STUB = "YOUR ANSWER HERE"


class Line(NamedTuple):
    """Points and what earns them."""

    points: float
    text: str


class Item(NamedTuple):
    """What can be given for an answer.

    Args:
        points: negative for a deduction.
        partial: lines that can be given in its place.
        line: 1-based, of the cell.
    """

    points: float
    text: str
    partial: tuple[Line, ...] = ()
    line: int = 0

    @property
    def key(self) -> str:
        """By which an item is known again when its price, its place or the words of its partial lines have changed."""
        return key_of(self.text)


class Anchor(NamedTuple):
    """An answer as a student would write it, with what it is worth."""

    points: float
    of: float
    text: str


class Scheme(NamedTuple):
    """How an essay is marked.

    Args:
        question: what stands in the cell before the solution.
        model: the solution without scheme and anchors, as markdown.
        stated: points in the heading of the scheme; None without them.
        bonus: they are extra credit.
        limit: of words, None without one.
    """

    question: str
    model: str
    stated: float | None
    bonus: bool
    items: tuple[Item, ...]
    notes: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    limit: int | None

    @property
    def total(self) -> float:
        """What the items add up to, without deductions."""
        return sum(item.points for item in self.items if item.points > 0)


def key_of(text: str) -> str:
    """A short name of an item's text, whatever its white space."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def read_scheme(source: str) -> Scheme | None:
    """The scheme in a cell's text; what can't be understood is left out. None if the cell has none."""
    return scan_scheme(source)[0]


def scan_scheme(source: str) -> tuple[Scheme | None, list[tuple[int, str]]]:
    """Like `read_scheme`, with what is wrong with it as a list of (line, what to do)."""
    found, _ = scan_regions(source, "SOLUTION")
    if not found:
        return None, []
    question = "\n".join(source.split("\n")[: found[0].begin - 1])
    parts: dict[str, list[tuple[int, str]]] = {"model": [], "scheme": [], "anchors": []}
    part, heading = "model", None
    for region in found:
        for number, line in enumerate(region.text.split("\n"), start=region.begin + 1):
            title = _HEADING.match(line)
            if title and _SCHEME.match(title[1]):
                part, heading = "scheme", _SCHEME.match(title[1])[1] or ""
            elif title and title[1].lower().startswith("anchor answer"):
                part = "anchors"
            elif title and part != "model":
                part = "model"
            elif not (title and title[1].lower().startswith("model answer")):
                parts[part].append((number, line))
    if heading is None:
        return None, []
    items, notes, problems = _items(parts["scheme"])
    anchors, of_anchors = _anchors(parts["anchors"])
    bonus = _BONUS.search(heading)
    stated = bonus[1] if bonus else heading if re.fullmatch(_NUMBER, heading) else None
    model = "\n".join(line for _, line in parts["model"]).strip("\n")
    made = Scheme(
        question,
        model,
        None if stated is None else points_of(stated),
        "bonus" in heading.lower(),
        items,
        notes,
        anchors,
        word_limit(question),
    )
    return made, problems + of_anchors


def word_limit(question: str) -> int | None:
    """The limit in the line of emphasised text that asks for the answer."""
    for line in question.splitlines():
        found = _LIMIT.fullmatch(line)
        if found:
            return int(found[1])
    return None


def count_words(answer: str, question: str = "") -> int:
    """Words of an answer: what stands between blanks and has a letter or a digit.

    Formulas and tags don't count, nor do lines of the question that the student left there.
    """
    given = {line.strip() for line in question.splitlines()} | {STUB}
    kept = "\n".join(line for line in answer[:_COUNTED].splitlines() if line.strip() not in given)
    plain = _TAG.sub(" ", _FORMULA.sub(" ", kept))
    return sum(any(map(str.isalnum, word)) for word in plain.split())


def words_in(cells: Iterable[dict[str, Any]], name: str, question: str) -> int:
    """Words of an answer: of its own cell, and of those that the student added for it."""
    return sum(
        count_words(source(cell), question)
        for cell in cells
        if cell["cell_type"] == "markdown" and (grade_id(cell) == name or name in parts(cell))
    )


def points_of(text: str) -> float:
    """Number of a text like `1½`."""
    whole = text.rstrip("¼½¾")
    return (int(whole) if whole else 0) + _FRACTIONS.get(text[-1], 0.0)


def points_text(points: float) -> str:
    """How a number of points is written here: `1½`, `−1`, and other fractions with a point."""
    sign, size = ("−" if points < 0 else ""), abs(points)
    for fraction, worth in _FRACTIONS.items():
        if size % 1 == worth:
            return f"{sign}{int(size) or ''}{fraction}"
    return f"{sign}{size:g}"


def scheme_problems(source: str, points: float) -> Iterator[str]:
    """What is wrong with the scheme, the limit and the anchors of an essay's cell, each with what to do.

    Args:
        source: text of the cell.
        points: of the cell.
    """
    scheme = read_scheme(source)
    if scheme is None:
        return
    yield from price_problems(source, points)
    if scheme.limit is None:
        yield "has no word limit; write *Your answer to 1.1 (a), at most 200 words:* before the solution"
    worth = scheme.stated if scheme.bonus else points
    if worth is not None and (points >= 2 or scheme.anchors):
        yield from _anchor_problems(scheme.anchors, worth)


def price_problems(source: str, points: float) -> Iterator[str]:
    """What is wrong with the items of a scheme, so that points made of them would not be what is meant.

    Args:
        source: text of the cell.
        points: of the cell.
    """
    scheme, problems = scan_scheme(source)
    if scheme is None:
        return
    yield from (f"line {line}: {problem}" for line, problem in problems)
    if not scheme.items:
        yield "the marking scheme has no items; write `- 1: what earns this point`, one line for each"
    worth = points
    if scheme.bonus:
        if scheme.stated is None:
            yield "the heading of a bonus doesn't say how much it is; write #### Marking scheme (bonus: 0 to 2)"
            return
        worth = scheme.stated
    elif scheme.stated is None or not math.isclose(scheme.stated, points):
        yield f"the cell has {points_text(points)} points; write #### Marking scheme ({points_text(points)})"
    if scheme.items and not math.isclose(scheme.total, worth):
        yield (
            f"the items of the marking scheme add up to {points_text(scheme.total)} and the answer has "
            f"{points_text(worth)}; correct one of them"
        )


def _anchor_problems(anchors: tuple[Anchor, ...], worth: float) -> Iterator[str]:
    wanted = f"**0 of {points_text(worth)}.**, about half, and **{points_text(worth)} of {points_text(worth)}.**"
    right = (
        len(anchors) == 3
        and anchors[0].points == 0 < anchors[1].points < anchors[2].points
        and math.isclose(anchors[2].points, worth)
        and all(math.isclose(one.of, worth) for one in anchors)
    )
    if not right:
        yield f"needs three answers under #### Anchor answers, in this order: {wanted}"
    for one in anchors:
        if not one.text:
            yield f"the anchor answer of {points_text(one.points)} has no text; write one as a student would"


def _items(lines: list[tuple[int, str]]) -> tuple[tuple[Item, ...], tuple[str, ...], list[tuple[int, str]]]:
    """Items, notes and problems of the lines under the heading."""
    items: list[Item] = []
    notes: list[str] = []
    problems: list[tuple[int, str]] = []
    for number, depth, text in _bullets(lines, problems):
        priced = _PRICED.fullmatch(text)
        beside = _BESIDE.search(priced[3] if priced else text)
        if beside:
            said = beside[0].strip(":, ")
            problems.append((number, f"`{said}` in the text; make it a line of its own, `  - ½: …`, or `- −1: …`"))
        if priced is None:
            if _ALMOST.match(text):
                problems.append(
                    (number, "points are written `0:`, `¼:`, `½:`, `1:`, `1½:` (`−1:` takes one); correct it")
                )
            notes.append(text)
            continue
        points = points_of(priced[2]) * (-1 if priced[1] else 1)
        if depth == 0:
            if points == 0:
                problems.append((number, "an item of 0 points; put it under the item that it is about"))
            if any(one.key == key_of(priced[3]) for one in items):
                problems.append((number, "an earlier item has the same words; say what is different"))
            items.append(Item(points, priced[3], (), number))
        elif not items or not 0 <= points < items[-1].points:
            problems.append((number, "a line under an item earns less than the item, and no less than 0; correct it"))
        else:
            items[-1] = items[-1]._replace(partial=(*items[-1].partial, Line(points, priced[3])))
    return tuple(items), tuple(notes), problems


def _bullets(lines: list[tuple[int, str]], problems: list[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """Line, depth (0 or 1) and text of each bullet, with the lines that it was wrapped to."""
    found: list[tuple[int, int, str]] = []
    for number, line in lines:
        bullet = _BULLET.match(line)
        if bullet:
            if len(bullet[1]) not in (0, 2):
                problems.append(
                    (number, "a line of the scheme begins with `- `, or `  - ` under an item; indent it so")
                )
            found.append((number, min(len(bullet[1]), 1), bullet[2].strip()))
        elif line.strip() and found and line.startswith("  "):
            first, depth, text = found[-1]
            found[-1] = (first, depth, f"{text} {line.strip()}")
        elif line.strip():
            problems.append((number, "belongs to no line of the scheme; begin it with `- `, or indent it by two"))
    return found


def _anchors(lines: list[tuple[int, str]]) -> tuple[tuple[Anchor, ...], list[tuple[int, str]]]:
    found: list[Anchor] = []
    problems: list[tuple[int, str]] = []
    for number, line in lines:
        begun = _ANCHOR.fullmatch(line)
        if begun:
            found.append(Anchor(points_of(begun[1]), points_of(begun[2]), begun[3].strip()))
        elif found:
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line}".strip())
        elif line.strip():
            problems.append((number, "an anchor answer begins with what it is worth, `**1 of 2.** `; write it so"))
    return tuple(found), problems
