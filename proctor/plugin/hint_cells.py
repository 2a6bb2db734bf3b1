"""Sealed hints in the release: which of the course's are still those of the notebooks, and the step that puts them in.

They are made ahead, by `python -m proctor.catalogue --seal`, because every catalogued answer has to run for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from proctor.catalogue.known import read_known
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks import hint_lines
from proctor.plugin.known_mistakes import catalogued
from proctor.settings import Proctor

RESOURCE = "proctor_sealed_hints"


class SealHints(NbGraderPreprocessor):
    """Gives each check cell its sealed hints.

    It comes after the source has gone into the gradebook, from which stock nbgrader restores tests, and after hidden
    tests are cut out; and before the checksum, by which Validate knows a cell that was changed.
    """

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Takes the lines by grade_id from ``resources``; without them, nothing is changed."""
        lines: Mapping[str, str] = resources.get(RESOURCE, {})
        for cell in nb.cells:
            if notebook_cells.role(cell) == "test" and (line := lines.get(notebook_cells.grade_id(cell) or "")):
                cell.source = hint_lines.with_line(cell.source, line)
        return nb, resources


def lines_of(settings: Proctor, coursedir: CourseDirectory, warn: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Lines by notebook and grade_id for the assignment, as far as they are still those of notebook and catalogue.

    Args:
        warn: told which are left out: the release is made without them, since it works as well.
    """
    found = {}
    for path, catalogue in catalogued(settings, coursedir):
        file = hint_lines.file_of(catalogue, path.stem)
        if not file.is_file():
            continue
        try:
            sealed = hint_lines.read_sealed(file)
            tests = notebook_cells.autograded_cells(notebook_cells.read(path))
            now = read_known(path, catalogue / f"{path.stem}.toml").digests(
                {name: hint_lines.public_part(notebook_cells.source(cell)) for name, cell in tests.items()}
            )
        except ProctorError as error:
            warn(f"{path.stem} is released without sealed hints: {error}")
            continue
        old = [name for name, one in sealed.items() if one.line and now.get(name) != one.made_of]
        if old:
            warn(
                f"{path.stem}: no sealed hints in {', '.join(old)}, which changed since they were made; run: "
                f"python -m proctor.catalogue --seal, then this again"
            )
        found[path.stem] = {name: one.line for name, one in sealed.items() if one.line and name not in old}
    return found
