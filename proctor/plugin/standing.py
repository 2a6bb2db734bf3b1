"""What of a submission is graded: not yet, waiting for a person and not judged are something else than 0 points."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.staging import state_of
from proctor.plugin.finished import Finished
from proctor.plugin.points import of_tests
from proctor.plugin.stale import changed_tests, source_digests

WAITS = "waits for a TA"
NOT_JUDGED = "not judged"
AGAIN = "nbgrader autograde"


@dataclass
class Standing:
    """How far the grading of one submission has come.

    Attributes:
        unfinished: why it can't count yet as a whole, in a plain line; empty if it was graded to its end.
        open: by notebook the graded cells that have no points yet, each with `WAITS` or `NOT_JUDGED`.
    """

    unfinished: str = ""
    open: dict[str, dict[str, str]] = field(default_factory=dict)

    def count(self, kind: str | None = None) -> int:
        """How many cells have no points yet: of one kind, or of all."""
        return sum(kind in (None, one) for cells in self.open.values() for one in cells.values())

    def final(self) -> bool:
        """Whether its points are those that count."""
        return not self.unfinished and not self.count()

    def line(self) -> str:
        """All that is missing, in plain words; empty if nothing is."""
        words = [self.unfinished]
        waiting, unjudged = self.count(WAITS), self.count(NOT_JUDGED)
        words += [f"{waiting} {'answer waits' if waiting == 1 else 'answers wait'} for a TA"] if waiting else []
        words += [f"{unjudged} {'check was' if unjudged == 1 else 'checks were'} not judged"] if unjudged else []
        return "; ".join(word for word in words if word)


class Standings:
    """Looks up how far submissions of an assignment are; its source notebooks are read once."""

    def __init__(self, coursedir: CourseDirectory, assignment: str) -> None:
        self._coursedir, self._assignment = coursedir, assignment
        self._root = Path(coursedir.root).resolve()
        source = Path(coursedir.format_path(coursedir.source_directory, ".", assignment))
        self._sources = source_digests(source, [path.stem for path in sorted(source.glob("*.ipynb"))])

    def of(self, submission: SubmittedAssignment) -> Standing:
        """How far a submission of the gradebook is."""
        student = submission.student.id
        standing = Standing(self.unfinished(student))
        for notebook in submission.notebooks:
            cells = open_cells(self._root, self._assignment, student, notebook)
            if cells:
                standing.open[notebook.name] = cells
            if not standing.unfinished and self._differs(student, notebook):
                standing.unfinished = (
                    f"gradebook and verdicts differ; run {AGAIN} {self._assignment} --student={student}"
                )
        return standing

    def unfinished(self, student: str) -> str:
        """Why a submission that was autograded can't count as a whole; empty if it can."""
        again = f"run {AGAIN} {self._assignment} --student={student}"
        try:
            done = Finished(self._root, self._assignment, student)
            if not done.exists():
                return f"not graded to its end; {again}"
            if done.differences():
                return f"gradebook and verdicts differ; {again} --force"
            if done.state() is None:
                return f"graded in part; {again}"
            if self._changed(student, done):
                return f"another one was collected and isn't graded; {again}"
            tests = changed_tests(done.made_with(), self._sources)
        except ProctorError as error:
            return str(error)
        return f"graded before the tests of {', '.join(tests)} changed; {again}" if tests else ""

    def _differs(self, student: str, notebook: SubmittedNotebook) -> bool:
        """Whether its points are not those that it was given: the gradebook is older, say, put back from a backup."""
        try:
            record = verdict.load(verdict.record_path(self._root, self._assignment, student, notebook.name))
        except ProctorError:
            # Its cells are said not to be judged.
            return False
        return bool(verdict.compare(record, of_tests(notebook)))

    def collected(self) -> list[str]:
        """Students of whom there is a submission, graded or not."""
        pattern = Path(self._coursedir.format_path(self._coursedir.submitted_directory, "*", self._assignment))
        found = pattern.parent.parent.glob(f"*/{pattern.name}")
        return sorted(one.parent.name for one in found if one.is_dir() and not one.is_symlink())

    def _changed(self, student: str, done: Finished) -> bool:
        """Whether what lies in `submitted/` is not what was graded; what is no longer there can't be compared."""
        folder = Path(self._coursedir.format_path(self._coursedir.submitted_directory, student, self._assignment))
        return folder.is_dir() and state_of(folder) != done.state()


def open_cells(root: Path, assignment: str, student: str, notebook: SubmittedNotebook) -> dict[str, str]:
    """The graded cells of a notebook that have no points yet, by name, with `WAITS` or `NOT_JUDGED`."""
    try:
        record = verdict.load(verdict.record_path(root, assignment, student, notebook.name))
    except ProctorError:
        record = None
    answers = {cell.name for cell in notebook.notebook.solution_cells}
    found = {}
    for grade in notebook.grades:
        said = _open(grade, grade.name in answers, record)
        if said:
            found[grade.name] = said
    return found


def _open(grade: Grade, manual: bool, record: verdict.Record | None) -> str | None:
    if manual or grade.cell.cell_type != "code":
        return WAITS if grade.needs_manual_grade or (grade.auto_score is None and grade.manual_score is None) else None
    if grade.manual_score is not None:
        return WAITS if grade.needs_manual_grade else None
    judged = record.verdicts.get(grade.name) if record is not None else None
    return NOT_JUDGED if judged is None or judged.kind == verdict.NO_VERDICT else None
