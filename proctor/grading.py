"""Grades one rebuilt notebook: runs it, seals it, asks the checks, and says what each test cell earned."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from proctor import __version__
from proctor.checking.checker_process import WARM_IMPORTS, Checker, checker_sandbox
from proctor.checking.questions import GradedCell, Times, run_checks
from proctor.checking.ready_made import without_ready_made
from proctor.checking.verdict import HIDDEN_OUTPUT, Record, Verdict
from proctor.intake.copier import read_file
from proctor.intake.inert import OF_NBGRADER, lay_over, place_of, restore
from proctor.notebooks import cells as notebook_cells
from proctor.pages.album import Album, take_pictures
from proctor.pages.cleaning import cleaned
from proctor.pages.limits import PageLimits
from proctor.pages.notes import note_metadata, note_output
from proctor.running.host_process import host_mounts
from proctor.running.session import Cell, CellOutcome, StudentSession
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.budget import Budget
from proctor.sandbox.folders import OwnFolder
from proctor.sandbox.limits import Limits, submission_budget_seconds
from proctor.sandbox.warm import Pool
from proctor.secret import Secret
from proctor.stations import timed

NOTES_ID = "notes-from-grading"
FAILED = "CheckFailed"
_ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    # nbgrader's own: a notebook may look whether it is graded, and not train for an hour then.
    "NBGRADER_EXECUTION": "autograde",
}


@dataclass
class Submission:
    """What the grading of a notebook needs to know of the submission that it belongs to.

    Attributes:
        notebook: name without ending.
        digest: SHA-256 of the whole submission, from which with the notebook's name inputs of checks are drawn.
        notes: plain lines about the submission, for the student too.
        course_files: the assignment's own files beside the notebooks, by path; they lie among the submission's.
        files: folder of the submission's other files, under the stored names of `proctor.intake.inert`.
        results: folder for what the notebook makes and later notebooks of the same submission use.
    """

    assignment: str
    student: str
    notebook: str
    digest: str
    files: Path
    results: Path
    notes: list[str] = field(default_factory=list)
    course_files: Collection[str] = ()

    def handed_in(self, path: str, max_bytes: int) -> bytes | None:
        """Content of a file of the submission; None if there is none, or if it is larger."""
        try:
            return read_file(place_of(self.files, path), max_bytes)
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Surroundings:
    """What is the same for all submissions of a run.

    Attributes:
        kind: of sandbox.
        limits: for the student's code and for the checker.
        data: mounts for the student's code and for the checker.
        variables: environment variables, by which both find the data.
        pages: for making safe what is shown of the student's texts and outputs.
        warm: modules that are imported once and not for each notebook.
        pool: of warm sandboxes, which belong to this process and to no other.
    """

    kind: str
    limits: Limits
    data: Sequence[Mount] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pages: PageLimits = PageLimits()  # noqa: RUF009 (it can't change)
    warm: tuple[str, ...] = ()
    pool: Pool | None = None


class Keys(NamedTuple):
    """What is drawn from the course secret for one submission: inputs of checks, and the student's random numbers."""

    checks: bytes
    kernel: bytes


def keys_of(secret: Secret, submission: Submission) -> Keys:
    """Derived from the secret, which nothing else of the grading needs to know."""
    purposes = ("checks", "student kernel")
    return Keys(*(secret.key(purpose, submission.student, submission.digest) for purpose in purposes))


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
    kind, limits, pages = around.kind, around.limits, around.pages
    budget = (budget or submission_budget(limits)).part("the notebook", limits.notebook_wall_seconds)
    cells = [_cell(number, cell) for number, cell in enumerate(notebook["cells"])]
    with _session(cells, submission, around, keys, budget) as session:

        def checker() -> Checker:
            seconds = min(limits.startup_seconds, budget.left())
            return Checker(checker_sandbox(kind, limits, around.data, around.variables), around.pool, seconds)

        graded = _run_and_check(session, cells, submission.results, keys.checks, checker, limits, budget)
    graded = graded._replace(verdicts=without_ready_made(notebook, graded.verdicts))
    album = Album(pages, submission.handed_in, submission.course_files)
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
        notes=_all_notes(submission, session, graded),
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


@contextlib.contextmanager
def _session(
    cells: list[Cell], submission: Submission, around: Surroundings, keys: Keys, budget: Budget
) -> Iterator[StudentSession]:
    """A notebook that is about to run, in a folder of its own."""
    with _work_folder(submission) as work:
        seed = int.from_bytes(keys.kernel[:4], "big")
        make = functools.partial(_student_sandbox, around, work)
        yield StudentSession(cells, make, around.limits, seed, budget, around.pool)


def _student_sandbox(around: Surroundings, work: Path | None, mounts: list[Mount]) -> Sandbox:
    variables = {**_ENVIRONMENT, **around.variables}
    return Sandbox(around.kind, around.limits, [*mounts, *around.data], work, variables)


def warmed(around: Surroundings) -> Surroundings:
    """The same with a pool, in which libraries are being imported for student code and for the checker.

    Whoever asks for it has to close the pool.
    """
    pool = Pool(around.warm)
    pool.prepare(_student_sandbox(around, None, host_mounts()))
    pool.prepare(checker_sandbox(around.kind, around.limits, around.data, around.variables), *WARM_IMPORTS)
    return replace(around, pool=pool)


def submission_budget(limits: Limits, clock: Callable[[], float] = time.monotonic) -> Budget:
    """The time that all notebooks of one submission may cost together, from now on."""
    return Budget("the submission", submission_budget_seconds(limits), clock=clock)


class _Graded(NamedTuple):
    """What each cell left, what happened at the seal in plain lines, and the verdicts by test cell."""

    outcomes: list[CellOutcome]
    lines: list[str]
    verdicts: dict[str, Verdict]


def _run_and_check(
    session: StudentSession,
    cells: Sequence[Cell],
    results: Path,
    key: bytes,
    start_checker: Callable[[], Checker],
    limits: Limits,
    budget: Budget,
) -> _Graded:
    """Runs the notebook, seals it, and has its test cells checked; no process of either is left afterwards."""
    waiting: list[Checker] = []

    def checker() -> Checker:
        return waiting.pop() if waiting else start_checker()

    try:
        # It imports what it needs while the notebook runs, and gets its tests only after the seal.
        if not budget.up():
            waiting.append(start_checker())
        outcomes = session.run()
        lines = session.seal(results)
        tests = {cell.grade_id: cell.source for cell in cells if cell.kind == "test"}
        graded = [GradedCell(name, source) for name, source in tests.items()]
        times = Times(start=limits.startup_seconds, asking=limits.asking_wall_seconds)
        return _Graded(outcomes, lines, run_checks(graded, session.ask, key, checker, times, budget))
    finally:
        for unused in waiting:
            unused.end()
        session.close()


def _points(notebook: dict[str, Any]) -> dict[str, float]:
    return {
        notebook_cells.grade_id(cell): float(notebook_cells.nbgrader_metadata(cell)["points"])
        for cell in notebook["cells"]
        if notebook_cells.role(cell) == "test"
    }


def _all_notes(submission: Submission, session: StudentSession, graded: _Graded) -> list[str]:
    notes = [*submission.notes, *graded.lines, *session.notes, *session.staff_notes]
    for verdict in graded.verdicts.values():
        notes += verdict.notes
    accidents = [outcome.note for outcome in graded.outcomes if outcome.note]
    return list(dict.fromkeys([*notes, *accidents]))


@timed("pages")
def write_results(
    notebook: dict[str, Any],
    outcomes: list[CellOutcome],
    verdicts: Mapping[str, Verdict],
    notes: list[str],
    kind: str,
    pages: PageLimits,
    album: Album,
) -> None:
    """Writes outputs so that nbgrader's own reading of them gives exactly the verdicts.

    Staff read this notebook: a failed test cell shows everything. The student's page is made of it later.
    """
    if kind == "none":
        notes = ["sandbox off: this was graded without any protection", *notes]
    of_students = [
        (cell, outcome)
        for cell, outcome in zip(notebook["cells"], outcomes, strict=True)
        if cell["cell_type"] == "code" and notebook_cells.role(cell) != "test"
    ]
    take_pictures(notebook, album)
    safe = cleaned([*notes, *(outcome.outputs for _, outcome in of_students)], pages)
    for (cell, outcome), part in zip(of_students, safe[len(notes) :], strict=True):
        cell["outputs"] = part
        if outcome.note:
            cell["outputs"].append(note_output(outcome.note))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            if notebook_cells.role(cell) == "test":
                cell["outputs"] = _verdict_outputs(verdicts[notebook_cells.grade_id(cell)])
    if notes:
        text = "**Notes from the grading**\n\n" + "\n".join(f"- {line}" for line in safe[: len(notes)])
        cell = {"cell_type": "markdown", "id": NOTES_ID, "metadata": note_metadata(), "source": text}
        notebook["cells"].insert(0, cell)


def _verdict_outputs(verdict: Verdict) -> list[dict[str, Any]]:
    """Outputs of a test cell: an error for everything that did not pass, and never a value."""
    if verdict.passed:
        # What hidden tests print is meant for staff; a student's page has the text of the verdict alone.
        _, mark, hidden = verdict.staff_text.partition(HIDDEN_OUTPUT)
        text = verdict.student_text + (f"\n--- for staff ---\n{hidden}" if mark else "")
        return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
    lines = [verdict.student_text, *(f"[staff] {note}" for note in verdict.notes)]
    if verdict.staff_text:
        lines += ["", "--- for staff ---", verdict.staff_text]
    first = verdict.student_text.splitlines()[-1] if verdict.student_text else verdict.kind
    return [{"output_type": "error", "ename": FAILED, "evalue": first, "traceback": "\n".join(lines).split("\n")}]


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
def _work_folder(submission: Submission) -> Iterator[Path]:
    folder = OwnFolder("work-")
    try:
        work = folder.path / "files"
        work.mkdir()
        _fill(work, submission)
        yield work
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
