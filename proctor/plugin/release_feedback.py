"""nbgrader's release of feedback, which stops where the gradebook does not say what the checker said."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Set
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable, read_file
from proctor.intake.inert import SUBMISSION_SECRET
from proctor.pages.report import Report
from proctor.pages.report_html import with_list
from proctor.plugin import busy
from proctor.plugin.finished import Finished
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_state import PageState, refuse_older
from proctor.plugin.reporting import report_of
from proctor.plugin.reveal import level_now, refuse_more
from proctor.plugin.standing import Standing, Standings
from proctor.settings import Proctor

_SHOWN = 10
_MAX_SECRET = 1_000


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Compares all records of verdicts with the gradebook before anything is released."""

    def copy_files(self) -> None:
        """Release, if every autograded point in the gradebook is that of its verdict.

        Points that staff typed in stand beside the autograded ones and are no difference. Only the pages of the
        assignment's notebooks are released, whatever else lies in a folder of feedback.

        Raises:
            ExchangeError: there is a difference, and nothing was released; or some student's feedback can't be
                released, and that of the others was. The text names the students.
        """
        try:
            lateness = Lateness(self)
            lateness.check(self.coursedir)
            self._level, _ = level_now(Proctor(parent=self), self.coursedir, lateness, self.coursedir.assignment_id)
        except ProctorError as error:
            self.fail(f"nothing was released: {error}")
        busy_with = {folder.parent.name: self._busy(folder.parent.name) for folder in self._folders()}
        differences = self._differences({student for student, who in busy_with.items() if who})
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
        released, failed, standings = 0, {}, self._standings(lateness)
        for folder in self._folders():
            student = folder.parent.name
            try:
                standing = standings[student]
                if busy_with[student]:
                    raise ProctorError(busy_with[student])
                with busy.held(Path(self.coursedir.root).resolve(), folder.name, student, "released"):
                    self._release(folder, standing, lateness)
                released += 1
                if standing.count():
                    self.log.warning("released with a mark: %s: %s", printable(student), standing.line())
            except Exception as error:
                # Of whatever kind: the others are waiting for theirs.
                known = isinstance(error, ProctorError | OSError)
                failed[student] = str(error) if known else f"{type(error).__name__}: {error}"
        self.log.info("Released feedback of %s to %d students", self.coursedir.assignment_id, released)
        for student, why in failed.items():
            self.log.error("not released: %s: %s", printable(student), printable(why, 400))
        if failed:
            names = [printable(student) for student in failed]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            self.fail(
                f"feedback was released to {released} students, but not to {', '.join(names[:_SHOWN])}{more}; the "
                "lines above say why"
            )

    def _folders(self) -> list[Path]:
        pattern = Path(self.coursedir.format_path(self.coursedir.feedback_directory, "*", self.coursedir.assignment_id))
        return [
            folder
            for folder in sorted(pattern.parent.parent.glob(f"*/{pattern.name}"))
            if folder.is_dir() and not folder.is_symlink() and self._is_meant(folder.parent.name)
        ]

    def _standings(self, lateness: Lateness) -> dict[str, Standing]:
        """How far the grading of each student's submission is."""
        assignment = self.coursedir.assignment_id
        standings = Standings(self.coursedir, assignment)
        # Of somebody who has left the course there are only the records.
        found = {folder.parent.name: Standing(standings.unfinished(folder.parent.name)) for folder in self._folders()}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                gradebook.find_assignment(assignment)
            except MissingEntry:
                return found
            for submission in gradebook.assignment_submissions(assignment):
                standing = found[submission.student.id] = standings.of(submission)
                try:
                    refuse_older(self.coursedir, lateness, submission)
                except ProctorError as error:
                    standing.unfinished = standing.unfinished or str(error)
        return found

    def _release(self, folder: Path, standing: Standing, lateness: Lateness) -> None:
        """Put a student's pages where the student's own nbgrader looks for them, the list of all on top of each.

        That fetches a page for each notebook that was handed in, and no other file.

        Raises:
            ProctorError: there is no page, no secret to find it by, or the submission was not graded to its end.
            OSError: a page can't be copied.
        """
        student = folder.parent.name
        pages = [folder / f"{name}.html" for name in self._notebooks()]
        pages = [page for page in pages if page.is_file() and not page.is_symlink()]
        if not pages:
            raise ProctorError("there is no page; run nbgrader generate_feedback --force --student=ID")
        if standing.unfinished:
            raise ProctorError(standing.unfinished)
        refuse_more(self._level, pages, PageState(self.coursedir, folder.name, student).revealed())
        secret = (read_file(folder / SUBMISSION_SECRET, _MAX_SECRET) or b"").decode("utf-8", "replace")
        if not secret.strip() or len(secret) > _MAX_SECRET:
            raise ProctorError(
                f"{SUBMISSION_SECRET} is missing or not what nbgrader writes, so the student's account could not find "
                f"the feedback; hand {folder} over in another way"
            )
        report = self._report(student, lateness)
        names = {one.name for one in report.notebooks} if report else set()
        names &= {page.stem for page in pages}
        for page in pages:
            target = Path(self.dest_path) / f"{notebook_hash(secret=secret, notebook_id=page.stem)}.html"
            draft = target.with_name(f"{target.stem}-tmp.html")
            if report:
                text = with_list(page.read_text(encoding="utf-8"), report, names)
                draft.write_text(text, encoding="utf-8")
                shutil.copymode(page, draft)
            else:
                shutil.copy(page, draft)
            os.replace(draft, target)
            self.log.info("Feedback of %s on %s released to: %s", printable(student), page.stem, target)

    def _report(self, student: str, lateness: Lateness) -> Report | None:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                submission = gradebook.find_submission(self.coursedir.assignment_id, student)
            except MissingEntry:
                return None
            return report_of(self.coursedir, lateness, submission)

    def _notebooks(self) -> list[str]:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                return sorted(one.name for one in gradebook.find_assignment(self.coursedir.assignment_id).notebooks)
            except MissingEntry:
                return []

    def _busy(self, student: str) -> str | None:
        return busy.holder(Path(self.coursedir.root).resolve(), self.coursedir.assignment_id, student)

    def _differences(self, without: Set[str]) -> dict[str, list[str]]:
        """Plain lines by student; those without any are left out, and those that somebody is at work on."""
        assignment, found = self.coursedir.assignment_id, {}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                gradebook.find_assignment(assignment)
            except MissingEntry:
                return {}
            for submission in gradebook.assignment_submissions(assignment):
                student = submission.student.id
                if not self._is_meant(student) or student in without:
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
        try:
            path = self._finished(student).folder / f"{notebook}.json"
            if not path.exists() and not path.is_symlink():
                # A notebook that could not be graded has 0 points and no record.
                return [f"{name}: {score:g} in the gradebook, no verdict" for name, score in scores.items() if score]
            return verdict.compare(verdict.load(path), scores)
        except ProctorError as error:
            return [str(error)]

    def _said_after_grading(self, student: str) -> list[str]:
        try:
            return self._finished(student).differences()
        except ProctorError as error:
            return [str(error)]

    def _finished(self, student: str) -> Finished:
        return Finished(Path(self.coursedir.root), self.coursedir.assignment_id, student)
