"""A program in its sandbox, seen from outside: what it uses, whether it lives, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from proctor.errors import ProctorError
from proctor.sandbox.computing import ComputingTime
from proctor.sandbox.limits import Limits, Usage, passed

HOME = "/home/student"
_SECONDS_TO_DIE = 60.0


class Running:
    """A program in its sandbox."""

    def __init__(self, process: subprocess.Popen, limits: Limits, folder: Path) -> None:
        self.process = process
        self.limits = limits
        self._folder = folder
        self._computing = ComputingTime()

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def usage(self) -> Usage:
        """What the program and all that it started use now."""
        memory, processes, file_bytes, files = 0, 0, 0, 0
        innermost = None
        for one in self._tree():
            with contextlib.suppress(psutil.Error, OSError):
                memory += _proportional_memory(one)
                processes += one.num_threads()
                innermost = one.pid
        with contextlib.suppress(OSError):
            for place in (HOME, "/tmp"):
                status = os.statvfs(f"/proc/{innermost}/root{place}")
                file_bytes += (status.f_blocks - status.f_bfree) * status.f_frsize
                files += status.f_files - status.f_ffree
        return Usage(memory + file_bytes, processes, file_bytes, files)

    def cpu_seconds(self) -> float:
        """Computing time of the program and all that it started, which is much cheaper to know than the memory."""
        return self._computing.look(self._tree())

    def processes(self) -> list[psutil.Process]:
        """The program and all that it started and that lives."""
        return self._tree()

    def check(self) -> str | None:
        """The limit of the whole sandbox that is passed, in plain words; None if there is none."""
        return passed(self.usage(), self.limits)

    def kill(self) -> None:
        """End the program and everything that it started; nothing of it is left afterwards."""
        tree = self._tree()
        if self.process.poll() is None:
            self.process.kill()
        for one in tree:
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.wait()
        _, left = psutil.wait_procs(tree, timeout=_SECONDS_TO_DIE)
        shutil.rmtree(self._folder, ignore_errors=True)
        if left:
            pids = ", ".join(str(one.pid) for one in left)
            raise ProctorError(f"processes of a submission can't be ended ({pids}); restart the machine")

    def wait(self, deadline: float) -> int | None:
        """Exit status once the program has ended, or None at the deadline (on the clock of `time.monotonic`)."""
        try:
            return self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None

    def _tree(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []


def end_by(number: int) -> str:
    """How a process ended, from its exit status, in plain words."""
    if number >= 0:
        return f"it ended with exit status {number}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-number).name}"
    return f"it was ended by signal {-number}"


def _proportional_memory(process: psutil.Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return process.memory_info().rss
