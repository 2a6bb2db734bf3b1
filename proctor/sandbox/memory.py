"""Memory of many processes that share most of it, known at every look without walking through all their pages.

The kernel tells a process's part of shared pages (PSS) only by walking through its page tables, which takes
milliseconds for each process with large libraries, and a notebook has one for every check. So a process is measured
again only if it had a page fault or its size has changed. What that may do to the others is bounded from above: pages
are only shared anew, parted or left by a process that faults, changes or ends, and the parts of all others together
grow by no more than its own part has grown or shrunk. So each such change counts twice, and the sum is never less than
what is used. Where this bound passes what is allowed, everything is measured.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping

# How a process was when it was measured.
State = tuple[int, ...]


class SharedMemory:
    """The sum over all processes, kept from look to look; threads may look at once.

    Args:
        measure: bytes that a process uses, shared pages in equal parts; 0 if it is gone.
    """

    def __init__(self, measure: Callable[[Hashable], int]) -> None:
        self._measure = measure
        self._known: dict[Hashable, tuple[State, int]] = {}
        self._unsure = 0
        self._lock = threading.Lock()

    def bytes(self, states: Mapping[Hashable, State], most: int) -> int:
        """An upper bound of what they use; what they use as soon as that bound is above `most`.

        Args:
            states: of all that live: what changes with every page fault and every change of its size.
        """
        with self._lock:
            for gone in self._known.keys() - states.keys():
                # What it shared stays with the others.
                self._unsure += self._known.pop(gone)[1]
            for one, state in states.items():
                before = self._known.get(one)
                if before is None or before[0] != state:
                    now = self._measure(one)
                    self._unsure += abs(now - before[1]) if before else 0
                    self._known[one] = state, now
            if self._sum() + self._unsure > most:
                self._known = {one: (state, self._measure(one)) for one, state in states.items()}
                self._unsure = 0
            return self._sum() + self._unsure

    def _sum(self) -> int:
        return sum(size for _, size in self._known.values())
