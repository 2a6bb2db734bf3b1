"""Submissions graded side by side: the same as one after the other, whatever becomes of the processes meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import exercise
import psutil
import pytest
from course_folder import ROOT, Course
from nbgrader.api import Gradebook

from proctor.sandbox.bubblewrap import availability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
OTHER = "follow_up"
# What is made anew each time that something is graded: names of rows, and times.
ODD = re.compile(r"^(id|.*_id|timestamp)$")
WAITS = "import time\ntime.sleep(30)\n"


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
    """A course that is graded with a number of workers."""

    def __init__(self, folder: Path, workers: int, more=None) -> None:
        self.course = Course(folder, {OTHER: exercise.follow_up_notebook()})
        # Where the accounts of sandboxes can come by.
        self.temporary = Path(tempfile.mkdtemp(dir="/tmp"))
        self.temporary.chmod(0o755)
        with open(self.course.folder / "nbgrader_config.py", "a") as config:
            config.write(f"\nc.Proctor.workers = {workers}\n")
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


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory) -> Several:
    """Not to be changed."""
    made = Several(tmp_path_factory.mktemp("one"), 1)
    made.said = made.grade()
    return made


def test_all_that_is_written_is_the_same(one_by_one, tmp_path):
    several = Several(tmp_path, 2)
    said = several.grade()
    assert table(said) == table(one_by_one.said), said
    assert len(table(said)) == len(SUBMISSIONS)
    assert several.status == one_by_one.status == 0
    assert several.gradebook() == one_by_one.gradebook()
    assert several.records() == one_by_one.records()
    assert several.notebooks() == one_by_one.notebooks()
    points = several.course.points()
    assert (points["ada"], points["ben"], points["cyd"]) == ((2, 2, 2), (0, 2, 2), (2, 0, 2)), said
    assert any("'follow_up', 'q5_test'" in line and "('auto_score', 2.0)" in line for line in several.gradebook())
    assert several.left() == []
    # One notebook of each, with what earlier ones make.
    several.grade("--force", f"--notebook={OTHER}")
    assert several.gradebook() == one_by_one.gradebook()
    assert several.notebooks() == one_by_one.notebooks()


def _long(handed: exercise.Handed) -> None:
    handed.answer("q1_double", f"{WAITS}\n{exercise.SOLUTIONS['q1_double']}")
    handed.write()


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(process.pid).children():
        try:
            if "--multiprocessing-fork" in one.cmdline():
                found.append(one)
        except psutil.Error:
            pass
    return found


def wait_for_sandboxes(process: subprocess.Popen, number: int) -> list[psutil.Process]:
    """The processes below the workers, once each of so many has a sandbox with student code in it."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        busy = [one for one in workers_of(process) if any("host" in " ".join(c.cmdline()) for c in below(one))]
        if len(busy) >= number:
            return [process_below for one in busy for process_below in [one, *below(one)]]
        time.sleep(0.1)
    raise AssertionError(process.communicate()[0])


def below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def gone(processes: list[psutil.Process]) -> bool:
    ends = time.monotonic() + 60
    while [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True
