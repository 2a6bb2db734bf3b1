"""Grades one rebuilt notebook: runs it, seals it, asks the checks, and says what each test cell earned."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from proctor import __version__
from proctor.checking.checker_process import Checker, checker_sandbox
from proctor.checking.questions import GradedCell, run_checks
from proctor.checking.ready_made import without_ready_made
from proctor.checking.verdict import HIDDEN_OUTPUT, Record, Verdict
from proctor.notebooks import cells as notebook_cells
from proctor.pages.sanitise import safe_markdown, safe_outputs
from proctor.running.session import Cell, CellOutcome, StudentSession
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.limits import Limits
from proctor.secret import Secret

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
        digest: SHA-256 of the submitted notebook.
        notes: plain lines about the submission, for the student too.
        files: folder of the submission's other files.
        results: folder for what the notebook makes and later notebooks of the same submission use.
    """

    assignment: str
    student: str
    notebook: str
    digest: str
    files: Path
    results: Path
    notes: list[str] = field(default_factory=list)


def grade(
    notebook: dict[str, Any],
    submission: Submission,
    kind: str,
    limits: Limits,
    secret: Secret,
    data: Sequence[Mount] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Record:
    """Runs a rebuilt notebook in a sandbox and judges its test cells; writes all outputs into the notebook.

    Args:
        notebook: the rebuilt notebook.
        submission: what is known of the submission.
        kind: of sandbox.
        limits: for the student's code and for the checker.
        secret: of the course.
        data: mounts for the student's code and for the checker.
        variables: environment variables, by which both find the data.

    Raises:
        SandboxUnavailable: there is no usable sandbox.
    """
    cells = [_cell(number, cell) for number, cell in enumerate(notebook["cells"])]
    seed = int.from_bytes(secret.key("student kernel", submission.student, submission.digest)[:4], "big")
    key = secret.key("checks", submission.student, submission.digest)
    with _work_folder(submission) as work:

        def sandbox(mounts: list[Mount]) -> Sandbox:
            return Sandbox(kind, limits, [*mounts, *data], work, {**_ENVIRONMENT, **variables})

        def checker() -> Checker:
            return Checker(checker_sandbox(kind, limits, data, variables))

        session = StudentSession(cells, sandbox, limits, seed)
        graded = _run_and_check(session, cells, submission.results, key, checker)
    graded = graded._replace(verdicts=without_ready_made(notebook, graded.verdicts))
    write_results(notebook, graded.outcomes, graded.verdicts, [*submission.notes, *graded.lines], kind)
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


class _Graded(NamedTuple):
    """What each cell left, what happened at the seal in plain lines, and the verdicts by test cell."""

    outcomes: list[CellOutcome]
    lines: list[str]
    verdicts: dict[str, Verdict]


def _run_and_check(
    session: StudentSession, cells: Sequence[Cell], results: Path, key: bytes, start_checker: Callable[[], Checker]
) -> _Graded:
    """Runs the notebook, seals it, and has its test cells checked; no process of either is left afterwards."""
    waiting: list[Checker] = []

    def checker() -> Checker:
        return waiting.pop() if waiting else start_checker()

    try:
        # It imports what it needs while the notebook runs, and gets its tests only after the seal.
        waiting.append(start_checker())
        outcomes = session.run()
        lines = session.seal(results)
        tests = {cell.grade_id: cell.source for cell in cells if cell.kind == "test"}
        graded = [GradedCell(name, source) for name, source in tests.items()]
        return _Graded(outcomes, lines, run_checks(graded, session.ask, key, checker))
    finally:
        session.close()
        for unused in waiting:
            unused.end()


def _points(notebook: dict[str, Any]) -> dict[str, float]:
    return {
        notebook_cells.grade_id(cell): float(notebook_cells.nbgrader_metadata(cell)["points"])
        for cell in notebook["cells"]
        if notebook_cells.role(cell) == "test"
    }


def _all_notes(submission: Submission, session: StudentSession, graded: _Graded) -> list[str]:
    notes = [*submission.notes, *graded.lines, *session.notes]
    for verdict in graded.verdicts.values():
        notes += verdict.notes
    accidents = [outcome.note for outcome in graded.outcomes if outcome.note]
    return [*notes, *(note for note in accidents if note not in notes)]


def write_results(
    notebook: dict[str, Any],
    outcomes: list[CellOutcome],
    verdicts: Mapping[str, Verdict],
    notes: list[str],
    kind: str,
) -> None:
    """Writes outputs so that nbgrader's own reading of them gives exactly the verdicts.

    Staff read this notebook: a failed test cell shows everything. The student's page is made of it later.
    """
    for cell, outcome in zip(notebook["cells"], outcomes, strict=True):
        name = notebook_cells.grade_id(cell)
        if cell["cell_type"] == "markdown" and notebook_cells.role(cell) in ("manual", "text"):
            if name is None and not cell["id"].startswith("added-"):
                continue
            cell["source"] = safe_markdown(cell["source"])
        if cell["cell_type"] != "code":
            continue
        cell["execution_count"] = None
        if notebook_cells.role(cell) == "test":
            cell["outputs"] = _verdict_outputs(verdicts[name])
            continue
        cell["outputs"] = safe_outputs(outcome.outputs)
        if outcome.note:
            cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": f"[grading] {outcome.note}\n"})
    if kind == "none":
        notes = ["sandbox off: this was graded without any protection", *notes]
    if notes:
        text = "**Notes from the grading**\n\n" + "\n".join(f"- {safe_markdown(line)}" for line in notes)
        notebook["cells"].insert(0, {"cell_type": "markdown", "id": NOTES_ID, "metadata": {}, "source": text})


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
    return Cell(name or f"cell {number + 1}", name, kind, notebook_cells.source(cell))


@contextlib.contextmanager
def _work_folder(submission: Submission) -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix="proctor-work-"))
    try:
        _fill(work, submission)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(work: Path, submission: Submission) -> None:
    """The notebook's folder: the submission's files without notebooks, and over them what earlier notebooks made."""
    for source in (submission.files, submission.results):
        if source.is_dir():
            shutil.copytree(source, work, ignore=shutil.ignore_patterns("*.ipynb"), dirs_exist_ok=True)
    for folder, _, names in os.walk(work):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
