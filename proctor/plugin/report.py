"""`python -m proctor report ASSIGNMENT`: what a coordinator wants to know of an assignment, as one HTML page."""

from __future__ import annotations

from pathlib import Path

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from sqlalchemy.exc import DBAPIError
from traitlets import Unicode, default

from proctor.errors import ProctorError
from proctor.plugin import gradebook_file
from proctor.plugin.course_report import gather
from proctor.plugin.lateness import Lateness
from proctor.plugin.report_page import page
from proctor.plugin.reports_folder import FOLDER, folder_of, write
from proctor.sandbox.bubblewrap import unbound
from proctor.settings import Proctor


class ReportApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-report"
    description = "Write a page on an assignment: totals, questions, who marked, mistakes, and what waits"
    aliases = {
        **nbgrader_aliases,
        "course": "CourseDirectory.course_id",
        "to": "ReportApp.to",
    }
    flags = nbgrader_flags
    examples = f"""
        In the course's folder; the page is {FOLDER}/ps1/report.html, or where you want it:

            python -m proctor report ps1
            python -m proctor report ps1 --to=/secure/ps1.html
        """

    to = Unicode("", help=f"File to write. Empty: {FOLDER}/ASSIGNMENT/report.html in the course.").tag(config=True)

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Proctor]

    def start(self) -> None:
        """Write it, and print where it is."""
        super().start()
        if len(self.extra_args) != 1:
            self.fail("name one assignment: python -m proctor report ASSIGNMENT")
        root = Path(self.coursedir.root).resolve()
        try:
            gradebook_file.check(self.coursedir.db_url, root, self.log.warning)
            lateness = Lateness(self)
            lateness.check(self.coursedir)
            assignment = self.extra_args[0]
            made = page(gather(self.coursedir, lateness, assignment), memory_group())
            target = (
                Path(self.to) if self.to else folder_of(root, assignment, self.coursedir.groupshared) / "report.html"
            )
            write(target, made)
        except ProctorError as error:
            self.fail(str(error))
        except DBAPIError as error:
            self.fail(gradebook_file.said(error, self.coursedir.db_url))
        print(f"{target}: it names students, so keep it among staff", flush=True)


def memory_group() -> str:
    """Whether this machine holds submissions to their memory by a control group, in words."""
    here = unbound()
    said = "there is one on this machine" if here is None else "there is none on this machine"
    return f"{said} now; records don't say whether there was one while grading"
