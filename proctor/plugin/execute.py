"""nbgrader's execution step: takes the place of ``Execute`` among the autograding preprocessors.

Notebooks are run before, one job for each submission (`proctor.jobs`); this puts in what came of it.
"""

from __future__ import annotations

import nbformat
from nbgrader.preprocessors import Execute as NbgraderExecute

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.jobs.job import Graded


class Execute(NbgraderExecute):
    """Puts in outputs from which nbgrader reads the checker's verdicts, and stores the record of those."""

    def preprocess(self, nb: nbformat.NotebookNode, resources: dict) -> tuple[nbformat.NotebookNode, dict]:
        """Take the graded notebook; needs ``resources["proctor"]``, which `proctor.plugin.autograde` provides.

        Raises:
            ProctorError: there is none, or it is another's.
        """
        ours, names = resources["proctor"], resources["nbgrader"]
        place = names["assignment"], names["student"], names["notebook"]
        graded: Graded | None = ours["graded"]
        if graded is None or (graded.record.assignment, graded.record.student, graded.record.notebook) != place:
            raise ProctorError(f"{names['notebook']}: there is no result of this notebook; grade it again")
        graded.record.save(verdict.record_path(ours["root"], *place))
        ours["record"] = graded.record
        return nbformat.from_dict(graded.notebook), resources
