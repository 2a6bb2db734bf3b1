"""Making of feedback pages: it leaves a submission alone while somebody else is at work on it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import busy, gradebook_file
from proctor.staff_files import staff_only


class FeedbackAlone(GenerateFeedback):
    """Makes pages of one submission after the other, under its lock."""

    def start(self) -> None:
        """Make all pages.

        Raises:
            NbGraderException: the gradebook can't be used; or of some submission no pages were made, and those of the
                others were. The log says which.
        """
        self._held, self._left_out = contextlib.ExitStack(), []
        try:
            gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
        except ProctorError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from error
        with self._held, staff_only(self.coursedir.groupshared):
            super().start()
        if self._left_out:
            why = f"no pages were made of {len(self._left_out)} submissions ({', '.join(self._left_out)})"
            self.log.error(why)
            raise NbGraderException(why)

    @property
    def _root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether there are pages to make of a submission; holds its lock until it is another's turn."""
        self._held.close()
        try:
            self._held.enter_context(busy.held(self._root, assignment_id, student_id, "turned into pages"))
        except ProctorError as error:
            self.log.error("%s: no pages were made: %s", printable(student_id), error)
            self._left_out.append(printable(student_id))
            return False
        return super().init_destination(assignment_id, student_id)
