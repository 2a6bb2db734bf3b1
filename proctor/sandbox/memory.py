"""Memory of many processes that share most of it, known at every look without walking through all their pages.

The kernel tells a process's part of shared pages (PSS) only by walking through its page tables, which takes
milliseconds for each process with large libraries; a notebook has one for each place of checks, and one that answers.
So what is used is bounded from above, and walked through only where that bound passes what is allowed.

Once, all processes were measured, at one moment. Who has had no page fault since and has kept its size still has the
same pages. So all pages there are belong either to what was used at that moment, or to a process that has changed or
come since. The size of each such process is counted in full on top (or its part, measured now, if they are few), but
what it alone had at that moment is taken off: nobody else can have that without a fault. What has ended leaves no more
behind than it shared. Nothing is assumed of what happened in between, or of who has started whom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

# Those that have changed are measured alone if they are at most this part of all: else it is worth measuring all.
_FEW = 1 / 6


class State(NamedTuple):
    """How a process is now.

    Attributes:
        size: bytes of all its pages, shared ones in full, swapped ones included.
        faults: of each kind, and whatever else changes with its pages.
    """

    size: int
    faults: tuple[int, ...]


class Part(NamedTuple):
    """What a process uses: bytes, shared pages in equal parts; and how much of that nobody shares."""

    used: float
    own: float


class SharedMemory:
    """The sum over all processes, kept from look to look; threads may look at once.

    Args:
        measure: what a process uses; nothing if it is gone.
    """

    def __init__(self, measure: Callable[[Hashable], Part]) -> None:
        self._measure = measure
        # At the moment when all were measured.
        self._then: dict[Hashable, tuple[State, Part]] = {}
        self._used_then = 0.0
        self._lock = threading.Lock()

    def bytes(self, states: Mapping[Hashable, State], most: float) -> float:
        """An upper bound of what they use; what they use as soon as that bound is above `most`.

        Args:
            states: of all that live.
        """
        with self._lock:
            same = {one for one, (state, _) in self._then.items() if states.get(one) == state}
            changed = [one for one in states if one not in same]
            kept = self._used_then - sum(part.own for one, (_, part) in self._then.items() if one not in same)
            bound = kept + sum(states[one].size for one in changed)
            if bound > most and len(changed) <= max(1, _FEW * len(states)):
                bound = kept + sum(self._measure(one).used for one in changed)
            if bound > most:
                self._then = {one: (state, self._measure(one)) for one, state in states.items()}
                bound = self._used_then = sum(part.used for _, part in self._then.values())
            return bound
