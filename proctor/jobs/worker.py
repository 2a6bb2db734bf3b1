"""What runs in a worker process beside its tasks: its end, in order, when the coordinator says so or is gone.

It does not hear signals of the terminal: a Ctrl-C there goes to all processes at once, and the coordinator decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

# For ending what a task has started; then the kernel ends it, and what it has started with it.
SECONDS_TO_END = 10.0
# Blocked in a process that becomes a worker, until it can deal with them.
OF_TERMINALS = (signal.SIGINT, signal.SIGHUP)


class _Worker:
    """The state of this process."""

    def __init__(self) -> None:
        self.busy = self.told = False
        self.endings: list[Callable[[], None]] = []

    def end(self) -> None:
        for ending in reversed(self.endings):
            with contextlib.suppress(Exception):
                ending()
        os._exit(0)

    def heard(self, number: int, frame: FrameType | None) -> None:
        if self.told:
            return
        self.told = True
        if self.busy:
            # The task undoes what it has made on its way out.
            raise KeyboardInterrupt
        self.end()


_worker = _Worker()


def at_end(ending: Callable[[], None]) -> None:
    """Let something be done before this worker process ends, however that is decided."""
    _worker.endings.append(ending)


def end() -> None:
    """End this worker process, in order."""
    _worker.end()


def begin(lifeline: Connection, prepare: Callable[..., None] | None, *words: Any) -> None:
    """Make this process a worker.

    Args:
        lifeline: at its other end is the coordinator: once it says something, or is gone, this process ends.
        prepare: what is to be done before the first task, with `words`.
    """
    for number in OF_TERMINALS:
        # Not ignored, which the programs in sandboxes would inherit.
        signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGTERM, _worker.heard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_TERMINALS)
    lifeline.send(os.getpid())
    threading.Thread(target=_wait_for_end, args=(lifeline,), daemon=True).start()
    if prepare is not None:
        # What it has made in part, it undoes on its way out.
        do(prepare, *words)


def do(task: Callable[..., Any], *words: Any) -> Any:
    """Do a task in this worker process."""
    _worker.busy = True
    try:
        if _worker.told:
            raise KeyboardInterrupt
        return task(*words)
    except KeyboardInterrupt:
        if not _worker.told:
            raise
        _worker.end()
    finally:
        _worker.busy = False


def _wait_for_end(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(SECONDS_TO_END)
    os.kill(os.getpid(), signal.SIGKILL)
