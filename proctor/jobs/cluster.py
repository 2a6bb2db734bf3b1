"""Jobs that are done on other machines, by the workers of a Dask scheduler; like `proctor.jobs.crew` otherwise.

Jobs and what comes of them travel as messages (`proctor.jobs.message`). Which worker does which job is decided here:
only one that grades with the same versions gets any, and each gets as many at a time as it has threads. A worker that
is gone costs the jobs that it was busy with, which others do again; without the scheduler nothing goes on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.jobs import at_worker, message
from proctor.jobs.doing import DONE, JOB
from proctor.jobs.job import Accident, Done, load, packed, save
from proctor.jobs.scheduler import SECONDS_BETWEEN_LOOKS, SECONDS_TO_END, Scheduler
from proctor.jobs.workers import TRIES, WorkerLost
from proctor.submission import Surroundings

# How often a job is given out whose worker goes away as a whole, which a cluster's queue may do at any time.
_TRIES_ELSEWHERE = 5
_SECONDS_FOR_WORKERS = 120.0
_SECONDS_IN_SILENCE = 5.0
_SECONDS_WITHOUT_WORKERS = 900.0
_AGAIN = "then run this command again: it goes on where this run stopped"


class ClusterLost(ProctorError):
    """Nothing goes on any more: the scheduler is gone, or all workers are."""


@dataclass(eq=False)
class _Worker:
    """A process of `dask worker`; `good` once it has been looked at and may do jobs, `refused` says why it may not."""

    address: str
    slots: int
    busy: int = 0
    good: bool = False
    refused: str = ""
    gone: bool = False


@dataclass(eq=False)
class _Task:
    folder: Path
    student: str
    result: Future = field(default_factory=Future)
    died: int = 0
    elsewhere: int = 0
    tried: set[str] = field(default_factory=set)


class Cluster:
    """Does jobs that lie in folders, on the workers of a scheduler.

    Args:
        address, security: of the scheduler, see `proctor.jobs.scheduler`.
        around: what is the same for all jobs.
        begun, lost: told by their students that a job is begun, and that it is begun again; in another thread.
        say: told in a line what staff have to know of the workers; in another thread.

    Attributes:
        where: who does them.

    Raises:
        ProctorError: there is no such scheduler, or no worker that can be used; the message says what to do.
    """

    def __init__(
        self,
        address: str,
        security: Mapping[str, str],
        around: Surroundings,
        begun: Callable[[str], None],
        lost: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self.where = f"c.Proctor.scheduler, {address}"
        self._address, self._begun, self._lost_one, self._say = address, begun, lost, say
        self._workers: dict[str, _Worker] = {}
        self._waiting: deque[_Task] = deque()
        self._open = 0
        self._changed, self._over, self._why_lost = threading.Condition(), False, ""
        self._alone_since: float | None = None
        self._scheduler = Scheduler(address, security, around)
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()
        try:
            self._wait_for_workers()
        except BaseException:
            self.end()
            raise

    @property
    def number(self) -> int:
        """How many jobs can be done at a time."""
        with self._changed:
            return max(1, sum(one.slots for one in self._good()))

    @property
    def ahead(self) -> int:
        """How many jobs it wants to have, so that nobody waits for one."""
        return self.number + 1

    def start(self) -> None:
        """All is started already."""

    def check(self) -> None:
        """Whether jobs can be done.

        Raises:
            ClusterLost: not any more.
        """
        if self._why_lost:
            raise ClusterLost(self._why_lost)

    def do(self, folder: Path, student: str) -> Future:
        """Have the job in a folder done; what comes of it lies there afterwards."""
        task = _Task(folder, student)
        task.result.set_running_or_notify_cancel()
        with self._changed:
            if not self._why_lost:
                self._waiting.append(task)
                self._open += 1
                self._changed.notify_all()
                return task.result
        task.result.set_exception(ClusterLost(self._why_lost))
        return task.result

    def end(self) -> None:
        """End all that does jobs; what is under way is not finished, and nothing of this run is left on a worker."""
        with self._changed:
            self._over = True
            workers = [one.address for one in self._good()]
            self._changed.notify_all()
        self._serving.join(SECONDS_TO_END)
        self._scheduler.close(workers)

    def _good(self) -> list[_Worker]:
        return [one for one in self._workers.values() if one.good and not one.gone]

    def _wait_for_workers(self) -> None:
        """Until all that there are have been looked at, and one may be used."""
        began, said = time.monotonic(), False
        while not self._why_lost and time.monotonic() - began < _SECONDS_FOR_WORKERS:
            with self._changed:
                known = list(self._workers.values())
                if known and all(one.good or one.refused for one in known):
                    break
                self._changed.wait(SECONDS_BETWEEN_LOOKS)
            if not (known or said) and time.monotonic() - began > _SECONDS_IN_SILENCE:
                said = True
                self._say(f"{self._address}: waiting for a worker")
        self.check()
        with self._changed:
            good, refused = self._good(), [one for one in self._workers.values() if one.refused]
        if not good:
            why = "the lines above say what is wrong with them" if refused else "none has come"
            raise ProctorError(
                f"{self._address} has no worker that may grade: {why}. Start some: dask worker {self._address} "
                "--nthreads 1"
            )

    def _serve(self) -> None:
        while not (self._over or self._why_lost):
            until = time.monotonic() + SECONDS_BETWEEN_LOOKS
            self._look()
            with self._changed:
                while not (self._over or self._why_lost) and (left := until - time.monotonic()) > 0:
                    self._hand_out()
                    self._changed.wait(left)

    def _look(self) -> None:
        """Look which workers there are."""
        try:
            there = self._scheduler.workers()
        except Exception as error:
            self._lose(f"it does not answer any more ({type(error).__name__})")
            return
        alone = False
        with self._changed:
            for address in self._workers.keys() - there.keys():
                self._workers.pop(address).gone = True
            new = [_Worker(address, there[address]) for address in there.keys() - self._workers.keys()]
            self._workers.update({one.address: one for one in new})
            if self._good() or not self._open:
                self._alone_since = None
            elif self._alone_since is None:
                alone, self._alone_since = True, time.monotonic()
        if alone:
            self._say(f"{self._address} has no worker any more that may grade; waiting for one")
        if self._alone_since is not None and time.monotonic() - self._alone_since > _SECONDS_WITHOUT_WORKERS:
            self._lose("it has had no worker for a long time")
        for one in new:
            threading.Thread(target=self._greet, args=(one,), daemon=True).start()

    def _greet(self, worker: _Worker) -> None:
        """Look whether a worker may be used."""
        try:
            why = self._scheduler.why_not(worker.address)
        except Exception as error:
            why = f"it can't be used ({type(error).__name__}: {error}); look at its log"
        # Said before anybody can learn from its state that it was refused.
        if why and not (worker.gone or self._over or self._why_lost):
            self._say(f"worker {worker.address} gets nothing to grade: {why}")
        with self._changed:
            worker.good, worker.refused = not why, why
            self._changed.notify_all()

    def _hand_out(self) -> None:
        for task in list(self._waiting):
            good = self._good()
            free = [one for one in good if one.busy < one.slots]
            others = [one for one in free if one.address not in task.tried]
            if not free:
                return
            if not others and any(one.address not in task.tried for one in good):
                # It waits for a worker that has not failed with it.
                continue
            worker = min(others or free, key=lambda one: one.busy / one.slots)
            worker.busy += 1
            task.tried.add(worker.address)
            self._waiting.remove(task)
            threading.Thread(target=self._attempt, args=(worker, task), daemon=True).start()

    def _attempt(self, worker: _Worker, task: _Task) -> None:
        """Have one worker do a job."""
        again, error = False, None
        try:
            self._begun(task.student)
            job = packed(load(task.folder / JOB))
            stop = lambda: worker.gone or self._over or bool(self._why_lost)  # noqa: E731
            answer = self._scheduler.answer(worker.address, message.of_job(job), stop)
            if answer[:1] == at_worker.DONE:
                save(task.folder / DONE, _named(message.to_done(answer[1:], job), worker.address))
            else:
                again, error = self._not_done(worker, task, answer)
        except Exception as happened:
            error = happened
        with self._changed:
            worker.busy -= 1
            if again and self._why_lost:
                again, error = False, ClusterLost(self._why_lost)
            if again:
                self._waiting.appendleft(task)
            else:
                self._open -= 1
            self._changed.notify_all()
        if error is not None:
            task.result.set_exception(error)
        elif not again:
            task.result.set_result(None)

    def _not_done(self, worker: _Worker, task: _Task, answer: bytes) -> tuple[bool, Exception | None]:
        """A job was not done: whether it is given out again; if not, why."""
        if self._over:
            return False, WorkerLost("the run was stopped")
        if not self._scheduler.connected():
            self._lose("the connection to it has ended")
        if self._why_lost:
            return False, ClusterLost(self._why_lost)
        if answer != at_worker.LOST:
            # Whatever is at this address from now on is another process, which has to be looked at.
            with self._changed:
                if self._workers.get(worker.address) is worker:
                    self._workers.pop(worker.address).gone = True
        if answer == at_worker.UNKNOWN:
            task.tried.discard(worker.address)
            return True, None
        task.died += answer == at_worker.LOST
        task.elsewhere += answer != at_worker.LOST
        if task.died < TRIES and task.elsewhere < _TRIES_ELSEWHERE:
            self._lost_one(task.student)
            return True, None
        what = "the process that graded it was ended" if task.died >= TRIES else "the worker that graded it went away"
        return False, WorkerLost(
            f"{what} {max(task.died, task.elsewhere)} times (look at the logs of the workers, and whether their memory "
            f"is short); {_AGAIN}"
        )

    def _lose(self, why: str) -> None:
        """Nothing goes on: every job that is not done ends."""
        with self._changed:
            if self._why_lost or self._over:
                return
            self._why_lost = (
                f"the Dask scheduler {self._address} is lost: {why}. What was graded stays. Start it and its workers "
                f"again (or take c.Proctor.scheduler out of nbgrader_config.py to grade on this machine), {_AGAIN}"
            )
            waiting, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for task in waiting:
            task.result.set_exception(ClusterLost(self._why_lost))


def _named(done: Done, address: str) -> Done:
    """With the worker's address in what says that something is wrong with a machine."""

    def named(one: Any) -> Any:
        if isinstance(one, Accident) and isinstance(one.error, OSError):
            error, words = one.error, f"on the worker {address}"
            where = OSError(error.errno, f"{error.strerror}, {words}", f"{words}: {error.filename or '/tmp/…'}")
            return replace(one, said=f"{one.said}, {words}", error=where)
        return one

    done.found = {name: named(one) for name, one in done.found.items()}
    done.accident = named(done.accident)
    return done
