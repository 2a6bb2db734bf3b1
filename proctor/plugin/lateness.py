"""How late a submission is, with the student's own extension, and what that costs of its points as they are now.

nbgrader computes a penalty once, while it autogrades: from points that written answers don't have yet. Here it is
computed again wherever it is used.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import List
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.settings import Proctor


class Lateness:
    """The late rule of a course, as its configuration has it now.

    Args:
        parent: whatever carries the configuration.

    Raises:
        ProctorError: an extension is no time with a zone.
    """

    def __init__(self, parent: Configurable) -> None:
        self._extensions = {
            assignment: {str(student): _in_utc(assignment, student, time) for student, time in given.items()}
            for assignment, given in _checked(Proctor(parent=parent).extensions).items()
        }
        rule = _Rule(parent=parent)
        rule.init_plugin()
        # It says for every notebook which rule it follows.
        rule.plugin_inst.log = logging.getLogger(f"{__name__}.rule")
        rule.log = logging.getLogger(f"{__name__}.limits")
        self._rule = rule

    def due(self, assignment: str, student: str, otherwise: datetime.datetime | None) -> datetime.datetime | None:
        """When it is due for this student, in UTC without a zone, as nbgrader stores times.

        Args:
            otherwise: for who has no extension in the configuration.
        """
        return self._extensions.get(assignment, {}).get(student, otherwise)

    def due_for(self, submission: SubmittedAssignment) -> datetime.datetime | None:
        """When a submission of the gradebook is due; an extension that the gradebook itself has counts too."""
        usual = submission.duedate if submission.assignment.duedate is not None else None
        return self.due(submission.assignment.name, submission.student.id, usual)

    def last_due(self, assignment: Assignment) -> datetime.datetime | None:
        """When it is due for whoever has longest, in UTC without a zone; None if that is never."""
        times = [self.due_for(one) for one in assignment.submissions] + [assignment.duedate]
        return None if None in times else max([*times, *self._extensions.get(assignment.name, {}).values()])

    def seconds(self, submission: SubmittedAssignment) -> float:
        """How late it was handed in; 0 if it was not, or nobody knows."""
        due = self.due_for(submission)
        if submission.timestamp is None or due is None:
            return 0.0
        return max(0.0, (submission.timestamp - due).total_seconds())

    def penalties(self, submission: SubmittedAssignment) -> dict[str, float | None]:
        """What the lateness costs by notebook, of the points that the gradebook has now; None if nothing."""
        late = self.seconds(submission)
        return {one.name: self._penalty(submission.student.id, one, late) for one in submission.notebooks}

    def refresh(self, gradebook: Gradebook, assignment: str) -> int:
        """Write the penalties of all submissions of an assignment into the gradebook; how many of them changed."""
        changed = 0
        for submission in gradebook.assignment_submissions(assignment):
            changed += self.refresh_one(gradebook, submission)
        return changed

    def refresh_one(self, gradebook: Gradebook, submission: SubmittedAssignment) -> int:
        """Write the penalties of one submission into the gradebook; how many of them changed."""
        changed, penalties = 0, self.penalties(submission)
        for notebook in submission.notebooks:
            penalty = penalties[notebook.name]
            if (notebook.late_submission_penalty or 0) != (penalty or 0):
                notebook.late_submission_penalty = penalty
                changed += 1
        if changed:
            gradebook.db.commit()
        return changed

    def unknown(self, assignment: str, students: set[str]) -> list[str]:
        """Who has an extension and is not among these students: perhaps a name that was mistyped."""
        return sorted(set(self._extensions.get(assignment, {})) - students)

    def _penalty(self, student: str, notebook: Any, late: float) -> float | None:
        if late <= 0:
            return None
        penalty = self._rule.plugin_inst.late_submission_penalty(student, notebook.score, late)
        return None if penalty is None else self._rule._check_late_penalty(notebook, penalty)


class _Rule(AssignLatePenalties):
    # nbconvert sets it for every step of an exporter, and warns about those that don't know it.
    display_data_priority = List().tag(config=True)


class LatePenalties(AssignLatePenalties):
    """nbgrader's step of autograding, with the extensions."""

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Write the penalty of this notebook's submission into the gradebook."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            submission = gradebook.find_submission(names["assignment"], names["student"])
            lateness = Lateness(self)
            if lateness.seconds(submission):
                self.log.warning("%s is %.0f seconds late", submission, lateness.seconds(submission))
            lateness.refresh_one(gradebook, submission)
        return nb, resources


def _checked(given: Mapping[Any, Any]) -> Mapping[str, Mapping[str, Any]]:
    for assignment, students in given.items():
        if not isinstance(students, Mapping):
            raise ProctorError(
                f"EXTENSIONS[{assignment!r}] has to name students and times: "
                '{"student": datetime(2026, 12, 7, 23, 59, tzinfo=ZoneInfo("Europe/Amsterdam"))}'
            )
    return given


def _in_utc(assignment: str, student: str, time: Any) -> datetime.datetime:
    if not isinstance(time, datetime.datetime) or time.utcoffset() is None:
        raise ProctorError(
            f"the extension of {student} for {assignment} is {time!r}: write a time with its zone, "
            'datetime(2026, 12, 7, 23, 59, tzinfo=ZoneInfo("Europe/Amsterdam"))'
        )
    return time.astimezone(datetime.UTC).replace(tzinfo=None)
