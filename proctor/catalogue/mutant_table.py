"""What became of the mutants, question by question, and each that survives."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from proctor.catalogue.mutant_runs import Examined
from proctor.catalogue.mutants import Mutant

_HEADINGS = ("question", "cell", "made", "killed", "equivalent", "surviving", "seconds")


def shown_question(name: str) -> str:
    """`2.6` for `q2_6`, as it stands in the notebooks and after --question; any other name as it is."""
    found = re.fullmatch(r"q(\d+)_(\d+)", name)
    return f"{found[1]}.{found[2]}" if found else name


def as_text(examined: Sequence[Examined], equivalent: Collection[Mutant]) -> str:
    """A row for each solution cell and one for all; below them the mutants that survive, as a change of lines."""
    rows = [_row(one, equivalent) for one in examined]
    total = ("all", "", *(str(sum(int(row[column]) for row in rows)) for column in range(2, len(_HEADINGS))))
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows, total)) for column in range(len(_HEADINGS))]
    lines = [_aligned(row, widths) for row in (_HEADINGS, *rows, total)]
    timed_out = sum(one.timed_out for one in examined)
    if timed_out:
        lines.append(f"{timed_out} of the killed ran into the time-out.")
    for one in examined:
        for mutant in one.surviving:
            if mutant not in equivalent:
                lines += ["", mutant.shown]
    return "\n".join(lines)


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


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*texts, *numbers])
