"""nbgrader's generate_assignment, which looks first whether the gradebook can take what changed in `source/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment as NbgraderGenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import ClearMarkScheme
from traitlets import default

from proctor.errors import ProctorError
from proctor.plugin import busy
from proctor.plugin.agreement import cell_changes, listed
from proctor.plugin.given_out import write_given_out
from proctor.plugin.hint_cells import RESOURCE, SealHints, lines_of
from proctor.settings import Proctor

_STEPS = NbgraderGenerateAssignment.preprocessors.default_args[0]
_CUT = _STEPS.index(ClearMarkScheme) + 1
ADVICE = (
    "put these cells back as they were (their texts, tests and points may change), or begin the assignment anew under "
    "another name"
)


class GenerateAssignment(NbgraderGenerateAssignment):
    """Makes the release, unless graded cells came or went since there are submissions: nbgrader can't do that."""

    @default("preprocessors")
    def _with_hints(self) -> list[type]:
        return [*_STEPS[:_CUT], SealHints, *_STEPS[_CUT:]]

    def start(self) -> None:
        """Make the release.

        Raises:
            NbGraderException: it can't be made; the log says why, and nothing was changed by then if cells changed.
        """
        # Of what a run that goes on has read before, half would be as it was and half as it will be.
        if held := busy.all_held(Path(self.coursedir.root).resolve()):
            self._refuse(f"nothing was changed: {held[0]}")
        assignment = self.coursedir.assignment_id
        folder = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", assignment))
        names = {path.stem for path in folder.glob("*.ipynb")}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                known = gradebook.find_assignment(assignment)
            except MissingEntry:
                known = None
            if known is not None and known.submissions:
                notebooks = {notebook.name for notebook in known.notebooks}
                found = cell_changes(known, folder, names)
                found |= {name: ["the notebook is new"] for name in sorted(names - notebooks)}
                found |= {name: ["the notebook is gone"] for name in sorted(notebooks - names)}
                if found:
                    self._refuse(
                        f"nothing was changed: {assignment} has submissions, so no cell can be added or removed. "
                        f"{listed(found)}. To go on, {ADVICE}"
                    )
        self._hints = lines_of(Proctor(parent=self), self.coursedir, self.log.warning)
        super().start()
        try:
            write_given_out(self.coursedir)
        except ProctorError as error:
            self._refuse(str(error))

    def init_single_notebook_resources(self, notebook_filename: str) -> dict[str, Any]:
        """What the steps are given; with the sealed hints of the notebook."""
        resources = super().init_single_notebook_resources(notebook_filename)
        return resources | {RESOURCE: self._hints.get(resources["nbgrader"]["notebook"], {})}

    def _refuse(self, why: str) -> NoReturn:
        self.log.error("%s", why)
        raise NbGraderException(why)
