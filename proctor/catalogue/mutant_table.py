"""What became of the mutants, question by question, and each that survives."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from proctor.catalogue.mutant_runs import Examined
from proctor.catalogue.mutants import Mutant

_RIGHT = ("question", "cell", "made", "unharmed", "hurt", "seconds")
_HEADINGS = ("question", "cell", "made", "killed", "equivalent", "surviving", "seconds")


def shown_question(name: str) -> str:
    """`2.6` for `q2_6`, as it stands in the notebooks and after --question; any other name as it is."""
    found = re.fullmatch(r"q(\d+)_(\d+)", name)
    return f"{found[1]}.{found[2]}" if found else name


def as_text(examined: Sequence[Examined], equivalent: Collection[Mutant]) -> str:
    """A row for each solution cell and one for all; below them the mutants that survive, as a change of lines."""
    lines = table(_HEADINGS, [_row(one, equivalent) for one in examined])
    timed_out = sum(one.timed_out for one in examined)
    if timed_out:
        lines.append(f"{timed_out} of the killed ran into the time-out.")
    for one in examined:
        for mutant in one.surviving:
            if mutant not in equivalent:
                lines += ["", mutant.shown]
    return "\n".join(lines)


def rewritten_as_text(examined: Sequence[Examined]) -> str:
    """The same for right answers: a row for each solution cell, and below them those that lose points, and why."""
    rows = []
    for one in examined:
        numbers = (len(one.made), len(one.surviving), len(one.lost), one.seconds)
        rows.append((shown_question(one.target.question), one.target.cell, *(f"{number:.0f}" for number in numbers)))
    lines = table(_RIGHT, rows)
    for one in examined:
        for number, why in sorted(one.lost.items()):
            lines += ["", one.made[number].shown, f"    {why}"]
    return "\n".join(lines)


def rewritten_summary(examined: Sequence[Examined]) -> str:
    """The last line."""
    made, hurt = sum(len(one.made) for one in examined), sum(len(one.lost) for one in examined)
    return f"{made} rewritten reference answers: {made - hurt} unharmed, {hurt} hurt"


def summary(examined: Sequence[Examined], equivalent: Collection[Mutant]) -> str:
    """The last line."""
    made = sum(len(one.made) for one in examined)
    not_killed = sum(len(one.surviving) for one in examined)
    listed = sum(mutant in equivalent for one in examined for mutant in one.surviving)
    return f"{made} mutants: {made - not_killed} killed, {listed} equivalent, {not_killed - listed} surviving"


def _row(one: Examined, equivalent: Collection[Mutant]) -> tuple[str, ...]:
    listed = sum(mutant in equivalent for mutant in one.surviving)
    numbers = (len(one.made), len(one.made) - len(one.surviving), listed, len(one.surviving) - listed, one.seconds)
    return shown_question(one.target.question), one.target.cell, *(f"{number:.0f}" for number in numbers)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: headings, a row for each solution cell, and the sums of all columns of numbers."""
    total = ("all", "", *(str(sum(int(row[column]) for row in rows)) for column in range(2, len(headings))))
    widths = [max(len(row[column]) for row in (headings, *rows, total)) for column in range(len(headings))]
    return [_aligned(row, widths) for row in (headings, *rows, total)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*texts, *numbers])
