"""nbgrader's generate_feedback, which makes a page anew when what stands on it has changed since.

It leaves a submission alone while somebody else is at work on it.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateFeedback as NbgraderGenerateFeedback
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import DBAPIError

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.pages.report_html import INDEX, index_html
from proctor.pages.template import write_template
from proctor.plugin import busy, gradebook_file, last_words, room
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_state import PageState, states
from proctor.plugin.reporting import report_of
from proctor.plugin.reveal import LEVEL, SOURCE, level_now
from proctor.sandbox.folders import OwnFolder
from proctor.settings import Proctor
from proctor.staff_files import staff_only


class GenerateFeedback(NbgraderGenerateFeedback):
    """Makes the pages whose points, comments, verdicts or notebook are not those that they show."""

    def __init__(self, coursedir: Any = None, **more: Any) -> None:
        super().__init__(coursedir=coursedir, **more)
        # A course may have a template of its own.
        self._own_template = self.config.HTMLExporter.template_name == "feedback"

    def start(self) -> None:
        """Make the pages.

        Raises:
            NbGraderException: the gradebook can't be used, or there is nothing to make pages of; or of some submission
                no pages were made, and those of the others were. The log says which.
        """
        self._held, self._left_out = contextlib.ExitStack(), []
        try:
            self._lateness = Lateness(self)
            gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
            self._lateness.check(self.coursedir)
            assignment = self.coursedir.assignment_id
            self._level, why = level_now(Proctor(parent=self), self.coursedir, self._lateness, assignment)
        except ProctorError as error:
            self._refuse(f"no page was made: {error}")
        if why:
            self.log.warning(why)
        folder = OwnFolder("template-")
        try:
            if self._own_template:
                self.update_config(write_template(folder.path))
            with self._held, staff_only(self.coursedir.groupshared):
                super().start()
                self._name_the_gone()
        finally:
            folder.remove()
        if self._left_out:
            self._refuse(f"no pages were made of {len(self._left_out)} submissions ({', '.join(self._left_out)})")

    def convert_notebooks(self) -> None:
        """Make the pages of one submission after the other; an accident costs those of one, and says so in a line.

        Takes the place of nbgrader's own loop, which prints tracebacks.

        Raises:
            NbGraderException: something is wrong with this machine or the gradebook; no pages were made of the rest.
        """
        for place in sorted(self.assignments):
            assignment, student = Path(place).name, Path(place).parent.name
            self.notebooks = sorted(self.assignments[place])
            try:
                self._make(assignment, student)
            except Exception as error:
                destination = Path(self._format_dest(assignment, student))
                for name in (Path(one).stem for one in self.notebooks):
                    with contextlib.suppress(OSError):
                        (destination / f"{name}.html").unlink(missing_ok=True)
                said = last_words.meaning(error, self.coursedir.db_url) or last_words.unforeseen(error)
                if isinstance(error, DBAPIError) or room.of_machine(error):
                    self._refuse(f"no pages were made from {printable(student)} on: {said}")
                self.log.error("%s: no pages were made: %s", printable(student), said)
                self._left_out.append(printable(student))

    def _name_the_gone(self) -> None:
        """A line for each submission that the gradebook has and of which there is no notebook to make pages of."""
        excluded = (self.coursedir.student_id_exclude or "").split(",")
        there = {Path(place).parent.name for place in self.assignments}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            known = {one.student.id for one in gradebook.assignment_submissions(self.coursedir.assignment_id)}
        wanted = known if self.coursedir.student_id == "*" else known & {self.coursedir.student_id}
        for student in sorted(wanted - there - set(excluded)):
            self.log.warning(
                "%s: no pages were made: there is nothing in %s; run: nbgrader autograde %s --student=%s",
                *(printable(student), self._format_source(self.coursedir.assignment_id, student)),
                *(self.coursedir.assignment_id, printable(student)),
            )

    def _make(self, assignment: str, student: str) -> None:
        if not self.init_destination(assignment, student):
            if self._now:
                self._write_index(assignment, student)
            return
        self.run_pre_convert_hook()
        self.init_assignment(assignment, student)
        for notebook in self.notebooks:
            self.convert_single_notebook(notebook)
        self._write_index(assignment, student)
        self.set_permissions(assignment, student)
        self.run_post_convert_hook()

    def init_single_notebook_resources(self, notebook_filename: str) -> dict[str, Any]:
        """Resources with how much of what is hidden a page shows, and where the model answers lie."""
        resources = super().init_single_notebook_resources(notebook_filename)
        source = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", self.coursedir.assignment_id))
        resources["nbgrader"] |= {LEVEL: self._level, SOURCE: str(source / Path(notebook_filename).name)}
        return resources

    def _write_index(self, assignment: str, student: str) -> None:
        """The list of a submission's pages beside them, if it is not the one that is there."""
        folder = Path(self._format_dest(assignment, student))
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                report = report_of(self.coursedir, self._lateness, gradebook.find_submission(assignment, student))
            except MissingEntry:
                return
        names = {one.name for one in report.notebooks}
        if INDEX in names or not folder.is_dir():
            # A notebook of that name has its page there.
            return
        made = index_html(report, {name for name in names if (folder / f"{name}.html").is_file()})
        path = folder / f"{INDEX}.html"
        if not path.is_file() or path.read_text(encoding="utf-8") != made:
            path.unlink(missing_ok=True)
            path.write_text(made, encoding="utf-8")
            path.chmod(int(str(self.permissions), base=8))

    def _refuse(self, why: str) -> NoReturn:
        # The command ends without a word of its own; the formgrader shows the log.
        self.log.error(why)
        raise NbGraderException(why)

    @property
    def _root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether there are pages to make; only those are. Holds the submission's lock until it is another's turn."""
        if student_id in (self.coursedir.student_id_exclude or "").split(","):
            return False
        self._held.close()
        self._now = {}
        try:
            self._held.enter_context(busy.held(self._root, assignment_id, student_id, "turned into pages"))
        except ProctorError as error:
            self.log.error("%s: no pages were made: %s", printable(student_id), error)
            self._left_out.append(printable(student_id))
            return False
        self._now = self._states(assignment_id, student_id)
        made = PageState(self.coursedir, assignment_id, student_id).made()
        destination = Path(self._format_dest(assignment_id, student_id))
        names = [
            name
            for name in (Path(one).stem for one in self.notebooks)
            if self.force
            or name not in self._now
            or made.get(name) != self._now[name]
            or not (destination / f"{name}.html").is_file()
        ]
        if not names:
            self.log.info("Skipping existing assignment: %s; nothing on its pages has changed", destination)
            return False
        if len(names) == len(self.notebooks) and self.coursedir.notebook_id == "*":
            shutil.rmtree(destination, ignore_errors=True)
        for name in names:
            (destination / f"{name}.html").unlink(missing_ok=True)
        self.notebooks = [one for one in self.notebooks if Path(one).stem in names]
        return True

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """After the last page: write down what they show."""
        super().set_permissions(assignment_id, student_id)
        names = [Path(one).stem for one in self.notebooks]
        state = PageState(self.coursedir, assignment_id, student_id)
        state.write({name: self._now[name] for name in names if name in self._now})

    def _states(self, assignment_id: str, student_id: str) -> dict[str, str]:
        """What the pages would show; without those of which that can't be said, and these are made."""
        try:
            return states(self.coursedir, self._lateness, assignment_id, student_id, self._level)
        except (OSError, MissingEntry):
            return {}
        except ProctorError as error:
            self.log.warning("%s: %s", printable(student_id), error)
            return {}
