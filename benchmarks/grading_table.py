"""What runs of grading commands add up to: per student, growth, ratios, stations; as tables of markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from process_tree import Use

MIB = 2**20


@dataclass
class Run:
    """One command.

    Attributes:
        turn: in which it ran.
        part: which students: "complete" or "others".
        ends: when each student was done, in turn; seconds since 1970.
        first: when the first notebook was judged.
        stations: seconds by station.
    """

    variant: str
    turn: int
    part: str
    students: int
    use: Use
    ends: list[float] = field(default_factory=list)
    first: float = math.nan
    stations: dict[str, float] = field(default_factory=dict)

    def pace(self, most: int) -> tuple[float, float]:
        """Seconds per student over the first and over the last of them, as many as `most` and a tenth allow."""
        return pace(self.ends, most)

    def further(self) -> float:
        """Seconds that one student more takes, without start and end of the command; NaN for fewer than three."""
        return statistics.linear_regression(range(len(self.ends)), self.ends).slope if len(self.ends) > 2 else math.nan

    def own_memory(self, most: int) -> tuple[float, float]:
        """Resident MiB of the command itself while the first were graded, and the last."""
        if len(self.ends) < 3:
            return math.nan, math.nan
        k = part(len(self.ends), most)
        early = self.use.own_bytes(self.ends[0], self.ends[k]) / MIB
        return early, self.use.own_bytes(self.ends[-1 - k], self.ends[-1]) / MIB


def pace(ends: Sequence[float], most: int) -> tuple[float, float]:
    """Seconds per student among the first and among the last; the very first, with the command's start, is left out.

    Args:
        most: how many students are looked at at each end.
    """
    if len(ends) < 3:
        return math.nan, math.nan
    k = part(len(ends), most)
    return (ends[k] - ends[0]) / k, (ends[-1] - ends[-1 - k]) / k


def part(students: int, most: int) -> int:
    """How many students are looked at at each end, so that none is at both."""
    return max(1, min(most, (students - 1) // 2))


def summary(runs: Sequence[Run], order: Iterable[str]) -> str:
    """The table of complete submissions, a row per variant, and that of the others."""
    lines = [
        "Complete submissions:",
        "",
        "| | seconds | of stock | CPU-seconds | of stock | peak MiB | processes | first verdict after | "
        "seconds, first → last tenth | own MiB, first → last tenth |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    complete = [run for run in runs if run.part == "complete"]
    stock = {run.turn: run for run in complete if run.variant == "stock"}
    for name in order:
        mine = [run for run in complete if run.variant == name]
        if not mine:
            continue
        tenth = max(1, round(sum(run.students for run in mine) / len(mine) / 10))
        wall, cpu = _per_student(mine, "seconds"), _per_student(mine, "cpu_seconds")
        cells = [
            name,
            f"{wall:.1f}",
            _ratio(mine, stock, "seconds"),
            f"{cpu:.1f}",
            _ratio(mine, stock, "cpu_seconds"),
            f"{max(run.use.peak_bytes() for run in mine) / MIB:,.0f}",
            f"{max(run.use.most_processes() for run in mine)}",
            f"{statistics.median(run.first - run.use.began for run in mine):.1f} s",
            _arrow([run.pace(tenth) for run in mine]),
            _arrow([run.own_memory(tenth) for run in mine]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    others = [run for run in runs if run.part == "others"]
    if others:
        lines += ["", "The others (half done, untouched, hostile):", "", "| | seconds | CPU-seconds | peak MiB |"]
        lines.append("|---|---|---|---|")
        for name in order:
            mine = [run for run in others if run.variant == name]
            if mine:
                peak = max(run.use.peak_bytes() for run in mine) / MIB
                wall, cpu = _per_student(mine, "seconds"), _per_student(mine, "cpu_seconds")
                lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} |")
    return "\n".join(lines)


def side_by_side(runs: Sequence[Run]) -> str:
    """How many times as fast all workers are as one, and how many cores either keeps busy; empty if one is missing."""
    both = [[run for run in runs if run.part == "complete" and run.variant == name] for name in ("one", "all")]
    if not all(both):
        return ""
    wall = [_per_student(mine, "seconds") for mine in both]
    busy = [_per_student(mine, "cpu_seconds") / seconds for mine, seconds in zip(both, wall, strict=True)]
    further = [statistics.mean(run.further() for run in mine) for mine in both]
    more = ""
    if not any(map(math.isnan, further)):
        more = (
            f"; for each further student {further[0] / further[1]:.2f} times ({further[0]:.2f} and {further[1]:.2f} s)"
        )
    return (
        f"all is {wall[0] / wall[1]:.2f} times as fast as one ({wall[0]:.2f} and {wall[1]:.2f} s), with start and "
        f"end of the command{more}. Cores at work: {busy[0]:.2f} and {busy[1]:.2f}."
    )


def stations(runs: Sequence[Run], order: Iterable[str]) -> str:
    """Seconds per complete submission by station, a column per variant of the engine."""
    sums: dict[str, dict[str, float]] = {}
    for name in order:
        mine = [run for run in runs if run.variant == name and run.part == "complete" and run.stations]
        students = sum(run.students for run in mine)
        for run in mine:
            for station, seconds in run.stations.items():
                column = sums.setdefault(name, {})
                column[station] = column.get(station, 0.0) + seconds / students
    if not sums:
        return "No variant told its stations."
    rows = sorted({row for column in sums.values() for row in column}, key=lambda row: -max_of(sums, row))
    lines = [f"| seconds of a complete submission | {' | '.join(sums)} |", f"|---{'|---' * len(sums)}|"]
    for row in rows:
        lines.append(f"| {row} | {' | '.join(f'{column.get(row, 0.0):.2f}' for column in sums.values())} |")
    lines.append(f"| all | {' | '.join(f'{sum(column.values()):.2f}' for column in sums.values())} |")
    return "\n".join(lines)


def max_of(sums: dict[str, dict[str, float]], row: str) -> float:
    """The largest number of a row."""
    return max(column.get(row, 0.0) for column in sums.values())


def _per_student(runs: Sequence[Run], what: str) -> float:
    return sum(getattr(run.use, what) for run in runs) / sum(run.students for run in runs)


def _ratio(mine: Sequence[Run], stock: dict[int, Run], what: str) -> str:
    """How many times less than stock, over all turns, and in the worst and best of them."""
    if not stock or mine[0].variant == "stock":
        return ""
    both = [run for run in mine if run.turn in stock]
    whole = _per_student([stock[run.turn] for run in both], what) / _per_student(both, what)
    turns = [_per_student([stock[run.turn]], what) / _per_student([run], what) for run in both]
    return f"{whole:.2f}" if len(turns) < 2 else f"{whole:.2f} ({min(turns):.2f} to {max(turns):.2f})"


def _arrow(pairs: Sequence[tuple[float, float]]) -> str:
    early, late = (statistics.mean(one) for one in zip(*pairs, strict=True))
    return "too few" if math.isnan(early) or math.isnan(late) else f"{early:.1f} → {late:.1f}"
