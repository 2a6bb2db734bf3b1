"""What a process of `dask worker` does for the coordinator: says what it grades with, and has jobs done.

It is full of threads, so it grades nothing itself: each job is done by a process of its own (`proctor.jobs.grader`),
which goes on to the next job of the same run. There are never more of them than this process has threads for tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

from proctor.jobs import versions
from proctor.jobs.worker import SECONDS_TO_END

# What `work` answers begins with one of these.
DONE, LOST, UNKNOWN, STOPPED = b"D", b"L", b"U", b"S"
# Surroundings that are kept, of the runs that came last: a killed coordinator takes back nothing.
_MOST_RUNS = 3
_SECONDS_BETWEEN_LOOKS = 0.5
_PROGRAM = ("-m", "proctor.jobs.grader")
_lock = threading.Lock()
_pieces: OrderedDict[str, dict[int, bytes]] = OrderedDict()
_whole: set[str] = set()
_idle: list[_Grader] = []


async def about(warm: str) -> str:
    """What this machine grades with, see `proctor.jobs.versions`; both as JSON."""
    return json.dumps(await asyncio.to_thread(versions.about, json.loads(warm)))


async def remember(run: str, number: int, count: int, piece: bytes) -> None:
    """Keep a piece of what is the same for all jobs of a run.

    Args:
        run: its name.
        number, count: which piece, of how many.
    """
    with _lock:
        pieces = _pieces.setdefault(run, {})
        pieces[number] = piece
        if len(pieces) == count:
            _whole.add(run)
        _pieces.move_to_end(run)
        while len(_pieces) > _MOST_RUNS:
            _whole.discard(_pieces.popitem(last=False)[0])


async def forget(run: str) -> None:
    """A run has ended: what is kept for it goes, and processes that wait for its jobs end."""
    with _lock:
        _pieces.pop(run, None)
        _whole.discard(run)
        ended = [one for one in _idle if one.run == run]
        _idle[:] = [one for one in _idle if one.run != run]
    await asyncio.to_thread(_end, ended)


async def nothing() -> None:
    """Whether this module can be imported where this runs."""


def work(run: str, job: bytes) -> bytes:
    """Have a job done, in a task of Dask's; one of the words above, and what came of the job if it was done.

    Args:
        run: name of what `remember` was told.
        job: see `proctor.jobs.message`.
    """
    wanted = _wanted()
    while True:
        grader = _take(run)
        if grader is None:
            return UNKNOWN
        answer = STOPPED
        try:
            answer = grader.do(job, wanted)
        finally:
            # Whatever has happened, it is not in the middle of something when the next job comes.
            if answer[:1] == DONE:
                with _lock:
                    _idle.append(grader)
            else:
                grader.end()
        if answer != LOST or grader.begun:
            return answer
        if grader.fresh:
            return LOST
        # It had died while it had nothing to do.


class _Grader:
    """A process that does jobs of one run, one at a time.

    Attributes:
        begun: whether it has begun the last job that it was given.
        fresh: whether that was its first.
    """

    def __init__(self, run: str, surroundings: bytes) -> None:
        self.run, self.begun, self.fresh, self._jobs = run, False, True, 0
        (self._life, life), (self._line, line) = Pipe(), Pipe()
        # The same modules as here, wherever this process has found them, and nothing else that lies in its folder.
        path = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        numbers = (life.fileno(), line.fileno())
        self._process = subprocess.Popen(
            [sys.executable, "-P", *_PROGRAM, *map(str, numbers)],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            pass_fds=numbers,
            start_new_session=True,
        )
        # As long as this process holds them, too, nobody learns that the other has died.
        life.close()
        line.close()
        with contextlib.suppress(OSError):
            self._line.send_bytes(surroundings)

    def do(self, job: bytes, wanted: Callable[[], bool]) -> bytes:
        """Have it do a job; `LOST` if it has died."""
        self.begun, self.fresh = False, self._jobs == 0
        self._jobs += 1
        try:
            self._line.send_bytes(job)
            while True:
                while not self._line.poll(_SECONDS_BETWEEN_LOOKS):
                    if not wanted():
                        return STOPPED
                answer = self._line.recv_bytes()
                if self.begun:
                    return DONE + answer
                self.begun = True
        except (EOFError, OSError):
            return LOST

    def end(self) -> None:
        """End it, whatever it does; it undoes what it has made."""
        with contextlib.suppress(OSError):
            self._life.send("end")
        try:
            self._process.wait(SECONDS_TO_END + 5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._life.close()
        self._line.close()


def _take(run: str) -> _Grader | None:
    with _lock:
        if run not in _whole:
            return None
        mine = [one for one in _idle if one.run == run]
        others = [one for one in _idle if one.run != run]
        _idle[:] = mine[1:]
        text = b"" if mine else b"".join(_pieces[run][number] for number in range(len(_pieces[run])))
    # They hold memory, and their run is over or has to share this machine with this one.
    _end(others)
    return mine[0] if mine else _Grader(run, text)


def _end(graders: list[_Grader]) -> None:
    for one in graders:
        one.end()


def _wanted() -> Callable[[], bool]:
    """Whether the task of this thread still has to be done: it was not cancelled, and this worker does not close."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        state = worker.state.tasks.get(key)
        closing = worker.status.name in ("closing", "closed", "failed")
        return state is not None and state.state != "cancelled" and not closing

    return wanted
