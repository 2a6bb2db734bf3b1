"""The program in a student's sandbox, held from outside: requests with a deadline, and what it says in return."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from proctor.running import student_host, student_probes
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.frames import BadFrame, Channel, ChannelTimeout, FrameError
from proctor.sandbox.limits import Limits
from proctor.sandbox.process import Running

HOST = "/opt/proctor/student_host.py"
_BESIDE = "/opt/proctor/student_probes.py"
_POLL = 0.25
_FRAME_SECONDS = 30.0


class Accident(Exception):
    """The kernel can't be used any more; the text says why, in words for the student."""


class HostProcess:
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
        files = {HOST: student_host.__file__, _BESIDE: student_probes.__file__}
        sandbox = make_sandbox([Mount(Path(file).resolve(), place) for place, file in files.items()])
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
            raise Accident("the kernel did not start")

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
            raise Accident("the kernel is gone") from error

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
            raise Accident("the snapshot is gone") from error
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
            raise Accident("its kernel stopped in the middle of a word") from error
        except BadFrame as error:
            raise Accident("its kernel said something that can't be understood") from error
        except FrameError as error:
            said = self.running.check()
            raise Accident(said or "its kernel died") from error

    def _check(self, cpu_seconds: float, wall_seconds: float) -> None:
        self._check_clock(wall_seconds)
        if self.running.cpu_seconds() - self.cpu > cpu_seconds:
            raise Accident(f"it computed for more than {cpu_seconds:g} seconds")
        said = self.running.check()
        if said:
            raise Accident(said)
        if not self.running.alive():
            raise Accident("its kernel died")

    def _check_clock(self, wall_seconds: float) -> None:
        if time.monotonic() - self.began > wall_seconds:
            raise Accident(f"it took more than {wall_seconds:g} seconds")
