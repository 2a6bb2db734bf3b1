"""`nbgrader export --exporter=proctor.plugin.ans_export.AnsQuestions`: points by question, as Ans lists results.

Ans (support.ans.app) describes no import of points for work that was graded elsewhere. What its imports of students
have in common is that a student number says whose a line is, and an e-mail address may, and that an address or number
that differs overwrites the account's (support.ans.app/hc/en-us/articles/360027166114-Import-groups). So this table has
the number first, no address, and then names, questions and the total: for whoever enters points there, or for a school
whose administrators import tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proctor.plugin.lms_export import LmsTable, as_points


class AnsQuestions(LmsTable):
    """A column for each question, one for lateness where that costs something, and the total."""

    file = "ans.csv"
    by_question = True

    def write_points(
        self, target: Path, rows: Sequence[dict[str, Any]], columns: dict[str, list[float]], most: dict[str, float]
    ) -> None:
        """Write the file."""
        lines = [
            [row["student_id"], row["first_name"], row["last_name"]]
            + [as_points(one[number]) for one in columns.values()]
            + [as_points(row["score"]), as_points(row["max_score"])]
            for number, row in enumerate(rows)
        ]
        head = ("Student number", "First name", "Last name", *columns, "Total points", "Maximum points")
        self.write_lines(target, head, lines)
