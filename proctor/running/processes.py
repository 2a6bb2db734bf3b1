"""Processes of a sandbox, seen from the engine: which one runs the cells, which ones are stopped, which are new."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Sequence

import psutil

_ROUNDS = 10
_STOP_SECONDS = 1.0
_AT_REST = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)

# Number and time of creation; the number alone may be given to another process.
Identity = tuple[int, float]


def identities(processes: Sequence[psutil.Process]) -> dict[Identity, psutil.Process]:
    """Those that live, by number and time of creation."""
    found = {}
    for one in processes:
        with contextlib.suppress(psutil.Error):
            found[one.pid, one.create_time()] = one
    return found


def any_stopped(processes: Sequence[psutil.Process]) -> bool:
    """Whether one was stopped by a signal or by a tracer, and waits to be woken."""
    for one in processes:
        with contextlib.suppress(psutil.Error):
            if one.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
                return True
    return False


def youngest(processes: Sequence[psutil.Process]) -> psutil.Process | None:
    """The one that was started last and has started none itself; None if there is none."""
    parents = set()
    for one in processes:
        with contextlib.suppress(psutil.Error):
            parents.add(one.ppid())
    childless = {key: one for key, one in identities(processes).items() if one.pid not in parents}
    return childless[max(childless, key=lambda key: key[1])] if childless else None


def end_newer(processes: Callable[[], Sequence[psutil.Process]], known: Collection[Identity]) -> bool:
    """End all processes but known ones, also if they start others as fast as they can.

    Args:
        processes: what lives now.

    Returns:
        Whether none of them is left.
    """
    stopped: dict[Identity, psutil.Process] = {}
    # What is stopped starts nothing, and still counts against the limit of processes.
    for _ in range(_ROUNDS):
        new = {key: one for key, one in identities(processes()).items() if key not in known and key not in stopped}
        if not new:
            break
        _send(new.values(), signal.SIGSTOP)
        # One that is just starting another has it started before it stops: that one is seen in the next round.
        _wait_for_stop(new.values())
        stopped |= new
    else:
        return False
    _send(stopped.values(), signal.SIGKILL)
    return True


def _wait_for_stop(processes: Collection[psutil.Process]) -> None:
    ends = time.monotonic() + _STOP_SECONDS
    for one in processes:
        with contextlib.suppress(psutil.Error):
            while one.status() not in _AT_REST and time.monotonic() < ends:
                time.sleep(0.005)


def _send(processes: Collection[psutil.Process], number: signal.Signals) -> None:
    for one in processes:
        with contextlib.suppress(psutil.Error):
            one.send_signal(number)
