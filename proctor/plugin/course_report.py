"""What a coordinator wants to know of an assignment, gathered from gradebook, records and marks: no page, only data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.pages.questions import questions
from proctor.plugin import marked_by
from proctor.plugin.item_statistics import Marking
from proctor.plugin.lateness import Lateness
from proctor.plugin.mistakes import Mistake, counted, records
from proctor.plugin.standing import NOT_JUDGED, WAITS, Standings

Cell = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """All graded cells of one question in one notebook.

    Attributes:
        most_by_cell: points that each cell can earn.
        label: "2.1 (a)", with the notebook where two have this number; or the name of a cell without one.
        by_hand: at least one of its cells waits for a person's points.
    """

    notebook: str
    label: str
    title: str
    cells: tuple[Cell, ...]
    most_by_cell: tuple[float, ...]
    by_hand: bool

    @property
    def most(self) -> float:
        """Points that it can earn."""
        return sum(self.most_by_cell)


@dataclass
class Sheet:
    """One submission.

    Attributes:
        points: by graded cell; None where there are none yet.
        open: those without points, with `WAITS` or `NOT_JUDGED`.
        unfinished: why it does not count as a whole; empty if it was graded to its end.
        total: what counts now, lateness included.
        penalty: what the lateness costs.
        late_seconds: after its own deadline.
    """

    student: str
    points: dict[Cell, float | None]
    open: dict[Cell, str]
    unfinished: str
    total: float
    penalty: float
    late_seconds: float

    def final(self) -> bool:
        """Whether its total will stay."""
        return not self.unfinished and not self.open

    def of(self, question: Question) -> float | None:
        """Points of a question; None if one of its cells has none yet."""
        found = [self.points.get(cell) for cell in question.cells]
        return None if None in found else sum(found)


@dataclass
class CourseReport:
    """All of it.

    Attributes:
        most: points of the assignment.
        roster: number of students in the gradebook.
        waiting_to_be_graded: students of whom something was collected that isn't in the gradebook.
        markings: who was the last to mark an answer, with the share of its points that the gradebook has now.
        history: all that is known to have been typed, the last word of each person, as shares.
        by_hand: number of answers with points typed by hand, whoever it was.
        sandboxes, engines: number of records by kind and by version.
        notes: lines of the grading, with the students that have one.
        problems: lines about what could not be read.
    """

    assignment: str
    most: float
    roster: int
    sheets: list[Sheet]
    questions: list[Question]
    waiting_to_be_graded: list[str]
    mistakes: list[Mistake]
    markings: list[Marking] = field(default_factory=list)
    history: list[Marking] = field(default_factory=list)
    by_hand: int = 0
    sandboxes: Counter = field(default_factory=Counter)
    engines: Counter = field(default_factory=Counter)
    notes: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def graded(self) -> list[Sheet]:
        """Those that were graded to their end, whether somebody still has to read something or not."""
        return [one for one in self.sheets if not one.unfinished]

    def rows(self) -> list[dict[Question, float | None]]:
        """Points of the graded ones by question."""
        return [{question: sheet.of(question) for question in self.questions} for sheet in self.graded()]


def gather(coursedir: CourseDirectory, lateness: Lateness, assignment: str) -> CourseReport:
    """Read all that there is of an assignment.

    Raises:
        ProctorError: there is no such assignment, or nothing of it was collected.
    """
    root = Path(coursedir.root).resolve()
    found, problems = records(root, assignment)
    marks, more = marked_by.read(root, assignment)
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        known = {one.name: one for one in gradebook.assignments}
        if assignment not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ProctorError(f"there is no assignment {assignment}; there are {there}")
        most, roster = known[assignment].max_score, len(gradebook.students)
        standings = Standings(coursedir, assignment)
        submissions = sorted(gradebook.assignment_submissions(assignment), key=lambda one: one.student.id)
        sheets = [_sheet(one, lateness, standings) for one in submissions]
        asked = list(_questions(coursedir, assignment, submissions))
        typed = {
            (one.student.id, notebook.name, grade.name): (grade.manual_score, grade.extra_credit)
            for one in submissions
            for notebook in one.notebooks
            for grade in notebook.grades
            if grade.manual_score is not None
        }
    collected = sorted(set(standings.collected()) - {one.student for one in sheets})
    if not sheets and not collected:
        raise ProctorError(f"nothing of {assignment} was collected yet; run: nbgrader collect {assignment}")
    report = CourseReport(assignment, most, roster, sheets, asked, collected, counted(found), problems=problems + more)
    _add_marks(report, marks, typed)
    _add_records(report, found)
    return report


def _sheet(submission: SubmittedAssignment, lateness: Lateness, standings: Standings) -> Sheet:
    standing = standings.of(submission)
    still = {(notebook, cell): kind for notebook, cells in standing.open.items() for cell, kind in cells.items()}
    points: dict[Cell, float | None] = {}
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            cell = (notebook.name, grade.name)
            points[cell] = None if cell in still else grade.score or 0.0
    penalty = sum(one or 0.0 for one in lateness.penalties(submission).values())
    total = max(0.0, submission.score - penalty)
    return Sheet(
        submission.student.id, points, still, standing.unfinished, total, penalty, lateness.seconds(submission)
    )


def _questions(
    coursedir: CourseDirectory, assignment: str, submissions: Iterable[SubmittedAssignment]
) -> Iterable[Question]:
    """In the order of the instructor's notebooks; cells that these don't have come last."""
    cells: dict[Cell, tuple[float, bool]] = {}
    for submission in submissions:
        for notebook in submission.notebooks:
            answers = {cell.name for cell in notebook.notebook.solution_cells}
            for grade in notebook.grades:
                by_hand = grade.cell.cell_type != "code" or grade.name in answers
                cells[notebook.name, grade.name] = (grade.max_score or 0.0, by_hand)
    folder = Path(coursedir.format_path(coursedir.source_directory, ".", assignment))
    groups: dict[tuple[str, str], list[Cell]] = {}
    titles: dict[tuple[str, str], str] = {}
    for name in sorted({notebook for notebook, _ in cells}):
        own = [cell for cell in cells if cell[0] == name]
        try:
            named = questions(notebook_cells.read(folder / f"{name}.ipynb")["cells"])
        except ProctorError:
            named = {}
        order = {cell: number for number, cell in enumerate(named)}
        for cell in sorted(own, key=lambda one: (order.get(one[1], len(order)), one[1])):
            number, title = named.get(cell[1], ("", ""))
            key = (name, number or cell[1])
            groups.setdefault(key, []).append(cell)
            titles.setdefault(key, title)
    twice = Counter(number for _, number in groups)
    for (name, number), own in groups.items():
        label = f"{name} {number}" if twice[number] > 1 else number
        most, by_hand = tuple(cells[one][0] for one in own), any(cells[one][1] for one in own)
        yield Question(name, label, titles[name, number], tuple(own), most, by_hand)


def _add_marks(report: CourseReport, marks: list[marked_by.Mark], typed: Mapping[tuple, tuple]) -> None:
    most = {
        cell: points
        for question in report.questions
        for cell, points in zip(question.cells, question.most_by_cell, strict=True)
    }
    report.by_hand = len(typed)
    last: dict[tuple[str, str, str], Marking] = {}
    for one in marked_by.last_words(marks):
        cell, answer = (one.notebook, one.cell), (one.student, one.notebook, one.cell)
        if answer not in typed or not most.get(cell):
            continue
        report.history.append(Marking(one.marker, answer, cell, (one.score + (one.extra or 0.0)) / most[cell]))
        # A price that changes changes the points afterwards, and is nobody's.
        last[answer] = Marking(one.marker, answer, cell, sum(points or 0.0 for points in typed[answer]) / most[cell])
    report.markings = list(last.values())


def _add_records(report: CourseReport, found: Iterable[Record]) -> None:
    for record in found:
        report.sandboxes[record.sandbox] += 1
        report.engines[record.engine] += 1
        lines = list(record.notes)
        lines += [
            f"{name}: {verdict.TIME_OUT}" for name, one in record.verdicts.items() if one.kind == verdict.TIME_OUT
        ]
        for line in lines:
            report.notes.setdefault(_kind_of_note(line), set()).add(record.student)


def _kind_of_note(line: str) -> str:
    """A note without what differs from one submission to the next: numbers, and the cell that it is about."""
    words = " ".join(verdict.plain(line, verdict.MAX_NAME).split())
    return re.sub(r"\d[\d.,]*", "…", re.sub(r"^(?:no verdict for )?\S+(?: \d+)?: ", "", words))


def open_by_question(report: CourseReport, kind: str = WAITS) -> dict[Question, list[str]]:
    """Students whose answer to a question waits for a TA (or was not judged: `NOT_JUDGED`), where there are any."""
    assert kind in (WAITS, NOT_JUDGED)
    found = {
        question: [
            sheet.student for sheet in report.graded() if any(sheet.open.get(one) == kind for one in question.cells)
        ]
        for question in report.questions
    }
    return {question: students for question, students in found.items() if students}
