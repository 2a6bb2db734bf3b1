"""Stores what a preview of grading again has shown; nothing else, and nothing of a submission that changed since."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters.base import NbGraderException

from proctor.errors import ProctorError
from proctor.intake.staging import state_of
from proctor.jobs.doing import DONE
from proctor.jobs.job import Done, Job, save
from proctor.plugin import busy, regrade_floor, regrade_former
from proctor.plugin.autograde import Autograde
from proctor.plugin.batch import UNTOUCHED
from proctor.plugin.current import Current
from proctor.plugin.finished import Finished
from proctor.plugin.in_work import InWork
from proctor.plugin.regrade_changes import Decision
from proctor.plugin.regrade_kept import Looked
from proctor.plugin.regrade_preview import digest_of
from proctor.settings import Proctor

CHANGED = "changed since the preview: make the preview again"


@dataclass
class Planned:
    """A submission, what the preview knows of it, and what is to become of it."""

    looked: Looked
    decision: Decision

    @property
    def stored(self) -> bool:
        """Whether anything of its own is written anew; all of it if it is another submission."""
        return self.decision.stored or not self.looked.same


class Store(Autograde):
    """A run of autograding that grades nothing: in place of a job's results it stores those of the preview.

    Locks, gradebook, records, graded notebooks and the state of a finished submission are as in any other run.

    Attributes:
        stored: whose grading is now what the preview has shown.
        left: why others were left as they were.
    """

    def __init__(self, app: NbGrader, planned: Mapping[str, Planned]) -> None:
        super().__init__(coursedir=app.coursedir, parent=app)
        self.force = True
        self._planned = planned
        self._current = Current(app.coursedir, Proctor(parent=app), self._own_files)
        self.stored: set[str] = set()
        self.left: dict[str, str] = {}

    def start(self) -> None:
        """Store them.

        Raises:
            NbGraderException: the run could not begin, or not go on; the log says why.
            SystemExit: it was told to stop.
        """
        try:
            if any(one.stored for one in self._planned.values()):
                super().start()
        except NbGraderException:
            # Of those who are named in `left`; otherwise nothing could be stored.
            if not self.left:
                raise
        for student, one in self._planned.items():
            if not one.stored:
                self._note_same(student, one)

    def crew(self, most: int) -> Any:
        """Nobody grades."""
        return _Results(self._planned, self._times.begin)

    def init_notebooks(self) -> None:
        """Those of whom something is to be stored."""
        names, assignment = self._expected(), self.coursedir.assignment_id
        self.notebooks, self.assignments = [], {}
        for student, one in self._planned.items():
            if one.stored:
                place = self._format_source(assignment, student)
                self.assignments[place] = [f"{place}/{name}.ipynb" for name in names]

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether all is as the preview found it; then the former records are put aside.

        Raises:
            ProctorError: it is not, and nothing was changed.
        """
        one = self._planned[student_id]
        self._refuse_changed(student_id, one.looked)
        regrade_former.keep(self._root, assignment_id, student_id, one.looked.reasons, one.decision.changes)
        return super().init_destination(assignment_id, student_id)

    def take(self, work: InWork) -> Done:
        """What of the preview is to be stored, and nothing of earlier corrections."""
        return work.take()

    def make_job(self) -> Job:
        """The job, which has to be the one of the preview.

        Raises:
            ProctorError: it is another one.
        """
        job = super().make_job()
        if self._work.accidents or digest_of(job) != self._planned[job.student].looked.job:
            raise ProctorError(CHANGED)
        return job

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """After the last notebook."""
        one, done = self._planned[student_id], Finished(self._root, assignment_id, student_id)
        before = self._current.before(student_id)
        super().set_permissions(assignment_id, student_id)
        if one.decision.left:
            # Other checks still stand by the former tests: it is to be graded again as before.
            done.write(done.state(), done.differences(), before, done.not_found())
        if done.state() is not None:
            self._hold(student_id, one)
            self.stored.add(student_id)

    def _hold(self, student: str, one: Planned) -> None:
        """A question that was kept from losing points is that in later runs, too."""
        if one.decision.held or not one.decision.left:
            place = self._root, self.coursedir.assignment_id, student
            regrade_floor.write(*place, one.looked.state, one.decision.held)

    def _refuse_changed(self, student: str, looked: Looked) -> None:
        assignment, names = self.coursedir.assignment_id, self._expected()
        done = Finished(self._root, assignment, student)
        now = regrade_former.fingerprint(self.coursedir, self.coursedir, student, names)
        self._current.begin(student, done)
        made_with = self._current.made_with(student, names) or {}
        found = (state_of(self._submitted(assignment, student)), now, made_with)
        if found != (looked.state, looked.former, looked.made_with):
            raise ProctorError(CHANGED)

    def _note_same(self, student: str, one: Planned) -> None:
        """Nothing of it is written anew, but for what it would be graded with."""
        assignment = self.coursedir.assignment_id
        try:
            with busy.held(self._root, assignment, student, "graded"):
                self._refuse_changed(student, one.looked)
                done = Finished(self._root, assignment, student)
                if one.decision.changes:
                    changes = one.decision.changes
                    regrade_former.keep(self._root, assignment, student, one.looked.reasons, changes)
                self._hold(student, one)
                if not one.decision.left:
                    made_with = one.looked.made_with or None
                    done.write(done.state(), done.differences(), made_with, done.not_found())
            self.stored.add(student)
        except (ProctorError, OSError) as error:
            self.left[student] = self.meaning(error) or str(error)

    def _print_table(self) -> None:
        for student, said in self._outcomes.items():
            if student not in self.stored:
                self.left[student] = said.removeprefix(f"{UNTOUCHED}: ")


class _Results:
    """In place of a crew: what the preview has kept lies there at once."""

    number = ahead = 1
    where = "the preview"

    def __init__(self, planned: Mapping[str, Planned], begun: Any) -> None:
        self._planned, self._begun = planned, begun

    def start(self) -> None:
        """Nothing is to be started."""

    def check(self) -> None:
        """Nothing can be in its way."""

    def do(self, folder: Path, student: str) -> Future:
        self._begun(student)
        save(folder / DONE, Done(dict(self._planned[student].decision.graded)))
        done: Future = Future()
        done.set_result(None)
        return done

    def end(self) -> None:
        """Nothing is to be ended."""
