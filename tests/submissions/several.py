"""A course of three students with two notebooks each, one of which goes wrong, graded by any number of workers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import exercise
from course_folder import ROOT, Course
from nbgrader.api import Gradebook

OTHER = "follow_up"
# What is made anew each time that something is graded: names of rows, and times.
ODD = re.compile(r"^(id|.*_id|timestamp)$")


def _made(handed: exercise.Handed) -> None:
    """Its second notebook uses what the first one makes."""
    handed.answer("q1_double", "def double(x):\n    return 2 * x\n\nopen('made.py', 'w').write('THREE = 3')")
    (handed.folder / "submission_secret.txt").write_text("ab" * 64)
    handed.write()
    released = handed.folder.parents[2] / "release" / exercise.ASSIGNMENT / f"{OTHER}.ipynb"
    second = json.loads(released.read_text())
    next(cell for cell in second["cells"] if cell["id"] == "q5_last")["source"] = (
        "import made\n\ndef last(x):\n    return x + made.THREE - 3"
    )
    (handed.folder / f"{OTHER}.ipynb").write_text(json.dumps(second))


def _wrong(handed: exercise.Handed) -> None:
    handed.answer("q1_double", exercise.WRONG)
    handed.write()


def _kills(handed: exercise.Handed) -> None:
    handed.answer("q2_norm", "import os\nos.kill(os.getpid(), 9)")
    handed.write()


SUBMISSIONS = {"ada": _made, "ben": _wrong, "cyd": _kills}


class Several:
    """A course that is graded with a number of workers, or by those of a Dask scheduler."""

    def __init__(self, folder: Path, workers: int, more=None, scheduler: str = "") -> None:
        self.course = Course(folder, {OTHER: exercise.follow_up_notebook()})
        # Where the accounts of sandboxes can come by.
        self._place = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
        self.temporary = Path(self._place.name)
        self.temporary.chmod(0o755)
        with open(self.course.folder / "nbgrader_config.py", "a") as config:
            config.write(f"\nc.Proctor.workers = {workers}\nc.Proctor.scheduler = {scheduler!r}\n")
        # The same inputs of hidden checks everywhere.
        self.course.secret.write_text("5e" * 32)
        self.course.secret.chmod(0o600)
        for student, make in (more or SUBMISSIONS).items():
            self.course.submit(student, make)

    def start(self, *words: str) -> subprocess.Popen:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT, *words],
            cwd=self.course.folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def grade(self, *words: str) -> str:
        process = self.start(*words)
        said, _ = process.communicate()
        self.status = process.returncode
        assert "Traceback" not in said, said
        return said

    def records(self) -> dict[str, str]:
        folder = self.course.folder / "proctor_records" / exercise.ASSIGNMENT
        return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.json"))}

    def notebooks(self) -> dict[str, bytes]:
        folder = self.course.folder / "autograded"
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.ipynb"))}

    def gradebook(self) -> list[str]:
        """All that the gradebook says of submissions, but for names of rows and times."""
        found = []
        with Gradebook(f"sqlite:///{self.course.folder / 'gradebook.db'}", "test") as gradebook:
            for submission in gradebook.assignment_submissions(exercise.ASSIGNMENT):
                for notebook in submission.notebooks:
                    for one in [*notebook.grades, *notebook.comments]:
                        columns = {c.name: getattr(one, c.name, None) for c in one.__table__.columns}
                        kept = {name: value for name, value in columns.items() if not ODD.match(name)}
                        found.append(repr((submission.student.id, notebook.name, one.name, sorted(kept.items()))))
        return sorted(found)

    def left(self) -> list[str]:
        busy = (self.course.folder / "proctor_records" / ".busy").glob("*")
        return [path.name for path in [*self.temporary.glob("*"), *self.course.folder.glob("proctor_staged*"), *busy]]


def table(said: str) -> list[str]:
    """The lines of the table, without seconds."""
    return [line for line in said.splitlines() if re.match(r"(ada|ben|cyd) +\w", line)]
