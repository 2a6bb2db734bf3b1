"""nbgrader's autograding with the engine in it: rebuilds submissions first, and no accident ends a batch.

Commands and the formgrader's button use this class in place of nbgrader's own, see `proctor.plug_in`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.exchange.default import Exchange
from nbgrader.utils import find_all_files
from traitlets import Bool

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.graded_notebook import FAILED
from proctor.intake.copier import printable
from proctor.intake.inert import make_inert
from proctor.intake.staging import state_of
from proctor.jobs.capacity import default_workers
from proctor.jobs.cluster import Cluster
from proctor.jobs.crew import Crew
from proctor.jobs.job import Accident, Job
from proctor.notebooks import cells as notebook_cells
from proctor.pages.album import Album, take_pictures
from proctor.plugin import busy, gradebook_file, last_words, partial, points, unjudged
from proctor.plugin.batch import Batch
from proctor.plugin.current import Current
from proctor.plugin.finished import Begun, Finished
from proctor.plugin.in_work import files_in
from proctor.plugin.known_mistakes import known_mistakes
from proctor.plugin.lateness import Lateness
from proctor.plugin.prepare import prepare
from proctor.plugin.reports_folder import FOLDER as REPORTS
from proctor.plugin.run_times import graded, unfinished
from proctor.plugin.sealed import FOLDER as SEALED
from proctor.plugin.surroundings import surroundings
from proctor.sandbox.bubblewrap import availability, unbound
from proctor.settings import Proctor

STAGED = "proctor_staged"


class Autograde(Batch):
    """Grades submissions, several at a time; prints a table of what became of each."""

    regrade_stale = Bool(
        True,
        help="Grade again what was graded with other tests, another engine, other limits or other data than there are "
        "now. If not, the table says which those are.",
    ).tag(config=True)

    def start(self) -> None:
        """Grade all submissions of the assignment that are new or newer.

        Raises:
            NbGraderException: there is no usable sandbox, no room, no usable gradebook, or there is nothing to grade;
                nothing was changed. Or some submission was not graded to its end, and the others were.
            SystemExit: it was told to stop, with 128 and the number of the signal.
        """
        settings = Proctor(parent=self)
        problem = availability() if settings.sandbox == "bwrap" else None
        if problem:
            self._refuse(problem)
        try:
            self._secret = settings.course_secret(self._root)
            self._around = surroundings(settings, self._root)
            self._around = replace(self._around, known=known_mistakes(settings, self.coursedir, self.log.warning))
            settings.refuse_exposing(self._root, self._private())
            # Before anything reads it, since that would wait without a word.
            gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
            Lateness(self).check(self.coursedir)
            self._current = Current(self.coursedir, settings, self._own_files)
        except ProctorError as error:
            self._refuse(str(error))
        if settings.sandbox == "bwrap" and unbound():
            self.log.warning(unbound())
        with self.running(STAGED):
            self._current.check()
            super().start()
            if left := unfinished(self._outcomes):
                self._refuse(left)

    def crew(self, most: int) -> Crew | Cluster:
        """Who grades, at most so many submissions at a time."""
        settings = Proctor(parent=self)
        if settings.scheduler:
            told = (self._times.begin, self.lost, self.log.warning)
            return Cluster(settings.scheduler, settings.scheduler_security, self._around, *told)
        number = min(most, settings.workers or default_workers())
        return Crew(max(1, number), self._around, self._times.begin, self.lost, self.look)

    def _private(self) -> list[Path]:
        """What nobody in a sandbox may see, beside the course secret."""
        folders = self.coursedir
        names = [folders.source_directory, folders.submitted_directory, folders.autograded_directory]
        names += [folders.feedback_directory, verdict.FOLDER, SEALED, REPORTS, Exchange(parent=self).root]
        database = gradebook_file.path_of(folders.db_url)
        names += [Proctor(parent=self).misconceptions] if Proctor(parent=self).misconceptions else []
        return [self._root / name for name in [*names, *([database] if database else [])]]

    @property
    def _input_directory(self) -> str:
        return self._staged_in if self._sanitizing else self.coursedir.autograded_directory

    def init_notebooks(self) -> None:
        """Find submissions by their folders: which notebooks belong to them says the assignment, not the student."""
        names = self._expected()
        pattern = self.coursedir.format_path(
            self.coursedir.submitted_directory, self.coursedir.student_id, self.coursedir.assignment_id
        )
        self.assignments, self.notebooks = {}, []
        root = Path(pattern).parent.parent
        for folder in sorted(root.glob(f"{self.coursedir.student_id}/{self.coursedir.assignment_id}")):
            if folder.is_dir() and not folder.is_symlink():
                staged = self._format_source(folder.name, folder.parent.name)
                self.assignments[staged] = [os.path.join(staged, f"{name}.ipynb") for name in names]
        if not self.assignments:
            whose = "" if self.coursedir.student_id == "*" else f" by {printable(self.coursedir.student_id)}"
            self._refuse(f"no submissions of {self.coursedir.assignment_id}{whose} in {root}; collect them first")

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether this submission is to be graded: it is new, has changed, was not finished, or --force was given."""
        submitted, done = self._submitted(assignment_id, student_id), Finished(self._root, assignment_id, student_id)
        with self._files_of(assignment_id, student_id):
            for line in make_inert(submitted):
                self.log.warning(printable(line, 300))
            try:
                state = state_of(submitted)
            except ProctorError:
                # What that means is said when it is staged.
                state = None
        destination = Path(self._format_dest(assignment_id, student_id))
        made = all((destination / f"{name}.ipynb").is_file() for name in self._expected())
        before = done.state() or Begun(self._root, assignment_id, student_id).state()
        same = state is not None and before == state
        finished = same and made and done.state() == state
        names = self._expected() if finished else []
        again = self._current.why_again(done, names) if finished else ""
        again = again or points.changed_since(self.coursedir, assignment_id, student_id, names)
        if finished and not self.force and not (again and self.regrade_stale):
            self.log.info("Skipping existing assignment: %s", destination)
            word = f"graded before ({again} since)" if again else "graded before"
            open_ = unjudged.found(self._root, assignment_id, student_id, names)
            self._outcomes[student_id] = graded(0, *done.not_found(), word, unjudged.said(open_))
            return False
        self._current.begin(student_id, done, again)
        self._work.before = done.state()
        # What was graded is what will be: its points may stay until there are new ones. Those of anything else go now,
        # and with them the record that vouches for them, before what is handed in can make something fail.
        self._work.same_as = state if same else None
        if not same:
            self._clear(assignment_id, student_id)
        return True

    def _clear(self, assignment_id: str, student_id: str) -> None:
        done = Finished(self._root, assignment_id, student_id)
        destination = Path(self._format_dest(assignment_id, student_id))
        done.forget()
        Begun(self._root, assignment_id, student_id).forget()
        points.clear(self.coursedir, assignment_id, student_id, self._expected())
        self._reached[student_id] = "not graded, its points are 0"
        if self.coursedir.notebook_id == "*":
            shutil.rmtree(done.folder, ignore_errors=True)
            shutil.rmtree(destination, ignore_errors=True)
        else:
            for name in self._expected():
                (destination / f"{name}.ipynb").unlink(missing_ok=True)
                (done.folder / f"{name}.json").unlink(missing_ok=True)

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Stage the submission (regular files, rebuilt notebooks); only then what there is of an older one goes."""
        with self._files_of(assignment_id, student_id):
            self._prepare(assignment_id, student_id)
        work = self._work
        if work.staged.state == work.same_as:
            Begun(self._root, assignment_id, student_id).write(work.same_as)
        else:
            self._clear(assignment_id, student_id)
        Finished(self._root, assignment_id, student_id).forget()
        kept = points.waiting_kept(self.coursedir, assignment_id, student_id)
        with kept, partial.whole_submission(self.coursedir, self._input_directory):
            super().init_assignment(assignment_id, student_id)
        if work.staged.state != work.same_as:
            # Once more: a first submission has its entries only now.
            points.clear(self.coursedir, assignment_id, student_id, self._expected())
        self._reached[student_id] = "not graded to its end"

    def _files_of(self, assignment_id: str, student_id: str) -> contextlib.AbstractContextManager[None]:
        """Nobody collects into the student's folder meanwhile."""
        return busy.held(self._root, assignment_id, student_id, "copied", busy.SECONDS_TO_COPY, busy.FILES)

    def make_job(self) -> Job:
        """All that is needed to grade the submission in work, once nbgrader's steps before the run are done.

        Raises:
            OSError: something is wrong with this machine.
        """
        work, tasks = self._work, []
        for name in partial.earlier(partial.all_notebooks(self.coursedir), self._expected()):
            self.log.info("Running %s, whose results a later notebook may use", name)
            tasks.append(work.task(name, work.rebuilt[name].notebook, self._secret, judged=False))
        for path in work.notebooks:
            name = Path(path).stem
            try:
                if name in work.prepared.broken:
                    raise ProctorError(work.prepared.broken[name])
                tasks.append(work.task(name, self.before_the_run(path, self._target(path)), self._secret))
            except Exception as error:
                if self.of_machine(error):
                    raise
                work.accidents[name] = Accident.of(error)
        beside = files_in(Path(self._format_dest(work.assignment, work.student)))
        return Job(work.assignment, work.student, tuple(tasks), work.staged.files, beside)

    def _target(self, notebook_filename: str) -> Path:
        return Path(self._format_dest(self._work.assignment, self._work.student)) / Path(notebook_filename).name

    def init_single_notebook_resources(self, notebook_filename: str) -> dict[str, Any]:
        """Resources with what the steps after the run need."""
        resources = super().init_single_notebook_resources(notebook_filename)
        resources["proctor"] = self._work.resources(self._root, resources["nbgrader"]["notebook"])
        return resources

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Store what came of one notebook; what went wrong in it costs this notebook, and staff are told.

        Raises:
            Exception: something is wrong with this machine or the gradebook, which says nothing about the notebook.
        """
        name = Path(notebook_filename).stem
        accident = self._work.accident(name)
        if accident is None:
            try:
                self.after_the_run(self._target(notebook_filename))
                return
            except Exception as error:
                if self.of_machine(error):
                    raise
                accident = Accident.of(error)
        if self.of_machine(accident.again()):
            raise accident.again()
        foreseen = isinstance(accident.error, ProctorError)
        details = str(accident.error) if foreseen else last_words.kept(accident.said, accident.details)
        self.log.error("%s could not be graded, 0 points: %s", notebook_filename, details)
        self._give_nothing(name, accident.said)

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """After the last notebook: compare record and gradebook, and note that the submission is finished."""
        super().set_permissions(assignment_id, student_id)
        differences, notes, failed = [], 0, []
        # A run for one notebook leaves a submission finished that was: all its records are looked at then.
        finished = self.coursedir.notebook_id == "*" or self._work.before == self._work.staged.state
        for name in partial.all_notebooks(self.coursedir) if finished else self._expected():
            try:
                record = verdict.load(verdict.record_path(self._root, assignment_id, student_id, name))
            except ProctorError:
                failed.append(name)
                continue
            notes += len(record.notes)
            scores = points.autograded(self.coursedir, assignment_id, student_id, name)
            differences += [f"{name}: {line}" for line in verdict.compare(record, scores)]
        for line in differences:
            self.log.error("%s: gradebook and verdicts differ: %s", student_id, line)
        # Without a state the next start takes the submission up again.
        state = self._work.staged.state if finished and not failed else None
        made_with = self._current.made_with(student_id, self._expected())
        not_found = (self._work.staged.matched.lost, self._work.staged.unreadable)
        Finished(self._root, assignment_id, student_id).write(state, differences, made_with, not_found)
        if state is not None:
            Begun(self._root, assignment_id, student_id).forget()
        if differences:
            self._outcomes[student_id] = f"NOT RELEASABLE: gradebook and verdicts differ in {len(differences)} cells"
        elif failed:
            self._outcomes[student_id] = f"partly graded: not {', '.join(failed)}; see the log"
        else:
            word = self._current.outcome(student_id)
            open_ = unjudged.found(self._root, assignment_id, student_id, self._expected())
            self._outcomes[student_id] = graded(notes, *not_found, word, unjudged.said(open_))

    def _expected(self) -> list[str]:
        assignment, pattern = self.coursedir.assignment_id, self.coursedir.notebook_id
        known = partial.all_notebooks(self.coursedir)
        names = [name for name in known if pattern in ("*", name)]
        if known and not names:
            self._refuse(f"{assignment} has no notebook {pattern}; it has {', '.join(known)}")
        if not names:
            self._refuse(f"{assignment} has no notebooks yet; run: nbgrader generate_assignment {assignment}")
        return names

    def _prepare(self, assignment_id: str, student_id: str) -> None:
        source = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", assignment_id))
        folder = Path(self._format_source(assignment_id, student_id))
        names = self._expected()
        ready = prepare(
            self._submitted(assignment_id, student_id),
            self._work.folder / "files",
            folder,
            {name: source / f"{name}.ipynb" for name in partial.all_notebooks(self.coursedir)},
            self._own_files(assignment_id, source),
        )
        for line in ready.staged.for_staff:
            self.log.warning("%s: %s", printable(student_id), line)
        self._work.prepared = ready
        self.notebooks = [str(folder / f"{name}.ipynb") for name in names]

    def _own_files(self, assignment_id: str, source: Path) -> dict[str, Path]:
        """The instructor's files beside the notebooks that take the place of the student's, by path."""
        found = {
            Path(name).relative_to(source).as_posix(): Path(name)
            for name in find_all_files(str(source), [*self.coursedir.ignore, "*.ipynb"])
        }
        kept = self.exclude_overwriting.get(assignment_id, [])
        return {path: place for path, place in found.items() if path not in kept}

    def _give_nothing(self, name: str, why: str) -> None:
        """An autograded notebook in which every test cell has failed, with 0 points in the gradebook."""
        submission = self._work.submission(name)
        notebook = self._work.rebuilt[name].notebook
        take_pictures(notebook, Album(self._around.pages, submission.handed_in))
        for cell in notebook["cells"]:
            if notebook_cells.role(cell) == "test":
                text = f"not graded: {why}"
                cell["outputs"] = [{"output_type": "error", "ename": FAILED, "evalue": text, "traceback": [text]}]
        path = self._target(f"{name}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(nbformat.from_dict(notebook)), encoding="utf-8")
        record = verdict.record_path(self._root, submission.assignment, submission.student, submission.notebook)
        record.unlink(missing_ok=True)
        points.clear(self.coursedir, submission.assignment, submission.student, [submission.notebook])
        unjudged.queue(self.coursedir, submission.assignment, submission.student, submission.notebook)

    def _submitted(self, assignment_id: str, student_id: str) -> Path:
        return Path(self.coursedir.format_path(self.coursedir.submitted_directory, student_id, assignment_id))

    def _print_table(self) -> None:
        if not self._outcomes:
            return
        off = "" if Proctor(parent=self).sandbox == "bwrap" else "  (sandbox off)"
        print(self._times.table(self._outcomes, off), flush=True)
