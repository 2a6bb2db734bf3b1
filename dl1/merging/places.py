"""Where the cells of a student's file belong in the instructor's notebook.

A student splits, copies, moves and deletes cells. What keeps the instructor's order holds the places; everything else
lies between two of these, as it would run from top to bottom.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class Submitted:
    """A cell of the student's file.

    Attributes:
        names: by which it may be called, the surest first: its grade_id, its id, an id in its metadata.
        number: its place in the file, from 1.
        label: name of the instructor's cell that it is, if it is one.
        of: names of the answers that it is a part of, beside the one whose name it has.
        maybe: names of the written answers that it may be.
    """

    names: tuple[str, ...]
    cell_type: str
    source: str
    number: int = 0
    label: str | None = None
    of: list[str] = field(default_factory=list)
    maybe: list[str] = field(default_factory=list)

    @property
    def is_text(self) -> bool:
        return self.cell_type != "code"


@dataclass(eq=False)
class Stretch:
    """An instructor's cell in its place, and what stands between it and the next one.

    Attributes:
        begin: index of the instructor's cell; -1 at the top of the notebook.
        end: index of the next one that is in its place, or their number.
        anchor: the cell of the file; None at the top.
        cells: those that follow it.
    """

    begin: int
    end: int
    anchor: Submitted | None
    cells: list[Submitted] = field(default_factory=list)


def stretches(cells: Sequence[Submitted], order: Sequence[str]) -> list[Stretch]:
    """The file in stretches from one cell in its place to the next.

    Args:
        cells: labelled with names of `order`, or None.
        order: names of the instructor's cells.
    """
    index = {name: number for number, name in enumerate(order)}
    labelled = [cell for cell in cells if cell.label is not None]
    kept = longest_rising([index[cell.label] for cell in labelled])
    anchors = {labelled[place] for place in kept}
    found = [Stretch(-1, len(order), None)]
    for cell in cells:
        if cell in anchors:
            found[-1].end = index[cell.label]
            found.append(Stretch(index[cell.label], len(order), cell))
        else:
            found[-1].cells.append(cell)
    return found


def longest_rising(numbers: Sequence[int]) -> list[int]:
    """Places of a longest subsequence that rises; of equal numbers in a row the first."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        length = bisect.bisect_left(ends, number)
        before.append(last[length - 1] if length else None)
        if ends[length : length + 1] != [number]:
            ends[length : length + 1] = [number]
            last[length : length + 1] = [place]
    found: list[int] = []
    place = last[-1] if last else None
    while place is not None:
        found.append(place)
        place = before[place]
    return found[::-1]
