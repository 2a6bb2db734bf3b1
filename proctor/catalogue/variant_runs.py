"""Runs variants of a notebook's reference solution and compares what each lost with what it was to lose."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.catalogue import inprocess
from proctor.catalogue.entries import Entry
from proctor.catalogue.forked import Outcome, run_forked
from proctor.catalogue.inprocess import CellResult
from proctor.catalogue.kill_table import Verdict
from proctor.catalogue.setup import Setup
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect

# What a library imports late, at the first tensor without data or the first backward pass with weights: a second each.
_LATE = {"torch": "torch._dynamo"}


def check_notebook(
    path: str | Path,
    variants: Sequence[tuple[Entry, str]],
    *,
    setup: Setup = Setup(),  # noqa: B008 (it can't change)
    key: bytes | None = None,
    at_once: int,
    timeout: float,
    progress: Callable[[str], None],
) -> tuple[list[Verdict], list[str]]:
    """Run the reference, the untouched release version and every variant; each has a process and a folder of its own.

    Args:
        path: the instructor's notebook; copies of the other files beside it are there when it runs.
        variants: entries and the changed text of the cell that each of them changes.
        setup: what has to lie beside the notebook.
        key: from which the hidden inputs are drawn, as in `inprocess.run`.
        at_once: number of processes at a time.
        timeout: seconds for each of them.
        progress: is given a line for each run that has finished.

    Returns:
        The verdicts, the untouched version's first, and the test cells that no wrong variant lost.

    Raises:
        ProctorError: a cell of the reference fails or does not get all its points, or this system cannot fork.
    """
    path = Path(path).resolve()
    notebook = notebook_cells.read(path)
    points, stubs = _points(notebook), _stubs(notebook)
    preload(notebook)
    with tempfile.TemporaryDirectory(prefix="catalogue-") as scratch:
        run = functools.partial(_run_in_copy, scratch, key, path, prepared(scratch, path, setup, timeout))
        # Who has done nothing has handed in nothing either.
        untouched = functools.partial(_run_in_copy, scratch, key, path, prepared(scratch, path, Setup(), timeout))
        first = dict(
            run_forked(
                {
                    "reference": functools.partial(run, {}, None),
                    "untouched": functools.partial(untouched, stubs, has_effect),
                },
                at_once=at_once,
                timeout=timeout,
            )
        )
        _require_all_points(path.name, first["reference"], points)
        progress(f"{path.stem}: the reference solution gets all points ({first['reference'].seconds:.1f} s)")
        entries = {entry.name: entry for entry, _ in variants}
        jobs = {entry.name: functools.partial(run, {entry.cell: text}, has_effect) for entry, text in variants}
        verdicts = {}
        for name, outcome in run_forked(jobs, at_once=at_once, timeout=timeout):
            verdicts[name] = verdict = _verdict(entries[name], outcome, points)
            result = f"{'SURPRISE' if verdict.surprise else 'OK'} ({outcome.seconds:.1f} s)"
            progress(f"{path.stem} [{len(verdicts)}/{len(jobs)}] {name}: {result}")
    killed = {cell for verdict in verdicts.values() if verdict.kind == "wrong" for cell in verdict.cells}
    return (
        [_untouched_verdict(first["untouched"], points), *(verdicts[name] for name in entries)],
        [cell for cell in points if cell not in killed],
    )


def _points(notebook: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(notebook_cells.nbgrader_metadata(cell).get("points") or 0)
        for name, cell in notebook_cells.autograded_cells(notebook).items()
    }


def _stubs(notebook: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the solution cells of the release."""
    return {
        name: notebook_cells.cleared(notebook_cells.source(cell))
        for name, cell in notebook_cells.solution_cells(notebook).items()
    }


def preload(notebook: Mapping[str, Any]) -> None:
    """Import what the cells import at top level, so that forked children need not; failures are left to the children.

    Nothing is computed here: a process whose numeric libraries have started their threads cannot be forked safely.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    for cell in notebook["cells"]:
        for module, names in _imports(notebook_cells.source(cell)) if cell["cell_type"] == "code" else ():
            try:
                loaded = importlib.import_module(module)
                # A package may load what it offers only when it is asked for it.
                for name in names:
                    getattr(loaded, name)
            except Exception:
                continue
    for library, late in _LATE.items():
        if library in sys.modules:
            importlib.import_module(late)


def _imports(source: str) -> list[tuple[str, list[str]]]:
    """Modules with the names that are taken from each."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    found = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            found += [(alias.name, []) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            found.append((statement.module, [alias.name for alias in statement.names]))
    return found


def prepared(scratch: str, path: Path, setup: Setup, timeout: float) -> Path:
    """A folder with what lies beside the notebook when it runs."""
    # What a notebook writes, an exported module for instance, must not land beside the instructor's source.
    folder = Path(tempfile.mkdtemp(dir=scratch), path.parent.name)
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    setup.copy_files(folder)
    for first in setup.notebooks(path):
        ((_, outcome),) = run_forked(
            {"before": functools.partial(_run_before, first, folder)}, at_once=1, timeout=timeout
        )
        failed = outcome.failure or "; ".join(outcome.value)
        if failed:
            raise ProctorError(f"{first.name}, which has to run before {path.name}, fails: {failed}")
    return folder


@contextlib.contextmanager
def in_copy(beside: Path, scratch: str) -> Iterator[None]:
    """Makes a copy of a folder the current one for the time of a block, and removes it."""
    folder = Path(tempfile.mkdtemp(dir=scratch), beside.name)
    shutil.copytree(beside, folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir("/")
        shutil.rmtree(folder.parent, ignore_errors=True)


def _run_before(path: Path, folder: Path) -> list[str]:
    os.chdir(folder)
    results = inprocess.run(path, cells=lambda cell: has_effect(cell) and notebook_cells.role(cell) != "test")
    return [f"{result.label}: {result.message}" for result in results if not result.ok]


def _run_in_copy(
    scratch: str,
    key: bytes | None,
    path: Path,
    beside: Path,
    sources: Mapping[str, str],
    cells: Callable[[dict[str, Any]], bool] | None,
) -> list[dict[str, Any]]:
    with in_copy(beside, scratch):
        results = inprocess.run(path, sources=sources, cells=cells, key=key)
    return [dataclasses.asdict(dataclasses.replace(result, stdout="")) for result in results]


def _results(outcome: Outcome) -> list[CellResult]:
    return [CellResult(**fields) for fields in outcome.value]


def _require_all_points(name: str, outcome: Outcome, points: Mapping[str, float]) -> None:
    if outcome.failure:
        raise ProctorError(f"{name}: the reference solution could not be run: {outcome.failure}")
    failed = [result for result in _results(outcome) if not (result.passed if result.grade_id in points else result.ok)]
    if failed:
        lines = "\n".join(f"    {result.label}: {result.message}" for result in failed)
        raise ProctorError(f"{name}: the reference solution has to run without a failure; correct first\n{lines}")


def _untouched_verdict(outcome: Outcome, points: Mapping[str, float]) -> Verdict:
    total = sum(points.values())
    if outcome.failure:
        lost, problems = None, [outcome.failure]
    else:
        tests = [result for result in _results(outcome) if result.grade_id in points]
        lost = sum(points[result.grade_id] for result in tests if not result.passed)
        problems = [
            f"{result.label} does not raise NotImplementedError: {result.message or 'it passes'}"
            for result in tests
            if result.error_type != "NotImplementedError"
        ]
    return Verdict("(release version)", "untouched", "all", "", total, lost, ("all",), problems)


def _verdict(entry: Entry, outcome: Outcome, points: Mapping[str, float]) -> Verdict:
    declared = sum(points[cell] for cell in entry.loses)
    if outcome.failure:
        return Verdict(
            entry.name, entry.kind, entry.cell, entry.hint or entry.why, declared, None, (), [outcome.failure]
        )
    failed = {r.grade_id: r for r in _results(outcome) if r.grade_id in points and not r.passed}
    problems = [f"{cell} is not lost" for cell in entry.loses if cell not in failed]
    problems += [f"{cell} is lost too: {result.message}" for cell, result in failed.items() if cell not in entry.loses]
    return Verdict(
        entry.name,
        entry.kind,
        entry.cell,
        entry.hint or entry.why,
        declared,
        sum(points[cell] for cell in failed),
        tuple(failed),
        problems,
    )
