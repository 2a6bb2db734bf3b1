"""One student's notebook in its sandbox, seen from the engine: runs the cells, keeps snapshots, contains accidents.

Everything that comes from the sandbox is untrusted data: it is capped, has a deadline, and belongs to the cell that was
asked. A cell that kills, blocks or floods its kernel costs itself; the kernel is started anew and the earlier cells run
again without the culprit. All of that draws on one budget of time: cells get two thirds of it, the results a quarter of
what is left then, and the questions the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proctor.running.accepted import add_output, safe_path
from proctor.running.host_process import Accident, HostProcess, NotStarted, OutOfTime
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.budget import Budget
from proctor.sandbox.limits import Limits
from proctor.sandbox.machine_words import in_plain_words
from proctor.sandbox.warm import Pool
from proctor.stations import timed

MAX_RESULTS = 500
MAX_RESULT_BYTES = 100 * 2**20
CELLS_SHARE, RESULTS_SHARE = 2 / 3, 1 / 4
_FLOOD = 16
# Starts in a row without a kernel; what was no cell's fault is not tried for ever.
_FUTILE_STARTS = 3


@dataclass(frozen=True)
class Cell:
    """A cell of the rebuilt notebook; `kind` is "run", "test" or "text", `station` what its time counts for."""

    label: str
    grade_id: str | None
    kind: str
    source: str
    station: str = "cells"


@dataclass
class CellOutcome:
    """What a cell left: outputs as a notebook stores them, and a plain line on what happened to it."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    ok: bool = True
    note: str | None = None
    aside: str | None = None


class StudentSession:
    """The life of one notebook: `run`, `seal`, then `ask` as often as needed, and `close` in any case.

    Args:
        cells: all cells of the notebook in their order.
        make_sandbox: makes the sandbox; called again after an accident. It gets the mounts that the session needs.
        seed: of the student's own random numbers.
        budget: the time that the notebook may cost, from the first start to the last answer.
        pool: of warm sandboxes; without, each start imports all that the notebook needs.

    Attributes:
        notes: plain lines about accidents, for the student too.
        staff_notes: plain lines for staff only: what happens after the first question may be a student's way to tell
            what was asked.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        make_sandbox: Callable[[list[Mount]], Sandbox],
        limits: Limits,
        seed: int,
        budget: Budget | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.cells = list(cells)
        self.limits = limits
        self.notes: list[str] = []
        self._make_sandbox = make_sandbox
        self._seed = seed
        self._pool = pool
        self._budget = budget or Budget("the notebook", limits.notebook_wall_seconds)
        # Of the stage that the notebook is in; never longer than the notebook's.
        self._stage = self._budget
        self._culprits: dict[int, str] = {}
        self._left_out: dict[str | None, str] = {}
        self._not_run: dict[str, list[str]] = {}
        self._starts = 0
        self._futile = 0
        self._asking = False
        self._asked_seconds: dict[str, float] = {}
        self._replays_while_asking = 0
        self._host: HostProcess | None = None
        self._outcomes = [CellOutcome() for _ in self.cells]
        # Where the snapshot of each test is taken: at the first of those between which nothing is run.
        self._tests: dict[str | None, int] = {}
        first = None
        for number, cell in enumerate(self.cells):
            if cell.kind == "test":
                first = self._tests[cell.grade_id] = number if first is None else first
            elif cell.kind == "run":
                first = None

    @property
    def staff_notes(self) -> list[str]:
        count = self._replays_while_asking
        return [f"the notebook was run again {count} times while its checks were asked"] if count else []

    def run(self) -> list[CellOutcome]:
        """Runs every cell that is not a test, and takes a snapshot where test cells stand.

        Raises:
            SandboxUnavailable: there is no usable sandbox.
        """
        self._enter(self._budget.part("the cells of the notebook", CELLS_SHARE * self._budget.left()))
        for number, cell in enumerate(self.cells):
            if cell.kind == "text":
                continue
            begun = False
            try:
                if self._stage.up():
                    raise OutOfTime(self._stage.why)
                self._reach(number)
                begun = True
                self._do(number, self._outcomes[number])
            except OutOfTime as late:
                self._leave_out(number, str(late), begun)
            except NotStarted as accident:
                self._leave_out(number, str(accident), begun)
            except Accident as accident:
                self._note_accident(number, str(accident))
        self._note_left_out()
        return self._outcomes

    @timed("results of a notebook")
    def seal(self, results: Path) -> list[str]:
        """Ends the process that ran the cells; its declared results (``runs/``, modules, JSON) go to a new folder.

        Returns:
            Plain lines about what was not taken.
        """
        lines: list[str] = []
        results.mkdir(parents=True, exist_ok=True)
        self._enter(self._budget.part("the files of the notebook", RESULTS_SHARE * self._budget.left()))
        try:
            if not self._left_out:
                self._reach(len(self.cells))
            self._host_or_accident().begin({"do": "files", "max_bytes": MAX_RESULT_BYTES})
            taken, total = 0, 0
            while True:
                header, body = self._host.next(self.limits.cell_cpu_seconds, self.limits.cell_wall_seconds)
                if "done" in header:
                    break
                path = safe_path(header.get("file"))
                total += len(body)
                if path is None:
                    continue
                if taken >= MAX_RESULTS or total > MAX_RESULT_BYTES:
                    lines.append("some files that the notebook made were not kept: they are too many or too large")
                    break
                target = results / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
                taken += 1
            self._host.end()
        except (Accident, OSError):
            lines.append("the files that the notebook made could not be kept")
            self._cut_off()
        return lines

    def ask(
        self, grade_id: str, header: dict[str, Any], body: bytes, within: Budget | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """The answer of the snapshot at a test cell; if it does not answer, of a fresh run up to that place.

        Args:
            header: as `proctor.checking.questions.question` makes it.
            within: less time than the notebook has.

        Returns:
            What came, unchecked; or a header with ``ok`` false and ``kind`` "time-out".
        """
        self._asking = True
        place = self._tests.get(grade_id)
        why = self._left_out.get(grade_id, "there is no snapshot of this place")
        if place in self._culprits:
            place, why = None, self._culprits[place]
        most, before = self.limits.asking_wall_seconds, self._asked_seconds.get(grade_id, 0.0)
        self._enter((within or self._budget).part("answers to this question", most - before, of=most))
        for attempt in range(2 if place is not None else 0):
            try:
                if attempt:
                    self._stop()
                self._reach(place + 1)
                return self._host.ask(place, header, body)
            except OutOfTime as late:
                why = str(late)
                break
            except Accident as accident:
                why = str(accident)
            finally:
                self._asked_seconds[grade_id] = before + self._stage.used()
        return {"ok": False, "kind": "time-out", "text": why}, b""

    @timed("ends of sandboxes")
    def close(self) -> None:
        """Ends everything that belongs to this notebook."""
        self._stop()

    def _enter(self, stage: Budget) -> None:
        self._stage = stage
        if self._host is not None:
            self._host.budget = stage

    def _stop(self) -> None:
        if self._host is not None:
            host, self._host = self._host, None
            host.close()

    def _cut_off(self) -> None:
        """Ends the process that runs the cells, while the snapshots that it has left can still be asked."""
        if self._host is not None and not self._host.cut_off():
            self._stop()

    def _host_or_accident(self) -> HostProcess:
        if self._host is None:
            raise Accident("there is no kernel")
        return self._host

    def _reach(self, number: int) -> None:
        """A living kernel that has run all cells before this one, and has snapshots of the tests among them."""
        while self._host is None or not self._host.alive():
            self._stop()
            if self._stage.up():
                raise OutOfTime(self._stage.why)
            if self._starts > self.limits.restarts:
                raise Accident("the notebook's kernel had died too often; this cell was not run")
            if self._futile >= _FUTILE_STARTS:
                raise NotStarted("the kernel did not start")
            self._starts += 1
            self._replays_while_asking += self._asking
            try:
                places = sorted(set(self._tests.values()))
                self._host = HostProcess(self._make_sandbox, places, self.limits, self._seed, self._stage, self._pool)
                self._futile = 0
            except NotStarted:
                self._futile += 1
                continue
            # While questions are asked, all snapshots are taken at once, and nothing runs beside them afterwards.
            self._replay(len(self.cells) if self._asking else number)

    def _replay(self, number: int) -> None:
        for earlier in range(number):
            if self.cells[earlier].kind == "text" or earlier in self._culprits:
                continue
            try:
                self._do(earlier, CellOutcome())
            except OutOfTime:
                self._stop()
                raise
            except Accident as accident:
                self._note_accident(earlier, str(accident))
                return
        if self._asking:
            self._host.end()

    @timed(lambda self, number, outcome: self.cells[number].station)
    def _do(self, number: int, outcome: CellOutcome) -> None:
        cell = self.cells[number]
        if cell.kind == "test":
            if number not in self._host.indices:
                return
            self._host.begin({"do": "snapshot", "index": self._host.indices[number]})
        else:
            self._host.begin({"do": "run", "source": cell.source})
        kept = dropped = 0
        while True:
            header, _ = self._host.next(self.limits.cell_cpu_seconds, self.limits.cell_wall_seconds)
            if "done" in header:
                outcome.ok = header.get("ok") is True
                break
            size = len(json.dumps(header))
            if kept + size > self.limits.output_bytes:
                dropped += size
                if dropped > _FLOOD * self.limits.output_bytes:
                    raise Accident("it printed without end")
                continue
            kept += size
            add_output(outcome.outputs, header.get("out"))
        last = outcome.outputs[-1] if outcome.outputs else {}
        if not outcome.ok and last.get("output_type") == "error":
            told = in_plain_words(last["evalue"])
            outcome.note = told if told != last["evalue"] else None
        if dropped:
            outcome.note = f"of its output only the first {self.limits.output_bytes // 1024:,} KiB were kept"

    def _leave_out(self, number: int, why: str, begun: bool) -> None:
        """For want of time: this cell is not run, or was cut off. Earlier snapshots stay if they are there."""
        if begun:
            self._cut_off()
        self._tests.pop(self.cells[number].grade_id, None)
        self._culprits[number] = why
        self._left_out[self.cells[number].grade_id] = why
        was = "was stopped" if begun else "was not run"
        self._outcomes[number].ok = False
        self._outcomes[number].note = f"this cell {was}: {why}"
        if begun:
            self.notes.append(f"{self.cells[number].label} {was}: {why}")
        else:
            self._not_run.setdefault(why, []).append(self.cells[number].label)

    def _note_left_out(self) -> None:
        """One line for all cells that were not run for one reason; there may be thousands."""
        for why, labels in self._not_run.items():
            more = f" and {len(labels) - 1} more cells were" if len(labels) > 1 else " was"
            self.notes.append(f"{labels[0]}{more} not run: {why}")

    def _note_accident(self, number: int, why: str) -> None:
        self._stop()
        self._culprits[number] = why
        if self._asking:
            # Which cell it was, and that there was one, would be a word of the process that has seen the questions.
            return
        outcome = self._outcomes[number]
        outcome.ok = False
        outcome.note = f"this cell was stopped ({why}); the other cells were run without it"
        self.notes.append(f"{self.cells[number].label}: {why}")
