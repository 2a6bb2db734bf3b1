"""Points and comments on a student's page: what has no points yet says so, and doesn't count as 0."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbgrader.server_extensions.formgrader
from nbgrader.api import Gradebook
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade, is_task
from traitlets.config import Config

from proctor.plugin.lateness import Lateness
from proctor.plugin.standing import WAITS, open_cells

OPEN = "proctor_open"
_NAME = "proctor_feedback"
_WORDS = {WAITS: "waiting for a TA"}
_OTHER = "not judged yet"
_TEMPLATE = Path(nbgrader.server_extensions.formgrader.__file__).parent / "templates" / "feedback" / "index.html.j2"
# What nbgrader's template says of points, and what is to stand there. Each has to be found.
_POINTS = re.compile(r"\{\{ cell\.metadata\.nbgrader\.score \| float \| round\(2\) \}\}")
_SHOWN = "{{ cell.metadata.nbgrader." + OPEN + " or (cell.metadata.nbgrader.score | float | round(2)) }}"
_TOTAL = "{{ resources.nbgrader.max_score | float | round(2) }})"
_SO_FAR = _TOTAL[:-1] + "{{ resources.nbgrader." + OPEN + " }})"


class PageGrades(GetGrades):
    """nbgrader's step, with the late rule applied to the points as they are now, and marks on what is open."""

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Put points, comments and marks into the notebook; totals are those of what has points."""
        nb, resources = super().preprocess(nb, resources)
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            submission = gradebook.find_submission(names["assignment"], names["student"])
            notebook = next(one for one in submission.notebooks if one.name == names["notebook"])
            found = open_cells(course_root(self), names["assignment"], names["student"], notebook)
            penalty = Lateness(self).penalties(submission)[notebook.name] or 0.0
            left = sum(grade.max_score for grade in notebook.grades if grade.name in found)
            names |= {
                "late_penalty": penalty,
                "score": notebook.score - penalty,
                "max_score": notebook.max_score - left,
                OPEN: _so_far(len(found), left),
            }
        for cell in nb.cells:
            if is_grade(cell) or is_task(cell):
                said = found.get(cell.metadata.nbgrader["grade_id"])
                cell.metadata.nbgrader[OPEN] = _WORDS.get(said, _OTHER) if said else ""
        return nb, resources


def write_template(folder: Path) -> Config:
    """Write nbgrader's template of a student's page, changed to show the marks.

    Args:
        folder: where to write it.

    Returns:
        Configuration of an exporter by which the template is found.
    """
    text = _TEMPLATE.read_text(encoding="utf-8")
    made, count = _POINTS.subn(lambda _: _SHOWN, text)
    if not count or _TOTAL not in made:
        raise RuntimeError(f"{_TEMPLATE} is not the one that this was written for; install the pinned nbgrader")
    own = folder / _NAME
    own.mkdir()
    (own / _TEMPLATE.name).write_text(made.replace(_TOTAL, _SO_FAR, 1), encoding="utf-8")
    shutil.copyfile(_TEMPLATE.with_name("conf.json"), own / "conf.json")
    places = [str(folder), str(_TEMPLATE.parents[1])]
    return Config({"HTMLExporter": {"template_name": _NAME, "extra_template_basedirs": places}})


def course_root(step: Any) -> Path:
    """The course that a step of a converter works for."""
    parent = step.parent
    while parent is not None and not hasattr(parent, "coursedir"):
        parent = parent.parent
    return Path(parent.coursedir.root if parent is not None else ".").resolve()


def _so_far(count: int, points: float) -> str:
    if not count:
        return ""
    return f" so far; {count} {'answer is' if count == 1 else 'answers are'} not graded yet, {points:g} points"
