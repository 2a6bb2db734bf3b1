"""Runs cheats that are made by rule from a notebook's reference answers: no points beyond what is honestly right.

A cheat gives the honest result where the public part would notice, and something else elsewhere. Where it never gave
anything else, it is the reference answer, and no cheat. Where it gave something else in a test cell and the cell gives
its points, `honest_points` decides whether they are for what it told rightly.
"""

from __future__ import annotations

import functools
import gc
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.catalogue import cheating, inprocess, told
from proctor.catalogue.cheat_kinds import KINDS
from proctor.catalogue.cheat_table import Cheat, Tried
from proctor.catalogue.forked import limit_computing, run_forked
from proctor.catalogue.honest_points import Judge
from proctor.catalogue.inprocess import CellResult
from proctor.catalogue.mutant_runs import Target, public_part
from proctor.catalogue.setup import Setup
from proctor.catalogue.solution_text import SolutionText
from proctor.catalogue.variant_runs import in_copy, preload, prepared
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

_SECONDS_MORE = 10
_TIMES_AS_LONG = 10


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
    # Here and not in each child, which it takes a second.
    import dl1.contract.protocol  # noqa: F401

    found = []
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="cheats-") as scratch:
        run = functools.partial(_run_in_copy, notebook, prepared(scratch, path, setup, timeout), scratch)
        at = {"at_once": at_once, "timeout": timeout}
        for target in wanted:
            source = notebook_cells.source(notebook_cells.solution_cells(notebook)[target.cell])
            solution = SolutionText(source)
            table = Path(scratch, f"{target.cell}.calls")
            called, seconds = _public_calls(path.name, notebook, target, solution, run, table, key, at)
            judge = Judge(functools.partial(run, target), target.tests, key, Path(scratch, target.cell), at)
            cheats = _cheats(target, solution, called, run, table, key, at, seconds, judge)
            found.append(Tried(target, _points(notebook, target), cheats))
            beyond = len(found[-1].beyond)
            progress(f"{path.stem} {target.cell}: {len(cheats)} cheats, {beyond} with points beyond what is right")
    gc.unfreeze()
    return found


def _points(notebook: Mapping[str, Any], target: Target) -> dict[str, float]:
    tests = notebook_cells.autograded_cells(notebook)
    return {test: float(notebook_cells.nbgrader_metadata(tests[test]).get("points") or 0) for test in target.tests}


def _public_calls(
    name: str,
    notebook: Mapping[str, Any],
    target: Target,
    solution: SolutionText,
    run: Callable[..., Any],
    table: Path,
    key: bytes | None,
    at: Mapping[str, Any],
) -> tuple[list[int], float]:
    """Lines of the functions that the public part calls, whose calls go to the table; seconds of all tests."""
    tests = notebook_cells.autograded_cells(notebook)
    public = {test: public_part(notebook_cells.source(tests[test])) for test in target.tests}
    noting = {target.cell: _decorated(solution, "noting({line})", None)}
    jobs = {
        "reference": functools.partial(run, target, {}, key=key),
        "public": functools.partial(
            run, target, noting | public, key=key, answer=functools.partial(cheating.save, table)
        ),
    }
    outcomes = dict(run_forked(jobs, **at))
    for outcome in outcomes.values():
        # Neither the answer nor what notes its calls may change a result.
        failed = outcome.failure or _first_failure(outcome.value["cells"])
        if failed:
            raise ProctorError(
                f"{name}: the reference of {target.cell} has to pass the tests of its question: {failed}"
            )
    return outcomes["public"].value["answer"], outcomes["reference"].seconds


def _first_failure(cells: Mapping[str, Any]) -> str | None:
    return next((f"{cell}: {message}" for cell, (message, *_) in cells.items() if message), None)


def _cheats(
    target: Target,
    solution: SolutionText,
    called: Sequence[int],
    run: Callable[..., Any],
    table: Path,
    key: bytes | None,
    at: Mapping[str, Any],
    seconds: float,
    judge: Judge,
) -> list[Cheat]:
    names = {function.lineno: function.name for function in solution.functions()}
    limit = math.ceil(_TIMES_AS_LONG * seconds) + _SECONDS_MORE
    cheats = {
        f"{line} {kind}": functools.partial(
            run,
            target,
            {target.cell: _decorated(solution, f"cheating({kind!r}, {{line}})", line)},
            calls=table,
            limit=limit,
        )
        for line in called
        for kind in KINDS
    }
    jobs = {job: functools.partial(cheat, key=key) for job, cheat in cheats.items()}
    outcomes = dict(run_forked(jobs, **at))
    found = []
    for job, cheat in cheats.items():
        line, kind = job.split(" ")
        outcome = outcomes[job]
        cells = outcome.value["cells"] if outcome.value else {}
        kept = tuple(cell for cell, (message, deviations, _) in cells.items() if deviations and message is None)
        deviated = outcome.failure is not None or any(deviations for _, deviations, _ in cells.values())
        loses = any(message is not None for message, *_ in cells.values())
        right = tuple(cell for cell in kept if judge.is_right(cheat, cell, loses=loses))
        found.append(Cheat(target.cell, kind, names[int(line)], kept, right, deviated, outcome.failure))
    return found


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
    target: Target,
    sources: Mapping[str, str],
    *,
    key: bytes | None,
    answer: Callable[[], Any] | None = None,
    calls: Path | None = None,
    limit: int | None = None,
    note_told: Path | None = None,
    change: Callable[[str, int, Any], Any] | None = None,
) -> Any:
    """Under "cells", by test cell: message of a failure or None; how often the cheat was not honest, in all, and where
    no probe was under way. Under "answer" what `answer` returns.

    This process is killed when it has computed for `limit` seconds.

    Args:
        key: from which the hidden inputs are drawn, as in `inprocess.run`.
        calls: the table of what cheats know.
        note_told: a file for what the cells were told.
        change: makes what a cell is told, from its grade_id, the number of the probe's call in it, and what came back.
    """
    if limit is not None:
        limit_computing(limit)
    if calls is not None:
        cheating.use(calls)
    needed = {id(notebook["cells"][number]) for number in target.needed}
    found: dict[str, tuple[str | None, int, int]] = {}
    heard: dict[str, list[told.Call]] = {}
    before = 0

    def changed(number: int, value: Any) -> Any:
        # Test cells run in their order, and each that has ended is in `found`.
        return change(target.tests[len(found)], number, value)

    def note(result: CellResult) -> bool:
        nonlocal before
        deviations = cheating.deviations() - before
        before = cheating.deviations()
        if result.grade_id in target.tests:
            outside = deviations - sum(call.deviations for call in listened)
            found[result.grade_id] = None if result.passed else result.message, deviations, outside
            heard[result.grade_id] = listened[:]
        listened.clear()
        return False

    with in_copy(beside, scratch), told.listening(changed if change else None, cheating.deviations) as listened:
        inprocess.run(notebook, sources=sources, cells=lambda cell: id(cell) in needed, last=note, key=key)
    if note_told is not None:
        told.save(note_told, heard)
    return {"cells": found, "answer": answer and answer()}
