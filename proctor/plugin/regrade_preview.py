"""Grades submissions again beside the course: from a copy of gradebook and sources, so that nothing in it changes."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.intake.staging import state_of
from proctor.jobs.job import Accident, Done, Graded, Job
from proctor.plugin import partial, points, regrade_kept
from proctor.plugin.autograde import Autograde
from proctor.plugin.current import Current
from proctor.plugin.finished import Finished
from proctor.plugin.gradebook_copy import copy_gradebook
from proctor.plugin.in_work import InWork
from proctor.plugin.regrade_changes import Place, Rules, decide
from proctor.plugin.regrade_former import fingerprint, former_of
from proctor.plugin.regrade_kept import Looked
from proctor.plugin.standing import Standings
from proctor.sandbox.folders import OwnFolder
from proctor.settings import Proctor

_STAGED = "proctor_staged"
_OWN_TESTS = "the tests of "


class Scratch:
    """A course of its own, for as long as it is needed: the gradebook and the assignment's sources, copied.

    Args:
        app: the command, with the real course.
    """

    def __init__(self, app: NbGrader) -> None:
        real = app.coursedir
        self._folder = OwnFolder("regrade-")
        try:
            root = self._folder.path / "course"
            root.mkdir(mode=0o700)
            settings, course = Proctor(parent=app), Path(real.root).resolve()
            if real.groupshared:
                # To it the course secret belongs as well.
                shutil.chown(root, group=course.stat().st_gid)
            source = Path(real.format_path(real.source_directory, ".", real.assignment_id))
            if not source.is_dir():
                raise ProctorError(f"there is no assignment {printable(real.assignment_id)}: {source} is not there")
            shutil.copytree(source, root / "source" / real.assignment_id)
            copy_gradebook(real.db_url, root / "gradebook.db")
            self.config = copy.deepcopy(app.config)
            # Wherever the course has its folders and files: none of them is written into.
            self.config.CourseDirectory = Config(groupshared=real.groupshared, ignore=list(real.ignore))
            self.config.Proctor.secret = str(settings.secret_path(course).resolve())
            for name in ("data", "misconceptions"):
                if value := getattr(settings, name):
                    self.config.Proctor[name] = str((course / value).resolve())
            self.coursedir = CourseDirectory(
                config=self.config,
                root=str(root),
                course_id=real.course_id,
                assignment_id=real.assignment_id,
                notebook_id=real.notebook_id,
                db_url=f"sqlite:///{root / 'gradebook.db'}",
            )
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it; once more does nothing."""
        self._folder.remove()


class LookAgain(Autograde):
    """The grading of a preview, in a scratch course; submissions and records are read in the real one.

    Args:
        app: the command, with the real course.
        students: whom to grade, with what is known of them.
        folder: for what comes of them.
    """

    stays = "nothing was changed, and nothing of the preview stays"

    def __init__(self, app: NbGrader, scratch: Scratch, students: Mapping[str, Looked], folder: Path) -> None:
        super().__init__(coursedir=scratch.coursedir, parent=app, config=scratch.config)
        self._real, self._students, self._kept_in = app.coursedir, students, folder
        self._closed = Autograde(coursedir=app.coursedir, parent=app)._private()
        self.complete = False
        self._shows_hidden = shows_hidden(Proctor(parent=app), app.coursedir.assignment_id)

    def _private(self) -> list[Path]:
        return [*super()._private(), *self._closed]

    @property
    def _course(self) -> Path:
        return Path(self._real.root).resolve()

    def init_notebooks(self) -> None:
        """Those who were chosen, whatever else was handed in."""
        assignment, names = self.coursedir.assignment_id, self._expected()
        staged = {student: self._format_source(assignment, student) for student in self._students}
        self.notebooks = []
        self.assignments = {place: [f"{place}/{name}.ipynb" for name in names] for place in staged.values()}

    def _submitted(self, assignment_id: str, student_id: str) -> Path:
        return Path(self._real.format_path(self._real.submitted_directory, student_id, assignment_id))

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Always: who is to be graded was decided before."""
        done = Finished(self._course, assignment_id, student_id)
        self._current.begin(student_id, done)
        self._work.before = self._work.same_as = done.state()
        return True

    def take(self, work: InWork) -> Done:
        """All of it as it is, whatever was kept of an earlier correction."""
        return work.take()

    def make_job(self) -> Job:
        """The job as a run of autograding would give it; by its digest it is known again."""
        job = super().make_job()
        work, looked = self._work, self._students[self._work.student]
        if work.accidents:
            raise ProctorError("; ".join(f"{name}: {one.said}" for name, one in work.accidents.items()))
        looked.job, looked.state = digest_of(job), work.staged.state
        looked.made_with = self._current.made_with(work.student, self._expected()) or {}
        looked.former = fingerprint(self._real, self.coursedir, work.student, self._expected())
        return job

    def _finish(self, future: Future, work: InWork) -> None:
        """Keep what came of a job; nothing is stored in a gradebook."""
        self._work = work
        try:
            with self._accidents(work):
                self._taken(future, work)
                self._keep(work)
                self._outcomes[work.student] = "graded"
        finally:
            work.close()
            self._progress.ended(work.student, self._outcomes.get(work.student, ""), graded=True)

    def _keep(self, work: InWork) -> None:
        graded = {}
        for name in self._expected():
            found = work.done.found.get(name) or Accident.of(ProctorError("it was not graded"))
            if not isinstance(found, Graded):
                raise ProctorError(f"{name}: {found.said}")
            graded[name] = found
        looked = self._students[work.student]
        former = former_of(self._real, self.coursedir, work.student, self._expected(), looked)
        decision = decide(former, graded, Rules(shows_hidden=self._shows_hidden))
        if decision.stored or decision.trouble or not looked.same:
            looked.file = f"{hashlib.sha256(work.student.encode()).hexdigest()}.json"
            regrade_kept.write_graded(self._kept_in, looked.file, graded)

    def convert_notebooks(self) -> None:
        """Grade them; why one could not be is said in the preview."""
        super().convert_notebooks()
        self.complete = True
        for student, looked in self._students.items():
            said = self._outcomes.get(student, "nobody has graded it")
            if said != "graded":
                looked.trouble = printable(said.partition(": ")[2] or said, 300)
                self._outcomes[student] = "graded"

    def _print_table(self) -> None:
        """The preview says it all."""


def shows_hidden(settings: Proctor, assignment: str) -> bool:
    """Whether hidden checks stand on students' pages, now or later."""
    return settings.reveal.get(assignment, "kind") != "kind"


def digest_of(job: Job) -> str:
    """What decides about the results of a job: notebooks, files, keys."""
    tasks = [[one.name, one.notebook, one.digest, repr(one.keys), one.notes, one.judged] for one in job.tasks]
    return hashlib.sha256(json.dumps([job.assignment, job.student, tasks], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """What a preview is asked for.

    Attributes:
        students: these alone; all if there are none.
        everybody: also those for whom nothing has changed.
        chosen, never_lower: as in `Rules`.
    """

    students: Sequence[str] = ()
    everybody: bool = False
    chosen: Collection[Place] | None = None
    never_lower: bool = False


def choose(
    app: NbGrader, scratch: Scratch, current: Current, wanted: Wanted
) -> tuple[dict[str, Looked], dict[str, str], int]:
    """Whom to grade again.

    Args:
        current: of the scratch course.

    Returns:
        What is known of each, why others were left out, and for how many nothing has changed.
    """
    real, assignment = app.coursedir, app.coursedir.assignment_id
    root, names = Path(real.root).resolve(), partial.all_notebooks(scratch.coursedir)
    names = [name for name in names if real.notebook_id in ("*", name)]
    found: dict[str, Looked] = {}
    skipped: dict[str, str] = {}
    collected, excluded, same = Standings(real, assignment).collected(), (real.student_id_exclude or "").split(","), 0
    for student in sorted({*collected, *wanted.students, *_graded(scratch.coursedir)}):
        if student in excluded or (wanted.students and student not in wanted.students):
            continue
        if student not in collected:
            skipped[student] = "there is nothing of this student in submitted/; points stay as they are"
            continue
        done = Finished(root, assignment, student)
        submitted = Path(real.format_path(real.submitted_directory, student, assignment))
        try:
            if done.state() is None or done.differences():
                skipped[student] = f"not graded to its end yet; run: nbgrader autograde {assignment}"
                continue
            unchanged = state_of(submitted) == done.state()
        except ProctorError as error:
            skipped[student] = str(error)
            continue
        reasons = [] if unchanged else ["another submission was collected"]
        why = current.why_again(done, names)
        about = [one for one in why.split("; ") if one and not one.startswith(_OWN_TESTS)]
        reasons += [one for one in why.split("; ") if one]
        if changed := points.changed_since(scratch.coursedir, assignment, student, names, root):
            reasons, about = [*reasons, changed], [*about, changed]
        if reasons or wanted.everybody:
            found[student] = Looked(same=unchanged, reasons=reasons, about=about)
        else:
            same += 1
    return found, skipped, same


def _graded(coursedir: CourseDirectory) -> list[str]:
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        return [one.student.id for one in gradebook.assignment_submissions(coursedir.assignment_id)]


def make(app: NbGrader, place: Path, wanted: Wanted) -> tuple[regrade_kept.Preview, int]:
    """Make a preview and keep it.

    Args:
        app: the command, with the real course.
        place: where it is kept.

    Returns:
        The preview, and for how many submissions nothing has changed.

    Raises:
        ProctorError: nothing can be graded; the message says what to do.
        NbGraderException: the same, and the log says it.
        SystemExit: it was told to stop.
    """
    scratch, folder = Scratch(app), regrade_kept.draft(place)
    try:
        own_files = Autograde(coursedir=scratch.coursedir, parent=app, config=scratch.config)._own_files
        current = Current(scratch.coursedir, Proctor(config=scratch.config), own_files)
        try:
            current.check()
        except ProctorError as error:
            raise ProctorError(str(error).replace(scratch.coursedir.root, str(app.coursedir.root))) from error
        chosen, skipped, same = choose(app, scratch, current, wanted)
        if chosen:
            run = LookAgain(app, scratch, chosen, folder.path)
            run.start()
            if not run.complete:
                raise ProctorError("the preview was stopped, and nothing of it stays")
        cells = None if wanted.chosen is None else [list(one) for one in sorted(wanted.chosen)]
        words = (place, app.coursedir.notebook_id, time.time(), chosen, skipped, cells, wanted.never_lower)
        preview = regrade_kept.Preview(*words)
        regrade_kept.keep(folder, preview)
        return preview, same
    finally:
        folder.remove()
        scratch.remove()
