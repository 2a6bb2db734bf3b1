"""`nbgrader export`: a table of points in which what is not graded is blank, not 0."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.api import Assignment, Gradebook, MissingEntry, Student, SubmittedAssignment
from nbgrader.plugins import ExportPlugin
from sqlalchemy.exc import DBAPIError
from traitlets import Bool

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import gradebook_file, points
from proctor.plugin.lateness import Lateness
from proctor.plugin.standing import Standing, Standings
from proctor.plugin.table_file import write_table

COLUMNS = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score", "waiting", "missing"),
)
NOTHING = "nothing was handed in"
OPTION = "--GradesTable.allow_incomplete=True"
SHOWN = 10


class GradesTable(ExportPlugin):
    """Points of each student and assignment as CSV, with nbgrader's columns and two more.

    ``waiting`` counts the cells without points, ``missing`` says in words what a row lacks.
    """

    allow_incomplete = Bool(
        False,
        help="Write the table although some of it is not graded: those rows have no score, and say why.",
    ).tag(config=True)

    file = "grades.csv"
    # What becomes of incomplete rows that are allowed.
    allowed = "they are written without a score"

    def export(self, gradebook: Gradebook) -> None:
        """Write the table, all or nothing, readable by its owner and a group that shares the course.

        Raises:
            SystemExit: something is not graded yet (the log names whose), or the file can't be written; nothing was.
        """
        target = Path(self.to or self.file)
        try:
            lateness = Lateness(self)
            lateness.check(self.parent.coursedir)
            rows = list(self._rows(gradebook, lateness))
        except ProctorError as error:
            self.refuse(f"nothing was written: {error}")
        except DBAPIError as error:
            self.refuse(f"nothing was written: {gradebook_file.said(error, self.parent.coursedir.db_url)}")
        for row in rows:
            for line in row.get("odd", ()):
                self.log.warning("%s, %s: %s", row["assignment"], printable(row["student_id"]), line)
        missing = [row for row in rows if row["missing"] not in ("", NOTHING)]
        for row in missing:
            self.log.warning(
                "%s, %s: %s", row["assignment"], printable(row["student_id"]), printable(row["missing"], 400)
            )
        if missing and not self.allow_incomplete:
            names = list(dict.fromkeys(printable(row["student_id"]) for row in missing))
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            self.refuse(
                f"nothing was written: {len(missing)} rows are not complete ({', '.join(names[:SHOWN])}{more}; the "
                f"lines above say why). With {OPTION} {self.allowed}"
            )
        try:
            self.write(target, rows)
        except ProctorError as error:
            self.refuse(f"nothing was written: {error}")
        except OSError as error:
            self.refuse(f"{error.filename or target}: can't be written ({error.strerror}); nothing was exported")
        self.log.info("%s: of %d rows %d are not complete", target, len(rows), len(missing))

    def write(self, target: Path, rows: Sequence[dict[str, Any]]) -> None:
        """Put all rows into a file.

        Raises:
            OSError: it can't be written.
            ProctorError: something in the rows has no place in such a file.
        """
        self.write_lines(target, COLUMNS, [[row.get(name) for name in COLUMNS] for row in rows])

    def write_lines(self, target: Path, head: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
        """Write a table as CSV, all or nothing."""
        write_table(target, head, lines, self.parent.coursedir.groupshared)

    def more(self, submission: SubmittedAssignment) -> dict[str, Any]:
        """What a kind of table needs of a graded submission beside the columns of this one."""
        return {}

    def _rows(self, gradebook: Gradebook, lateness: Lateness) -> Iterator[dict[str, Any]]:
        students = {student.id: student for student in gradebook.students}
        wanted = {str(one) for one in self.student}
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in map(str, self.assignment):
                continue
            lateness.refresh(gradebook, assignment.name)
            standings = Standings(self.parent.coursedir, assignment.name)
            collected = standings.collected()
            for student in sorted({*students, *collected}):
                if not wanted or student in wanted:
                    one = students.get(student) or Student(id=student)
                    yield _row(self, gradebook, assignment, one, lateness, standings, student in collected)

    def refuse(self, why: str) -> NoReturn:
        """End with a line."""
        self.log.error("%s", why)
        sys.exit(1)


def _row(
    table: GradesTable,
    gradebook: Gradebook,
    assignment: Assignment,
    student: Student,
    lateness: Lateness,
    standings: Standings,
    collected: bool,
) -> dict[str, Any]:
    row = {
        "assignment": assignment.name,
        "duedate": lateness.due(assignment.name, student.id, assignment.duedate),
        "student_id": student.id,
        "last_name": student.last_name,
        "first_name": student.first_name,
        "email": student.email,
        "lms_id": student.lms_user_id,
        "max_score": assignment.max_score,
        "missing": NOTHING,
    }
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        return row | ({"missing": standings.unfinished(student.id)} if collected else {})
    standing: Standing = standings.of(submission)
    row |= {
        "duedate": lateness.due_for(submission),
        "timestamp": submission.timestamp,
        "waiting": standing.count(),
        "missing": standing.line(),
        "odd": points.odd(submission),
    }
    if not standing.final():
        return row
    # A sum of tenths is written as people would write it.
    penalty = round(sum(one or 0.0 for one in lateness.penalties(submission).values()), 6)
    score = max(0.0, submission.score - penalty)
    return (
        row
        | {"raw_score": submission.score, "late_submission_penalty": penalty, "score": round(score, 6)}
        | table.more(submission)
    )
