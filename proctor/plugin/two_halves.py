"""nbgrader's conversion of a notebook for grading, in two halves: what comes before it is run, and what comes after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.converters import Autograde as NbgraderAutograde
from nbgrader.converters.base import BaseConverter


class TwoHalves(NbgraderAutograde):
    """Autograding whose two halves can lie apart, with other submissions between them."""

    def before_the_run(self, notebook_filename: str, target: Path) -> dict[str, Any]:
        """Sanitise a notebook.

        Args:
            target: where nbgrader writes it.

        Returns:
            The notebook as it is to be run.
        """
        # An older one that nbgrader has made read-only can't be written over.
        target.unlink(missing_ok=True)
        self.log.info("Sanitizing %s", notebook_filename)
        self._init_preprocessors()
        BaseConverter.convert_single_notebook(self, notebook_filename)
        return json.loads(json.dumps(nbformat.read(target, as_version=4)))

    def after_the_run(self, target: Path) -> None:
        """Store what came of a notebook, in its file and in the gradebook.

        Args:
            target: where nbgrader wrote it before.
        """
        self.log.info("Autograding %s", target)
        self._sanitizing = False
        try:
            self._init_preprocessors()
            BaseConverter.convert_single_notebook(self, str(target))
        finally:
            self._sanitizing = True
