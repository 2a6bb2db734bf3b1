"""How late a submission is, with the student's own extension, and what that costs of its points as they are now.

nbgrader computes a penalty once, while it autogrades: from points that written answers don't have yet. Here it is
computed again wherever it is used.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import List
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.plugin.extensions import Extensions
from proctor.plugin.late_days import daily_rule, days_late
from proctor.settings import Proctor

_METHODS = ("none", "zero")
_MINUTE = datetime.timedelta(minutes=1)
# An extension that was written from the configuration is longer by this, so that it is known from one that somebody
# has granted in the gradebook and that stays.
_OURS = datetime.timedelta(microseconds=1)


class Lateness:
    """The late rule of a course, as its configuration has it now.

    Args:
        parent: whatever carries the configuration.

    Raises:
        ProctorError: an extension or the late rule can't be used; the message says what to write.
    """

    def __init__(self, parent: Configurable) -> None:
        settings = Proctor(parent=parent)
        self._extensions = Extensions(settings)
        rule = _Rule(parent=parent)
        rule.init_plugin()
        # It says for every notebook which rule it follows.
        rule.plugin_inst.log = logging.getLogger(f"{__name__}.rule")
        rule.log = logging.getLogger(f"{__name__}.limits")
        self._rule, self._daily = rule, None
        if isinstance(settings.late_penalty, Mapping):
            if not isinstance(rule.plugin_inst, LateSubmissionPlugin):
                raise ProctorError(
                    "there are two late rules, LATE_PENALTY and c.AssignLatePenalties.plugin_class; remove one of them "
                    'from nbgrader_config.py, or write LATE_PENALTY = "none"'
                )
            self._daily = daily_rule(settings.late_penalty)
        elif settings.late_penalty not in ("", *_METHODS):
            raise ProctorError(
                f"LATE_PENALTY is {settings.late_penalty!r}; write {' or '.join(map(repr, _METHODS))}, or a rule by "
                'days, {"per_day": 0.1, "free_days": 2}'
            )
        elif settings.late_penalty and isinstance(rule.plugin_inst, LateSubmissionPlugin):
            rule.plugin_inst.penalty_method = settings.late_penalty

    def check(self, coursedir: CourseDirectory, also: Iterable[str] = ()) -> None:
        """Refuse extensions of students and assignments that there are not.

        Args:
            also: students of whom the gradebook need not know yet.

        Raises:
            ProctorError: there is one; the message says what to do.
        """
        self._extensions.check(coursedir, also)

    def due(self, assignment: str, student: str, otherwise: datetime.datetime | None) -> datetime.datetime | None:
        """When it is due for this student, in UTC without a zone, as nbgrader stores times.

        Args:
            otherwise: for who has no extension in the configuration.
        """
        return self._extensions.due(assignment, student, otherwise)

    def due_for(self, submission: SubmittedAssignment) -> datetime.datetime | None:
        """When a submission of the gradebook is due; an extension that the gradebook itself has counts too."""
        assignment, student, usual = submission.assignment.name, submission.student.id, submission.assignment.duedate
        if usual is None or self._extensions.has(assignment, student) or _is_ours(submission.duedate - usual):
            return self.due(assignment, student, usual)
        return submission.duedate

    def last_due(self, assignment: Assignment) -> datetime.datetime | None:
        """When it is due for whoever has longest, in UTC without a zone; None if that is never."""
        times = [self.due_for(one) for one in assignment.submissions] + [assignment.duedate]
        times += [
            self.due(assignment.name, one, assignment.duedate) for one in self._extensions.students(assignment.name)
        ]
        return None if None in times else max(times)

    def seconds(self, submission: SubmittedAssignment) -> float:
        """How late it was handed in; 0 if it was not, or nobody knows."""
        due = self.due_for(submission)
        if submission.timestamp is None or due is None:
            return 0.0
        return max(0.0, (submission.timestamp - due).total_seconds())

    def penalties(self, submission: SubmittedAssignment) -> dict[str, float | None]:
        """What the lateness costs by notebook, of the points that the gradebook has now; None if nothing."""
        late, days = self.seconds(submission), self.days(submission)
        return {one.name: self._penalty(submission.student.id, one, late, days) for one in submission.notebooks}

    def days(self, submission: SubmittedAssignment) -> int:
        """How many days late it was begun to be, by the clock where its deadline is; 0 if it was in time."""
        if not self.seconds(submission):
            return 0
        zone = self._extensions.zone(submission.assignment.name) or datetime.UTC
        return days_late(submission.timestamp, self.due_for(submission), zone)

    def said(self, submission: SubmittedAssignment) -> str:
        """What of the rule a student has to know to compute the penalty; empty if nothing."""
        days = self.days(submission)
        return self._daily.said(days) if self._daily and days else ""

    def refresh(self, gradebook: Gradebook, assignment: str) -> int:
        """Write the penalties of all submissions of an assignment into the gradebook; how many of them changed."""
        changed = 0
        for submission in gradebook.assignment_submissions(assignment):
            changed += self.refresh_one(gradebook, submission)
        return changed

    def refresh_one(self, gradebook: Gradebook, submission: SubmittedAssignment) -> int:
        """Write penalties and extension of one submission into the gradebook; how many of the penalties changed."""
        self._grant(gradebook, submission)
        changed, penalties = 0, self.penalties(submission)
        for notebook in submission.notebooks:
            penalty = penalties[notebook.name]
            if (notebook.late_submission_penalty or 0) != (penalty or 0):
                notebook.late_submission_penalty = penalty
                changed += 1
        if changed:
            gradebook.db.commit()
        return changed

    def _grant(self, gradebook: Gradebook, submission: SubmittedAssignment) -> None:
        """Tell nbgrader's gradebook of an extension, and take back one that is no longer in the configuration."""
        assignment, student, usual = submission.assignment.name, submission.student.id, submission.assignment.duedate
        wanted = submission.extension
        if usual is not None and self._extensions.has(assignment, student):
            more = self.due(assignment, student, usual) - usual
            wanted = datetime.timedelta(days=more.days, seconds=more.seconds) + _OURS if more else None
        elif _is_ours(wanted):
            wanted = None
        if wanted != submission.extension:
            wanted = wanted or datetime.timedelta()
            gradebook.grant_extension(assignment, student, days=wanted.days, minutes=(wanted - _days(wanted)) / _MINUTE)

    def _penalty(self, student: str, notebook: Any, late: float, days: int) -> float | None:
        if late <= 0:
            return None
        if self._daily:
            penalty = self._daily.share(days) * notebook.score
        else:
            penalty = self._rule.plugin_inst.late_submission_penalty(student, notebook.score, late)
        return None if penalty is None else self._rule._check_late_penalty(notebook, penalty)


def _is_ours(extension: datetime.timedelta | None) -> bool:
    return extension is not None and extension.microseconds == _OURS.microseconds


def _days(time: datetime.timedelta) -> datetime.timedelta:
    return datetime.timedelta(days=time.days)


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
