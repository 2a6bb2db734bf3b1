"""Grades one rebuilt notebook: runs it, seals it, asks the checks, and says what each test cell earned."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from proctor import __version__
from proctor.checking.checker_process import CHECKER, WARM_IMPORTS, Checker, checker_sandbox
from proctor.checking.questions import GradedCell, Stopped, Times, run_checks
from proctor.checking.ready_made import without_ready_made
from proctor.checking.verdict import Record, Verdict
from proctor.diagnosis import common_draw, naming
from proctor.diagnosis.exchanges import Recording
from proctor.graded_notebook import write_results, write_verdicts
from proctor.intake.inert import OF_NBGRADER, lay_over, restore
from proctor.notebooks import cells as notebook_cells
from proctor.pages.album import Album
from proctor.running import needed
from proctor.running.host_process import host_mounts
from proctor.running.session import Cell, CellOutcome, StudentSession
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.budget import Budget
from proctor.sandbox.folders import OwnFolder
from proctor.sandbox.warm import Pool
from proctor.stations import timed
from proctor.submission import Keys, Submission, Surroundings, submission_budget

_ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    # nbgrader's own: a notebook may look whether it is graded, and not train for an hour then.
    "NBGRADER_EXECUTION": "autograde",
}


@timed("engine, the rest")
def grade(
    notebook: dict[str, Any],
    submission: Submission,
    around: Surroundings,
    keys: Keys,
    budget: Budget | None = None,
) -> Record:
    """Runs a rebuilt notebook in a sandbox and judges its test cells; writes all outputs into the notebook.

    Args:
        notebook: the rebuilt notebook.
        submission: what is known of the submission.
        budget: what is left of the submission's time; None if this is its only notebook. Once it is up, nothing is
            started any more: cells are not run, and every check that is left gets a verdict that says so.

    Raises:
        SandboxUnavailable: there is no usable sandbox.
    """
    kind, pages = around.kind, around.pages
    if submission.notebook not in around.known:
        keys = keys._replace(common=b"")
    budget = budget or submission_budget(around.limits)
    plan = needed.plan(notebook["cells"], around.run_demos)
    graded = _attempt(notebook, submission, around, keys, budget, plan)
    if graded.missed:
        # See `proctor.running.needed` for what the submission must not have of it.
        everything = plan.with_everything(graded.missed)
        again = _attempt(notebook, submission, around, keys, budget, everything, after_hidden=graded.asked_hidden)
        graded = graded.with_verdicts_of(again) if graded.asked_hidden else again
    graded = graded._replace(verdicts=without_ready_made(notebook, graded.verdicts))
    submission.asked, submission.asked_in_common = graded.recording, graded.in_common
    album = Album(pages, submission.handed_in, submission.course_files)
    for number in graded.skipped:
        graded.outcomes[number].aside = needed.SKIPPED
    write_results(notebook, graded.outcomes, graded.verdicts, [*submission.notes, *graded.lines], kind, pages, album)
    return Record(
        assignment=submission.assignment,
        student=submission.student,
        notebook=submission.notebook,
        digest=submission.digest,
        engine=__version__,
        sandbox=kind,
        points=_points(notebook),
        verdicts=graded.verdicts,
        notes=_all_notes(submission, graded),
    )


def run_for_results(
    notebook: dict[str, Any],
    submission: Submission,
    around: Surroundings,
    keys: Keys,
    budget: Budget | None = None,
) -> None:
    """Runs a rebuilt notebook as `grade` does, only for what later notebooks of the submission use; asks no check.

    Raises:
        SandboxUnavailable: there is no usable sandbox.
    """
    budget = (budget or submission_budget(around.limits)).part("the notebook", around.limits.notebook_wall_seconds)
    cells = [_cell(number, cell) for number, cell in enumerate(notebook["cells"])]
    # Without snapshots: nobody will ask one.
    cells = [replace(cell, kind="text") if cell.kind == "test" else cell for cell in cells]
    with _session(cells, submission, around, keys, budget) as session:
        try:
            session.run()
            session.seal(submission.results)
        finally:
            session.close()


def name_mistakes(
    notebook: dict[str, Any], record: Record, submission: Submission, around: Surroundings, budget: Budget
) -> None:
    """Names the catalogued mistakes behind failed checks, in a record and in the notebook that staff read.

    Of those that have no name, the record gets a digest of the answer, by which equal ones are counted together.

    For when all notebooks of a submission are graded: no time that an answer could have is spent on it, and no process
    of the submission is left.

    Args:
        notebook, record: what `grade` has made.
        budget: what is left of the submission's time.
    """
    known = around.known.get(submission.notebook)
    if known is None or submission.asked is None:
        return

    def start(program: str) -> Checker:
        return _checker(around, budget, program)

    naming_program = functools.partial(start, naming.PROGRAM)
    record.verdicts.update(naming.with_mistakes(record.verdicts, submission.asked, known, naming_program, budget))
    write_verdicts(notebook, record.verdicts)
    if submission.asked_in_common is not None:
        digests = functools.partial(start, common_draw.PROGRAM)
        record.verdicts.update(common_draw.with_answers(record.verdicts, submission.asked_in_common, digests, budget))


@contextlib.contextmanager
def _session(
    cells: list[Cell], submission: Submission, around: Surroundings, keys: Keys, budget: Budget
) -> Iterator[StudentSession]:
    """A notebook that is about to run, in a folder of its own."""
    with _own_folder("work-") as work:
        _fill(work, submission)
        seed = int.from_bytes(keys.kernel[:4], "big")
        make = functools.partial(_student_sandbox, around, work)
        yield StudentSession(cells, make, around.limits, seed, budget, around.pool)


def _student_sandbox(around: Surroundings, work: Path | None, mounts: list[Mount]) -> Sandbox:
    variables = {**_ENVIRONMENT, **around.variables}
    return Sandbox(around.kind, around.limits, [*mounts, *around.data], work, variables)


def warmed(around: Surroundings, pause: Callable[[], None] = lambda: None) -> Surroundings:
    """The same with a pool, in which libraries are being imported for student code and for the checker.

    Whoever asks for it has to close the pool.

    Args:
        pause: called when the one for student code is on its way, before that for the checker is begun.
    """
    pool = Pool(around.warm, around.warm_later)
    try:
        pool.prepare(_student_sandbox(around, None, host_mounts()))
        pause()
        pool.prepare(checker_sandbox(around.kind, around.limits, around.data, around.variables), *WARM_IMPORTS)
    except BaseException:
        pool.close()
        raise
    return replace(around, pool=pool)


class _Graded(NamedTuple):
    """What has become of a notebook.

    Attributes:
        outcomes: what each cell left.
        lines, notes, staff_notes: in plain words, for the student's page, for staff and the table, for staff alone.
        verdicts: by test cell.
        skipped: numbers of the cells that were not run.
        missed: why it has to be run again with everything; None if it doesn't.
        asked_hidden: whether anything hidden had been asked when that was seen.
        recording: what the test cells have asked and been told.
        in_common: the same of failed ones on the inputs that are the same for all submissions.
    """

    outcomes: list[CellOutcome]
    lines: list[str]
    notes: list[str]
    staff_notes: list[str]
    verdicts: dict[str, Verdict]
    skipped: frozenset[int]
    missed: str | None = None
    asked_hidden: bool = False
    recording: Recording | None = None
    in_common: Recording | None = None

    def with_verdicts_of(self, again: _Graded) -> _Graded:
        """This, as it was before the first question, with verdicts of a second run; of that, staff alone are told."""
        told = [*self.staff_notes, *again.lines, *again.notes, *again.staff_notes]
        asked = {"recording": again.recording, "in_common": again.in_common}
        return self._replace(verdicts=again.verdicts, staff_notes=told, **asked)


def _attempt(
    notebook: dict[str, Any],
    submission: Submission,
    around: Surroundings,
    keys: Keys,
    budget: Budget,
    plan: needed.Plan,
    after_hidden: bool = False,
) -> _Graded:
    """Runs the cells of a plan and has the checks made, until something shows that the others are needed, too.

    What later notebooks use of it is kept if it is final, and was made before anything hidden was asked.
    """
    budget = budget.part("the notebook", around.limits.notebook_wall_seconds)
    cells = [_cell(number, cell) for number, cell in enumerate(notebook["cells"])]
    cells = [replace(cell, kind="text") if number in plan.skipped else cell for number, cell in enumerate(cells)]
    with _session(cells, submission, around, keys, budget) as session, _own_folder("results-") as made:
        graded = _run_and_check(session, cells, made, keys, around, budget, plan, after_hidden)
        if not after_hidden and (graded.asked_hidden or not graded.missed):
            submission.results.mkdir(parents=True, exist_ok=True)
            lay_over(made, submission.results)
    return graded


def _run_and_check(
    session: StudentSession,
    cells: Sequence[Cell],
    results: Path,
    keys: Keys,
    around: Surroundings,
    budget: Budget,
    plan: needed.Plan,
    after_hidden: bool,
) -> _Graded:
    """Runs the notebook, seals it, and has its test cells checked; no process of either is left afterwards."""
    waiting: list[Checker] = []
    limits = around.limits

    def start_checker() -> Checker:
        return _checker(around, budget)

    def checker() -> Checker:
        return waiting.pop() if waiting else start_checker()

    try:
        # It imports what it needs while the notebook runs, and gets its tests only after the seal.
        if not budget.up():
            waiting.append(start_checker())
        outcomes = session.run()
        graded = _Graded(outcomes, [plan.why] if plan.why else [], session.notes, [], {}, plan.skipped)
        if missed := plan.missed([cell.label for cell in cells], outcomes):
            return graded._replace(missed=missed)
        graded.lines.extend(session.seal(results))
        tests = {cell.grade_id: cell.source for cell in cells if cell.kind == "test"}
        asked = [GradedCell(name, source) for name, source in tests.items()]
        times = Times(start=limits.startup_seconds, asking=limits.asking_wall_seconds)
        recording = Recording(session.ask)
        try:
            ends = plan.may_be_to_blame
            found = run_checks(asked, recording.ask, keys.checks, checker, times, budget, ends, after_hidden)
        except Stopped as stopped:
            missed = "without them an answer to a check ended in an exception"
            return graded._replace(missed=missed, asked_hidden=stopped.concealed)
        # What is asked from here on is for counting, and nobody is told what comes of it but staff.
        graded = graded._replace(verdicts=found, staff_notes=session.staff_notes, recording=recording)
        if not keys.common:
            return graded
        again = common_draw.ask_again(found, asked, session.ask, keys.common, start_checker, times, budget)
        return graded._replace(in_common=again)
    finally:
        for unused in waiting:
            unused.end()
        session.close()


def _checker(around: Surroundings, budget: Budget, program: str = CHECKER) -> Checker:
    seconds = min(around.limits.startup_seconds, budget.left())
    sandbox = checker_sandbox(around.kind, around.limits, around.data, around.variables)
    return Checker(sandbox, around.pool, seconds, program)


def _points(notebook: dict[str, Any]) -> dict[str, float]:
    return {
        notebook_cells.grade_id(cell): float(notebook_cells.nbgrader_metadata(cell)["points"])
        for cell in notebook["cells"]
        if notebook_cells.role(cell) == "test"
    }


def _all_notes(submission: Submission, graded: _Graded) -> list[str]:
    notes = [*submission.notes, *graded.lines, *graded.notes, *graded.staff_notes]
    for verdict in graded.verdicts.values():
        notes += verdict.notes
    accidents = [outcome.note for outcome in graded.outcomes if outcome.note]
    return list(dict.fromkeys([*notes, *accidents]))


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    name = notebook_cells.grade_id(cell)
    kind = "test" if notebook_cells.role(cell) == "test" else "run"
    kind = kind if cell["cell_type"] == "code" else "text"
    return Cell(name or f"cell {number + 1}", name, kind, notebook_cells.source(cell), _station(cell))


def _station(cell: dict[str, Any]) -> str:
    """What the time of a cell counts for, see `proctor.stations`."""
    if (role := notebook_cells.role(cell)) in ("test", "solution"):
        return "snapshots" if role == "test" else "answers"
    return "imports" if notebook_cells.source(cell).startswith(("import ", "from ")) else "given and added cells"


@contextlib.contextmanager
def _own_folder(purpose: str) -> Iterator[Path]:
    folder = OwnFolder(purpose)
    try:
        inside = folder.path / "files"
        inside.mkdir()
        yield inside
    finally:
        folder.remove()


def _fill(work: Path, submission: Submission) -> None:
    """The notebook's folder: the submission's files without notebooks, and over them what earlier notebooks made."""
    if submission.files.is_dir():
        restore(submission.files, work)
    if submission.results.is_dir():
        lay_over(submission.results, work)
    for name in OF_NBGRADER:
        # The time is no part of the digest, so student code must not depend on it.
        if (work / name).is_file():
            (work / name).unlink()
    for folder, _, names in os.walk(work):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
