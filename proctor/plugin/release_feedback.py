"""nbgrader's release of feedback, which stops where the gradebook does not say what the checker said."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeReleaseFeedback

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable

_SHOWN = 10


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Compares all records of verdicts with the gradebook before anything is released."""

    def copy_files(self) -> None:
        """Release, if every autograded point in the gradebook is that of its verdict.

        Points that staff typed in stand beside the autograded ones and are no difference.

        Raises:
            ExchangeError: there is a difference; nothing was released, and the text names the students.
        """
        differences = self._differences()
        if differences:
            for student, lines in differences.items():
                for line in lines[:_SHOWN]:
                    self.log.error("%s: %s", printable(student), line)
            names = [printable(student) for student in differences]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            self.fail(
                f"nothing was released: gradebook and verdicts differ for {', '.join(names[:_SHOWN])}{more}; grade "
                "them again with nbgrader autograde --force --student=ID, or leave them out with "
                "--CourseDirectory.student_id_exclude=ID,ID"
            )
        super().copy_files()

    def _differences(self) -> dict[str, list[str]]:
        """Plain lines by student; those without any are left out."""
        assignment, found = self.coursedir.assignment_id, {}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                gradebook.find_assignment(assignment)
            except MissingEntry:
                return {}
            for submission in gradebook.assignment_submissions(assignment):
                student = submission.student.id
                if not self._is_meant(student):
                    continue
                lines = self._said_after_grading(student)
                for notebook in submission.notebooks:
                    scores = {one.name: one.auto_score for one in notebook.grades if one.cell.cell_type == "code"}
                    lines += [f"{notebook.name}: {line}" for line in self._compare(student, notebook.name, scores)]
                if lines:
                    found[student] = list(dict.fromkeys(lines))
        return found

    def _is_meant(self, student: str) -> bool:
        excluded = (self.coursedir.student_id_exclude or "").split(",")
        return student not in excluded and fnmatch.fnmatchcase(student, self.coursedir.student_id or "*")

    def _compare(self, student: str, notebook: str, scores: dict[str, float | None]) -> list[str]:
        path = self._folder(student) / f"{notebook}.json"
        if not path.exists() and not path.is_symlink():
            # A notebook that could not be graded has 0 points and no record.
            return [f"{name}: {score:g} in the gradebook, and no verdict" for name, score in scores.items() if score]
        try:
            return verdict.compare(verdict.load(path), scores)
        except ProctorError as error:
            return [str(error)]

    def _said_after_grading(self, student: str) -> list[str]:
        path = self._folder(student) / "complete.json"
        try:
            differences = json.loads(path.read_text())["differences"]
            return [str(line) for line in differences]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            return [f"{path} can't be read"]

    def _folder(self, student: str) -> Path:
        return Path(self.coursedir.root) / verdict.FOLDER / self.coursedir.assignment_id / student
