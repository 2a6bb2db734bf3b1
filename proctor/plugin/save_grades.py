"""What nbgrader does to a notebook before and after it is run, changed where it would undo what staff have done.

Before: it puts the gradebook's copy of each test in place of the one in `source/`. After: it asks for a second look at
every answer that was read, whenever a submission is graded again.
"""

from __future__ import annotations

from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.preprocessors import SaveAutoGrades as NbgraderSaveAutoGrades
from nbgrader.utils import compute_checksum, is_grade, is_solution, is_task

from proctor.plugin import unjudged
from proctor.plugin.reading import Reading
from proctor.stations import timed


class KeepSource(NbGraderPreprocessor):
    """In place of nbgrader's OverwriteCells: the tests of the rebuilt notebook are those of `source/`, and stay.

    Answer cells get the checksum of the released cell, by which nbgrader knows an answer that was left untouched.
    """

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Set the checksum of each cell that nbgrader knows."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            for cell in nb.cells:
                metadata = cell.metadata.get("nbgrader")
                if not metadata or not metadata.get("grade_id"):
                    continue
                if not (is_solution(cell) or is_task(cell)):
                    metadata["checksum"] = compute_checksum(cell)
                    continue
                try:
                    known = gradebook.find_source_cell(metadata["grade_id"], names["notebook"], names["assignment"])
                    metadata["checksum"] = known.checksum
                except MissingEntry:
                    metadata.pop("checksum", None)
        return nb, resources


class SaveGrades(NbgraderSaveAutoGrades):
    """Writes autograded points; an answer that a TA has read and that is the same stays read.

    What could not be judged waits for a TA, as answers do.
    """

    @timed("gradebook")
    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Write the points of a notebook; needs ``resources["proctor"]``, with ``root``, ``answers`` and ``graded``."""
        names, ours = resources["nbgrader"], resources["proctor"]
        reading = Reading(ours["root"], names["assignment"], names["student"])
        self._unjudged = unjudged.names_of(ours["graded"].record) if ours.get("graded") else []
        self._before, self._answers = reading.known(names["notebook"]), dict(ours["answers"])
        nb, resources = super().preprocess(nb, resources)
        # Only now: should this stop before, the answers are to be read.
        reading.write(names["notebook"], self._answers)
        return nb, resources

    def _add_score(self, cell: Any, resources: dict) -> None:
        name = cell.metadata["nbgrader"]["grade_id"]
        place = (name, self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(*place)
        read = grade.manual_score is not None and not grade.needs_manual_grade
        super()._add_score(cell, resources)
        grade = self.gradebook.find_grade(*place)
        if grade.manual_score is None and name in self._unjudged:
            grade.needs_manual_grade = True
            self.gradebook.db.commit()
        if name not in self._answers and is_grade(cell):
            # Points that staff have put over a test's hold for what the test said then.
            self._answers[name] = f"points: {grade.auto_score}"
        if read and self._answers.get(name) == self._before.get(name):
            grade.needs_manual_grade = False
            self.gradebook.db.commit()
