"""nbgrader's generate_feedback, which makes a page anew when what stands on it has changed since.

It leaves a submission alone while somebody else is at work on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateFeedback as NbgraderGenerateFeedback
from nbgrader.converters.base import NbGraderException

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import busy, gradebook_file
from proctor.plugin.finished import Finished
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_grades import write_template
from proctor.plugin.stale import code_digest
from proctor.sandbox.folders import OwnFolder
from proctor.staff_files import staff_only

# Beside the records of a submission, and gone with them when it is graded again.
_MADE = "pages.made"


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
            gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
        except ProctorError as error:
            self._refuse(str(error))
        folder = OwnFolder("template-")
        try:
            if self._own_template:
                self.update_config(write_template(folder.path))
            with self._held, staff_only(self.coursedir.groupshared):
                super().start()
        finally:
            folder.remove()
        if self._left_out:
            self._refuse(f"no pages were made of {len(self._left_out)} submissions ({', '.join(self._left_out)})")

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
        try:
            self._held.enter_context(busy.held(self._root, assignment_id, student_id, "turned into pages"))
        except ProctorError as error:
            self.log.error("%s: no pages were made: %s", printable(student_id), error)
            self._left_out.append(printable(student_id))
            return False
        self._now = {Path(one).stem: self._shown(assignment_id, student_id, Path(one)) for one in self.notebooks}
        destination, made = Path(self._format_dest(assignment_id, student_id)), self._made(assignment_id, student_id)
        names = [
            name
            for name, now in self._now.items()
            if self.force or now is None or made.get(name) != now or not (destination / f"{name}.html").is_file()
        ]
        if not names:
            self.log.info("Skipping existing assignment: %s; nothing on its pages has changed", destination)
            return False
        if len(names) == len(self._now) and self.coursedir.notebook_id == "*":
            shutil.rmtree(destination, ignore_errors=True)
        for name in names:
            (destination / f"{name}.html").unlink(missing_ok=True)
        self.notebooks = [one for one in self.notebooks if Path(one).stem in names]
        return True

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """After the last page: write down what they show."""
        super().set_permissions(assignment_id, student_id)
        made = self._made(assignment_id, student_id)
        made |= {Path(one).stem: self._now[Path(one).stem] for one in self.notebooks}
        path = self._finished(assignment_id, student_id).folder / _MADE
        if not path.parent.is_dir():
            return
        draft = path.with_name(f"{_MADE}.draft")
        draft.write_text(json.dumps(made), encoding="ascii")
        os.replace(draft, path)

    def _made(self, assignment_id: str, student_id: str) -> dict[str, str | None]:
        try:
            path = self._finished(assignment_id, student_id).folder / _MADE
            found = json.loads(path.read_text(encoding="ascii"))
        except (OSError, ValueError, ProctorError):
            return {}
        return found if isinstance(found, dict) else {}

    def _shown(self, assignment_id: str, student_id: str, notebook: Path) -> str | None:
        """A digest of all that a page shows; None if that can't be said, and then the page is made."""
        root = Path(self.coursedir.root)
        try:
            record = verdict.record_path(root, assignment_id, student_id, notebook.stem)
            files = [path.read_bytes() if path.is_file() else b"" for path in (notebook, record)]
            with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
                submission = gradebook.find_submission(assignment_id, student_id)
                one = next(one for one in submission.notebooks if one.name == notebook.stem)
                grades = [
                    [grade.name, grade.auto_score, grade.manual_score, grade.extra_credit, grade.max_score]
                    + [grade.needs_manual_grade]
                    for grade in one.grades
                ]
                comments = [[comment.name, comment.comment] for comment in one.comments]
                penalty = Lateness(self).penalties(submission)[one.name]
        except (OSError, MissingEntry, StopIteration):
            return None
        except ProctorError as error:
            self.log.warning("%s: %s", printable(student_id), error)
            return None
        content = [sorted(grades, key=repr), sorted(comments, key=repr), penalty, code_digest("pages", "plugin")]
        parts = [*(hashlib.sha256(one).hexdigest() for one in files), content]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _finished(self, assignment_id: str, student_id: str) -> Finished:
        return Finished(Path(self.coursedir.root), assignment_id, student_id)
