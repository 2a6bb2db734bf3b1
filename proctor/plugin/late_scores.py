"""The formgrader's lists of submissions, with the points that count: nbgrader leaves the late rule out of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.api import NbGraderAPI

from proctor.errors import ProctorError
from proctor.plugin.lateness import Lateness

LATE = "late_submission_penalty"


def count_lateness() -> None:
    """Change what nbgrader's API of this process says of submissions; once is enough, and more does nothing."""
    for name in ("get_submission", "get_submissions"):
        asked = getattr(NbGraderAPI, name)
        if not hasattr(asked, "__wrapped__"):
            setattr(NbGraderAPI, name, _with_lateness(asked))


def _with_lateness(asked: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(asked)
    def answered(self: NbGraderAPI, assignment_id: str, *more: Any, **options: Any) -> Any:
        found = asked(self, assignment_id, *more, **options)
        several = found if isinstance(found, list) else [found]
        # What is not graded yet has no id.
        graded = {one["student"]: one for one in several if one is not None and one.get("id") and LATE not in one}
        if graded:
            _take_off(self, assignment_id, graded)
        return found

    return answered


def _take_off(api: NbGraderAPI, assignment: str, graded: dict[str, dict[str, Any]]) -> None:
    try:
        lateness = Lateness(api)
    except ProctorError as error:
        api.log.warning("the lists show points without the late rule: %s", error)
        return
    with Gradebook(api.coursedir.db_url, api.coursedir.course_id) as gradebook:
        if len(graded) == 1:
            try:
                submissions = [gradebook.find_submission(assignment, *graded)]
            except MissingEntry:
                return
        else:
            submissions = gradebook.assignment_submissions(assignment)
        for submission in submissions:
            one = graded.get(submission.student.id)
            if one is not None and lateness.seconds(submission):
                one[LATE] = sum(cost or 0.0 for cost in lateness.penalties(submission).values())
                one["score"] = max(0.0, one["score"] - one[LATE])
