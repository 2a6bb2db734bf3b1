"""Processes that do tasks side by side; the death of one costs the task that it was busy with, and that is done again.

Each worker is a pool of one process of the standard library's: they share no lock and no pipe, so that one that is
killed, whenever that is, stops nobody else. Tasks and their results are small; what is large goes through files.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Any

from proctor.errors import ProctorError
from proctor.jobs import worker

# How often a task is done whose worker has died.
TRIES = 2
_LOST = (
    f"the process that graded it was ended {TRIES} times, by whatever ends processes here (look whether memory is "
    "short: dmesg; fewer at a time: c.Proctor.workers); then run this command again"
)
_SECONDS_TO_END = worker.SECONDS_TO_END + 5.0
# In a new process nothing of this one is going on, no thread and no lock.
_CONTEXT = multiprocessing.get_context("spawn")


class WorkerLost(ProctorError):
    """The processes that did a task have died, each time that it was tried."""


@dataclass
class _Task:
    call: tuple[Any, ...]
    result: Future = field(default_factory=Future)
    tries: int = 0


class _Slot:
    """One worker process, which is started with its first task.

    Args:
        begin: what it does before that, and with what.
    """

    def __init__(self, begin: tuple[Any, ...]) -> None:
        self.task: _Task | None = None
        self.ours, theirs = _CONTEXT.Pipe()
        self._theirs: connection.Connection | None = theirs
        self.executor = ProcessPoolExecutor(1, _CONTEXT, worker.begin, (theirs, *begin))

    def do(self, task: _Task) -> Future:
        with _without_main(), _deaf():
            future = self.executor.submit(worker.do, *task.call)
        # Its process has its own now, and as long as this one holds another nobody learns that it has died.
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None
        return future

    def tell(self) -> None:
        """Tell it to end, whatever it is busy with."""
        with contextlib.suppress(OSError):
            self.ours.send("end")

    def gone(self, until: float) -> None:
        """Wait for its end, and after some seconds make one."""
        pid = None
        with contextlib.suppress(EOFError, OSError):
            while self._theirs is None and self.ours.poll(max(0.0, until - time.monotonic())):
                pid = self.ours.recv()
            if pid is not None and self._theirs is None:
                os.kill(pid, signal.SIGKILL)
        self.ours.close()
        if self._theirs is not None:
            self._theirs.close()
        self.executor.shutdown(cancel_futures=True)


class Workers:
    """Worker processes.

    Args:
        number: how many.
        prepare: what each does before its first task.
        words: arguments for that.
        begun, lost: told when a task is begun, and when it will be begun again because its worker has died; what they
            are told, in another thread, is the task's last argument.
    """

    def __init__(
        self,
        number: int,
        prepare: Callable[..., None] | None = None,
        words: tuple[Any, ...] = (),
        begun: Callable[[Any], None] = lambda word: None,
        lost: Callable[[Any], None] = lambda word: None,
    ) -> None:
        self._begin, self._begun, self._lost = (prepare, *words), begun, lost
        self._slots = [_Slot(self._begin) for _ in range(number)]
        # How many get tasks: the first ones.
        self._open = number
        self._waiting: deque[_Task] = deque()
        # What happens is dealt with in one thread; that of a pool holds the pool's locks while it says that it is done.
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def start(self, warm_up: Callable[[int], None], at_once: int) -> None:
        """Start all of them, before there is something to do.

        Args:
            warm_up: what each does first; it gets its turn, from 0 on.
            at_once: how many do that at a time; the others get no task before it is their turn.
        """
        self._events.put(lambda: self._start_first(warm_up, at_once))

    def do(self, task: Callable[..., Any], *words: Any) -> Future:
        """Have a task done as soon as a worker is free; both its arguments and its result have to be small.

        The result raises `WorkerLost` if the workers have died that did it.
        """
        made = _Task((task, *words))
        self._events.put(lambda: self._waiting.append(made))
        return made.result

    def end(self) -> None:
        """End all worker processes, whatever they are doing; nothing of them is left."""
        self._events.put(None)
        self._thread.join()
        for slot in self._slots:
            slot.tell()
        until = time.monotonic() + _SECONDS_TO_END
        for slot in self._slots:
            slot.gone(until)

    def _serve(self) -> None:
        while (event := self._events.get()) is not None:
            event()
            for number in range(self._open):
                if self._waiting and self._slots[number].task is None:
                    self._start(number, self._waiting.popleft())

    def _start_first(self, warm_up: Callable[[int], None], at_once: int) -> None:
        self._open = 0
        for _ in range(at_once):
            self._start_next(warm_up)

    def _start_next(self, warm_up: Callable[[int], None]) -> None:
        if self._open == len(self._slots):
            return
        turn = self._open
        self._open += 1
        try:
            future = self._slots[turn].do(_Task((warm_up, turn)))
        # What is wrong is said when there is something to do.
        except Exception:
            self._start_next(warm_up)
            return
        future.add_done_callback(lambda done: self._events.put(lambda: self._start_next(warm_up)))

    def _start(self, number: int, task: _Task) -> None:
        if task.tries == 0:
            task.result.set_running_or_notify_cancel()
        task.tries += 1
        try:
            try:
                future = self._slots[number].do(task)
            except BrokenExecutor:
                # It died while it had nothing to do.
                self._renew(number)
                future = self._slots[number].do(task)
        except Exception as error:
            self._renew(number)
            task.result.set_exception(error)
            return
        self._slots[number].task = task
        self._begun(task.call[-1])
        future.add_done_callback(lambda done: self._events.put(lambda: self._finished(number, task, done)))

    def _finished(self, number: int, task: _Task, done: Future) -> None:
        self._slots[number].task = None
        error = done.exception()
        if error is None:
            task.result.set_result(done.result())
        elif not isinstance(error, BrokenExecutor):
            task.result.set_exception(error)
        else:
            self._renew(number)
            if task.tries < TRIES:
                self._waiting.appendleft(task)
                self._lost(task.call[-1])
            else:
                task.result.set_exception(WorkerLost(_LOST))

    def _renew(self, number: int) -> None:
        slot, self._slots[number] = self._slots[number], _Slot(self._begin)
        slot.gone(time.monotonic())


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started meanwhile hears no Ctrl-C before it is a worker."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, worker.OF_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """A process that is started meanwhile doesn't run the program again by which this one was started."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
