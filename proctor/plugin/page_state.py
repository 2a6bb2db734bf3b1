"""What a student's page shows, as a digest: by it a page that is older than points and comments is known."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.plugin.finished import Finished
from proctor.plugin.lateness import Lateness
from proctor.plugin.stale import code_digest
from proctor.settings import LEVELS
from proctor.staff_files import file_mode

# Beside the records of a submission, and gone with them when it is graded again.
_MADE = "pages.made"


class PageState:
    """Of one student's pages: what they showed when they were made, and what they would show now."""

    def __init__(self, coursedir: CourseDirectory, assignment: str, student: str) -> None:
        self._coursedir, self._assignment, self._student = coursedir, assignment, student
        self._root = Path(coursedir.root).resolve()
        self._path = Finished(self._root, assignment, student).folder / _MADE

    def made(self) -> dict[str, str]:
        """By notebook what its page showed; without those of which that isn't known."""
        try:
            found = json.loads(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return {}
        return {str(name): str(one) for name, one in found.items() if one} if isinstance(found, dict) else {}

    def revealed(self) -> dict[str, str]:
        """By notebook how much of what is hidden its page showed when it was made; without those of other versions."""
        shown = {name: one.rpartition(", ")[2] for name, one in self.made().items()}
        return {name: level for name, level in shown.items() if level in LEVELS}

    def write(self, states: Mapping[str, str]) -> None:
        """Write down what pages show that were just made.

        Raises:
            OSError: it can't be written.
        """
        if not self._path.parent.is_dir():
            # Nothing was recorded of this student: the page is made anew each time.
            return
        draft = self._path.with_name(f"{_MADE}.draft")
        draft.write_text(json.dumps(self.made() | dict(states)), encoding="ascii")
        draft.chmod(file_mode(self._path.parent))
        os.replace(draft, self._path)

    def now(self, submission: SubmittedAssignment, lateness: Lateness) -> dict[str, str]:
        """By notebook what its page would show."""
        penalties = lateness.penalties(submission)
        found = {}
        for one in submission.notebooks:
            grades = [
                [grade.name, grade.auto_score, grade.manual_score, grade.extra_credit, grade.max_score]
                + [grade.needs_manual_grade]
                for grade in one.grades
            ]
            comments = [[comment.name, comment.comment] for comment in one.comments]
            content = [sorted(grades, key=repr), sorted(comments, key=repr), penalties[one.name]]
            text = json.dumps([*self._files(one.name), content])
            found[one.name] = hashlib.sha256(text.encode()).hexdigest()
        return found

    def _files(self, notebook: str) -> list[str]:
        folder = self._coursedir.format_path(self._coursedir.autograded_directory, self._student, self._assignment)
        record = verdict.record_path(self._root, self._assignment, self._student, notebook)
        paths = (Path(folder) / f"{notebook}.ipynb", record)
        return [hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in paths]

    def older(self, submission: SubmittedAssignment, lateness: Lateness) -> list[str]:
        """Notebooks whose page shows something else than it would now; those of which nothing is known left out."""
        now = self.now(submission, lateness)
        return sorted(name for name, one in self.made().items() if name in now and one.split(":")[0] != now[name])


def with_code(state: str) -> str:
    """A page's state with that of the code that makes it: after an update all pages are made anew."""
    return f"{state}:{code_digest('pages', 'plugin')}"


def states(
    coursedir: CourseDirectory, lateness: Lateness, assignment: str, student: str, level: str = ""
) -> dict[str, str]:
    """By notebook what a student's pages would show, made with the code of now.

    Args:
        level: how much of what is hidden they show.

    Raises:
        MissingEntry: the gradebook has no such submission.
        OSError: a file can't be read.
        ProctorError: the student's name can't be that of a folder.
    """
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        submission = gradebook.find_submission(assignment, student)
        found = PageState(coursedir, assignment, student).now(submission, lateness)
        # These stand on a page without being worth another release.
        more = f"{submission.timestamp}, {lateness.due_for(submission)}, {level}"
    return {name: f"{with_code(one)}:{more}" for name, one in found.items()}


def refuse_older(coursedir: CourseDirectory, lateness: Lateness, submission: SubmittedAssignment) -> None:
    """Stop where a page shows other points or comments than the gradebook has.

    Raises:
        ProctorError: some page does; the message names its notebook.
    """
    assignment, student = submission.assignment.name, submission.student.id
    older = PageState(coursedir, assignment, student).older(submission, lateness)
    if older:
        raise ProctorError(
            f"points, comments or verdicts changed since the page of {', '.join(older)} was made; run nbgrader "
            f"generate_feedback {assignment}"
        )
