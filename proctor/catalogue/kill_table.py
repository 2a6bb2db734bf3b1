"""The kill table: which variant of the reference solution lost which checks, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proctor.errors import ProctorError

_HEADINGS = ("entry", "kind", "cell", "declared", "lost", "cells lost", "result")


@dataclass(frozen=True)
class Verdict:
    """One variant and what became of it.

    Attributes:
        name, kind, cell: of the catalogue's entry; kind is "wrong" or "right", or "untouched" for the release version.
        meaning: the entry's hint, or what is different about a correct variant.
        declared: points that it should lose.
        lost: points that it lost, None if it did not come to an end.
        cells: the test cells that it lost, in the notebook's order.
        problems: what is not as declared, one line each; empty if all is.
    """

    name: str
    kind: str
    cell: str
    meaning: str
    declared: float
    lost: float | None
    cells: Sequence[str]
    problems: Sequence[str] = ()

    @property
    def surprise(self) -> bool:
        """Whether anything is not as declared."""
        return bool(self.problems)


def as_text(verdicts: Sequence[Verdict], untested: Sequence[str] | None) -> str:
    """The table for a terminal; below a surprise stand its hint and what is not as declared.

    Args:
        untested: test cells that no wrong variant lost, None if not all of the variants were run.
    """
    rows = [_HEADINGS, *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row, verdict in zip(rows, (None, *verdicts), strict=True):
        lines.append("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
        if verdict is not None and verdict.surprise:
            lines += [f"    {line}" for line in (*filter(None, [verdict.meaning]), *verdict.problems)]
    return "\n".join(lines if untested is None else [*lines, "", _untested_line(untested)])


def as_markdown(notebook: str, verdicts: Sequence[Verdict], untested: Sequence[str] | None) -> str:
    """A section for the docs with the table of one notebook; nothing in it depends on the time or the machine."""
    lines = [
        f"## {notebook}",
        "",
        "| entry | kind | cell | what is different | points declared | points lost | cells lost | result |",
        "|---|---|---|---|---:|---:|---|---|",
    ]
    for verdict in verdicts:
        name, kind, cell, declared, lost, cells, result = map(_escaped, _row(verdict))
        meaning = _escaped("; ".join(filter(None, [verdict.meaning, *verdict.problems])))
        lines.append(f"| {name} | {kind} | {cell} | {meaning} | {declared} | {lost} | {cells} | {result} |")
    if untested is not None:
        lines += ["", _escaped(_untested_line(untested))]
    return "\n".join(lines)


def write_markdown(path: str | Path, sections: Sequence[str], summary_line: str) -> None:
    """Write a document of `as_markdown` sections. Raises ProctorError if the file cannot be written."""
    text = "\n\n".join(["# Kill table", *sections, summary_line]) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProctorError(f"{path}: cannot be written ({error.strerror}); check the folder") from None


def _untested_line(untested: Sequence[str]) -> str:
    if not untested:
        return "Every check is lost by at least one wrong variant."
    return f"Untested checks, which no wrong variant loses: {', '.join(untested)}."


def summary(verdicts: Sequence[Verdict]) -> str:
    """The last line: how many variants behaved, how many did not."""
    fine = [verdict.kind for verdict in verdicts if not verdict.surprise]
    surprises = len(verdicts) - len(fine)
    return ", ".join(
        [
            f"{_counted(fine.count('wrong'), 'wrong variant')} caught",
            f"{_counted(fine.count('right'), 'correct variant')} unharmed",
            _counted(surprises, "surprise"),
        ]
    )


def _row(verdict: Verdict) -> tuple[str, ...]:
    return (
        verdict.name,
        verdict.kind,
        verdict.cell,
        f"{verdict.declared:g}",
        "-" if verdict.lost is None else f"{verdict.lost:g}",
        " ".join(verdict.cells) or "none",
        "SURPRISE" if verdict.surprise else "OK",
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")
