"""The program in a student's sandbox, held from outside: requests with a deadline, and what it says in return."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from proctor.running import student_answers, student_host, student_probes
from proctor.running.processes import Identity, any_stopped, end_newer, identities, youngest
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import BadFrame, Channel, ChannelTimeout, FrameError
from proctor.sandbox.limits import Limits
from proctor.sandbox.process import Running
from proctor.sandbox.warm import FIRST_DESCRIPTOR, Lease, Pool
from proctor.stations import timed

HOST = "/opt/proctor/student_host.py"
_BESIDE = (student_probes, student_answers)
_WARM = f"import runpy\nrunpy.run_path({HOST!r}, run_name='__main__')"
_POLL = 0.25
_FRAME_SECONDS = 30.0
# Computing time between two looks of a sandbox in which nothing goes on.
_AT_REST = 0.05


def host_mounts() -> list[Mount]:
    """What a sandbox needs so that the program runs in it."""
    files = [Path(module.__file__).resolve() for module in (student_host, *_BESIDE)]
    return [Mount(file, f"{Path(HOST).parent}/{file.name}") for file in files]


def _arguments(numbers: Sequence[int], seed: int) -> list[str]:
    """Of the program: descriptors of control and snapshots, and the seed."""
    return [str(numbers[0]), ",".join(map(str, numbers[1:])), str(seed)]


class Accident(Exception):
    """The kernel can't be used any more; the text says why, in words for the student."""


class NotStarted(Accident):
    """The kernel did not come up, which is no cell's fault."""


class OutOfTime(Accident):
    """The time of the notebook or of the submission is used up, which is no single cell's fault."""


class HostProcess:
    """A started student host with its channels.

    Attributes:
        budget: the time that may be waited for it; whoever holds the host puts another one in its place when the next
            stage begins.
    """

    @timed("sandbox starts")
    def __init__(
        self,
        make_sandbox: Callable[[list[Mount]], Sandbox],
        tests: Sequence[int],
        limits: Limits,
        seed: int,
        budget: Budget,
        pool: Pool | None = None,
    ) -> None:
        if budget.up():
            raise OutOfTime(budget.why)
        self.limits = limits
        self.budget = budget
        self._pool = pool
        self.indices = {number: index for index, number in enumerate(tests)}
        self.nonce = 0
        # Of its sandbox at the first look since what it does now was begun, and at the last look.
        self.cpu: float | None = None
        self._computed = 0.0
        self._stopped = False
        self._looked = time.monotonic()
        pairs = [socket.socketpair() for _ in range(1 + len(self.indices))]
        theirs = [pair[1] for pair in pairs]
        channels = [Channel(pair[0]) for pair in pairs]
        self.control, self.snapshots = channels[0], dict(zip(self.indices, channels[1:], strict=True))
        self.running: Running | Lease | None = None
        self._runner: psutil.Process | None = None
        self._known: set[Identity] = set()
        self._asked: int | None = None
        # Whatever happens from here on, nothing may be left of a sandbox that nobody holds.
        try:
            self.running = self._start(make_sandbox, theirs, seed)
            self.began = budget.clock()
            header, _ = self.next(limits.startup_seconds, limits.startup_seconds)
            if header != {"ready": True}:
                raise NotStarted("the kernel did not start")
            # No student code has run yet, so this is the process that will run the cells.
            self._runner = youngest(self.running.processes())
        except OutOfTime:
            self.close()
            raise
        except Accident as error:
            self.close()
            raise NotStarted(f"the kernel did not start: {error}") from error
        except BaseException:
            self.close()
            raise

    def _start(self, make_sandbox: Callable, theirs: Sequence[socket.socket], seed: int) -> Running | Lease:
        try:
            sandbox = make_sandbox(host_mounts())
            if self._pool is not None:
                numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + len(theirs))
                seconds = min(self.limits.startup_seconds, self.budget.left())
                started = self._pool.start(sandbox, _WARM, _arguments(numbers, seed), theirs, seconds)
                if started is not None:
                    return started
            program = HOST if sandbox.kind == "bwrap" else student_host.__file__
            numbers = [one.fileno() for one in theirs]
            return sandbox.start([sys.executable, "-I", program, *_arguments(numbers, seed)], numbers)
        finally:
            for one in theirs:
                one.close()

    def alive(self) -> bool:
        return self.running is not None and self.running.alive()

    def begin(self, request: dict[str, Any]) -> None:
        """Sends a request to the process that runs the cells."""
        self.nonce += 1
        self._begin()
        self._known = set(identities(self.running.processes()))
        try:
            self.control.send({**request, "nonce": self.nonce}, deadline=self._frame_deadline())
        except (FrameError, OSError, ValueError) as error:
            raise self._lost("the kernel is gone") from error

    def next(self, cpu_seconds: float, wall_seconds: float) -> tuple[dict[str, Any], bytes]:
        """The next word on the current request."""
        while True:
            header, body = self._receive(self.control, cpu_seconds, wall_seconds)
            if header.get("nonce", self.nonce) == self.nonce and header.get("done", self.nonce) == self.nonce:
                return header, body

    @timed("probes")
    def ask(self, place: int, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer of the snapshot at a place to one question."""
        channel = self.snapshots[place]
        self._begin()
        if place != self._asked:
            self._rest(self._asked)
        self._asked = place
        wall = min(self.limits.probe_wall_seconds, self.budget.left())
        limits = {"cpu_seconds": self.limits.probe_cpu_seconds, "wall_seconds": wall}
        try:
            channel.send({**header, **limits}, body, deadline=self._frame_deadline())
        except (FrameError, ValueError, OSError) as error:
            raise self._lost("the snapshot is gone") from error
        # The snapshot ends a probe by itself; this is for one that does not.
        return self._receive(channel, 2 * self.limits.probe_cpu_seconds, 1.2 * self.limits.probe_wall_seconds)

    def _rest(self, place: int | None) -> None:
        """Nothing more is asked at a place for now: what answers there ends."""
        with contextlib.suppress(FrameError, OSError, KeyError):
            self.snapshots[place].send({"over": True}, deadline=self._frame_deadline())

    def end(self) -> None:
        """Ends the process that runs the cells; snapshots stay."""
        with contextlib.suppress(FrameError):
            self.control.send({"do": "end", "nonce": 0}, deadline=self._frame_deadline())

    def cut_off(self) -> bool:
        """Ends the process that runs the cells although it is at work, and all that it has started for this cell.

        Returns:
            Whether that is done, and the snapshots can be asked. What has left the process for good in an earlier cell
            lives on, without any way to the engine.
        """
        self.control.close()
        runner = identities([self._runner] if self._runner else [])
        return end_newer(self.running.processes, self._known - set(runner))

    def close(self) -> None:
        for channel in (self.control, *self.snapshots.values()):
            channel.close()
        if self.running is not None:
            self.running.kill()

    def _begin(self) -> None:
        if self.budget.up():
            raise OutOfTime(self.budget.why)
        # Nobody looks before the first quarter of a second is over, which most answers don't need.
        self.cpu = None
        self.began = self.budget.clock()
        self._stopped = False

    def _frame_deadline(self) -> float:
        return time.monotonic() + min(_FRAME_SECONDS, self.budget.left())

    def _lost(self, why: str) -> Accident:
        return OutOfTime(self.budget.why) if self.budget.up() else Accident(why)

    def _receive(self, channel: Channel, cpu_seconds: float, wall_seconds: float) -> tuple[dict[str, Any], bytes]:
        def watch() -> None:
            self._check_clock(wall_seconds)
            # Also while words come in without end.
            if time.monotonic() - self._looked >= _POLL:
                self._check(cpu_seconds)

        while not channel.ready(min(_POLL, self.budget.left())):
            self._check_clock(wall_seconds)
            self._check(cpu_seconds)
        try:
            return channel.receive(self._frame_deadline(), watch=watch)
        except ChannelTimeout as error:
            raise self._lost(self.running.check() or "its kernel stopped in the middle of a word") from error
        except BadFrame as error:
            raise Accident("its kernel said something that can't be understood") from error
        except FrameError as error:
            said = self.running.check()
            raise Accident(said or "its kernel died") from error

    def _check(self, cpu_seconds: float) -> None:
        try:
            before, self._computed = self._computed, self.running.cpu_seconds()
            if self.cpu is None:
                self.cpu = before = self._computed
            if self._computed - self.cpu > cpu_seconds:
                raise Accident(f"it computed for more than {cpu_seconds:g} seconds")
            said = self.running.check()
            if said:
                raise Accident(said)
            if not self.running.alive():
                raise Accident("its kernel died")
            # Nothing but a signal of its own stops a process here, and one that is stopped would be waited for until
            # its time is up. Two looks, since a shell may stop what it has just started for a moment.
            at_rest = self._computed - before < _AT_REST
            stopped = at_rest and any_stopped(self.running.processes())
            if stopped and self._stopped:
                raise Accident("it stopped its own processes")
            self._stopped = stopped
        finally:
            self._looked = time.monotonic()

    def _check_clock(self, wall_seconds: float) -> None:
        if self.budget.up():
            raise OutOfTime(self.budget.why)
        if self.budget.clock() - self.began > wall_seconds:
            raise Accident(f"it took more than {wall_seconds:g} seconds")
