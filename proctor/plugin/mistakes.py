"""`python -m proctor mistakes ASSIGNMENT`: how many students made which catalogued mistake, and what has no name.

With `--promote STUDENT CELL` one of those without a name becomes the beginning of a catalogue entry.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from sqlalchemy.exc import DBAPIError
from traitlets import Bool, default

from proctor.checking import verdict
from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import gradebook_file
from proctor.plugin.promote import promote
from proctor.settings import Proctor

# What else lies among the records.
OTHERS = ("complete.json", "begun.json")
_NO_MISTAKE = (verdict.NOT_FINISHED, verdict.TIME_OUT, verdict.NO_VERDICT)


class MistakesApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-mistakes"
    description = "Say how many students made which catalogued mistake, and which failures nothing explains"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = {
        **nbgrader_flags,
        "promote": ({"MistakesApp": {"promote": True}}, "Begin a catalogue entry with the answer of STUDENT in CELL."),
    }
    examples = """
        In the course's folder, after grading; then, with an answer that has no name and that many have given:

            python -m proctor mistakes ps1
            python -m proctor mistakes ps1 --promote stuada q2_6_query
        """

    promote = Bool(False, help="Begin a catalogue entry with the answer of STUDENT in CELL.").tag(config=True)

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Proctor]

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Read the words; the assignment may stand before ``--promote`` as well."""
        words = sys.argv[1:] if argv is None else list(argv)
        # The parser takes the words after an option for a second list of words, which it doesn't know.
        super().parse_command_line(sorted(words, key=lambda word: word != "--promote"))

    def start(self) -> None:
        """Print it, or write the entry."""
        super().start()
        if len(self.extra_args) != (3 if self.promote else 1):
            more = " --promote STUDENT CELL" if self.promote else ""
            self.fail(f"write it so: python -m proctor mistakes ASSIGNMENT{more}")
        assignment = self.extra_args[0]
        try:
            found, unreadable = records(Path(self.coursedir.root).resolve(), assignment)
            for line in unreadable:
                self.log.warning(line)
            if not found:
                self.fail(f"nothing of {assignment} is graded yet; run: nbgrader autograde {assignment}")
            lines = self._promoted(found) if self.promote else mistakes(found)
        except ProctorError as error:
            self.fail(printable(str(error), 600))
        except DBAPIError as error:
            self.fail(gradebook_file.said(error, self.coursedir.db_url))
        for line in lines:
            print(line, flush=True)

    def _promoted(self, found: list[Record]) -> list[str]:
        gradebook_file.check(self.coursedir.db_url, Path(self.coursedir.root).resolve(), self.log.warning)
        assignment, student, cell = self.extra_args
        return promote(Proctor(parent=self), self.coursedir, assignment, found, student, cell)


def records(root: Path, assignment: str) -> tuple[list[Record], list[str]]:
    """All verdict records of an assignment, and a line for each that can't be read.

    Args:
        root: of the course.

    Raises:
        ProctorError: the name can't be one of an assignment.
    """
    folder = verdict.record_path(root, assignment, "student", "notebook").parents[1]
    found, lines = [], []
    # What lies in hidden folders is no student's: what was read, verdicts that were kept.
    for path in sorted(folder.glob("[!.]*/*.json")):
        if path.name in OTHERS:
            continue
        try:
            found.append(verdict.load(path))
        except ProctorError as error:
            lines.append(printable(str(error), 300))
    return found, lines


class Mistake(NamedTuple):
    """What students of a notebook have got wrong in the same way.

    Attributes:
        said: in a line.
        sure: how many have made it.
        perhaps: how many more may have, or another one that answers alike.
        named: it is one of the catalogue.
    """

    notebook: str
    said: str
    sure: int
    perhaps: int
    named: bool

    def line(self) -> str:
        """With its numbers."""
        if not self.named:
            joined = "" if self.said.startswith("answered alike") else "unexplained: "
            return f"{_people(self.sure)} {joined}{self.said}"
        perhaps = [f"({_people(self.perhaps)} perhaps)"] if self.perhaps else []
        return f"{' '.join([*([_people(self.sure)] if self.sure else []), *perhaps])}: {self.said}"


def mistakes(found: Iterable[Record]) -> list[str]:
    """The report, in lines: by notebook the mistakes, those of most students first, then failures without a name."""
    found = list(found)
    every = counted(found)
    lines: list[str] = []
    for notebook in sorted({record.notebook for record in found}):
        own = [one for one in every if one.notebook == notebook]
        lines.append(f"{notebook}:{'' if own else ' no failed check'}")
        lines += [f"  {one.line()}" for one in own]
    return lines


def counted(found: Iterable[Record]) -> list[Mistake]:
    """All mistakes, by notebook those of the catalogue first, and of these those of most students.

    Those who answered alike are counted together, and one of them is named. The others who fail a check in the same
    way, at the same point of it, are counted together too; one by one they may be different mistakes.
    """
    students: dict[tuple[str, str], set[str]] = defaultdict(set)
    hints: dict[tuple[str, str], str] = {}
    unsure: dict[tuple[str, str], set[str]] = defaultdict(set)
    alike: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for record in found:
        for name, one in record.verdicts.items():
            if one.passed or one.kind in _NO_MISTAKE:
                continue
            for mistake, hint in one.mistakes.items():
                key = record.notebook, mistake
                hints[key] = hint
                (students if len(one.mistakes) == 1 else unsure)[key].add(record.student)
            if not one.mistakes:
                alike[record.notebook, name, one.kind, one.name, one.answer].add(record.student)
    unexplained: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for key, who in alike.items():
        unexplained[key if key[-1] and len(who) > 1 else (*key[:-1], "")] |= who
    made = []
    for key in sorted({*students, *unsure}, key=lambda key: (key[0], -len(students[key]), key)):
        sure = students[key]
        made.append(Mistake(key[0], f"{key[1]}: {hints[key]}", len(sure), len(unsure[key] - sure), True))
    for key in sorted(unexplained, key=lambda key: (key[0], -len(unexplained[key]), key)):
        notebook, cell, kind, what, answer = key
        said = " ".join(verdict.plain(what, verdict.MAX_NAME).split()) or "a check"
        line = f"{cell}: {said}: {kind}"
        if answer:
            one = printable(min(unexplained[key]))
            line = f"answered alike on {cell}, unexplained: {said}: {kind} (one is {one})"
        made.append(Mistake(notebook, line, len(unexplained[key]), 0, False))
    return made


def _people(count: int) -> str:
    return f"{count} student" if count == 1 else f"{count} students"
