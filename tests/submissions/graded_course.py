"""A course whose gradebook was filled without running anything: students, points, records and pages."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from proctor.checking.verdict import NO_VERDICT, Record, Verdict, record_path
from proctor.intake.staging import state_of
from proctor.plugin.finished import Finished

ASSIGNMENT, NOTEBOOK = "hw", "2a"
POINTS = {"q1": 1.0, "q2": 2.0}
ESSAY = 5.0
DUE = datetime.datetime(2026, 3, 1, 12, 0)


def source_notebook(hidden: str = "assert 1", points: float = 2, more: str | None = None) -> dict:
    """The instructor's notebook of this course: an answer, two tests and an essay."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}

    def cell(name: str, text: str, kind: str = "code", **nbgrader: object) -> dict:
        made = {"cell_type": kind, "id": name, "source": text, "metadata": {}}
        made["metadata"]["nbgrader"] = {**flags, "grade_id": name, **nbgrader}
        return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})

    cells = [
        cell("a1", "### BEGIN SOLUTION\nx = 1\n### END SOLUTION", solution=True),
        cell("q1", "assert x", grade=True, locked=True, points=1),
        cell("q2", f"### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS", grade=True, locked=True, points=points),
        cell("essay", "Why?", "markdown", grade=True, solution=True, points=5),
    ]
    cells += [cell(more, "assert 2", grade=True, locked=True, points=1)] if more else []
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Graded:
    """A course with two students, ada (q1 right) and ben (all right), whose essays nobody has read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self) -> None:
        source = self.root / "source" / ASSIGNMENT
        source.mkdir(parents=True)
        self.write_source(source_notebook())
        with self.gradebook() as gradebook:
            gradebook.add_assignment(ASSIGNMENT, duedate=DUE)
            gradebook.add_notebook(NOTEBOOK, ASSIGNMENT)
            for name, points in POINTS.items():
                gradebook.add_grade_cell(name, NOTEBOOK, ASSIGNMENT, max_score=points, cell_type="code")
                gradebook.add_source_cell(name, NOTEBOOK, ASSIGNMENT, cell_type="code", source="old", locked=True)
            gradebook.add_solution_cell("a1", NOTEBOOK, ASSIGNMENT)
            gradebook.add_grade_cell("essay", NOTEBOOK, ASSIGNMENT, max_score=ESSAY, cell_type="markdown")
            gradebook.add_solution_cell("essay", NOTEBOOK, ASSIGNMENT)
            gradebook.add_source_cell("a1", NOTEBOOK, ASSIGNMENT, cell_type="code", source="old")
            gradebook.add_source_cell("essay", NOTEBOOK, ASSIGNMENT, cell_type="markdown", source="Why?")
            for student in ("ada", "ben"):
                gradebook.add_student(student)
                gradebook.add_submission(ASSIGNMENT, student, timestamp=DUE)
        self.grade("ada", {"q1": "", "q2": "wrong value"})
        self.grade("ben", {"q1": "", "q2": ""})

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}", "test")

    def directory(self) -> CourseDirectory:
        database = f"sqlite:///{self.root / 'gradebook.db'}"
        return CourseDirectory(root=str(self.root), course_id="test", assignment_id=ASSIGNMENT, db_url=database)

    def write_source(self, notebook: dict) -> None:
        (self.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))

    def grade(self, student: str, kinds: dict[str, str]) -> None:
        """Records, points and a finished state, as grading leaves them; by test its kind of failure, or none."""
        verdicts = {name: Verdict(name, not kind, kind, "", False, "", "") for name, kind in kinds.items()}
        record = Record(ASSIGNMENT, student, NOTEBOOK, "00", "0.1.0", "bwrap", POINTS, verdicts)
        record.save(record_path(self.root, ASSIGNMENT, student, NOTEBOOK))
        for name, points in record.scores().items():
            self.change(student, name, auto_score=points, needs_manual_grade=False)
        folder = self.root / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "timestamp.txt").write_text(f"{DUE} UTC")
        self.finish(student)

    def not_judged(self, student: str) -> None:
        self.grade(student, {"q1": "", "q2": NO_VERDICT})

    def finish(self, student: str, differences: tuple[str, ...] = (), made_with: dict | None = None) -> None:
        """What is written down once all of it is graded."""
        state = state_of(self.root / "submitted" / student / ASSIGNMENT)
        self.finished(student).write(state, differences, made_with)

    def finished(self, student: str) -> Finished:
        return Finished(self.root, ASSIGNMENT, student)

    def change(self, student: str, cell: str, **values: object) -> None:
        with self.gradebook() as gradebook:
            grade = gradebook.find_grade(cell, NOTEBOOK, ASSIGNMENT, student)
            for name, value in values.items():
                setattr(grade, name, value)
            gradebook.db.commit()

    def read_essay(self, student: str, points: float) -> None:
        """What the formgrader does when a TA types points."""
        self.change(student, "essay", manual_score=points, needs_manual_grade=False)

    def hand_in(self, student: str, moment: datetime.datetime) -> None:
        with self.gradebook() as gradebook:
            gradebook.update_or_create_submission(ASSIGNMENT, student, timestamp=moment)


def config(**sections: dict) -> Config:
    return Config(sections)


def made_once(folder: Path) -> Path:
    # nbgrader calls alembic by its name to mark a new gradebook.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        root = folder / "course"
        root.mkdir()
        Graded(root).fill()
    return root


def copied(root: Path, folder: Path) -> Graded:
    shutil.copytree(root, folder / "course")
    return Graded(folder / "course")
