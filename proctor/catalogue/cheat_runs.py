"""Runs cheats that are made by rule from a notebook's reference answers: each loses every test cell in which it cheats.

A cheat gives the honest result where the public part would notice, and something else elsewhere. Where it never gave
anything else, it is the reference answer, and no cheat.
"""

from __future__ import annotations

import functools
import gc
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue import cheating, inprocess, mutant_table
from proctor.catalogue.forked import limit_computing, run_forked
from proctor.catalogue.inprocess import CellResult
from proctor.catalogue.mutant_runs import Target, public_part
from proctor.catalogue.setup import Setup
from proctor.catalogue.solution_text import SolutionText
from proctor.catalogue.variant_runs import in_copy, preload, prepared
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

_SECONDS_MORE = 10
_TIMES_AS_LONG = 10
_HEADINGS = ("question", "cell", "made", "lost", "honest", "not lost")


@dataclass(frozen=True)
class Cheat:
    """One function of a solution cell that cheats in one way.

    Attributes:
        cell: grade_id of the solution cell.
        kind: of `cheating.KINDS`.
        function: name of the function that cheats.
        kept: grade_ids of test cells in which it gave something else than the honest result and got the points.
        deviated: whether it gave something else anywhere.
        failure: why it could not be run to its end; such a cheat has lost.
    """

    cell: str
    kind: str
    function: str
    kept: tuple[str, ...]
    deviated: bool
    failure: str | None


@dataclass(frozen=True)
class Tried:
    """The cheats of one solution cell."""

    target: Target
    cheats: Sequence[Cheat]

    @property
    def not_lost(self) -> list[Cheat]:
        return [one for one in self.cheats if one.kept]


def try_cheats(
    path: Path,
    wanted: Sequence[Target],
    *,
    key: bytes | None = None,
    setup: Setup,
    at_once: int,
    timeout: float,
    progress: Callable[[str], None],
) -> list[Tried]:
    """Make and run the cheats of some solution cells; the arguments are those of `mutant_runs.examine`.

    Raises:
        ProctorError: the reference does not pass its own tests, or this system cannot fork.
    """
    path = path.resolve()
    notebook = notebook_cells.read(path)
    preload(notebook)
    found = []
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="cheats-") as scratch:
        run = functools.partial(_run_in_copy, notebook, prepared(scratch, path, setup, timeout), scratch, key)
        for target in wanted:
            source = notebook_cells.source(notebook_cells.solution_cells(notebook)[target.cell])
            solution = SolutionText(source)
            table = Path(scratch, f"{target.cell}.calls")
            called, seconds = _public_calls(path.name, notebook, target, solution, run, table, at_once, timeout)
            found.append(_tried(target, solution, called, run, table, at_once, timeout, seconds))
            progress(f"{path.stem} {target.cell}: {len(found[-1].cheats)} cheats, {len(found[-1].not_lost)} not lost")
    gc.unfreeze()
    return found


def _public_calls(
    name: str,
    notebook: Mapping[str, Any],
    target: Target,
    solution: SolutionText,
    run: Callable[..., Any],
    table: Path,
    at_once: int,
    timeout: float,
) -> tuple[list[int], float]:
    """Lines of the functions that the public part calls, whose calls go to the table; seconds of all tests."""
    tests = notebook_cells.autograded_cells(notebook)
    public = {test: public_part(notebook_cells.source(tests[test])) for test in target.tests}
    noting = {target.cell: _decorated(solution, "noting({line})", None)}
    jobs = {
        "reference": functools.partial(run, target, {}),
        "public": functools.partial(run, target, noting | public, answer=functools.partial(cheating.save, table)),
    }
    outcomes = dict(run_forked(jobs, at_once=at_once, timeout=timeout))
    for outcome in outcomes.values():
        # Neither the answer nor what notes its calls may change a result.
        failed = outcome.failure or _first_failure(outcome.value["cells"])
        if failed:
            raise ProctorError(
                f"{name}: the reference of {target.cell} has to pass the tests of its question: {failed}"
            )
    return outcomes["public"].value["answer"], outcomes["reference"].seconds


def _first_failure(cells: Mapping[str, Any]) -> str | None:
    return next((f"{cell}: {message}" for cell, (message, _) in cells.items() if message), None)


def _tried(
    target: Target,
    solution: SolutionText,
    called: Sequence[int],
    run: Callable[..., Any],
    table: Path,
    at_once: int,
    timeout: float,
    seconds: float,
) -> Tried:
    names = {function.lineno: function.name for function in solution.functions()}
    jobs = {}
    for line in called:
        for kind in cheating.KINDS:
            text = _decorated(solution, f"cheating({kind!r}, {{line}})", line)
            limit = math.ceil(_TIMES_AS_LONG * seconds) + _SECONDS_MORE
            jobs[f"{line} {kind}"] = functools.partial(run, target, {target.cell: text}, calls=table, limit=limit)
    cheats = {}
    for job, outcome in run_forked(jobs, at_once=at_once, timeout=timeout):
        line, kind = job.split(" ")
        cells = outcome.value["cells"] if outcome.value else {}
        kept = tuple(cell for cell, (message, deviations) in cells.items() if deviations and message is None)
        deviated = outcome.failure is not None or any(deviations for _, deviations in cells.values())
        cheats[job] = Cheat(target.cell, kind, names[int(line)], kept, deviated, outcome.failure)
    return Tried(target, [cheats[job] for job in jobs])


def _decorated(solution: SolutionText, decorator: str, only: int | None) -> str:
    """The solution's text with the decorator above each of its functions, or above the one of this line."""
    lines = solution.text.split("\n")
    for function in sorted(solution.functions(), key=lambda one: -one.lineno):
        # A constructor has no result, and its object no weights yet.
        is_outermost = function.name != "__init__" and solution.function_of(function) is None
        if only in (None, function.lineno) and is_outermost:
            indent = " " * function.col_offset
            lines.insert(function.lineno - 1, f"{indent}@{decorator.format(line=function.lineno)}")
    return "\n".join([cheating.IMPORT, *lines])


def _run_in_copy(
    notebook: Mapping[str, Any],
    beside: Path,
    scratch: str,
    key: bytes | None,
    target: Target,
    sources: Mapping[str, str],
    answer: Callable[[], Any] | None = None,
    calls: Path | None = None,
    limit: int | None = None,
) -> Any:
    """Under "cells", by test cell: message of a failure or None, and how often the cheat was not honest in it.

    Under "answer" what `answer` returns. This process is killed when it has computed for `limit` seconds.
    """
    if limit is not None:
        limit_computing(limit)
    if calls is not None:
        cheating.use(calls)
    needed = {id(notebook["cells"][number]) for number in target.needed}
    found: dict[str, tuple[str | None, int]] = {}
    before = 0

    def note(result: CellResult) -> bool:
        nonlocal before
        if result.grade_id in target.tests:
            found[result.grade_id] = None if result.passed else result.message, cheating.deviations() - before
        before = cheating.deviations()
        return False

    with in_copy(beside, scratch):
        inprocess.run(notebook, sources=sources, cells=lambda cell: id(cell) in needed, last=note, key=key)
    return {"cells": found, "answer": answer and answer()}


def as_text(tried: Sequence[Tried]) -> str:
    """A row for each solution cell and one for all; below them each cheat that is not lost, with the cells it keeps."""
    lines = mutant_table.table(_HEADINGS, [_row(one) for one in tried])
    for one in tried:
        lines += [f"{c.cell}, {c.function}: {c.kind} keeps {', '.join(c.kept)}" for c in one.not_lost]
    return "\n".join(lines)


def _row(one: Tried) -> tuple[str, ...]:
    honest = sum(not cheat.deviated for cheat in one.cheats)
    numbers = (len(one.cheats), len(one.cheats) - honest - len(one.not_lost), honest, len(one.not_lost))
    return mutant_table.shown_question(one.target.question), one.target.cell, *map(str, numbers)
