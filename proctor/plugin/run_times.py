"""How long each submission of a run has taken and may still take, and what came of it: the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from proctor.intake.copier import printable

_SHOWN = 10


def graded(
    notes: int, lost: Mapping[str, str], unreadable: Sequence[str] = (), word: str = "graded", unjudged: str = ""
) -> str:
    """What became of a submission that was graded to its end: what was not found first, harmless notes last.

    Args:
        notes: how many there are.
        lost: why a notebook has no answers, by notebook.
        unreadable: files in which more may lie.
        word: for the grading itself.
        unjudged: which checks could not be judged, in words.
    """
    parts = [unjudged] if unjudged else []
    for why in dict.fromkeys(sorted(lost.values())):
        names = sorted(name for name, said in lost.items() if said == why)
        what = "1 notebook was" if len(names) == 1 else f"{len(names)} notebooks were"
        parts.append(f"{what} {why}: {', '.join(names)}")
    if unreadable:
        names = ", ".join(printable(path, 60) for path in unreadable)
        parts.append(f"not opened: {names}")
    said = f"{word}, but {'; '.join(parts)}" if parts else word
    return f"{said}{';' if parts else ','} {notes} note{'s' if notes > 1 else ''}" if notes else said


def trouble(said: str) -> bool:
    """Whether a submission of which this is said was not graded to its end."""
    return not said.startswith("graded")


def unfinished(outcomes: Mapping[str, str]) -> str:
    """Who was not graded to the end, in a line for the log; empty if nobody."""
    found = sorted(student for student, said in outcomes.items() if trouble(said))
    names = ", ".join(printable(student) for student in found[:_SHOWN])
    return f"{len(found)} submissions were not graded to their end ({names}); the table says why" if found else ""


class RunTimes:
    """How long each submission took, and whose time was used up.

    Args:
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._used_up: dict[str, str] = {}

    def begin(self, student: str) -> None:
        """Grading this student's submission begins, perhaps once more."""
        self._begun[student] = self._clock()

    def end(self, student: str, seconds: float | None = None, used_up: str = "") -> None:
        """It has ended.

        Args:
            seconds: how long that took; since `begin` if None.
            used_up: whose time was used up, in plain words; empty if none was.
        """
        begun = self._begun.pop(student, self._clock())
        self._seconds[student] = self._clock() - begun if seconds is None else seconds
        if used_up:
            self._used_up[student] = used_up

    def running(self) -> list[tuple[str, float]]:
        """Who is being graded, and for how many seconds, longest first."""
        now = self._clock()
        return sorted(((name, now - since) for name, since in dict(self._begun).items()), key=lambda one: -one[1])

    def table(self, outcomes: Mapping[str, str], remark: str = "") -> str:
        """A line for each student, with what came of the submission, and one with the slowest.

        Args:
            outcomes: by student.
            remark: put behind each of them.
        """
        for name, _ in self.running():
            # The run was stopped meanwhile.
            self.end(name)
        shown = {name: printable(name) for name in outcomes}
        width = max(map(len, shown.values()), default=0)
        rows = sorted(outcomes.items())
        lines = [f"{shown[name]:{width}}  {said}{self._remark(name)}{remark}" for name, said in rows]
        return "\n".join([*lines, *self._slowest()])

    def _remark(self, student: str) -> str:
        return f"; {self._used_up[student]}" if student in self._used_up else ""

    def _slowest(self) -> list[str]:
        """A line with those that took longest, at most ten; no line if nothing was graded."""
        found = sorted(self._seconds.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
        said = ", ".join(f"{printable(student)} {seconds:.0f} s" for student, seconds in found)
        return [f"slowest: {said}"] if found else []
