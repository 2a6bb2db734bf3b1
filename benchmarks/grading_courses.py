"""Courses to be graded for a measurement: the real assignment, a class that hands in, and who grades it how.

Everything is made as the demo makes it: the same release, the same reference answers, the same trained model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import students as demo_students
from demo.commands import Command, Commands
from demo.run_folder import ASSIGNMENT, RunFolder
from demo.scores import Score, possible_scores, read_scores
from proctor.checking import verdict
from proctor.notebooks import cells as notebook_cells
from proctor.plugin.run_state import states
from proctor.settings import Proctor

COMPLETE, HALF, UNTOUCHED = "complete", "half", "untouched"
# What stands at the end of an answer, and of which notebook's first answer.
HOSTILE = {
    "loop": ("1b_rotation", "while True:\n    pass"),
    "memory": ("2a_gpt_components", "kept = []\nwhile True:\n    kept.append(b'x' * 2**26)"),
    "exit": ("3a_graph_convolution", "import os\n\nos._exit(0)"),
}
_TEN = (COMPLETE, HALF, COMPLETE, "loop", COMPLETE, UNTOUCHED, COMPLETE, HALF, COMPLETE, "memory")
_NEXT_TEN = (*_TEN[:3], "exit", *_TEN[4:])
_STOCK_CONFIG = """\
from pathlib import Path

c = get_config()
course = Path(__file__).resolve().parent
c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = str(course)
c.CourseDirectory.db_url = f"sqlite:///{{course / 'gradebook.db'}}"
"""


@dataclass(frozen=True)
class Variant:
    """A way of grading.

    Attributes:
        what: it is, in a few words.
        settings: of `c.Proctor`; None for nbgrader without the engine.
    """

    name: str
    what: str
    settings: Mapping[str, Any] | None

    def known(self) -> dict[str, Any]:
        """The settings that this version of the engine has."""
        return {name: value for name, value in (self.settings or {}).items() if name in Proctor.class_trait_names()}

    def left_out(self) -> list[str]:
        """The settings that it doesn't have."""
        return sorted(set(self.settings or {}) - set(self.known()))


VARIANTS = {
    one.name: one
    for one in (
        Variant("stock", "nbgrader without the engine", None),
        Variant("off", "the engine, everything switched off", {"warm": [], "workers": 1, "run_demos": True}),
        Variant("one", "the engine, one worker", {"workers": 1}),
        Variant("all", "the engine, as many workers as it takes by itself", {}),
    )
}


@dataclass(frozen=True)
class Student:
    """One who hands in; `kind` says what."""

    name: str
    kind: str


def class_of(number: int, mix: str) -> list[Student]:
    """Students whose submissions are all complete, or mixed: of ten five complete, two half done, one untouched, and
    two hostile."""
    kinds = [(_TEN, _NEXT_TEN)[i // 10 % 2][i % 10] if mix == "mixed" else COMPLETE for i in range(number)]
    return [Student(f"s{i:04d}-{kind}", kind) for i, kind in enumerate(kinds)]


class Assignment:
    """The released assignment, from which courses and submissions are made.

    Args:
        folder: for all of it, empty or an earlier one's.
        db_url: of an empty database for the gradebook; without, it is a file, of which each course gets its own copy.
    """

    def __init__(self, folder: Path, db_url: str | None = None) -> None:
        self.run, self.db_url = RunFolder(folder), db_url
        self.run.set_up_course("bwrap")
        if db_url:
            with (self.run.course / "nbgrader_config.py").open("a", encoding="utf-8") as config:
                config.write(f"c.CourseDirectory.db_url = {db_url!r}\n")
        Commands(self.run).run([Command(("generate_assignment", ASSIGNMENT), self.run.staff_home, self.run.course)])
        self.sources = sorted((self.run.course / "source" / ASSIGNMENT).glob("*.ipynb"))
        self._answers = {source.name: demo_students.answers(source, []) for source in self.sources}
        # A grade_id is an answer's if it has a solution, an essay's otherwise.
        self._code = {
            notebook_cells.grade_id(cell)
            for source in self.sources
            for cell in notebook_cells.read(source)["cells"]
            if notebook_cells.role(cell) == "solution"
        }
        self.names = [source.stem for source in self.sources]
        possible = [one for source in self.sources for one in possible_scores(notebook_cells.read(source))]
        self.most = sum(one.points for one in possible if not one.waiting)

    def course(self, name: str, variant: Variant, students: Sequence[Student]) -> Course:
        """A new course in which these students have handed in and nothing is graded."""
        root = self.run.path / "courses" / name
        shutil.copytree(self.run.course, root)
        config = root / "nbgrader_config.py"
        lines = [f"c.Proctor.{setting} = {value!r}" for setting, value in variant.known().items()]
        if variant.settings is None:
            config.write_text(_STOCK_CONFIG.format(course_id=self.course_id()))
        else:
            config.write_text("\n".join([config.read_text(encoding="utf-8"), *lines, ""]), encoding="utf-8")
        for student in students:
            self._hand_in(student, root / "submitted" / student.name / ASSIGNMENT)
        return Course(self, root, variant, list(students), self.db_url or f"sqlite:///{root / 'gradebook.db'}")

    def course_id(self) -> str:
        """As in the course's own configuration."""
        from traitlets.config import PyFileConfigLoader

        return PyFileConfigLoader("nbgrader_config.py", str(self.run.course)).load_config().CourseDirectory.course_id

    def _hand_in(self, student: Student, folder: Path) -> None:
        folder.mkdir(parents=True)
        released = self.run.course / "release" / ASSIGNMENT
        for source in self.sources:
            shutil.copy(released / source.name, folder)
            answers = self._filled(student, source.name, source.stem)
            if answers:
                demo_students.fill_in(folder / source.name, answers)
        for other in released.iterdir():
            if other.is_dir():
                shutil.copytree(other, folder / other.name)
        if student.kind not in (HALF, UNTOUCHED):
            demo_students.hand_in_run(folder)

    def _filled(self, student: Student, file: str, stem: str) -> dict[str, str]:
        """Answers of one notebook; no two students hand in the same bytes."""
        answers = dict(self._answers[file])
        if student.kind == UNTOUCHED:
            return {}
        if student.kind == HALF:
            answers = dict(list(answers.items())[: (len(answers) + 1) // 2])
        first = next((name for name in answers if name in self._code), None)
        if first is not None:
            answers[first] += f"\n# {student.name}"
            where, code = HOSTILE.get(student.kind, ("", ""))
            if where == stem:
                answers[first] += f"\n{code}"
        return answers


@dataclass
class Course:
    """A course folder, the way in which it is graded, and what became of its students."""

    assignment: Assignment
    root: Path
    variant: Variant
    students: list[Student]
    db_url: str

    def environment(self) -> dict[str, str]:
        """Of a command that grades it; modules are compiled once, as they are where nobody has said otherwise."""
        chosen = self.assignment.run.environment(self.assignment.run.staff_home)
        return {name: value for name, value in chosen.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def scores(self) -> dict[tuple[str, str], tuple[float | None, bool]]:
        """Autograded points, and whether a TA is waited for, by student and cell."""
        found: list[Score] = read_scores(self.db_url, self.assignment.course_id())
        names = {student.name for student in self.students}
        return {(one.student, one.cell): (one.got, one.waiting) for one in found if one.student in names}

    def ends(self) -> list[float]:
        """When each student's last notebook was written, in turn; seconds since 1970."""
        return sorted(
            max(times)
            for student in self.students
            if (times := [file.stat().st_mtime for file in self._graded(student)])
        )

    def has_verdict(self) -> bool:
        """Whether `proctor status` knows of a notebook that is judged, in a run that goes on."""
        return any(state.judged for state in states(self.root))

    def first_verdict(self) -> float:
        """When the first verdict was stored; seconds since 1970, NaN if none was."""
        if self.variant.settings is None:
            times = [file.stat().st_mtime for student in self.students for file in self._graded(student)]
        else:
            records = [
                verdict.record_path(self.root, ASSIGNMENT, student.name, name)
                for student in self.students
                for name in self.assignment.names
            ]
            times = [file.stat().st_mtime for file in records if file.exists()]
        return min(times, default=float("nan"))

    def _graded(self, student: Student) -> list[Path]:
        folder = self.root / "autograded" / student.name / ASSIGNMENT
        return [file for name in self.assignment.names if _was_run(file := folder / f"{name}.ipynb")]


def _was_run(file: Path) -> bool:
    """Whether a notebook has been graded: nbgrader writes each twice, the first time without outputs."""
    if not file.exists():
        return False
    return any(cell.get("outputs") for cell in json.loads(file.read_bytes())["cells"])
