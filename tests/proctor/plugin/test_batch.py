"""What can happen to the staff while they grade: two at once, a stop, a full disk, a gradebook that can't be used.

Each ends in a line that says what to do, with an exit status, and points are what they were. A stand-in grades in place
of the engine, at once or when it is told to.
"""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import exercise
import pytest
from course_folder import ROOT, Course

from proctor.plugin.run_state import states
from proctor.sandbox.bubblewrap import availability

pytestmark = pytest.mark.slow
OTHER = "second"
# The stand-in says whom it grades and goes on when the file `wait` is gone; every check has passed, unless a file says
# what is to happen.
STAND_IN = """
import os, pathlib, time
import proctor.jobs.doing as step
from proctor.checking.verdict import Record, Verdict
from proctor.notebooks import cells

AT = pathlib.Path({at!r})

def grade(notebook, submission, around, *rest):
    (AT / submission.student).touch()
    while (AT / "wait").exists() or (AT / f"wait for {{submission.notebook}}").exists():
        time.sleep(0.02)
    if (AT / "accident").exists():
        raise OSError(int((AT / "accident").read_text()), "no such luck", str(AT / "file"))
    tests = [cell for cell in notebook["cells"] if cells.role(cell) == "test"]
    points = {{cells.grade_id(cell): float(cells.nbgrader_metadata(cell)["points"]) for cell in tests}}
    passed = {{name: Verdict(name, True, "", "", False, "", "") for name in points}}
    names = submission.assignment, submission.student, submission.notebook, submission.digest
    return Record(*names, engine="stand-in", sandbox=around.kind, points=points, verdicts=passed)

step.grade = grade
c.Proctor.sandbox = "none"
# It is here alone.
c.Proctor.workers = 1
c.Exchange.root = {exchange!r}
"""
FULL = {"ada": (2, 2, 2), "ben": (2, 2, 2)}


class Staff:
    """A course with two graded submissions; `said` and `status` are those of the last command."""

    def __init__(self, folder: Path, copied: Course | None = None) -> None:
        self.at = folder / "at"
        if copied is None:
            self.course = Course(folder, {OTHER: exercise.follow_up_notebook()})
            for student in FULL:
                self.course.submit(student, exercise.Handed.write)
        else:
            shutil.copytree(copied.folder.parent, folder, dirs_exist_ok=True)
            self.course = object.__new__(Course)
            self.course.folder, self.course.released = folder / "course", copied.released
            config = self.config.read_text()
            self.config.write_text(config.replace(str(copied.folder.parent), str(folder)))
        self.at.mkdir(exist_ok=True)
        (folder / "exchange").mkdir(exist_ok=True)
        (folder / "exchange").chmod(0o777)
        if copied is None:
            self.configure(STAND_IN.format(at=str(self.at), exchange=str(folder / "exchange")))

    @property
    def config(self) -> Path:
        return self.course.folder / "nbgrader_config.py"

    @property
    def gradebook(self) -> Path:
        return self.course.folder / "gradebook.db"

    def configure(self, text: str) -> None:
        self.config.write_text(f"{self.config.read_text()}\n{text}\n")

    def start(self, *words: str, variables=(), **how) -> subprocess.Popen:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        environment |= {"PATH": path, "PYTHONPATH": str(ROOT), **dict(variables)}
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True, **how}
        return subprocess.Popen(
            [sys.executable, "-m", "nbgrader", *words], cwd=self.course.folder, env=environment, **how
        )

    def run(self, *words: str, **how) -> str:
        return self.end(self.start(*words, **how))

    def end(self, process: subprocess.Popen) -> str:
        self.said, _ = process.communicate()
        self.status = process.returncode
        assert "Traceback" not in self.said, self.said
        return self.said

    def autograde(self, *words: str) -> tuple[str, ...]:
        return ("autograde", exercise.ASSIGNMENT, *words)

    @contextmanager
    def waiting(self, student: str, *words: str):
        """An autograding that has begun with a student and goes on at the end of the block."""
        (self.at / student).unlink(missing_ok=True)
        (self.at / "wait").touch()
        process = self.start(*self.autograde(*words))
        try:
            while not (self.at / student).exists() and process.poll() is None:
                time.sleep(0.02)
            yield process
        finally:
            (self.at / "wait").unlink()
            if process.poll() is None and not process.stdout.closed:
                self.end(process)

    def finished(self, student: str) -> bool:
        return (self.course.folder / "proctor_records" / exercise.ASSIGNMENT / student / "complete.json").exists()

    def left(self) -> list[str]:
        places = self.course.folder, self.course.folder / "proctor_records" / ".busy"
        return [one.name for place in places for one in place.glob("*") if len(one.name) > 40 or "staged" in one.name]


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Staff:
    """Not to be changed."""
    made = Staff(tmp_path_factory.mktemp("graded"))
    made.run(*made.autograde())
    assert made.status == 0, made.said
    assert made.course.points() == FULL
    return made


@pytest.fixture
def staff(graded, tmp_path) -> Staff:
    return Staff(tmp_path, graded.course)


def new_submission(staff: Staff, student: str) -> None:
    folder = staff.course.folder / "submitted" / student / exercise.ASSIGNMENT
    (folder / "more.txt").write_text("new")


def test_a_second_run_leaves_alone_who_is_being_graded_and_says_by_whom(staff):
    with staff.waiting("ada", "--student=ada", "--force") as first:
        staff.run(*staff.autograde("--student=ada", "--force"))
        assert staff.status == 1
        assert "ada  not graded, its points are as they were: it is being graded by" in staff.said
        assert f"(process {first.pid} on " in staff.said
        assert "run this again when that has ended" in staff.said
        assert staff.course.points() == FULL
        # Of the same student another notebook, and the formgrader's button.
        staff.run(*staff.autograde("--student=ada", "--force", f"--notebook={OTHER}"))
        assert (staff.status, "it is being graded by" in staff.said) == (1, True)
        button = (
            "from nbgrader.apps import NbGraderAPI\n"
            "from nbgrader.apps.formgradeapp import FormgradeApp\n"
            "app = FormgradeApp()\n"
            "app.initialize([])\n"
            "made = NbGraderAPI(parent=app).autograde('homework', 'ada')\n"
            "print(made['success'], made['log'])\n"
        )
        (staff.at / "button.py").write_text(button)
        pressed = subprocess.run(
            [sys.executable, str(staff.at / "button.py")],
            cwd=staff.course.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "False" in pressed.stdout, pressed.stderr
        assert "it is being graded by" in pressed.stdout
    assert (staff.status, staff.course.points()) == (0, FULL), staff.said
    assert staff.finished("ada")
    assert staff.left() == []


def test_a_notebook_that_is_judged_is_known_while_the_next_one_is_graded(staff):
    later = staff.at / f"wait for {OTHER}"
    later.touch()
    run = staff.start(*staff.autograde("--student=ada", "--force"))
    seen, ends = [], time.monotonic() + 60
    while run.poll() is None and not seen and time.monotonic() < ends:
        seen = [state.judged for state in states(staff.course.folder) if state.judged]
        time.sleep(0.02)
    later.unlink()
    staff.end(run)
    assert seen == [{"ada": [1, 2]}], staff.said
    assert states(staff.course.folder) == []


def test_two_runs_grade_different_students_at_once(staff):
    with staff.waiting("ada", "--student=ada", "--force"):
        (staff.at / "ben").unlink()
        other = staff.start(*staff.autograde("--student=ben", "--force", f"--notebook={OTHER}"))
        while not (staff.at / "ben").exists() and other.poll() is None:
            time.sleep(0.02)
        (staff.at / "wait").unlink()
        staff.end(other)
        assert staff.status == 0, staff.said
        (staff.at / "wait").touch()
    assert (staff.status, staff.course.points()) == (0, FULL), staff.said
    assert staff.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_stop_says_who_was_under_way_and_changes_no_points(staff, number):
    with staff.waiting("ada", "--force") as run:
        run.send_signal(number)
        staff.end(run)
    assert staff.status == 128 + number
    assert "ada  not graded to its end: stopped by " in staff.said
    assert staff.said.rstrip().splitlines()[-1].startswith("slowest: ada")
    assert "ben  " not in staff.said
    assert staff.course.points() == FULL
    assert (staff.finished("ada"), staff.finished("ben")) == (False, True)
    assert staff.left() == []


def test_a_killed_run_changes_no_points_and_the_next_clears_up(staff):
    for words in [["--force"], []]:
        with staff.waiting("ada", *words) as run:
            run.send_signal(signal.SIGKILL)
            run.communicate()
        assert staff.course.points() == FULL
        assert not staff.finished("ada")
        assert staff.left() != []
    staff.run(*staff.autograde())
    assert (staff.status, staff.course.points()) == (0, FULL), staff.said
    assert staff.finished("ada")
    assert staff.left() == []


def test_points_of_an_older_submission_do_not_stay_when_a_newer_one_is_stopped(staff):
    # Nor when the older one had been begun again before.
    with staff.waiting("ada", "--force") as run:
        run.send_signal(signal.SIGKILL)
        run.communicate()
    new_submission(staff, "ada")
    with staff.waiting("ada") as run:
        run.send_signal(signal.SIGTERM)
        staff.end(run)
    assert staff.course.points() == FULL | {"ada": (0, 0, 0)}
    assert not staff.finished("ada")


@contextmanager
def locked(gradebook: Path, how: str = "EXCLUSIVE"):
    with closing(sqlite3.connect(gradebook, isolation_level=None)) as database:
        database.execute(f"BEGIN {how}")
        yield


def test_a_locked_gradebook_is_waited_for_and_then_said(staff):
    staff.configure("import proctor.plugin.gradebook_file as step\nstep.SECONDS = 1.0")
    new_submission(staff, "ada")
    # Those who only read are let in by the second kind of lock.
    feedback = ("generate_feedback", exercise.ASSIGNMENT)
    for words, how in [(staff.autograde("--force"), "EXCLUSIVE"), (feedback, "IMMEDIATE")]:
        with locked(staff.gradebook, how):
            staff.run(*words)
        assert staff.status == 1
        assert f"process {os.getpid()} (" in staff.said
        assert "has locked the gradebook" in staff.said
        assert "then run this command again" in staff.said
        assert staff.course.points() == FULL
        assert staff.finished("ada")


def test_a_gradebook_that_is_free_again_within_the_minute_costs_nothing(staff):
    new_submission(staff, "ada")
    with locked(staff.gradebook):
        run = staff.start(*staff.autograde())
        said = ""
        while "has locked the gradebook; waiting" not in said and run.poll() is None:
            said += run.stdout.readline()
    staff.end(run)
    assert (staff.status, staff.course.points()) == (0, FULL), said + staff.said


def test_a_gradebook_that_is_locked_in_the_middle_leaves_the_submission_unfinished(staff):
    staff.configure("import proctor.plugin.gradebook_file as step\nstep.SECONDS = 1.0")
    with staff.waiting("ada", "--force") as run:
        database = sqlite3.connect(staff.gradebook, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        (staff.at / "wait").unlink()
        staff.end(run)
        database.close()
        (staff.at / "wait").touch()
    assert staff.status == 1
    assert "ada  not graded to its end: " in staff.said
    assert "has locked the gradebook for a minute; end it, then run this command again" in staff.said
    assert "1 submissions were not looked at, from ben on" in staff.said
    assert staff.course.points() == FULL
    assert (staff.finished("ada"), staff.finished("ben")) == (False, True)


@pytest.mark.parametrize(
    ("command", "content", "said"),
    [
        (("generate_assignment", exercise.ASSIGNMENT, "--force"), b"", "is empty (a full disk leaves such a file)"),
        (("autograde", exercise.ASSIGNMENT), b"this is text\n" * 999, "this file is no gradebook; move it away and"),
        (("export",), None, "the gradebook is gone, and proctor_records/ says that there was one"),
    ],
)
def test_a_gradebook_that_is_lost_is_said_and_no_command_makes_a_new_one(staff, command, content, said):
    if content is None:
        staff.gradebook.unlink()
    else:
        staff.gradebook.write_bytes(content)
    staff.run(*command)
    assert staff.status == 1
    assert said in staff.said
    assert "restore it from your backup" in staff.said
    assert (staff.gradebook.read_bytes() if staff.gradebook.exists() else None) == content
    assert staff.finished("ada")


def test_a_damaged_gradebook_is_said(staff):
    content = staff.gradebook.read_bytes()
    staff.gradebook.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    staff.run(*staff.autograde("--force"))
    assert staff.status == 1
    assert "the gradebook is damaged; move it away and restore it from your backup" in staff.said


def test_without_room_nothing_is_touched(staff):
    staff.configure("import proctor.plugin.room as step\nstep.BYTES = 2**60")
    new_submission(staff, "ada")
    staff.run(*staff.autograde("--force"))
    assert staff.status == 1
    assert "make room there (df -h " in staff.said
    assert staff.course.points() == FULL
    assert staff.finished("ada")


def test_a_disk_that_is_full_in_the_middle_leaves_the_submission_unfinished_and_names_the_disk(staff):
    (staff.at / "accident").write_text(str(errno.ENOSPC))
    staff.run(*staff.autograde("--student=ada", "--force"))
    assert staff.status == 1
    assert "ada  not graded to its end: " in staff.said
    assert f"{staff.at}: " in staff.said
    assert staff.course.points() == FULL
    assert not staff.finished("ada")


@contextmanager
def mounted(place: Path, size: str):
    place.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"can't mount a small disk here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_small_disk_for_temporary_files(staff, tmp_path):
    with mounted(tmp_path / "small", "8m"):
        staff.run(*staff.autograde("--force"), variables={"TMPDIR": str(tmp_path / "small")})
        assert staff.status == 1
        assert f"{tmp_path / 'small'}" in staff.said
        assert "make room there" in staff.said
        assert list((tmp_path / "small").iterdir()) == []
    assert staff.course.points() == FULL
    assert staff.finished("ada")


def test_a_course_that_can_only_be_read(graded, tmp_path):
    with mounted(tmp_path / "disk", "64m"):
        staff = Staff(tmp_path / "disk", graded.course)
        new_submission(staff, "ada")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
        staff.run(*staff.autograde("--force"))
        assert staff.status == 1
        assert "this disk can only be read" in staff.said or "you can't write into the gradebook" in staff.said
        assert staff.course.points() == FULL


def test_pages_are_neither_made_nor_released_of_a_submission_in_work(staff):
    for student in FULL:
        folder = staff.course.folder / "submitted" / student / exercise.ASSIGNMENT
        (folder / "submission_secret.txt").write_text(f"{ord(student[0]):x}" * 64)
    staff.run(*staff.autograde())
    staff.run("generate_feedback", exercise.ASSIGNMENT)
    assert staff.status == 0, staff.said
    pages = sorted((staff.course.folder / "feedback").rglob("*.html"))
    # A page for each notebook, and the list of them.
    assert len(pages) == 3 * len(FULL)
    before = {page: page.stat().st_mtime_ns for page in pages}
    with staff.waiting("ada", "--student=ada", "--force"):
        staff.run("generate_feedback", exercise.ASSIGNMENT, "--force")
        assert staff.status == 1
        assert "no pages were made of 1 submissions (ada)" in staff.said
        changed = {page.parent.parent.name for page in pages if page.stat().st_mtime_ns != before[page]}
        assert changed == {"ben"}
        staff.run("release_feedback", exercise.ASSIGNMENT)
        assert staff.status == 1
        assert "not released: ada: it is being graded by" in staff.said
        assert "feedback was released to 1 students, but not to ada" in staff.said
    assert staff.status == 0, staff.said


def test_with_a_closed_umask_new_files_are_the_staffs_alone(staff):
    for name in ("autograded", "proctor_records"):
        shutil.rmtree(staff.course.folder / name)
    staff.run(*staff.autograde(), umask=0o000)
    assert (staff.status, staff.course.points()) == (0, FULL), staff.said
    for name in ("autograded", "proctor_records"):
        assert (staff.course.folder / name).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
def test_data_in_the_exchange_is_refused_because_others_submissions_lie_there(staff):
    (staff.course.folder.parent / "exchange" / "data").mkdir()
    staff.configure("c.Proctor.sandbox = 'bwrap'\nc.Proctor.data = '../exchange/data'")
    staff.run(*staff.autograde("--force"))
    assert staff.status == 1
    assert f"student code would see {staff.course.folder.parent / 'exchange'}, because c.Proctor.data is" in staff.said
    assert staff.finished("ada")
