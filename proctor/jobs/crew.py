"""Whoever does the jobs of a run: this process, or several others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from proctor.grading import warmed
from proctor.jobs import worker
from proctor.jobs.capacity import cores
from proctor.jobs.doing import run_in
from proctor.jobs.workers import Workers
from proctor.sandbox import cgroups
from proctor.submission import Surroundings

# Processes of a worker that import libraries at the same time: for student code and for the checker.
_WARM = 2
_around: Surroundings | None = None


class Crew:
    """Does jobs that lie in folders.

    Args:
        number: of processes; 1 is this one alone, in which `do` comes back when the job is done.
        around: what is the same for all jobs.
        begun, lost: told by their students that a job is begun, and that it is begun again because a process has died.
        judged: called when another notebook is judged, if this process does the jobs alone.

    Attributes:
        ahead: how many jobs it wants to have, so that nobody waits for one.
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
        self.number, self.ahead = number, number + 1 if number > 1 else 1
        self._around, self._begun, self._lost, self._judged = around, begun, lost, judged
        self._workers: Workers | None = None

    def start(self) -> None:
        """Start the processes, which takes seconds; once more does nothing."""
        if self.number == 1 and self._around.pool is None:
            self._around = warmed(self._around)
        if self.number > 1 and self._workers is None:
            words = (self._around, cgroups.delegated())
            self._workers = Workers(self.number, _prepare, words, self._begun, self._lost)
            self._workers.start(_warm_up, max(1, cores() // _WARM))

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


def _prepare(around: Surroundings, groups: Path | None) -> None:
    global _around
    # It lives in the coordinator's own group, and could not find this out itself.
    cgroups.use(groups)
    _around = warmed(around)
    worker.at_end(_around.pool.close)


def _warm_up() -> None:
    _around.pool.wait(_around.limits.startup_seconds)


def _work(folder: Path, student: str) -> None:
    run_in(folder, _around)
