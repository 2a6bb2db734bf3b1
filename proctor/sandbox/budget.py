"""The time on the clock that a submission, a notebook or an answer may still cost.

A budget lies within another one and never ends after it: whoever waits for a submission, wherever that is, asks the
budget that was handed down how long there is still to wait. So no number of restarts, replays, questions and notebooks
adds up to more than the outermost budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Seconds on the clock, counted from now.

    Args:
        whose: whose time it is, in words for the student: "the submission".
        seconds: how long.
        around: the budget within which this one lies.
        clock: seconds of a clock that only goes forward; that of `around` if there is one.
        of: what it had at first, where `seconds` are what is left.
    """

    def __init__(
        self,
        whose: str,
        seconds: float,
        around: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
        of: float | None = None,
    ) -> None:
        self.clock = around.clock if around else clock
        self.began = self.clock()
        self.ends = self.began + seconds
        self.why = f"the time for {whose} was used up ({_shown(seconds if of is None else of)})"
        if around and around.ends <= self.ends:
            self.ends, self.why = around.ends, around.why

    def part(self, whose: str, seconds: float, of: float | None = None) -> Budget:
        """A budget within this one that begins now."""
        return Budget(whose, seconds, around=self, of=of)

    def left(self) -> float:
        """Seconds until its end, 0 from then on."""
        return max(0.0, self.ends - self.clock())

    def used(self) -> float:
        """Seconds since its beginning."""
        return self.clock() - self.began

    def up(self) -> bool:
        """Whether nothing more may be waited for; `why` says it in plain words."""
        return self.clock() >= self.ends


def _shown(seconds: float) -> str:
    return f"{seconds / 60:.3g} minutes" if seconds >= 120 else f"{seconds:.3g} seconds"
