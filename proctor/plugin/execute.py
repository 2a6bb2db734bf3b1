"""nbgrader's execution step, done by the engine: takes the place of ``Execute`` among the autograding preprocessors."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbgrader.preprocessors import Execute as NbgraderExecute

from proctor.checking import verdict
from proctor.grading import Submission, grade, keys_of
from proctor.plugin.surroundings import surroundings
from proctor.settings import Proctor


class Execute(NbgraderExecute):
    """Runs a notebook in the sandbox and writes outputs from which nbgrader reads the checker's verdicts."""

    def preprocess(self, nb: nbformat.NotebookNode, resources: dict) -> tuple[nbformat.NotebookNode, dict]:
        """Grade the notebook; needs ``resources["proctor"]``, which `proctor.plugin.autograde` provides."""
        submission: Submission = resources["proctor"]["submission"]
        root: Path = resources["proctor"]["root"]
        settings = Proctor(parent=self)
        # Beside the notebook lies nothing of the student's.
        folder = Path(resources["metadata"]["path"])
        submission.course_files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        content = nbformat.from_dict(nb)
        keys = keys_of(settings.course_secret(root), submission)
        record = grade(content, submission, surroundings(settings, root), keys, resources["proctor"]["budget"])
        record.save(verdict.record_path(root, submission.assignment, submission.student, submission.notebook))
        resources["proctor"]["record"] = record
        return nbformat.from_dict(content), resources
