"""A course folder of nbgrader's around the exercise, graded by the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import exercise

from proctor.intake.inert import handed_in_name
from proctor.secret import load_secret

ROOT = Path(__file__).resolve().parents[2]
CANARY = "PROCTOR_TEST_CANARY"
CONFIG = """
c = get_config()
from proctor.plug_in import plug_in
plug_in(c)
c.CourseDirectory.course_id = "test"
c.CourseDirectory.root = {root!r}
c.Proctor.secret = {secret!r}
c.Proctor.data = "data"
c.Proctor.data_variable = "COURSE_DATA"
c.Proctor.misconceptions = "misconceptions"
c.Proctor.limits = {{
    "cell_cpu_seconds": 8, "cell_wall_seconds": 40, "probe_cpu_seconds": 8, "probe_wall_seconds": 12,
    "memory_bytes": 2 * 2**30, "home_bytes": 64 * 2**20, "file_bytes": 48 * 2**20,
    "home_files": 100_000, "processes": 100,
}} | {limits}
"""


class Course:
    """A course folder with its submissions.

    Args:
        more: instructor's notebooks beside the exercise, by name.
        limits: that differ from those of the other courses here.
        db_url: of the gradebook; without, it is a file in the course.
    """

    # A copy of a course, made without a release of its own, has its gradebook where it lies.
    _server: str | None = None

    def __init__(
        self,
        folder: Path,
        more: Mapping[str, dict[str, Any]] = MappingProxyType({}),
        limits: Mapping[str, float] = MappingProxyType({}),
        db_url: str | None = None,
    ) -> None:
        self.folder = folder / "course"
        self._server = db_url
        source = self.folder / "source" / exercise.ASSIGNMENT
        source.mkdir(parents=True)
        for name, notebook in {exercise.NOTEBOOK: exercise.instructor_notebook(), **more}.items():
            (source / f"{name}.ipynb").write_text(json.dumps(notebook))
        (source / "figures").mkdir()
        (source / "figures" / "map.txt").write_text("the map of the assignment")
        (self.folder / "misconceptions").mkdir()
        (self.folder / "misconceptions" / f"{exercise.NOTEBOOK}.toml").write_text(exercise.CATALOGUE)
        exercise.seal_hints(source, self.folder / "misconceptions")
        (self.folder / "data").mkdir()
        (self.folder / "data" / "set.txt").write_text("data of the course")
        self.secret = folder / "secret"
        config = CONFIG.format(root=str(self.folder), secret=str(self.secret), limits=dict(limits))
        config += f"c.CourseDirectory.db_url = {self.db_url!r}\n"
        (self.folder / "nbgrader_config.py").write_text(config)
        self.nbgrader("generate_assignment", exercise.ASSIGNMENT)
        release = self.folder / "release" / exercise.ASSIGNMENT
        self.released = json.loads((release / f"{exercise.NOTEBOOK}.ipynb").read_text())

    def nbgrader(self, *arguments: str) -> str:
        """Runs a command of nbgrader, whatever its exit status; returns all that it said."""
        return self.begin(*arguments).communicate()[0]

    @property
    def db_url(self) -> str:
        """Of the gradebook."""
        return self._server or f"sqlite:///{self.folder / 'gradebook.db'}"

    def begin(self, *arguments: str) -> subprocess.Popen:
        """Starts a command of nbgrader."""
        return subprocess.Popen(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def environment(self) -> dict[str, str]:
        """Of the commands in this course."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), CANARY: CANARY}

    def submit(self, student: str, make) -> None:
        folder = self.folder / "submitted" / student / exercise.ASSIGNMENT
        folder.mkdir(parents=True)
        make(exercise.Handed(self.released, folder))

    def points(self) -> dict[str, tuple[float, ...]]:
        from nbgrader.api import Gradebook

        found = {}
        with Gradebook(self.db_url, "test") as gradebook:
            for submission in gradebook.assignment_submissions(exercise.ASSIGNMENT):
                scores = {g.name: g.auto_score for n in submission.notebooks for g in n.grades}
                found[submission.student.id] = tuple(scores[f"{q}_test"] for q in exercise.QUESTIONS)
        return found

    def page(self, student: str, notebook: str = exercise.NOTEBOOK) -> str:
        return (self.folder / "feedback" / student / exercise.ASSIGNMENT / f"{notebook}.html").read_text()

    def staff_page(self, student: str) -> str:
        return (self.folder / "autograded" / student / exercise.ASSIGNMENT / f"{exercise.NOTEBOOK}.ipynb").read_text()

    def hidden_inputs(self, student: str) -> list[int]:
        """What the hidden part of question 1 asks this student."""
        digest = self.record(student)["digest"]
        return exercise.hidden_inputs(load_secret(self.secret, self.folder).key("checks", student, digest))

    def common_inputs(self) -> list[int]:
        """What it asks all whose answer to question 1 is wrong, once more."""
        words = "answers alike", exercise.ASSIGNMENT, exercise.NOTEBOOK
        return exercise.hidden_inputs(load_secret(self.secret, self.folder).key(*words))

    def record(self, student: str) -> dict:
        """The record of a student's verdicts."""
        path = self.folder / "proctor_records" / exercise.ASSIGNMENT / student / f"{exercise.NOTEBOOK}.json"
        return json.loads(path.read_text())

    def source_state(self) -> dict[str, bytes]:
        """Content of all notebooks that grading must not change, by the names that they were handed in with."""
        files = [path for top in ("source", "submitted") for path in (self.folder / top).rglob("*")]
        # A file or folder of a submission gets a name that no tool knows.
        named = {"/".join(map(handed_in_name, path.relative_to(self.folder).parts)): path for path in files}
        return {
            name: path.read_bytes()
            for name, path in named.items()
            if name.endswith(".ipynb") and path.is_file() and not path.is_symlink()
        }
