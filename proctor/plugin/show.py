"""`python -m proctor show STUDENT [ASSIGNMENT]`: what a student is told about a submission, as lines or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import DBAPIError
from traitlets import Bool, default

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.pages.report import Report
from proctor.pages.report_text import report_lines
from proctor.plugin import gradebook_file
from proctor.plugin.lateness import Lateness
from proctor.plugin.regrade_former import kept, kept_lines
from proctor.plugin.reporting import report_of
from proctor.plugin.standing import Standings
from proctor.settings import Proctor


class ShowApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-show"
    description = "Show a student's points by question, what is wrong, and what still waits for a TA"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = {**nbgrader_flags, "json": ({"ShowApp": {"json": True}}, "Print it as JSON.")}
    examples = """
        In the course's folder; without an assignment, all that the student has handed in:

            python -m proctor show stuada ps1
            python -m proctor show stuada --json
        """

    json = Bool(False, help="Print it as JSON, all submissions in one list.").tag(config=True)

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Proctor]

    def start(self) -> None:
        """Print it; exit status 1, and a line that says why, if there is nothing."""
        super().start()
        if not 1 <= len(self.extra_args) <= 2:
            self.fail("name a student, and perhaps an assignment: python -m proctor show STUDENT [ASSIGNMENT]")
        try:
            gradebook_file.check(self.coursedir.db_url, Path(self.coursedir.root).resolve(), self.log.warning)
            lateness = Lateness(self)
            lateness.check(self.coursedir)
            found = reports(self.coursedir, lateness, *self.extra_args)
        except ProctorError as error:
            self.fail(str(error))
        except DBAPIError as error:
            self.fail(gradebook_file.said(error, self.coursedir.db_url))
        root = Path(self.coursedir.root).resolve()
        former = {one.assignment: kept(root, one.assignment, one.student) for one in found}
        print(as_text(found, self.json, former), flush=True)

    def fail(self, msg: str, *args: Any) -> None:
        """End with a line."""
        print(msg % args if args else msg, file=sys.stderr)
        sys.exit(1)


def reports(coursedir: CourseDirectory, lateness: Lateness, student: str, assignment: str = "") -> list[Report]:
    """What the gradebook and the records have of a student.

    Args:
        assignment: empty for all that the student has handed in.

    Raises:
        ProctorError: nothing; or there is no such student or assignment.
    """
    found = []
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        known = sorted(one.name for one in gradebook.assignments)
        if assignment and assignment not in known:
            raise ProctorError(
                f"there is no assignment {printable(assignment)}; there are {', '.join(known) or 'none'}"
            )
        try:
            gradebook.find_student(student)
        except MissingEntry:
            raise ProctorError(
                f"the gradebook has no student {printable(student)}; nbgrader db student list names all"
            ) from None
        for name in [assignment] if assignment else known:
            try:
                submission = gradebook.find_submission(name, student)
            except MissingEntry:
                continue
            found.append(report_of(coursedir, lateness, submission, Standings(coursedir, name)))
    if not found:
        what = f"{assignment} is not graded yet" if assignment else "nothing is graded yet"
        raise ProctorError(f"{printable(student)}: {what}; run: nbgrader autograde {assignment or 'ASSIGNMENT'}")
    return found


def as_text(
    found: Sequence[Report], as_json: bool, former: Mapping[str, Sequence[dict[str, Any]]] | None = None
) -> str:
    """All of it, for the terminal or as JSON.

    Args:
        former: by assignment the gradings that were replaced (`proctor.plugin.regrade_former.kept`).
    """
    former = former or {}
    if as_json:
        made = []
        for one in found:
            replaced = [
                {**old, "changes": [asdict(change) for change in old["changes"]]}
                for old in former.get(one.assignment, ())
            ]
            made.append(one.as_json() | ({"former": replaced} if replaced else {}))
        return json.dumps(made, indent=1, ensure_ascii=True)
    return "\n\n".join("\n".join([*report_lines(one), *kept_lines(former.get(one.assignment, ()))]) for one in found)
