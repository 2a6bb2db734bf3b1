"""A program that runs in a warm sandbox, for as long as it has it."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

import psutil

from proctor.sandbox.limits import Limits, Usage
from proctor.sandbox.warm_process import Warm


class Lease:
    """A program in a fork of a warm sandbox's process, until `kill`; the same to whoever uses it as `Running`.

    Args:
        returned: told when it is over, and whether its sandbox is as it was before.
    """

    def __init__(self, returned: Callable[[Lease, bool], None], warm: Warm, process: psutil.Process | None) -> None:
        self.warm = warm
        self._returned = returned
        self._process = process
        self._status: int | None = None
        self._over = False

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else self.warm.running.pid

    @property
    def limits(self) -> Limits:
        return self.warm.running.limits

    def alive(self) -> bool:
        """Whether the program and its sandbox live."""
        if self._over or not self.warm.running.alive():
            return False
        self._hear(0.0)
        return self._status is None

    def usage(self) -> Usage:
        return self.warm.running.usage()

    def cpu_seconds(self) -> float:
        return self.warm.running.cpu_seconds()

    def processes(self) -> list[psutil.Process]:
        return self.warm.running.processes()

    def check(self) -> str | None:
        return self.warm.running.check()

    def wait(self, deadline: float) -> int | None:
        """Exit status once the program has ended, or None at the deadline (on the clock of `time.monotonic`)."""
        while self._status is None and not self._over:
            left = deadline - time.monotonic()
            if not self.warm.running.alive():
                return self.warm.running.wait(deadline)
            if left <= 0:
                return None
            self._hear(left)
        return self._status

    def kill(self) -> None:
        """End the program and everything that it started; its sandbox waits for the next one, or ends too."""
        if self._over:
            return
        self._over = True
        usable = False
        try:
            usable = self.warm.clean()
        finally:
            self._returned(self, usable)

    def _hear(self, seconds: float) -> None:
        while self._status is None and select.select([self.warm.wire], [], [], max(0.0, seconds))[0]:
            word = self.warm.word(0.0)
            if word is None:
                return
            if type(word.get("ended")) is int:
                self._status = word["ended"]
