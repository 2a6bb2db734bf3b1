"""Whoever does the jobs of a run: this process, or several others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from proctor.grading import warmed
from proctor.jobs import worker
from proctor.jobs.capacity import cores
from proctor.jobs.doing import run_in
from proctor.jobs.workers import Workers
from proctor.sandbox import cgroups
from proctor.sandbox.folders import OwnFolder
from proctor.submission import Surroundings

# Processes of a worker that import libraries at the same time: for student code and for the checker.
_WARM = 2
# How long those whose turn to warm up is later wait for a first verdict before they begin with the second of them: the
# cores are needed more for that. And how long after the start further jobs are made at the latest.
_SECONDS_FOR_A_VERDICT = 5.0
_SECONDS_UNTIL_A_VERDICT = 15.0
_SECONDS_BETWEEN_LOOKS = 0.05


class _Told(NamedTuple):
    """What a worker process knows.

    Attributes:
        groups: the coordinator's control group, which it could not find out itself.
        verdict: a file that is there when a notebook is judged, or nobody waits for that any more.
        at_once: how many of the workers warm up without waiting.
    """

    around: Surroundings
    groups: Path | None
    verdict: Path
    at_once: int


_told: _Told | None = None


class Crew:
    """Does jobs that lie in folders.

    Args:
        number: of processes; 1 is this one alone, in which `do` comes back when the job is done.
        around: what is the same for all jobs.
        begun, lost: told by their students that a job is begun, and that it is begun again because a process has died.
        judged: called when another notebook is judged, if this process does the jobs alone.

    Attributes:
        where: what decides how many are done at a time.
    """

    where = "c.Proctor.workers"

    def __init__(
        self,
        number: int,
        around: Surroundings,
        begun: Callable[[str], None],
        lost: Callable[[str], None],
        judged: Callable[[], None] = lambda: None,
    ) -> None:
        self.number, self._at_once = number, min(number, max(1, cores() // _WARM))
        self._around, self._begun, self._lost, self._judged = around, begun, lost, judged
        self._workers: Workers | None = None
        self._own: OwnFolder | None = None
        self._started = 0.0

    @property
    def ahead(self) -> int:
        """How many jobs it wants to have: one more than it can do, so that nobody waits for one.

        Before a first verdict only those that are done at once, since making one takes time from that.
        """
        if self.number == 1:
            return 1
        waits = time.monotonic() - self._started < _SECONDS_UNTIL_A_VERDICT
        return self._at_once if waits and not (self._own and _verdict(self._own).exists()) else self.number + 1

    def start(self) -> None:
        """Start the processes, which takes seconds; once more does nothing."""
        if self.number == 1 and self._around.pool is None:
            self._around = warmed(self._around)
        if self.number > 1 and self._workers is None:
            self._own, self._started = OwnFolder("crew-"), time.monotonic()
            told = _Told(self._around, cgroups.delegated(), _verdict(self._own), self._at_once)
            self._workers = Workers(self.number, _prepare, told, self._begun, self._lost)
            self._workers.start(_warm_up, self._at_once)

    def check(self) -> None:
        """Whether jobs can be done, which these processes always can."""

    def do(self, folder: Path, student: str) -> Future:
        """Have the job in a folder done; what comes of it lies there afterwards."""
        self.start()
        if self.number > 1:
            return self._workers.do(_work, folder, student)
        self._begun(student)
        done: Future = Future()
        try:
            run_in(folder, self._around, self._judged)
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)
        return done

    def end(self) -> None:
        """End all that does jobs; what is under way is not finished."""
        if self._around.pool is not None:
            self._around.pool.close()
            self._around = replace(self._around, pool=None)
        if self._workers is not None:
            self._workers.end()
            self._workers = None
        if self._own is not None:
            self._own.remove()
            self._own = None


def _verdict(folder: OwnFolder) -> Path:
    return folder.path / "verdict"


def _prepare(*told: Any) -> None:
    global _told
    _told = _Told(*told)
    cgroups.use(_told.groups)


def _warm_up(turn: int) -> None:
    _warm(_wait_for_verdict if turn >= _told.at_once else lambda: None).pool.wait(_told.around.limits.startup_seconds)


def _wait_for_verdict() -> None:
    until = time.monotonic() + _SECONDS_FOR_A_VERDICT
    while not _told.verdict.exists() and time.monotonic() < until:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    _nobody_waits()


def _warm(pause: Callable[[], None] = lambda: None) -> Surroundings:
    global _told
    if _told.around.pool is None:
        _told = _told._replace(around=warmed(_told.around, pause))
        worker.at_end(_told.around.pool.close)
    return _told.around


def _work(folder: Path, student: str) -> None:
    run_in(folder, _warm(), _nobody_waits)


def _nobody_waits() -> None:
    # Without it they begin somewhat later, and no submission may suffer from that.
    with contextlib.suppress(OSError):
        _told.verdict.touch()
