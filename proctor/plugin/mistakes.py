"""`python -m proctor mistakes ASSIGNMENT`: how many students made which catalogued mistake, and what has no name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags

from proctor.checking import verdict
from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.intake.copier import printable

# What else lies among the records.
OTHERS = ("complete.json", "begun.json")
_NO_MISTAKE = (verdict.NOT_FINISHED, verdict.TIME_OUT, verdict.NO_VERDICT)


class MistakesApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-mistakes"
    description = "Say how many students made which catalogued mistake, and which failures nothing explains"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = nbgrader_flags
    examples = """
        In the course's folder, after grading:

            python -m proctor mistakes ps1
        """

    def start(self) -> None:
        """Print it."""
        super().start()
        if len(self.extra_args) != 1:
            self.fail("name the assignment: python -m proctor mistakes ASSIGNMENT")
        try:
            found, unreadable = records(Path(self.coursedir.root).resolve(), self.extra_args[0])
        except ProctorError as error:
            self.fail(str(error))
        for line in unreadable:
            self.log.warning(line)
        if not found:
            self.fail(f"nothing of {self.extra_args[0]} is graded yet; run: nbgrader autograde {self.extra_args[0]}")
        for line in mistakes(found):
            print(line, flush=True)


def records(root: Path, assignment: str) -> tuple[list[Record], list[str]]:
    """All verdict records of an assignment, and a line for each that can't be read.

    Args:
        root: of the course.

    Raises:
        ProctorError: the name can't be one of an assignment.
    """
    folder = verdict.record_path(root, assignment, "student", "notebook").parents[1]
    found, lines = [], []
    for path in sorted(folder.glob("*/*.json")):
        if path.name in OTHERS:
            continue
        try:
            found.append(verdict.load(path))
        except ProctorError as error:
            lines.append(printable(str(error), 300))
    return found, lines


def mistakes(found: Iterable[Record]) -> list[str]:
    """The report, in lines: by notebook the mistakes, those of most students first, then failures without a name.

    Who fails a check in the same way, at the same point of it, is counted together; one by one they may be different
    mistakes.
    """
    students: dict[tuple[str, str], set[str]] = defaultdict(set)
    hints: dict[tuple[str, str], str] = {}
    unsure: dict[tuple[str, str], set[str]] = defaultdict(set)
    unexplained: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    notebooks = []
    for record in found:
        notebooks.append(record.notebook)
        for name, one in record.verdicts.items():
            if one.passed or one.kind in _NO_MISTAKE:
                continue
            for mistake, hint in one.mistakes.items():
                key = record.notebook, mistake
                hints[key] = hint
                (students if len(one.mistakes) == 1 else unsure)[key].add(record.student)
            if not one.mistakes:
                unexplained[record.notebook, name, one.kind, one.name].add(record.student)
    lines: list[str] = []
    for notebook in sorted(set(notebooks)):
        keys = sorted({key for key in (*students, *unsure) if key[0] == notebook}, key=lambda k: (-len(students[k]), k))
        own = sorted((key for key in unexplained if key[0] == notebook), key=lambda k: (-len(unexplained[k]), k))
        lines.append(f"{notebook}:{'' if keys or own else ' no failed check'}")
        for key in keys:
            sure, maybe = len(students[key]), len(unsure[key] - students[key])
            count = " ".join([*([_people(sure)] if sure else []), *([f"({_people(maybe)} perhaps)"] if maybe else [])])
            lines.append(f"  {count}: {key[1]}: {hints[key]}")
        for key in own:
            _, cell, kind, what = key
            said = " ".join(verdict.plain(what, verdict.MAX_NAME).split())
            lines.append(f"  {_people(len(unexplained[key]))} unexplained: {cell}: {said or 'a check'}: {kind}")
    return lines


def _people(count: int) -> str:
    return f"{count} student" if count == 1 else f"{count} students"
