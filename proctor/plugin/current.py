"""What a run of autograding grades with, compared with what each submission was graded with before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.plugin.agreement import cell_changes, differences, listed
from proctor.plugin.finished import Finished
from proctor.plugin.generate_assignment import ADVICE
from proctor.plugin.stale import SOURCES, made_with, reasons, source_digests
from proctor.settings import Proctor


class Current:
    """Tests, engine, limits and data as they are now.

    Args:
        own_files: the instructor's files beside the notebooks in a folder of `source/`, by path.
    """

    def __init__(
        self, coursedir: CourseDirectory, settings: Proctor, own_files: Callable[[str, Path], dict[str, Path]]
    ) -> None:
        self._coursedir, self._settings, self._own_files = coursedir, settings, own_files
        self._assignment = coursedir.assignment_id
        self._source = Path(coursedir.format_path(coursedir.source_directory, ".", self._assignment))
        self._now: dict[str, Any] = {}
        self._before: dict[str, dict[str, Any] | None] = {}
        self._again: dict[str, str] = {}

    def check(self) -> None:
        """Look whether the gradebook has the cells and points of `source/`, by which it will be filled.

        Raises:
            ProctorError: it has not, or a notebook of the assignment can't be read there; the message says what to do.
        """
        with Gradebook(self._coursedir.db_url, self._coursedir.course_id) as gradebook:
            try:
                assignment = gradebook.find_assignment(self._assignment)
            except MissingEntry:
                return
            names = [notebook.name for notebook in assignment.notebooks]
            self._refuse_unreadable(names)
            found = differences(assignment, self._source, names)
            if not found:
                return
            advice = f"run: nbgrader generate_assignment {self._assignment} --force, then this again"
            if assignment.submissions and cell_changes(assignment, self._source, names):
                advice = f"there are submissions, so no cell can be added or removed: {ADVICE}"
        raise ProctorError(
            f"nothing was graded: {self._source} and the gradebook differ. {listed(found)}. To go on, {advice}"
        )

    def _refuse_unreadable(self, names: Sequence[str]) -> None:
        # Whatever became of it (renamed, deleted, half saved): nobody loses points for that.
        for name in names:
            try:
                notebook_cells.read(self._source / f"{name}.ipynb")
            except ProctorError as error:
                raise ProctorError(f"nothing was graded: {error}; put it back as it was") from error

    def why_again(self, done: Finished, names: Sequence[str]) -> str:
        """Why a submission that was graded has to be graded again, in plain words; empty if it need not be.

        Args:
            names: of the notebooks that this run is for.
        """
        now = self._look()
        now[SOURCES] = {name: one for name, one in now[SOURCES].items() if name in names}
        return "; ".join(reasons(done.made_with(), now))

    def begin(self, student: str, done: Finished, again: str = "") -> None:
        """A submission is about to be graded; what it is graded with is looked up now.

        Args:
            done: what is known of an earlier time.
            again: why it is graded again, if it was graded before.
        """
        self._before[student], self._now[student], self._again[student] = done.made_with(), self._look(), again

    def before(self, student: str) -> dict[str, Any] | None:
        """What it was graded with before; None if that isn't known."""
        return self._before.get(student)

    def made_with(self, student: str, names: Sequence[str]) -> dict[str, Any] | None:
        """What the submission of a student is graded with, after this run has graded some of its notebooks."""
        now, before = self._now.get(student), self._before.get(student)
        if now is None or set(now[SOURCES]) <= set(names):
            return now
        # The others are as they were graded before, whatever has changed since.
        if before is None or not isinstance(before.get(SOURCES), dict):
            return None
        return before | {SOURCES: before[SOURCES] | {name: one for name, one in now[SOURCES].items() if name in names}}

    def outcome(self, student: str) -> str:
        """The word for a submission that was graded to its end."""
        again = self._again.get(student)
        return f"graded again ({again})" if again else "graded"

    def _look(self) -> dict[str, Any]:
        names = [path.stem for path in sorted(self._source.glob("*.ipynb"))]
        files = self._own_files(self._assignment, self._source)
        root = Path(self._coursedir.root).resolve()
        return made_with(self._settings, root, source_digests(self._source, names), files)
