"""Whether a process has ended, also where nobody buries the dead.

What has lost its parent falls to the first process of the machine or of the container, and stays in the lists until
that one has asked how it ended: at once, after seconds, or never if it is a program that was not made for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

_SECONDS_BETWEEN_LOOKS = 0.005


def has_ended(one: psutil.Process) -> bool:
    """Whether nothing of a process runs any more, and all that it held is free but its number."""
    try:
        # With its first thread alone at an end, a process looks dead and is not.
        return not one.is_running() or (one.status() == psutil.STATUS_ZOMBIE and one.num_threads() <= 1)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def number_is_free(pid: int) -> bool:
    """Whether no process of this number runs."""
    try:
        return has_ended(psutil.Process(pid))
    except psutil.Error:
        return not psutil.pid_exists(pid)


def wait_for(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until they have ended; those that have not in that time."""
    ends = time.monotonic() + seconds
    left = list(processes)
    while left := [one for one in left if not has_ended(one)]:
        if time.monotonic() >= ends:
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return left
