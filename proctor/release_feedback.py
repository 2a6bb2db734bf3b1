"""nbgrader's release of feedback, which stops where the gradebook does not say what the checker said."""

from __future__ import annotations

import json
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.exchange.default import ExchangeReleaseFeedback

from proctor import verdict
from proctor.errors import ProctorError

_SHOWN = 10


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Compares all records of verdicts with the gradebook before anything is released."""

    def copy_files(self) -> None:
        """Release, if every autograded point in the gradebook is that of its verdict.

        Points that staff typed in stand beside the autograded ones and are no difference.
        """
        differences = self._differences()
        if differences:
            for line in differences[:_SHOWN]:
                self.log.error(line)
            more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
            self.fail(
                f"nothing was released: gradebook and verdicts differ in {len(differences)} places (above{more}); "
                "grade these students again with nbgrader autograde --force --student=ID"
            )
        super().copy_files()

    def _differences(self) -> list[str]:
        assignment = self.coursedir.assignment_id
        folder = Path(self.coursedir.root) / verdict.FOLDER / assignment
        found = []
        for path in sorted(folder.glob("*/*.json")):
            student = path.parent.name
            if self.coursedir.student_id not in ("", "*", student):
                continue
            if path.name == "complete.json":
                found += [f"{student}: {line}" for line in json.loads(path.read_text())["differences"]]
                continue
            try:
                record = verdict.load(path)
            except ProctorError as error:
                found.append(f"{student}: {error}")
                continue
            with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
                submitted = gradebook.find_submission_notebook(path.stem, assignment, student)
                scores = {one.name: one.auto_score for one in submitted.grades if one.cell.cell_type == "code"}
            found += [f"{student}, {path.stem}: {line}" for line in verdict.compare(record, scores)]
        return list(dict.fromkeys(found))
