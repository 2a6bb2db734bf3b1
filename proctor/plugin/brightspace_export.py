"""`nbgrader export --exporter=proctor.plugin.brightspace_export.BrightspaceTotals`: a file for Brightspace's grades.

What *Grades → Enter Grades → Import* expects (community.d2l.com/brightspace/kb/articles/3538-importing-grades): a
column OrgDefinedId or Username, and one that is called as the grade item, followed by "Points Grade". As in
Brightspace's own exports (kb.wisc.edu/page.php?id=4330) a # stands before ids, which keeps leading zeros through a
spreadsheet, and a last column End-of-Line Indicator has a # in each line. Points beyond the item's maximum are cut
unless it "can exceed" that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets import Enum

from proctor.intake.copier import printable
from proctor.plugin.lms_export import LmsTable, as_points


class BrightspaceTotals(LmsTable):
    """One grade item with the assignment's points."""

    student_id_is = Enum(
        ["OrgDefinedId", "Username"],
        default_value="OrgDefinedId",
        help="What Brightspace calls the students' ids here.",
    ).tag(config=True)

    file = "brightspace.csv"

    def account(self, row: dict[str, Any]) -> str:
        """The id behind its mark."""
        return f"#{row['student_id']}"

    def write_points(
        self, target: Path, rows: Sequence[dict[str, Any]], columns: dict[str, list[float]], most: dict[str, float]
    ) -> None:
        """Write the file."""
        ((title, points),) = columns.items()
        for row, one in zip(rows, points, strict=True):
            if one > most[title]:
                self.log.warning(
                    "%s: %s of %s points; Brightspace cuts that unless the item can exceed its maximum",
                    *(printable(row["student_id"]), as_points(one), as_points(most[title])),
                )
        lines = [[self.account(row), as_points(one), "#"] for row, one in zip(rows, points, strict=True)]
        self.write_lines(target, (self.student_id_is, f"{title} Points Grade", "End-of-Line Indicator"), lines)
