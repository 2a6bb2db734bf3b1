"""How long each submission of a run has taken and may still take, and what came of it: the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from proctor.grading import submission_budget
from proctor.intake.copier import printable
from proctor.sandbox.budget import Budget
from proctor.sandbox.limits import Limits

_SHOWN = 10


def graded(notes: int, lost: Mapping[str, str], unreadable: Sequence[str] = (), word: str = "graded") -> str:
    """What became of a submission that was graded to its end: what was not found first, harmless notes last.

    Args:
        notes: how many there are.
        lost: why a notebook has no answers, by notebook.
        unreadable: files in which more may lie.
        word: for the grading itself.
    """
    parts = []
    for why in dict.fromkeys(sorted(lost.values())):
        names = sorted(name for name, said in lost.items() if said == why)
        what = "1 notebook was" if len(names) == 1 else f"{len(names)} notebooks were"
        parts.append(f"{what} {why}: {', '.join(names)}")
    if unreadable:
        names = ", ".join(printable(path, 60) for path in unreadable)
        parts.append(f"not opened: {names}")
    said = f"{word}, but {'; '.join(parts)}" if parts else word
    return f"{said}{';' if parts else ','} {notes} note{'s' if notes > 1 else ''}" if notes else said


class RunTimes:
    """One budget for all notebooks of a student's submission, and what became of it.

    A run with ``--notebook`` grades one notebook of each student and runs those before it, on the same budget.

    Args:
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._student: str | None = None
        self._budget: Budget | None = None
        self._seconds: dict[str, float] = {}
        self._used_up: dict[str, str] = {}

    def begin(self, student: str) -> None:
        """From now on it is this student's time; that of the one before is over."""
        self.end()
        self._student, self._budget = student, submission_budget(self._limits, self._clock)

    def budget(self, student: str) -> Budget:
        """What all notebooks of this student may cost together, from `begin` on."""
        if student != self._student:
            self.begin(student)
        return self._budget

    def end(self) -> None:
        """The time of the last student is over."""
        if self._student is not None:
            self._seconds[self._student] = self._budget.used()
            if self._budget.up():
                self._used_up[self._student] = self._budget.why
        self._student = None

    def table(self, outcomes: Mapping[str, str], remark: str = "") -> str:
        """A line for each student, with what came of the submission, and one with the slowest.

        Args:
            outcomes: by student.
            remark: put behind each of them.
        """
        self.end()
        width = max(map(len, outcomes), default=0)
        lines = [f"{name:{width}}  {said}{self._remark(name)}{remark}" for name, said in sorted(outcomes.items())]
        return "\n".join([*lines, *self._slowest()])

    @staticmethod
    def unfinished(outcomes: Mapping[str, str]) -> str:
        """Who was not graded to the end, in a line for the log; empty if nobody."""
        found = sorted(student for student, said in outcomes.items() if not said.startswith("graded"))
        names = ", ".join(printable(student) for student in found[:_SHOWN])
        return f"{len(found)} submissions were not graded to their end ({names}); the table says why" if found else ""

    def _remark(self, student: str) -> str:
        return f"; {self._used_up[student]}" if student in self._used_up else ""

    def _slowest(self) -> list[str]:
        """A line with those that took longest, at most ten; no line if nothing was graded."""
        found = sorted(self._seconds.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN]
        return ["slowest: " + ", ".join(f"{student} {seconds:.0f} s" for student, seconds in found)] if found else []
