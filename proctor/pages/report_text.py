"""What a student is told about a submission, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from proctor.pages.report import (
    FAILED,
    SIGNS,
    WORDS,
    NotebookReport,
    Question,
    Report,
    in_points,
    lateness,
    of_question,
    so_far,
    waiting,
)

_WIDTH = 100


def report_lines(report: Report) -> list[str]:
    """The lines; every character of them can be printed."""
    return ["".join(c if c.isprintable() else "?" for c in line) for line in _lines(report)]


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.student} · {report.assignment}: {_sum(report)}"
    if report.unfinished:
        yield f"  NOT FINAL: {report.unfinished}"
    if report.handed_in:
        yield f"  handed in {report.handed_in}"
    if report.late_seconds:
        yield f"  late by {lateness(report.late_seconds)} (due {report.due}); {report.rule}"
    for one in report.notebooks:
        yield ""
        yield from _of_notebook(one)


def _of_notebook(notebook: NotebookReport) -> Iterator[str]:
    yield f"{notebook.title or notebook.name}: {_sum(notebook)}"
    yield (
        f"  {notebook.name}, SHA-256 {notebook.digest}" if notebook.digest else f"  {notebook.name}: no file was found"
    )
    if notebook.penalty:
        yield f"  {in_points(notebook.penalty)} taken off for lateness"
    for line in notebook.accidents:
        yield from wrap(line, _WIDTH, initial_indent="  ! ", subsequent_indent="    ")
    names = [" ".join(one for one in (question.number, question.title) if one) for question in notebook.questions]
    names = [name or question.parts[0].cell for name, question in zip(names, notebook.questions, strict=True)]
    width = min(60, max(map(len, names), default=0))
    for name, question in zip(names, notebook.questions, strict=True):
        yield from _of_question(name[:60].ljust(width), question)


def _of_question(name: str, question: Question) -> Iterator[str]:
    sign, words = SIGNS.get(question.state, SIGNS[FAILED]), WORDS.get(question.state, question.state)
    yield f"  {sign} {name}  {of_question(question)}  {words}"
    for part in question.parts:
        if part.wrong:
            yield from wrap(f"{part.cell}: {part.wrong}", _WIDTH, initial_indent="      ", subsequent_indent="        ")
        one_of = "one of: " if len(part.looks_like) > 1 else ""
        for one in part.looks_like:
            text = f"looks like {one_of}{one.hint} ({one.name})"
            yield from wrap(text, _WIDTH, initial_indent="        ", subsequent_indent="          ")


def _sum(one: Report | NotebookReport) -> str:
    still = waiting(one)
    return f"{so_far(one.score, one.judged, one.total)}{f'; {still}' if still else ''}"
