"""Runs mutants of a notebook's reference answers against the test cells of their own question."""

from __future__ import annotations

import functools
import gc
import math
import signal
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue import inprocess, recording, rewriting
from proctor.catalogue.entries import question
from proctor.catalogue.forked import Outcome, limit_computing, run_forked
from proctor.catalogue.inprocess import CellResult
from proctor.catalogue.mutants import Mutant, Rules, mutants_of, mutations
from proctor.catalogue.setup import Setup
from proctor.catalogue.solution_text import SolutionText
from proctor.catalogue.variant_runs import in_copy, preload, prepared
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect

# A mutant may compute this many times as long as the reference took, and some seconds more, before it counts as one
# that hangs. It is the processor's time that is limited: on a busy machine nothing is killed for having waited.
_TIMES_AS_LONG = 5
_SECONDS_MORE = 5


@dataclass(frozen=True)
class Target:
    """A solution cell whose mutants are run.

    Attributes:
        question: "q2_6".
        cell: grade_id of the solution cell.
        tests: grade_ids of the question's test cells below it.
        needed: numbers of the notebook's cells that run, this one and its tests among them.
    """

    question: str
    cell: str
    tests: tuple[str, ...]
    needed: frozenset[int]


@dataclass(frozen=True)
class Examined:
    """What became of the mutants of one solution cell.

    Attributes:
        made: all of them.
        lost: by their numbers in `made`, what the first test said that gave no points, or how its process ended.
        timed_out: number of those that ran into a limit.
        seconds: of all processes together.
    """

    target: Target
    made: Sequence[Mutant]
    lost: Mapping[int, str]
    timed_out: int
    seconds: float

    @property
    def surviving(self) -> list[Mutant]:
        """Those that lose nothing."""
        return [mutant for number, mutant in enumerate(self.made) if number not in self.lost]


def targets(notebook: Mapping[str, Any]) -> list[Target]:
    """The solution cells that have autograded cells of their question below them."""
    names = [notebook_cells.grade_id(cell) for cell in notebook["cells"]]
    tests = notebook_cells.autograded_cells(notebook)
    found = []
    for cell in notebook_cells.solution_cells(notebook):
        below = names[names.index(cell) :]
        own = tuple(name for name in below if name in tests and question(name) == question(cell))
        if own:
            end = names.index(own[-1]) + 1
            numbers = (n for n in range(end) if _is_needed(notebook["cells"][n], own))
            found.append(Target(question(cell), cell, own, frozenset(numbers)))
    return found


def _is_needed(cell: dict[str, Any], tests: Collection[str]) -> bool:
    if cell["cell_type"] != "code":
        return False
    if notebook_cells.role(cell) == "test":
        return notebook_cells.grade_id(cell) in tests
    return has_effect(cell)


def examine(
    path: Path,
    wanted: Sequence[Target],
    *,
    rules: Rules = mutations,
    key: bytes | None = None,
    setup: Setup,
    at_once: int,
    timeout: float,
    progress: Callable[[str], None],
) -> list[Examined]:
    """Make and run the mutants of some solution cells; each runs in a process and a folder of its own.

    A mutant is killed by the first test cell of its own question that gives no points, and by a time-out.

    Args:
        wanted: of `targets`.
        rules: what makes them.
        key: from which the hidden inputs are drawn, as in `inprocess.run`.
        setup: what has to lie beside the notebook.
        at_once: number of processes at a time.
        timeout: seconds after which a process is given up that only waits.
        progress: is given a line for each solution cell.

    Raises:
        ProctorError: a test cell is not passed by the reference, or this system cannot fork.
    """
    path = path.resolve()
    notebook = notebook_cells.read(path)
    preload(notebook)
    found = []
    # A collection in a child would copy every page of what was imported.
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        run = functools.partial(_run_in_copy, notebook, prepared(scratch, path, setup, timeout), scratch, key)
        for target in wanted:
            seen, seconds = _reference(path.name, notebook, target, run, at_once, timeout)
            source = notebook_cells.source(notebook_cells.solution_cells(notebook)[target.cell])
            made = mutants_of(target.cell, source, seen, rules)
            found.append(_examined(target, made, run, at_once, timeout, math.ceil(_TIMES_AS_LONG * seconds)))
            one = found[-1]
            progress(
                f"{path.stem} {target.cell}: {len(made)} made, {len(one.surviving)} lose nothing ({one.seconds:.0f} s)"
            )
    gc.unfreeze()
    return found


def _examined(
    target: Target, made: Sequence[Mutant], run: Callable[..., Any], at_once: int, timeout: float, seconds: int
) -> Examined:
    sources = [{target.cell: f"{recording.IMPORT}\n{rewriting.IMPORT}\n{mutant.source}"} for mutant in made]
    limit = seconds + _SECONDS_MORE
    jobs = {str(n): functools.partial(run, target, source, limit=limit) for n, source in enumerate(sources)}
    lost, timed_out, seconds_of_all = {}, 0, 0.0
    for name, outcome in run_forked(jobs, at_once=at_once, timeout=timeout):
        seconds_of_all += outcome.seconds
        if outcome.failure is not None:
            timed_out += signal.SIGXCPU.name in outcome.failure or outcome.seconds > timeout
        if outcome.failure or outcome.value is not None:
            lost[int(name)] = outcome.failure or outcome.value
    return Examined(target, made, lost, timed_out, seconds_of_all)


def _reference(
    name: str,
    notebook: Mapping[str, Any],
    target: Target,
    run: Callable[..., Any],
    at_once: int,
    timeout: float,
) -> tuple[recording.Seen, float]:
    """What the reference's expressions are worth, and the seconds that its tests take."""
    solution = notebook_cells.source(notebook_cells.solution_cells(notebook)[target.cell])
    with_recording = {target.cell: recording.with_recording(SolutionText(solution))}
    tests = notebook_cells.autograded_cells(notebook)
    public = {test: public_part(notebook_cells.source(tests[test])) for test in target.tests}
    jobs = {
        "reference": functools.partial(run, target, {}),
        "all": functools.partial(run, target, with_recording, answer=recording.taken),
        "public": functools.partial(run, target, with_recording | public, answer=recording.taken),
    }
    outcomes = dict(run_forked(jobs, at_once=at_once, timeout=timeout))
    _require_no_failure(name, target, outcomes["reference"])
    for outcome in outcomes.values():
        if outcome.failure is not None:
            raise ProctorError(f"{name}: the reference of {target.cell} could not be run: {outcome.failure}")
    return recording.seen(outcomes["all"].value, outcomes["public"].value), outcomes["reference"].seconds


def _require_no_failure(name: str, target: Target, outcome: Outcome) -> None:
    failed = outcome.failure or outcome.value
    if failed:
        raise ProctorError(
            f"{name}: the reference of {target.cell} has to pass the tests of its question; correct first: {failed}"
        )


def public_part(source: str) -> str:
    """A test cell without its hidden regions."""
    lines = source.split("\n")
    for region in reversed(notebook_cells.regions(source, "HIDDEN TESTS")):
        del lines[region.begin - 1 : region.end]
    return "\n".join(lines)


def _run_in_copy(
    notebook: Mapping[str, Any],
    beside: Path,
    scratch: str,
    key: bytes | None,
    target: Target,
    sources: Mapping[str, str],
    answer: Callable[[], Any] | None = None,
    limit: int | None = None,
) -> Any:
    """Message of the first test cell of the question that isn't passed, None if all are; or what `answer` returns.

    This process is killed when it has computed for `limit` seconds.
    """
    if limit is not None:
        limit_computing(limit)
    needed = {id(notebook["cells"][number]) for number in target.needed}

    def fails(result: CellResult) -> bool:
        return result.grade_id in target.tests and not result.passed

    # While values are recorded a test may fail, because the recording shows; the next one shows more.
    last = fails if answer is None else None
    chosen = lambda cell: id(cell) in needed  # noqa: E731
    with in_copy(beside, scratch):
        results = inprocess.run(notebook, sources=sources, cells=chosen, last=last, key=key)
    if answer is not None:
        return answer()
    return next((f"{result.label}: {result.message}" for result in results if fails(result)), None)
