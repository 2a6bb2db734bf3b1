"""nbgrader's generate_feedback, which makes a page anew when what stands on it has changed since."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.converters import GenerateFeedback as NbgraderGenerateFeedback
from nbgrader.converters.base import NbGraderException

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_grades import write_template
from proctor.plugin.page_state import PageState, states
from proctor.sandbox.folders import OwnFolder


class GenerateFeedback(NbgraderGenerateFeedback):
    """Makes the pages whose points, comments, verdicts or notebook are not those that they show."""

    def __init__(self, coursedir: Any = None, **more: Any) -> None:
        super().__init__(coursedir=coursedir, **more)
        # A course may have a template of its own.
        self._own_template = self.config.HTMLExporter.template_name == "feedback"

    def start(self) -> None:
        """Make the pages.

        Raises:
            NbGraderException: there is nothing to make pages of, or some page could not be made; the log says why.
        """
        try:
            self._lateness = Lateness(self)
        except ProctorError as error:
            self.log.error("no page was made: %s", error)
            raise NbGraderException(str(error)) from error
        folder = OwnFolder("template-")
        try:
            if self._own_template:
                self.update_config(write_template(folder.path))
            super().start()
        finally:
            folder.remove()

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether there are pages to make; only those are."""
        if student_id in (self.coursedir.student_id_exclude or "").split(","):
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
            return states(self.coursedir, self._lateness, assignment_id, student_id)
        except (OSError, MissingEntry):
            return {}
        except ProctorError as error:
            self.log.warning("%s: %s", printable(student_id), error)
            return {}
