"""What grading has to know: of a submission, and of what is the same for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from proctor.diagnosis.exchanges import Recording
from proctor.diagnosis.known_answers import KnownAnswers
from proctor.intake.copier import read_file
from proctor.intake.inert import place_of
from proctor.pages.limits import PageLimits
from proctor.sandbox.bubblewrap import Mount
from proctor.sandbox.budget import Budget
from proctor.sandbox.limits import Limits, submission_budget_seconds
from proctor.sandbox.warm import Pool
from proctor.secret import Secret


@dataclass
class Submission:
    """What the grading of a notebook needs to know of the submission that it belongs to.

    Attributes:
        notebook: name without ending.
        digest: SHA-256 of the whole submission, from which with the notebook's name inputs of checks are drawn.
        notes: plain lines about the submission, for the student too.
        course_files: the assignment's own files beside the notebooks, by path; they lie among the submission's.
        files: folder of the submission's other files, under the stored names of `proctor.intake.inert`.
        results: folder for what the notebook makes and later notebooks of the same submission use.
        asked: what the notebook's checks have asked and been answered, once it is graded.
        asked_in_common: the same of failed checks on the inputs that are the same for all.
    """

    assignment: str
    student: str
    notebook: str
    digest: str
    files: Path
    results: Path
    notes: list[str] = field(default_factory=list)
    course_files: Collection[str] = ()
    asked: Recording | None = None
    asked_in_common: Recording | None = None

    def handed_in(self, path: str, max_bytes: int) -> bytes | None:
        """Content of a file of the submission; None if there is none, or if it is larger."""
        try:
            return read_file(place_of(self.files, path), max_bytes)
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Surroundings:
    """What is the same for all submissions of a run.

    Attributes:
        kind: of sandbox.
        limits: for the student's code and for the checker.
        data: mounts for the student's code and for the checker.
        variables: environment variables, by which both find the data.
        pages: for making safe what is shown of the student's texts and outputs.
        warm, warm_later: modules that are imported once and not for each notebook; the latter once one is judged.
        run_demos: whether cells that nobody needs for a grade are run, too.
        known: by notebook the catalogued wrong answers, from which failed ones are named.
        pool: of warm sandboxes, which belong to this process and to no other.
    """

    kind: str
    limits: Limits
    data: Sequence[Mount] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pages: PageLimits = PageLimits()  # noqa: RUF009 (it can't change)
    warm: tuple[str, ...] = ()
    warm_later: tuple[str, ...] = ()
    run_demos: bool = False
    known: Mapping[str, KnownAnswers] = field(default_factory=dict)
    pool: Pool | None = None


class Keys(NamedTuple):
    """What is drawn from the course secret for one submission: inputs of checks, and the student's random numbers.

    Attributes:
        common: inputs that are the same for all submissions of a notebook, on which failed answers are compared with
            each other and no point depends; empty if they are not compared.
    """

    checks: bytes
    kernel: bytes
    common: bytes = b""


def keys_of(secret: Secret, submission: Submission) -> Keys:
    """Derived from the secret, which nothing else of the grading needs to know."""
    purposes = ("checks", "student kernel")
    own = (secret.key(purpose, submission.student, submission.digest) for purpose in purposes)
    return Keys(*own, secret.key("answers alike", submission.assignment, submission.notebook))


def submission_budget(limits: Limits, clock: Callable[[], float] = time.monotonic) -> Budget:
    """The time that all notebooks of one submission may cost together, from now on."""
    return Budget("the submission", submission_budget_seconds(limits), clock=clock)
