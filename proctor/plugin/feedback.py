"""What a student gets to read: their notebook with public checks in full, and of hidden ones a name and a kind.

The autograded notebook is for staff: its test cells hold hidden tests and everything about a failure. This step stands
first among the preprocessors of nbgrader's GenerateFeedback and takes all that out. Then a child process draws the
page: what a student wrote may take it any time and memory.
"""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.exporter import Exporter, ResourcesDict
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import List

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.pages.notes import note_output
from proctor.pages.page import draw_page
from proctor.pages.report_html import said_html
from proctor.pages.template import KEY, SUMMARY
from proctor.plugin.page_grades import course_root
from proctor.plugin.reveal import LEVEL, SOURCE, model_answers
from proctor.settings import ALL, KIND, Proctor

_INSTEAD = (
    "This page could not be drawn. Your points are not touched by that. Ask the course staff to look at your notebook."
)


class FeedbackExporter(HTMLExporter):
    """nbconvert's exporter, which leaves the drawing to a child; gives a page whatever is in a notebook."""

    def from_notebook_node(
        self, nb: nbformat.NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Run the preprocessors here, where the gradebook is, and draw the page in a child."""
        nb, resources = Exporter.from_notebook_node(self, nb, resources, **kw)
        page = draw_page(
            resources["metadata"]["name"],
            json.dumps(nb),
            resources,
            self.config,
            Proctor(parent=self).page_limits(),
            scripts=False,
            preprocess=False,
            instead=_INSTEAD,
        )
        names = resources.get("nbgrader", {})
        for line in page.notes:
            self.log.warning("%s: %s", names.get("student", ""), line)
        if not page.drawn and names.get(SUMMARY):
            return said_html(resources["metadata"]["name"], _INSTEAD, names[SUMMARY]), resources
        return page.html, resources


class SafeFeedback(NbGraderPreprocessor):
    """Cuts hidden tests, and puts the student's text of each verdict in place of the outputs of test cells."""

    # nbconvert sets it for every step of an exporter, and warns about those that don't know it.
    display_data_priority = List().tag(config=True)

    def preprocess(
        self, nb: nbformat.NotebookNode, resources: ResourcesDict
    ) -> tuple[nbformat.NotebookNode, ResourcesDict]:
        """Make a notebook fit for the student; without a record nothing is said about test cells but that.

        What is hidden stays so unless ``resources["nbgrader"]`` names a higher level (`proctor.plugin.reveal`).
        """
        names = resources["nbgrader"]
        try:
            path = verdict.record_path(course_root(self), names["assignment"], names["student"], names["notebook"])
            verdicts = verdict.load(path).verdicts
        except ProctorError:
            verdicts = {}
        level = names.get(LEVEL, KIND)
        models = model_answers(names[SOURCE]) if level == ALL else {}
        for cell in nb.cells:
            # A step that comes later puts it there; nothing else may.
            cell.metadata.pop(KEY, None)
            if notebook_cells.grade_id(cell) in models:
                cell.metadata[KEY] = {"model": models[notebook_cells.grade_id(cell)]}
            if notebook_cells.role(cell) != "test":
                continue
            found = verdicts.get(notebook_cells.grade_id(cell))
            cell.metadata[KEY] = {"text": ""}
            if level != KIND:
                cell.metadata[KEY] |= {"hidden": _hidden(cell.source), "staff": found.staff_text if found else ""}
            cell.source = _public(cell.source)
            text = found.student_text if found else verdict.OUR_FAULT
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text + "\n")] if text else []
            if found and found.mistakes:
                cell.outputs.append(nbformat.from_dict(note_output(verdict.mistakes_text(found.mistakes))))
            cell.metadata[KEY]["text"] = text
        return nb, resources


def _hidden(source: str) -> str:
    regions, _ = notebook_cells.scan_regions(source, "HIDDEN TESTS")
    return "\n".join(one.text.strip("\n") for one in regions)


def _public(source: str) -> str:
    lines = source.split("\n")
    regions, problems = notebook_cells.scan_regions(source, "HIDDEN TESTS")
    if problems:
        return "# (this check can't be shown)"
    for region in reversed(regions):
        lines[region.begin - 1 : region.end] = ["# (hidden checks)"]
    return "\n".join(lines)
