"""What became of the cheats, question by question, and each with points beyond what is honestly right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proctor.catalogue import mutant_table
from proctor.catalogue.mutant_runs import Target

_HEADINGS = ("question", "cell", "made", "honest", "lost", "right in part", "beyond", "points beyond")


@dataclass(frozen=True)
class Cheat:
    """One function of a solution cell that cheats in one way.

    Attributes:
        cell: grade_id of the solution cell.
        kind: of `cheat_kinds.KINDS`.
        function: name of the function that cheats.
        kept: grade_ids of test cells in which it gave something else than the honest result and got the points.
        right: those of them whose points are for what it told rightly.
        deviated: whether it gave something else anywhere.
        failure: why it could not be run to its end; such a cheat has lost.
    """

    cell: str
    kind: str
    function: str
    kept: tuple[str, ...]
    right: tuple[str, ...]
    deviated: bool
    failure: str | None

    @property
    def beyond(self) -> tuple[str, ...]:
        """The test cells whose points it should not have."""
        return tuple(cell for cell in self.kept if cell not in self.right)


@dataclass(frozen=True)
class Tried:
    """The cheats of one solution cell, and the points of its test cells by their grade_ids."""

    target: Target
    points: Mapping[str, float]
    cheats: Sequence[Cheat]

    @property
    def beyond(self) -> list[Cheat]:
        """Those with points beyond what is honestly right."""
        return [one for one in self.cheats if one.beyond]

    @property
    def points_beyond(self) -> float:
        """Of all test cells in which there is such a cheat."""
        return sum(self.points[cell] for cell in {cell for one in self.cheats for cell in one.beyond})


def as_text(tried: Sequence[Tried]) -> str:
    """A row for each solution cell and one for all; below them what test cells are kept, and a last line."""
    lines = mutant_table.table(_HEADINGS, [_row(one) for one in tried])
    for one in tried:
        for cheat in one.cheats:
            for words, cells in (("is right in", cheat.right), ("HAS THE POINTS OF", cheat.beyond)):
                if cells:
                    lines.append(f"{cheat.cell}, {cheat.function}: {cheat.kind} {words} {', '.join(cells)}")
    made, beyond = sum(len(one.cheats) for one in tried), sum(one.points_beyond for one in tried)
    return "\n".join([*lines, "", f"{made} cheats: {beyond:g} points beyond what is honestly right"])


def _row(one: Tried) -> tuple[str, ...]:
    honest = sum(not cheat.deviated for cheat in one.cheats)
    in_part = sum(bool(cheat.kept) and not cheat.beyond for cheat in one.cheats)
    beyond = len(one.beyond)
    numbers = (len(one.cheats), honest, len(one.cheats) - honest - in_part - beyond, in_part, beyond)
    shown = mutant_table.shown_question(one.target.question)
    return shown, one.target.cell, *map(str, numbers), f"{one.points_beyond:g}"
