"""`nbgrader export --exporter=proctor.plugin.canvas_export.CanvasTotals` (or `CanvasQuestions`): a file for Canvas.

What *Gradebook → Import* expects, by Canvas' own reader (lib/gradebook_importer.rb of instructure/canvas-lms): the
columns Student, ID, SIS User ID, SIS Login ID and Section in this order, then assignments; a second line whose first
cell has "Points Possible". A column belongs to the assignment whose number it ends with in brackets, else to the one of
exactly this title, else Canvas offers to make one. A student is found by ID, which is Canvas' number (`lms_user_id` in
the roster), then by SIS User ID, then by SIS Login ID, and at last by the name, which can be anybody's. An empty cell
deletes the grade that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from traitlets import Enum

from proctor.errors import ProctorError
from proctor.plugin.lms_export import LmsTable, as_points, person

_SIS_USER, _SIS_LOGIN = "SIS User ID", "SIS Login ID"
_HEAD = ("Student", "ID", _SIS_USER, _SIS_LOGIN, "Section")
_POSSIBLE = "Points Possible"
# Columns that Canvas writes, and passes over when it reads.
_NO_ASSIGNMENT = re.compile("(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)")


class CanvasTotals(LmsTable):
    """One column with the assignment's points."""

    student_id_is = Enum(
        [_SIS_LOGIN, _SIS_USER],
        default_value=_SIS_LOGIN,
        help="What Canvas calls the students' ids here, for those without an lms_user_id in the roster.",
    ).tag(config=True)

    file = "canvas.csv"

    def account(self, row: dict[str, Any]) -> str:
        """Canvas' own number, or the id."""
        return _number(row) or row["student_id"]

    def check_titles(self, titles: Iterable[str]) -> None:
        """Refuse also what Canvas takes for no assignment."""
        super().check_titles(titles)
        for title in titles:
            if found := _NO_ASSIGNMENT.search(title):
                raise ProctorError(f"Canvas passes over columns with {found[0]!r}: give another title than {title!r}")

    def write_points(
        self, target: Path, rows: Sequence[dict[str, Any]], columns: dict[str, list[float]], most: dict[str, float]
    ) -> None:
        """Write the file."""
        lines: list[list[Any]] = [[f"    {_POSSIBLE}", "", "", "", "", *(as_points(most[one]) for one in columns)]]
        for number, row in enumerate(rows):
            ids = [_number(row), *(row["student_id"] if self.student_id_is == one else "" for one in _HEAD[2:4])]
            name = person(row)
            # Whose name has these words would change what the assignment is worth.
            name = row["student_id"] if _POSSIBLE in name else name
            lines.append([name, *ids, "", *(as_points(one[number]) for one in columns.values())])
        self.write_lines(target, (*_HEAD, *columns), lines)


class CanvasQuestions(CanvasTotals):
    """A column for each question, and one for lateness where that costs something: each is an assignment of Canvas."""

    file = "canvas_questions.csv"
    by_question = True


def _number(row: dict[str, Any]) -> str:
    # Canvas reads digits only, and would take "12x" for 12.
    number = str(row["lms_id"] or "").strip()
    return number if re.fullmatch("[1-9][0-9]*", number) else ""
