"""Computing time of all processes in a sandbox, those included that nobody waits for.

The kernel adds the time of a process that has ended to its parent's account when the parent waits for it. A parent that
ignores SIGCHLD never does, and the time is on no account. Where there is no control group that counts it, a look a few
times a second has to do: it remembers the time of every process that it has seen and that is gone, and adds half the
time between two looks if that process was computing. Of processes that live shorter than that it sees some, and takes
each for all that ran unseen, as a sampling profiler does. On average the sum is what was computed and up to an eighth
more, whatever number and length the processes have, as long as they can't know when somebody looks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

# One look stands for no longer than this, however long ago the last one was.
_LONGEST = 0.5


# Before that age the clock ticks of a process's time say nothing about how many processors it keeps busy.
_OLD_ENOUGH = 0.05


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
        now: seconds since 1970, as in the creation times of processes.
        cores: processors that the sandbox can use at a time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        cores: int | None = None,
    ) -> None:
        self._clock, self._now = clock, now
        self._cores = cores or len(os.sched_getaffinity(0))
        self._last = clock()
        self._seen: dict[tuple[int, float], _Seen] = {}
        self._gone = 0.0
        self._total = 0.0

    def look(self, processes: Sequence[psutil.Process]) -> float:
        """Seconds of computing so far, of these processes and of all that were seen and are gone.

        Args:
            processes: the program and all that it started and that lives.
        """
        since = min(self._clock() - self._last, _LONGEST)
        self._last = self._clock()
        now = self._now()
        by_account, found = 0.0, {}
        for one in processes:
            with contextlib.suppress(psutil.Error, OSError), one.oneshot():
                times, key = one.cpu_times(), (one.pid, one.create_time())
                own = times.user + times.system
                by_account += own + times.children_user + times.children_system
                age = now - key[1]
                busy = 1.0 if one.status() == psutil.STATUS_RUNNING else 0.0
                if age > _OLD_ENOUGH:
                    busy = max(busy, min(self._cores, own / age))
                found[key] = _Seen(own, busy, new=age <= since)
        # What is ready to run need not have run: no more than the processors could do.
        busy = sum(seen.busy for seen in found.values())
        for seen in found.values():
            seen.between = since * min(1.0, self._cores / busy if busy else 1.0)
        self._gone += sum(seen.at_its_end() for key, seen in self._seen.items() if key not in found)
        self._seen = found
        self._total = max(self._total, by_account, self._gone + sum(seen.seconds for seen in found.values()))
        return self._total
