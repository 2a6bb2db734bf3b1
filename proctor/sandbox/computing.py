"""Computing time of all processes in a sandbox, those included that nobody waits for.

The kernel adds the time of a process that has ended to its parent's account when the parent waits for it. A parent that
ignores SIGCHLD never does, and the time is on no account. Where there is no control group that counts it, a look a few
times a second has to do: it remembers the time of every process that it has seen and that is gone, and adds half the
time between two looks if that process was computing. Of processes that live shorter than that it sees some, and takes
each for all that ran unseen, as a sampling profiler does. On average the sum is what was computed and up to an eighth
more, whatever number and length the processes have, as long as they can't know when somebody looks.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

# One look stands for no longer than this, however long ago the last one was.
_LONGEST = 0.5


# Before that age the clock ticks of a process's time say nothing about how many processors it keeps busy.
_OLD_ENOUGH = 0.05
_since_start = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)


class Account(NamedTuple):
    """What the kernel tells of a process.

    Attributes:
        key: that no other process has, also not later.
        born: when, in seconds since the machine was started.
        own, of_children: seconds of computing; of children as far as it has waited for them.
        runs: whether it is running or ready to run.
    """

    key: Hashable
    born: float
    own: float
    of_children: float
    runs: bool


@dataclass
class _Seen:
    """A process at the last look: own computing time, processors that it kept busy, whether it was new."""

    seconds: float
    busy: float
    new: bool
    between: float = 0.0

    def at_its_end(self) -> float:
        """Computing time that it stands for if it was never seen again."""
        rest = self.busy * self.between
        return max(self.seconds + rest / 2, rest if self.new else 0.0)


class ComputingTime:
    """Adds up, look by look; never goes down.

    Args:
        clock: seconds of a clock that only goes forward.
        now: seconds since the machine was started.
        cores: processors that the sandbox can use at a time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = _since_start,
        cores: int | None = None,
    ) -> None:
        self._clock, self._now = clock, now
        self._cores = cores or len(os.sched_getaffinity(0))
        self._last = clock()
        self._seen: dict[Hashable, _Seen] = {}
        self._gone = 0.0
        self._total = 0.0

    def look(self, accounts: Iterable[Account]) -> float:
        """Seconds of computing so far, of these processes and of all that were seen and are gone.

        Args:
            accounts: of the program and all that it started and that lives.
        """
        since = min(self._clock() - self._last, _LONGEST)
        self._last = self._clock()
        now = self._now()
        by_account, found = 0.0, {}
        for one in accounts:
            by_account += one.own + one.of_children
            age = now - one.born
            busy = 1.0 if one.runs else 0.0
            if age > _OLD_ENOUGH:
                busy = max(busy, min(self._cores, one.own / age))
            found[one.key] = _Seen(one.own, busy, new=age <= since)
        # What is ready to run need not have run: no more than the processors could do.
        busy = sum(seen.busy for seen in found.values())
        for seen in found.values():
            seen.between = since * min(1.0, self._cores / busy if busy else 1.0)
        self._gone += sum(seen.at_its_end() for key, seen in self._seen.items() if key not in found)
        self._seen = found
        self._total = max(self._total, by_account, self._gone + sum(seen.seconds for seen in found.values()))
        return self._total
