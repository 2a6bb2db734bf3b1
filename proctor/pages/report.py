"""What a student is told about a submission, as data: for the page, for the list of pages, and for a terminal.

Of failures it holds what the checker's closed vocabulary says, and of a submission's own texts none but lines of the
engine in which a name from it may stand.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PASSED, FAILED, READ, EMPTY = "passed", "failed", "read", "empty"
WAITING, NOT_JUDGED = "waiting", "not judged"
WORDS = {
    PASSED: "passed",
    FAILED: "failed",
    READ: "read by a TA",
    EMPTY: "nothing was written here",
    WAITING: "waiting for a TA",
    NOT_JUDGED: "not judged; a TA will look",
}
SIGNS = {PASSED: "✓", FAILED: "✗", READ: "✓", EMPTY: "✗", WAITING: "…", NOT_JUDGED: "?"}
PART, NONE = "in part", "no points"


@dataclass(frozen=True)
class Mistake:
    """A typical mistake that an answer looks like, in the words of the course's catalogue."""

    name: str
    hint: str


@dataclass(frozen=True)
class Part:
    """A graded cell.

    Attributes:
        cell: its grade_id.
        state: one of `WORDS`.
        points: None if it has none yet.
        wrong: what is wrong, in a word or two; empty if nothing is, or nobody knows.
        looks_like: the mistakes of which it looks like one.
        comment: whether a comment stands beside it.
    """

    cell: str
    state: str
    points: float | None
    possible: float
    wrong: str = ""
    looks_like: tuple[Mistake, ...] = ()
    comment: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its graded cells.

    Attributes:
        number, title: as the notebook has them; one of them may be empty.
    """

    number: str
    title: str
    parts: tuple[Part, ...]

    @property
    def points(self) -> float:
        """What it has earned so far."""
        return sum(one.points or 0.0 for one in self.parts)

    @property
    def possible(self) -> float:
        """What it can earn."""
        return sum(one.possible for one in self.parts)

    def open(self, state: str | None = None) -> float:
        """Points that are still open: in one state, or in all."""
        return sum(one.possible for one in self.parts if one.points is None and state in (None, one.state))

    @property
    def state(self) -> str:
        """A word for it as a whole: one of `WORDS`, or `PART` or `NONE`."""
        states = {one.state for one in self.parts}
        for state in (NOT_JUDGED, WAITING):
            if state in states:
                return state
        if len(states) == 1:
            return states.pop()
        return PART if self.points else NONE


@dataclass(frozen=True)
class NotebookReport:
    """A notebook.

    Attributes:
        name, title: of the notebook.
        penalty: what lateness takes from its points, as they are now.
        accidents: plain lines of the engine about it.
        digest: SHA-256 of the notebook file that was handed in; empty if none was.
    """

    name: str
    title: str
    questions: tuple[Question, ...]
    penalty: float = 0.0
    accidents: tuple[str, ...] = ()
    digest: str = ""

    @property
    def score(self) -> float:
        """What it has earned so far, lateness taken off."""
        return max(0.0, sum(one.points for one in self.questions) - self.penalty)

    @property
    def total(self) -> float:
        """What it can earn in the end."""
        return sum(one.possible for one in self.questions)

    @property
    def judged(self) -> float:
        """What could be earned with all that has points by now."""
        return self.total - self.open()

    def open(self, state: str | None = None) -> float:
        """Points that are still open: in one state, or in all."""
        return sum(one.open(state) for one in self.questions)

    def count(self, state: str) -> int:
        """How many graded cells are in a state."""
        return sum(part.state == state for one in self.questions for part in one.parts)


@dataclass(frozen=True)
class Report:
    """A submission.

    Attributes:
        handed_in, due: times in UTC, "2026-03-01 12:00 UTC"; empty if nobody knows.
        late_seconds: how long after it was due.
        rule: what the course's late rule makes of that, in words; empty if it was not late.
        notebooks: of the assignment, in their order.
        unfinished: for staff, why the points can't count as a whole yet; empty if they can.
    """

    assignment: str
    student: str
    handed_in: str = ""
    due: str = ""
    late_seconds: float = 0.0
    rule: str = ""
    notebooks: tuple[NotebookReport, ...] = field(default=())
    unfinished: str = ""

    @property
    def score(self) -> float:
        """What it has earned so far, lateness taken off."""
        return sum(one.score for one in self.notebooks)

    @property
    def judged(self) -> float:
        """What could be earned with all that has points by now."""
        return sum(one.judged for one in self.notebooks)

    @property
    def total(self) -> float:
        """What it can earn in the end."""
        return sum(one.total for one in self.notebooks)

    def count(self, state: str) -> int:
        """How many graded cells are in a state."""
        return sum(one.count(state) for one in self.notebooks)

    def as_json(self) -> dict[str, Any]:
        """All of it, with its sums, as JSON can hold it."""
        made = asdict(self)
        for one, notebook in zip(made["notebooks"], self.notebooks, strict=True):
            one |= {"score": notebook.score, "judged": notebook.judged, "total": notebook.total}
            for found, question in zip(one["questions"], notebook.questions, strict=True):
                found |= {"points": question.points, "possible": question.possible, "state": question.state}
        return made | {"score": self.score, "judged": self.judged, "total": self.total}


def lateness(seconds: float) -> str:
    """How late, in words: "17 minutes"."""
    minutes = max(1, round(seconds / 60))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    return " ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in parts if number)


def number(points: float) -> str:
    """Points as they are written: "2", "2.5"."""
    return f"{round(points, 2):g}"


def in_points(points: float) -> str:
    """The same with the word: "1 point"."""
    return f"{number(points)} {'point' if points == 1 else 'points'}"


def so_far(score: float, judged: float, total: float) -> str:
    """Points in words, where some may be open: "41.5 of 50 so far, 56 in all"."""
    if judged == total:
        return f"{number(score)} of {in_points(total)}"
    return f"{number(score)} of {in_points(judged)} so far, {number(total)} in all"


def of_question(question: Question) -> str:
    """A question's points in words: "2 of 5", "2 of 5, 1 open", "4 points open", "a bonus"."""
    still = question.open()
    if not question.possible:
        return f"a bonus of {in_points(question.points)}" if question.points else "a bonus"
    if still and still == question.possible:
        return f"{in_points(still)} open"
    return f"{number(question.points)} of {number(question.possible)}{f', {number(still)} open' if still else ''}"


def waiting(report: Report | NotebookReport) -> str:
    """What is still open, in words; empty if nothing is."""
    found = []
    if answers := report.count(WAITING):
        found.append(f"{answers} {'answer waits' if answers == 1 else 'answers wait'} for a TA")
    if checks := report.count(NOT_JUDGED):
        found.append(f"{checks} {'check was' if checks == 1 else 'checks were'} not judged; a TA will look")
    return ", ".join(found)
