"""What all files have in common that a learning management system (LMS) imports points from.

Such a file overwrites points there, so it holds one assignment, and only students all of whose points are final: an
empty cell is no "not yet", but deletes a grade (Canvas) or shifts a line (Brightspace). Who is left out stands in the
log and in a list beside the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, SubmittedAssignment
from traitlets import Dict

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.notebooks import cells as notebook_cells
from proctor.pages.questions import Named, questions
from proctor.plugin.export import GradesTable
from proctor.plugin.table_file import is_plain

LATE = "lateness"
_LEFT_OUT = ".left_out.csv"


class LmsTable(GradesTable):
    """One assignment's points for an LMS.

    Attributes:
        by_question: whether each question has a column of its own.
    """

    titles = Dict(
        help="What the LMS calls an assignment, where that is not its name here: "
        '{"ps1": "Problem set 1"}; for Canvas best with its number there, "Problem set 1 (4711)".',
    ).tag(config=True)

    by_question = False
    allowed = f"they are left out, and listed in a file that ends with {_LEFT_OUT}"

    def export(self, gradebook: Gradebook) -> None:
        """Write the file, or end with a line."""
        known = sorted(one.name for one in gradebook.assignments)
        asked = [str(one) for one in self.assignment] or known
        if len(asked) != 1 or asked[0] not in known:
            there = f"there are {', '.join(known)}" if known else "there is none"
            self.refuse(f"nothing was written: name one assignment, --assignment=NAME; {there}")
        self.assignment = asked
        super().export(gradebook)

    def more(self, submission: SubmittedAssignment) -> dict[str, Any]:
        """Points by notebook and graded cell."""
        if not self.by_question:
            return {}
        return {
            "cells": {
                (notebook.name, grade.name): (grade.score or 0.0, grade.max_score or 0.0)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
        }

    def write(self, target: Path, rows: Sequence[dict[str, Any]]) -> None:
        """Put the rows that are complete into the file, and who is left out into another."""
        done = [row for row in rows if row.get("score") is not None]
        left = [row for row in rows if row.get("score") is None]
        if not done:
            raise ProctorError("no submission is graded and read completely")
        self.check_ids(done)
        name = self.assignment[0]
        title = str(self.titles.get(name, name))
        columns = self._columns(title, done) if self.by_question else {title: [row["score"] for row in done]}
        most = self._most(title, done) if self.by_question else {title: done[0]["max_score"]}
        self.check_titles(columns)
        self.write_points(target, done, columns, most)
        beside = target.with_name(target.name + _LEFT_OUT)
        if left:
            self.write_lines(beside, ("student_id", "missing"), [(row["student_id"], row["missing"]) for row in left])
            self.log.warning("%s has no line for %d of the students: %s lists them", target, len(left), beside)
        else:
            beside.unlink(missing_ok=True)

    def write_points(
        self, target: Path, rows: Sequence[dict[str, Any]], columns: dict[str, list[float]], most: dict[str, float]
    ) -> None:
        """Write the file.

        Args:
            columns: points by title, in the order of the rows.
            most: what each column can earn.
        """
        raise NotImplementedError

    def account(self, row: dict[str, Any]) -> str:
        """By what the LMS is to know a student."""
        return row["student_id"]

    def check_ids(self, rows: Iterable[dict[str, Any]]) -> None:
        """Refuse what the LMS would take for somebody else, or a spreadsheet for a formula.

        Raises:
            ProctorError: names the student.
        """
        seen: dict[str, str] = {}
        for row in rows:
            known, student = self.account(row), row["student_id"]
            if known.casefold() in seen:
                raise ProctorError(
                    f"{printable(student)} and {printable(seen[known.casefold()])} are both {printable(known)} for "
                    "the LMS; correct the roster and import it again"
                )
            seen[known.casefold()] = student
            if not is_plain(known) or known != known.strip() or not known.isprintable():
                raise ProctorError(
                    f"the id {printable(known)!r} would not arrive as it is: a spreadsheet takes it for a formula, or "
                    f"cuts it; correct it in the roster, or leave {printable(student)} out with --student"
                )

    def check_titles(self, titles: Iterable[str]) -> None:
        """Refuse titles that would not arrive as they are.

        Raises:
            ProctorError: names one.
        """
        for title in titles:
            if not title.strip() or not is_plain(title) or not title.isprintable():
                raise ProctorError(f"the title {title!r} would not arrive as it is; give another in c.LmsTable.titles")

    def _columns(self, title: str, rows: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
        """Points by question, and a last column with what lateness costs, so that the sum is what counts."""
        named = self._named(title, rows)
        columns = {column: [0.0] * len(rows) for column in dict.fromkeys(named.values())}
        for number, row in enumerate(rows):
            for cell, (points, _) in row["cells"].items():
                columns[named[cell]][number] += points
        late = [row["score"] - sum(one[number] for one in columns.values()) for number, row in enumerate(rows)]
        return columns | ({f"{title} {LATE}": late} if any(abs(one) > 1e-9 for one in late) else {})

    def _most(self, title: str, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
        named, most = self._named(title, rows), {}
        for cell, (_, possible) in rows[0]["cells"].items():
            most[named[cell]] = most.get(named[cell], 0.0) + possible
        return most | {f"{title} {LATE}": 0.0}

    def _named(self, title: str, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], str]:
        """The column of each graded cell, in the order of the instructor's notebooks."""
        cells = {cell for row in rows for cell in row["cells"]}
        found: dict[tuple[str, str], Named] = {}
        for notebook in sorted({notebook for notebook, _ in cells}):
            found |= {(notebook, cell): one for cell, one in self._questions(notebook).items()}
        order = [cell for cell in found if cell in cells] + sorted(cells - found.keys())
        numbers = {cell: found[cell].number if cell in found else "" for cell in order}
        # In which notebooks there is a question of this number.
        places: dict[str, set[str]] = {}
        for (notebook, _), number in numbers.items():
            places.setdefault(number, set()).add(notebook)
        named = {}
        for cell in order:
            notebook, number = cell[0], numbers[cell]
            alone = number and len(places[number]) == 1
            named[cell] = f"{title} {number}" if alone else f"{title} {notebook} {number or cell[1]}"
        return named

    def _questions(self, notebook: str) -> dict[str, Named]:
        directory = self.parent.coursedir
        folder = Path(directory.format_path(directory.source_directory, ".", self.assignment[0]))
        return questions(notebook_cells.read(folder / f"{notebook}.ipynb")["cells"])


def person(row: dict[str, Any]) -> str:
    """A student's name as "Last, First", or the id of who has none."""
    names = [str(row[one]).strip() for one in ("last_name", "first_name") if row[one] and str(row[one]).strip()]
    return ", ".join(names) or row["student_id"]


def as_points(value: float) -> float | int:
    """Points without the last digits of a sum of floats, and whole ones without a point."""
    rounded = round(value, 10)
    return int(rounded) if rounded == int(rounded) else rounded
