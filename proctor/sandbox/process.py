"""A program in its sandbox, seen from outside: what it uses, whether it lives, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil

from proctor.errors import ProctorError
from proctor.sandbox.cgroups import Group
from proctor.sandbox.computing import ComputingTime
from proctor.sandbox.ended import wait_for
from proctor.sandbox.folders import OwnFolder
from proctor.sandbox.limits import Limits, Usage, passed
from proctor.sandbox.measure import Population

_SECONDS_TO_DIE = 60.0
# How long the process outside of a namespace gets to bury the first one of it.
_SECONDS_TO_BURY = 1.0
_SECONDS_BETWEEN_LOOKS = 0.1
# Looking takes this part of one processor at most, however large a sandbox has become.
_PART_OF_TIME = 0.2


class Running:
    """A program in its sandbox, watched as long as it lives.

    A thread looks at its limits whatever the grading is busy with (waiting, receiving, a full socket), and ends it as
    soon as one is passed.

    Args:
        process: what was started; in a sandbox the process outside of it.
        folder: what is removed at the end.
        namespace: whether it has a process namespace of its own.
        group: the control group of its own, if there is one.
    """

    def __init__(
        self,
        process: subprocess.Popen,
        limits: Limits,
        folder: OwnFolder,
        namespace: bool = True,
        group: Group | None = None,
    ) -> None:
        self.process = process
        self.limits = limits
        self._folder = folder
        self._namespace = namespace
        self._population = Population(process.pid, namespace)
        self._group = group
        self._computing = ComputingTime()
        self._passed: str | None = None
        self._ended = threading.Event()
        self._resting = False
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def rest(self) -> None:
        """From now on nothing runs in it but the engine's own code, and nobody needs to look."""
        self._resting = True
        self._population.leave()

    def resume(self, pid: int) -> None:
        """Something runs in it again, with folders and a network of its own.

        Args:
            pid: of its first process.

        Raises:
            OSError: that process is gone.
        """
        self._population.enter(pid)
        self._resting = False

    def alive(self) -> bool:
        return self.process.poll() is None

    def usage(self) -> Usage:
        """What the program and all that it started use now."""
        if self._group is None:
            return self._population.usage(self.limits.memory_bytes)
        return Usage(self._group.memory(), self._group.processes(), *self._population.files())

    def cpu_seconds(self) -> float:
        """Computing time of the program and all that it started, which is much cheaper to know than the memory.

        With a control group it is exact; without one, it is as good as `ComputingTime` can tell.
        """
        return self._computing.look(self._population.accounts()) if self._group is None else self._group.cpu_seconds()

    def processes(self) -> list[psutil.Process]:
        """The program and all that it started and that lives."""
        return self._population.tree()

    def check(self) -> str | None:
        """The limit of the whole sandbox that is or was passed, in plain words; None if there is none."""
        if self._passed is None:
            exhausted = self._group is not None and self._group.exhausted()
            said = passed(self.usage(), self.limits, exhausted)
            # The watcher may have found a reason meanwhile, and ended what would have shown it here.
            self._passed = self._passed or said
        return self._passed

    def hit(self) -> None:
        """Send the signal that ends what runs in it, and wait for nothing; `kill` has to follow."""
        self._ended.set()
        self._kill_inside(self._population.tree())

    def kill(self) -> None:
        """End the program and everything that it started; nothing of it is left afterwards."""
        self._ended.set()
        tree = self._population.tree()
        self._kill_all(tree)
        self.process.wait()
        if threading.current_thread() is not self._watcher:
            self._watcher.join()
        left = wait_for(tree, _SECONDS_TO_DIE)
        if self._group is not None:
            self._group.remove()
        self._population.leave()
        self._folder.remove()
        if left:
            pids = ", ".join(str(one.pid) for one in left)
            raise ProctorError(f"processes of a submission can't be ended ({pids}); restart the machine")

    def wait(self, deadline: float) -> int | None:
        """Exit status once the program has ended, or None at the deadline (on the clock of `time.monotonic`)."""
        try:
            return self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None

    def _watch(self) -> None:
        pause = _SECONDS_BETWEEN_LOOKS
        while not self._ended.wait(pause) and self.alive():
            if self._resting:
                continue
            began = time.thread_time()
            said = self.check()
            pause = max(_SECONDS_BETWEEN_LOOKS, (time.thread_time() - began) / _PART_OF_TIME)
            if said:
                self._kill_all(self._population.tree())
                return

    def _kill_all(self, tree: list[psutil.Process]) -> None:
        if self._kill_inside(tree):
            # It ends by itself then; what it leaves unburied falls to whatever is the first process here.
            self.wait(time.monotonic() + _SECONDS_TO_BURY)
        # One that has ended by itself may have handed its number on.
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        if self._group is not None:
            self._group.kill()

    def _kill_inside(self, tree: list[psutil.Process]) -> bool:
        """Kill what is in a namespace, or all where there is none; whether one process outside is left."""
        spared = self.process.pid if self._namespace and len(tree) > 1 else None
        for one in tree:
            if one.pid != spared:
                with contextlib.suppress(psutil.Error):
                    one.kill()
        return spared is not None


def identity(one: psutil.Process) -> tuple[int, float]:
    """By what a process is known also when its number has been used again."""
    return one.pid, one.create_time()


def as_they_are(running: Running) -> dict[tuple[int, float], tuple | None]:
    """Its processes that live, and of each what its forks would inherit and others of its user may have changed.

    That is rank, cores and limits, or None where they may not be known.
    """
    found = {}
    for one in running.processes():
        with contextlib.suppress(psutil.Error, ProcessLookupError, FileNotFoundError):
            found[identity(one)] = _handed_on(one)
    return found


def _handed_on(one: psutil.Process) -> tuple | None:
    try:
        limits = Path(f"/proc/{one.pid}/limits").read_text()
        return limits, one.nice(), *one.ionice(), os.sched_getscheduler(one.pid), *one.cpu_affinity()
    except (PermissionError, psutil.AccessDenied):
        return None


def end_by(number: int) -> str:
    """How a process ended, from its exit status, in plain words."""
    if number >= 0:
        said = f"it ended with exit status {number}"
        # So the first process of a sandbox tells how a later one ended.
        with contextlib.suppress(ValueError):
            said += f", as after {signal.Signals(number - 128).name}"
        return said
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-number).name}"
    return f"it was ended by signal {-number}"
