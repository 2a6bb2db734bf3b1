"""nbgrader's autograding with the engine in it: rebuilds submissions first, and no accident ends a batch.

Commands and the formgrader's button use this class in place of nbgrader's own, see `proctor.plug_in`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde as NbgraderAutograde
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import find_all_files

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.grading import FAILED, Submission
from proctor.intake.copier import printable
from proctor.intake.inert import make_inert
from proctor.intake.rebuild import Rebuilt
from proctor.intake.staging import Staged, state_of
from proctor.notebooks import cells as notebook_cells
from proctor.pages.album import Album, take_pictures
from proctor.plugin import points
from proctor.plugin.finished import Finished
from proctor.plugin.prepare import prepare
from proctor.plugin.run_times import RunTimes
from proctor.plugin.sealed import FOLDER as SEALED
from proctor.sandbox.bubblewrap import SandboxUnavailable, availability, unbound
from proctor.sandbox.folders import OwnFolder, sweep
from proctor.settings import Proctor

STAGED = "proctor_staged"
_DONE = "complete.json"
_BROKEN = "**Notes from the grading**\n\nThis notebook could not be graded. The course staff has been told."


class Autograde(NbgraderAutograde):
    """Grades submissions one after the other; prints a table of what became of each."""

    def start(self) -> None:
        """Grade all submissions of the assignment that are new or newer.

        Raises:
            NbGraderException: there is no usable sandbox, or there is nothing to grade; nothing was changed. Or some
                submission was not graded to its end, and the others were.
        """
        settings = Proctor(parent=self)
        problem = availability() if settings.sandbox == "bwrap" else None
        if problem:
            self._refuse(problem)
        try:
            settings.course_secret(self._root)
            self._times = RunTimes(settings.all_limits())
            settings.refuse_exposing(self._root, self._private())
        except ProctorError as error:
            self._refuse(str(error))
        if settings.sandbox == "bwrap" and unbound():
            self.log.warning(unbound())
        sweep()
        self._outcomes: dict[str, str] = {}
        self._rebuilt: dict[str, Rebuilt] = {}
        self._broken: dict[str, str] = {}
        self._staged: Staged | None = None
        results = OwnFolder("results-")
        self._scratch = results.path
        try:
            super().start()
            if unfinished := self._times.unfinished(self._outcomes):
                self._refuse(unfinished)
        finally:
            results.remove()
            shutil.rmtree(self._root / STAGED, ignore_errors=True)
            self._print_table()

    def _private(self) -> list[Path]:
        """What nobody in a sandbox may see, beside the course secret."""
        folders = self.coursedir
        names = [folders.source_directory, folders.submitted_directory, folders.autograded_directory]
        names += [folders.feedback_directory, verdict.FOLDER, STAGED, SEALED]
        # A path, if the gradebook is a file.
        kind, _, database = folders.db_url.partition(":///")
        return [self._root / name for name in [*names, *([database] if kind == "sqlite" else [])]]

    def _refuse(self, why: str) -> NoReturn:
        # The command ends without a word of its own; the formgrader shows the log.
        self.log.error(why)
        raise NbGraderException(why)

    @property
    def _root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    @property
    def _input_directory(self) -> str:
        return STAGED if self._sanitizing else self.coursedir.autograded_directory

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
                for line in make_inert(folder):
                    self.log.warning(printable(line, 300))
                staged = self._format_source(folder.name, folder.parent.name)
                self.assignments[staged] = [os.path.join(staged, f"{name}.ipynb") for name in names]
        if not self.assignments:
            self._refuse(f"no submissions of {self.coursedir.assignment_id} in {root}; collect them first")

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether this submission is to be graded: it is new, has changed, was not finished, or --force was given."""
        if student_id in (self.coursedir.student_id_exclude or "").split(","):
            return False
        self._outcomes[student_id] = "not graded: stopped while it was prepared"
        with self._said_of(student_id):
            return self._make_room(assignment_id, student_id)

    def _make_room(self, assignment_id: str, student_id: str) -> bool:
        done = Finished(self._root, assignment_id, student_id)
        destination = Path(self._format_dest(assignment_id, student_id))
        made = [destination / f"{name}.ipynb" for name in self._expected()]
        finished = done.exists() and all(path.is_file() for path in made)
        if finished and not self.force and done.state() == state_of(self._submitted(assignment_id, student_id)):
            self.log.info("Skipping existing assignment: %s", destination)
            self._outcomes[student_id] = "graded before"
            return False
        # Points of an earlier submission must not stay, nor a record that vouches for them, should this one not get to
        # its end: so they go before anything that can fail.
        done.forget()
        points.clear(self.coursedir, assignment_id, student_id, self._expected())
        if self.coursedir.notebook_id == "*":
            shutil.rmtree(done.folder, ignore_errors=True)
            shutil.rmtree(destination, ignore_errors=True)
        else:
            for path in (*made, *(done.folder / f"{path.stem}.json" for path in made)):
                path.unlink(missing_ok=True)
        return True

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Stage the submission (regular files, rebuilt notebooks) and set all its autograded points to 0."""
        self._times.begin(student_id)
        self._outcomes[student_id] = "not graded, its points are 0: stopped while it was prepared"
        with self._said_of(student_id):
            self._prepare(assignment_id, student_id)
            super().init_assignment(assignment_id, student_id)
            # Once more: a first submission has its entries only now.
            points.clear(self.coursedir, assignment_id, student_id, self._expected())
        self._outcomes[student_id] = "not graded to its end; see the log"

    @contextlib.contextmanager
    def _said_of(self, student_id: str) -> Iterator[None]:
        """An error stands in the table, in this student's line; nbgrader itself goes on with the next one."""
        try:
            yield
        except Exception as error:
            said = str(error) if isinstance(error, ProctorError | OSError) else f"{type(error).__name__}: {error}"
            self._outcomes[student_id] = f"not graded, its points are 0: {said}"
            raise

    def init_single_notebook_resources(self, notebook_filename: str) -> dict[str, Any]:
        """Resources with what the execution step needs."""
        resources = super().init_single_notebook_resources(notebook_filename)
        names = resources["nbgrader"]
        rebuilt = self._rebuilt[f"{names['student']}/{names['notebook']}"]
        submission = Submission(
            assignment=names["assignment"],
            student=names["student"],
            notebook=names["notebook"],
            digest=self._staged.digest(names["notebook"]),
            files=self._staged.files,
            results=self._scratch / hashlib.sha256(names["student"].encode()).hexdigest(),
            notes=rebuilt.notes,
        )
        resources["proctor"] = {
            "submission": submission,
            "root": self._root,
            "budget": self._times.budget(names["student"]),
        }
        return resources

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Grade one notebook; whatever goes wrong costs this notebook, and staff are told."""
        try:
            if notebook_filename in self._broken:
                raise ProctorError(self._broken[notebook_filename])
            super().convert_single_notebook(notebook_filename)
        except (KeyboardInterrupt, SandboxUnavailable):
            raise
        except Exception as error:
            details = str(error) if isinstance(error, ProctorError) else traceback.format_exc()
            self.log.error("%s could not be graded, 0 points: %s", notebook_filename, details)
            self._give_nothing(notebook_filename, f"{type(error).__name__}: {error}")

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """After the last notebook: compare record and gradebook, and note that the submission is finished."""
        super().set_permissions(assignment_id, student_id)
        differences, notes, failed = [], 0, []
        for path in self.notebooks:
            name = Path(path).stem
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
        whole = not failed and self.coursedir.notebook_id == "*"
        state = self._staged.state if whole else None
        Finished(self._root, assignment_id, student_id).write(state, differences)
        if differences:
            self._outcomes[student_id] = f"NOT RELEASABLE: gradebook and verdicts differ in {len(differences)} cells"
        elif failed:
            self._outcomes[student_id] = f"partly graded: not {', '.join(failed)}; see the log"
        else:
            self._outcomes[student_id] = f"graded, {notes} notes" if notes else "graded"

    def _expected(self) -> list[str]:
        assignment = self.coursedir.assignment_id
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                names = [one.name for one in gradebook.find_assignment(assignment).notebooks]
            except MissingEntry:
                names = []
        pattern = self.coursedir.notebook_id
        names = sorted(name for name in names if pattern in ("*", name))
        if not names:
            self._refuse(f"{assignment} has no notebooks yet; run: nbgrader generate_assignment {assignment}")
        return names

    def _prepare(self, assignment_id: str, student_id: str) -> None:
        source = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", assignment_id))
        folder = Path(self._format_source(assignment_id, student_id))
        names = self._expected()
        ready = prepare(
            self._submitted(assignment_id, student_id),
            self._scratch / "files",
            folder,
            {name: source / f"{name}.ipynb" for name in names},
            self._own_files(assignment_id, source),
        )
        for line in ready.staged.for_staff:
            self.log.warning("%s: %s", printable(student_id), line)
        self._staged = ready.staged
        self._rebuilt |= {f"{student_id}/{name}": rebuilt for name, rebuilt in ready.rebuilt.items()}
        self._broken |= {str(folder / f"{name}.ipynb"): why for name, why in ready.broken.items()}
        self.notebooks = [str(folder / f"{name}.ipynb") for name in names]

    def _own_files(self, assignment_id: str, source: Path) -> dict[str, Path]:
        """The instructor's files beside the notebooks that take the place of the student's, by path."""
        found = {
            Path(name).relative_to(source).as_posix(): Path(name)
            for name in find_all_files(str(source), [*self.coursedir.ignore, "*.ipynb"])
        }
        kept = self.exclude_overwriting.get(assignment_id, [])
        return {path: place for path, place in found.items() if path not in kept}

    def _give_nothing(self, notebook_filename: str, why: str) -> None:
        """An autograded notebook in which every test cell has failed, with 0 points in the gradebook."""
        resources = self.init_single_notebook_resources(notebook_filename)
        submission = resources["proctor"]["submission"]
        notebook = self._rebuilt[f"{submission.student}/{submission.notebook}"].notebook
        take_pictures(notebook, Album(Proctor(parent=self).page_limits(), submission.handed_in))
        for cell in notebook["cells"]:
            if notebook_cells.role(cell) == "test":
                text = f"not graded: {why}"
                cell["outputs"] = [{"output_type": "error", "ename": FAILED, "evalue": text, "traceback": [text]}]
        path = Path(self._format_dest(submission.assignment, submission.student)) / f"{submission.notebook}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(nbformat.from_dict(notebook)), encoding="utf-8")
        record = verdict.record_path(self._root, submission.assignment, submission.student, submission.notebook)
        record.unlink(missing_ok=True)

    def _submitted(self, assignment_id: str, student_id: str) -> Path:
        return Path(self.coursedir.format_path(self.coursedir.submitted_directory, student_id, assignment_id))

    def _print_table(self) -> None:
        if not self._outcomes:
            return
        off = "" if Proctor(parent=self).sandbox == "bwrap" else "  (sandbox off)"
        print(self._times.table(self._outcomes, off), flush=True)
