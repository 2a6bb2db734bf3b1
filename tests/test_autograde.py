"""Batches: killed ones are taken up again, changed submissions graded again, nothing is graded without a sandbox."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import exercise
import psutil
import pytest
from course_folder import ROOT, Course

from proctor.sandbox import availability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
STUDENTS = ("ada", "ben", "cyd")
EXPECTED = {"ada": (2, 2, 2), "ben": (0, 2, 2), "cyd": (2, 2, 2)}


def _wrong(handed: exercise.Handed) -> None:
    handed.answer("q1_double", exercise.WRONG)
    handed.write()


@pytest.fixture
def course(tmp_path) -> Course:
    made = Course(tmp_path)
    for name in STUDENTS:
        made.submit(name, _wrong if name == "ben" else exercise.Handed.write)
    return made


def start(course: Course) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PROCTOR_RUN": str(course.folder)}
    command = [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT]
    return subprocess.Popen(
        command, cwd=course.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def left_of(pids: set[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_a_killed_batch_leaves_no_process_and_is_finished_by_the_next_start(course):
    rng = random.Random(7)
    for _ in range(5):
        engine = start(course)
        seen: set[int] = set()
        until = time.monotonic() + rng.uniform(2, 16)
        while time.monotonic() < until and engine.poll() is None:
            seen |= {one.pid for one in psutil.Process(engine.pid).children(recursive=True)}
            time.sleep(0.1)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        until = time.monotonic() + 10
        while left_of(seen) and time.monotonic() < until:
            time.sleep(0.1)
        assert left_of(seen) == []
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == EXPECTED, said
    for name in STUDENTS:
        done = course.folder / "proctor_records" / exercise.ASSIGNMENT / name / "complete.json"
        assert json.loads(done.read_text())["differences"] == []
    assert not (course.folder / "proctor_staged").exists()


def test_what_is_graded_and_unchanged_is_skipped_and_what_changed_is_graded_again(course):
    first = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == EXPECTED, first
    assert first.count("graded before") == 0
    folder = course.folder / "submitted" / "ben" / exercise.ASSIGNMENT
    exercise.Handed(course.released, folder).write()
    again = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points()["ben"] == (2, 2, 2), again
    assert again.count("graded before") == 2
    forced = course.nbgrader("autograde", exercise.ASSIGNMENT, "--student=ada", "--force")
    assert "graded before" not in forced
    assert "ada  graded" in forced


def test_without_a_sandbox_nothing_is_graded_and_the_way_out_is_said(course, tmp_path):
    before = sorted(str(path) for path in course.folder.rglob("*") if ".nbgrader" not in path.name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("python", "python3", "alembic", "git"):
        found = next((p for p in os.environ["PATH"].split(os.pathsep) if os.path.exists(os.path.join(p, name))), None)
        if found:
            os.symlink(os.path.join(found, name), tools / name)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": str(tools)}
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT],
        cwd=course.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "apt install bubblewrap" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert sorted(str(path) for path in course.folder.rglob("*") if ".nbgrader" not in path.name) == before


def test_a_sandbox_that_was_switched_off_is_said_in_every_report_and_grades_the_same(course):
    config = course.folder / "nbgrader_config.py"
    config.write_text(config.read_text() + '\nc.Proctor.sandbox = "none"\n')
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == EXPECTED, said
    assert said.count("(sandbox off)") == len(STUDENTS)
    course.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    assert "sandbox off" in course.page("ada")


def test_stock_nbgrader_gives_the_same_points(course):
    config = course.folder / "nbgrader_config.py"
    text = config.read_text()
    stock = text.replace("plug_in(c)\n", "").replace("c.Proctor", "# c.Proctor").partition("# c.Proctor")[0]
    config.write_text(stock)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == EXPECTED, said
    config.write_text(text)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--force")
    assert course.points() == EXPECTED, said
    assert "ada  graded" in said


def test_the_formgraders_way_gives_the_same_inside_a_running_event_loop(course):
    script = """
import asyncio, sys
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader
async def press_the_button():
    api = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", ".").load_config())
    for student in ("ada", "ben", "cyd"):
        result = api.autograde("homework", student)
        print(student, result["success"], result.get("error"))
asyncio.run(press_the_button())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=course.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.count("True None") == len(STUDENTS), run.stdout + run.stderr
    assert course.points() == EXPECTED


def test_a_checker_that_cannot_start_means_zero_points_and_a_loud_line(course):
    config = course.folder / "nbgrader_config.py"
    broken = "\nimport proctor.grading\ndef refuse(*args):\n    raise OSError('no checker today')\n"
    config.write_text(config.read_text() + broken + "proctor.grading.Checker = refuse\n")
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert set(course.points().values()) == {(0, 0, 0)}
    assert "no checker today" in said
    assert said.count("not graded") + said.count("partly graded") >= 3


def test_release_is_refused_when_gradebook_and_verdicts_differ(course):
    from nbgrader.api import Gradebook

    course.nbgrader("autograde", exercise.ASSIGNMENT)
    course.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "test") as gradebook:
        gradebook.find_grade("q1_test", exercise.NOTEBOOK, exercise.ASSIGNMENT, "ben").auto_score = 2
        gradebook.db.commit()
    (course.folder.parent / "exchange").mkdir(mode=0o777)
    (course.folder.parent / "exchange").chmod(0o777)
    config = course.folder / "nbgrader_config.py"
    config.write_text(config.read_text() + f"\nc.Exchange.root = {str(course.folder.parent / 'exchange')!r}\n")
    said = course.nbgrader("release_feedback", exercise.ASSIGNMENT)
    assert "ben, exercise: q1_test: 2 in the gradebook, 0 by the verdict" in said
    assert "nothing was released" in said
    assert not list((course.folder.parent / "exchange").rglob("*.html"))
