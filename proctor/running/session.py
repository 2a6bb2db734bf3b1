"""One student's notebook in its sandbox, seen from the engine: runs the cells, keeps snapshots, contains accidents.

Everything that comes from the sandbox is untrusted data: it is capped, has a deadline, and belongs to the cell that was
asked. A cell that kills, blocks or floods its kernel costs itself; the kernel is started anew and the earlier cells run
again without the culprit.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from proctor.running import student_host
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.frames import BadFrame, Channel, ChannelTimeout, FrameError
from proctor.sandbox.limits import Limits
from proctor.sandbox.process import Running

HOST = "/opt/proctor/student_host.py"
MAX_RESULTS = 500
MAX_RESULT_BYTES = 100 * 2**20
_POLL = 0.25
_FLOOD = 16
_FRAME_SECONDS = 30.0


@dataclass(frozen=True)
class Cell:
    """A cell of the rebuilt notebook; `kind` is "run", "test" or "text"."""

    label: str
    grade_id: str | None
    kind: str
    source: str


@dataclass
class CellOutcome:
    """What a cell left: outputs as a notebook stores them, and a plain line if something happened to it."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    ok: bool = True
    note: str | None = None


class _Accident(Exception):
    """The kernel can't be used any more; the text says why, in words for the student."""


class StudentSession:
    """The life of one notebook: `run`, `seal`, then `ask` as often as needed, and `close` in any case.

    Args:
        cells: all cells of the notebook in their order.
        make_sandbox: makes the sandbox; called again after an accident. It gets the mounts that the session needs.
        seed: of the student's own random numbers.
    """

    def __init__(
        self, cells: Sequence[Cell], make_sandbox: Callable[[list[Mount]], Sandbox], limits: Limits, seed: int
    ) -> None:
        self.cells = list(cells)
        self.limits = limits
        self.notes: list[str] = []
        self._make_sandbox = make_sandbox
        self._seed = seed
        self._culprits: dict[int, str] = {}
        self._starts = 0
        self._host: _Host | None = None
        self._outcomes = [CellOutcome() for _ in self.cells]
        self._tests = {cell.grade_id: i for i, cell in enumerate(self.cells) if cell.kind == "test"}

    def run(self) -> list[CellOutcome]:
        """Runs every cell that is not a test, and takes a snapshot at every test cell.

        Raises:
            SandboxUnavailable: there is no usable sandbox.
        """
        deadline = time.monotonic() + self.limits.notebook_wall_seconds
        for number, cell in enumerate(self.cells):
            if cell.kind == "text":
                continue
            try:
                if time.monotonic() > deadline:
                    self._leave_out(number)
                else:
                    self._reach(number)
                    self._do(number, self._outcomes[number])
            except _Accident as accident:
                self._note_accident(number, str(accident))
        return self._outcomes

    def seal(self, results: Path) -> list[str]:
        """Ends the process that ran the cells; its declared results (``runs/``, modules, JSON) go to a new folder.

        Returns:
            Plain lines about what was not taken.
        """
        lines: list[str] = []
        results.mkdir(parents=True, exist_ok=True)
        try:
            self._reach(len(self.cells))
            self._host.begin({"do": "files", "max_bytes": MAX_RESULT_BYTES})
            taken, total = 0, 0
            while True:
                header, body = self._host.next(self.limits.cell_cpu_seconds, self.limits.cell_wall_seconds)
                if "done" in header:
                    break
                path = _safe_path(header.get("file"))
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
        except (_Accident, OSError):
            lines.append("the files that the notebook made could not be kept")
        return lines

    def ask(self, grade_id: str, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer of the snapshot at a test cell; if it does not answer, of a fresh run up to that place.

        Args:
            header: as `proctor.checking.questions.question` makes it.

        Returns:
            What came, unchecked; or a header with ``ok`` false and ``kind`` "time-out".
        """
        place = self._tests.get(grade_id)
        limits = {"cpu_seconds": self.limits.probe_cpu_seconds, "wall_seconds": self.limits.probe_wall_seconds}
        why = "there is no snapshot of this place"
        for attempt in range(2 if place is not None else 0):
            try:
                if attempt:
                    self._stop()
                self._reach(place + 1)
                return self._host.ask(place, {**header, **limits}, body)
            except _Accident as accident:
                why = str(accident)
        return {"ok": False, "kind": "time-out", "text": why}, b""

    def close(self) -> None:
        """Ends everything that belongs to this notebook."""
        self._stop()

    def _stop(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None

    def _reach(self, number: int) -> None:
        """A living kernel that has run all cells before this one, and has snapshots of the tests among them."""
        while self._host is None or not self._host.alive():
            self._stop()
            if self._starts > self.limits.restarts:
                raise _Accident("the notebook's kernel had died too often; this cell was not run")
            self._starts += 1
            self._host = _Host(self._make_sandbox, self._tests.values(), self.limits, self._seed)
            for earlier in range(number):
                if self.cells[earlier].kind == "text" or earlier in self._culprits:
                    continue
                try:
                    self._do(earlier, CellOutcome())
                except _Accident as accident:
                    self._note_accident(earlier, str(accident))
                    break

    def _do(self, number: int, outcome: CellOutcome) -> None:
        cell = self.cells[number]
        if cell.kind == "test":
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
                    raise _Accident("it printed without end")
                continue
            kept += size
            _add_output(outcome.outputs, header.get("out"))
        if dropped:
            outcome.note = f"of its output only the first {self.limits.output_bytes // 1024:,} KiB were kept"

    def _leave_out(self, number: int) -> None:
        why = f"the notebook took more than {self.limits.notebook_wall_seconds / 60:g} minutes"
        self._tests.pop(self.cells[number].grade_id, None)
        self._culprits[number] = why
        self._outcomes[number] = CellOutcome(ok=False, note=f"{why}; this cell was not run")
        self.notes.append(f"{self.cells[number].label} was not run: {why}")

    def _note_accident(self, number: int, why: str) -> None:
        self._stop()
        self._culprits[number] = why
        outcome = self._outcomes[number]
        outcome.ok = False
        outcome.note = f"this cell was stopped ({why}); the other cells were run without it"
        self.notes.append(f"{self.cells[number].label}: {why}")


class _Host:
    """A started student host with its channels."""

    def __init__(
        self, make_sandbox: Callable[[list[Mount]], Sandbox], tests: Sequence[int], limits: Limits, seed: int
    ) -> None:
        self.limits = limits
        self.indices = {number: index for index, number in enumerate(tests)}
        pairs = [socket.socketpair() for _ in range(1 + len(self.indices))]
        theirs = [pair[1] for pair in pairs]
        channels = [Channel(pair[0]) for pair in pairs]
        self.control, self.snapshots = channels[0], dict(zip(self.indices, channels[1:], strict=True))
        numbers = [one.fileno() for one in theirs]
        sandbox = make_sandbox([Mount(Path(student_host.__file__).resolve(), HOST)])
        program = HOST if sandbox.kind == "bwrap" else student_host.__file__
        command = [sys.executable, "-I", program, str(numbers[0]), ",".join(map(str, numbers[1:])), str(seed)]
        try:
            self.running: Running = sandbox.start(command, numbers)
        finally:
            for one in theirs:
                one.close()
        self.nonce = 0
        self.cpu = 0.0
        self.began = time.monotonic()
        header, _ = self.next(limits.startup_seconds, limits.startup_seconds)
        if header != {"ready": True}:
            self.close()
            raise _Accident("the kernel did not start")

    def alive(self) -> bool:
        return self.running.alive() and self.control.fileno() >= 0

    def begin(self, request: dict[str, Any]) -> None:
        """Sends a request to the process that runs the cells."""
        self.nonce += 1
        self.cpu = self.running.cpu_seconds()
        self.began = time.monotonic()
        try:
            self.control.send({**request, "nonce": self.nonce}, deadline=self.began + _FRAME_SECONDS)
        except FrameError as error:
            raise _Accident("the kernel is gone") from error

    def next(self, cpu_seconds: float, wall_seconds: float) -> tuple[dict[str, Any], bytes]:
        """The next word on the current request."""
        while True:
            header, body = self._receive(self.control, cpu_seconds, wall_seconds)
            if header.get("nonce", self.nonce) == self.nonce and header.get("done", self.nonce) == self.nonce:
                return header, body

    def ask(self, place: int, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        channel = self.snapshots[place]
        self.cpu = self.running.cpu_seconds()
        self.began = time.monotonic()
        try:
            channel.send(header, body, deadline=self.began + _FRAME_SECONDS)
        except (FrameError, ValueError, OSError) as error:
            raise _Accident("the snapshot is gone") from error
        # The snapshot ends a probe by itself; this is for one that does not.
        return self._receive(channel, 2 * self.limits.probe_cpu_seconds, 1.2 * self.limits.probe_wall_seconds)

    def end(self) -> None:
        with contextlib.suppress(FrameError):
            self.control.send({"do": "end", "nonce": 0}, deadline=time.monotonic() + _FRAME_SECONDS)

    def close(self) -> None:
        for channel in (self.control, *self.snapshots.values()):
            channel.close()
        self.running.kill()

    def _receive(self, channel: Channel, cpu_seconds: float, wall_seconds: float) -> tuple[dict[str, Any], bytes]:
        while not channel.ready(_POLL):
            self._check(cpu_seconds, wall_seconds)
        self._check_clock(wall_seconds)
        try:
            return channel.receive(time.monotonic() + _FRAME_SECONDS)
        except ChannelTimeout as error:
            raise _Accident("its kernel stopped in the middle of a word") from error
        except BadFrame as error:
            raise _Accident("its kernel said something that can't be understood") from error
        except FrameError as error:
            said = self.running.check()
            raise _Accident(said or "its kernel died") from error

    def _check(self, cpu_seconds: float, wall_seconds: float) -> None:
        self._check_clock(wall_seconds)
        if self.running.cpu_seconds() - self.cpu > cpu_seconds:
            raise _Accident(f"it computed for more than {cpu_seconds:g} seconds")
        said = self.running.check()
        if said:
            raise _Accident(said)
        if not self.running.alive():
            raise _Accident("its kernel died")

    def _check_clock(self, wall_seconds: float) -> None:
        if time.monotonic() - self.began > wall_seconds:
            raise _Accident(f"it took more than {wall_seconds:g} seconds")


def _add_output(outputs: list[dict[str, Any]], output: Any) -> None:
    """Adds what looks like an output of nbformat; anything else is dropped."""
    if type(output) is not dict:
        return
    kind = output.get("output_type")
    if kind == "clear":
        outputs.clear()
    elif kind == "stream" and output.get("name") in ("stdout", "stderr") and type(output.get("text")) is str:
        if outputs and outputs[-1]["output_type"] == "stream" and outputs[-1]["name"] == output["name"]:
            outputs[-1]["text"] += output["text"]
        else:
            outputs.append({"output_type": "stream", "name": output["name"], "text": output["text"]})
    elif kind in ("display_data", "execute_result") and type(output.get("data")) is dict:
        made = {"output_type": kind, "data": output["data"], "metadata": {}}
        count = output.get("execution_count")
        if kind == "execute_result":
            made["execution_count"] = count if type(count) is int and 0 <= count < 10**6 else None
        outputs.append(made)
    elif kind == "error" and type(output.get("traceback")) is list:
        lines = [str(line) for line in output["traceback"]]
        names = {key: str(output.get(key, "")) for key in ("ename", "evalue")}
        outputs.append({"output_type": "error", **names, "traceback": lines})


def _safe_path(name: Any) -> PurePosixPath | None:
    """A relative path of plain names for a declared result; None for anything else."""
    if type(name) is not str or not 0 < len(name) < 200 or "\\" in name or not name.isprintable():
        return None
    path = PurePosixPath(name)
    parts = path.parts
    if path.is_absolute() or ".." in parts or len(parts) > 8 or any(part.startswith(".") for part in parts):
        return None
    if len(parts) == 1:
        return path if path.suffix in (".py", ".json") else None
    return path if parts[0] == "runs" else None
