"""Batches: killed ones are taken up again, changed submissions graded again, nothing is graded without a sandbox."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import exercise
import psutil
import pytest
from course_folder import ROOT, Course

from proctor.sandbox.bubblewrap import availability, unbound
from proctor.sandbox.ended import has_ended

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
EXPECTED = {"ada": (2, 2, 2), "ben": (0, 2, 2), "cyd": (2, 2, 2), "dan": (2, 2, 2)}


def _wrong(handed: exercise.Handed) -> None:
    handed.answer("q1_double", exercise.WRONG)
    handed.write()


def copy_of(course: Course, folder: Path) -> Course:
    """The same course at another place, with what has been graded in it."""
    shutil.copytree(course.folder.parent, folder, dirs_exist_ok=True)
    made = object.__new__(Course)
    made.folder, made.released, made.secret = folder / "course", course.released, folder / "secret"
    config = made.folder / "nbgrader_config.py"
    config.write_text(config.read_text().replace(str(course.folder.parent), str(folder)))
    return made


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> Course:
    made = Course(tmp_path_factory.mktemp("submitted"))
    for name in EXPECTED:
        made.submit(name, _wrong if name == "ben" else exercise.Handed.write)
    return made


@pytest.fixture(scope="module")
def undisturbed(submitted, tmp_path_factory) -> Course:
    """All graded in one run; not to be changed."""
    made = copy_of(submitted, tmp_path_factory.mktemp("undisturbed"))
    made.said = made.nbgrader("autograde", exercise.ASSIGNMENT)
    return made


@pytest.fixture
def course(submitted, tmp_path) -> Course:
    return copy_of(submitted, tmp_path)


@pytest.fixture
def graded(undisturbed, tmp_path) -> Course:
    return copy_of(undisturbed, tmp_path)


def configure(course: Course, text: str) -> None:
    config = course.folder / "nbgrader_config.py"
    config.write_text(f"{config.read_text()}\n{text}\n")


def resubmit(course: Course, student: str, make=exercise.Handed.write) -> None:
    make(exercise.Handed(course.released, course.folder / "submitted" / student / exercise.ASSIGNMENT))


def accounts(course: Course) -> list[tuple]:
    """All that the gradebook says about grades and comments."""
    from nbgrader.api import Gradebook

    found = []
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "test") as gradebook:
        for submission in gradebook.assignment_submissions(exercise.ASSIGNMENT):
            for notebook in submission.notebooks:
                place = (submission.student.id, notebook.name)
                for one in notebook.grades:
                    scores = (one.auto_score, one.manual_score, one.extra_credit, one.max_score)
                    found.append((*place, one.name, *scores, one.needs_manual_grade))
                found += [(*place, one.name, one.auto_comment, one.manual_comment) for one in notebook.comments]
    return sorted(found, key=repr)


def start(course: Course) -> subprocess.Popen:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT]
    return subprocess.Popen(
        command,
        cwd=course.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def left_of(processes: set[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if not has_ended(one)]


def test_a_killed_batch_leaves_no_process_and_is_finished_by_the_next_start(course, undisturbed):
    assert undisturbed.points() == EXPECTED, undisturbed.said
    rng = random.Random(7)
    processes: set[psutil.Process] = set()
    killed = 0
    for _ in range(5):
        engine = start(course)
        until = time.monotonic() + rng.uniform(1, 8)
        while time.monotonic() < until and engine.poll() is None:
            processes |= set(psutil.Process(engine.pid).children(recursive=True))
            time.sleep(0.1)
        # It may have finished what earlier ones have left.
        if engine.poll() is not None:
            break
        killed += 1
        # Stopped first: nothing is started between the last look and the end.
        engine.send_signal(signal.SIGSTOP)
        processes |= set(psutil.Process(engine.pid).children(recursive=True))
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        until = time.monotonic() + 10
        while left_of(processes) and time.monotonic() < until:
            time.sleep(0.1)
        assert left_of(processes) == []
    assert processes
    assert killed
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert accounts(course) == accounts(undisturbed), said
    for name in EXPECTED:
        done = course.folder / "proctor_records" / exercise.ASSIGNMENT / name / "complete.json"
        assert json.loads(done.read_text())["differences"] == []
    assert not (course.folder / "proctor_staged").exists()


def test_what_is_graded_and_unchanged_is_skipped_and_what_changed_is_graded_again(graded, undisturbed):
    assert undisturbed.said.count("graded before") == 0
    resubmit(graded, "ben")
    again = graded.nbgrader("autograde", exercise.ASSIGNMENT)
    assert graded.points() == EXPECTED | {"ben": (2, 2, 2)}, again
    assert again.count("graded before") == 3
    forced = graded.nbgrader("autograde", exercise.ASSIGNMENT, "--student=ada", "--force")
    assert "graded before" not in forced
    assert "ada  graded" in forced


@pytest.mark.parametrize("data", [".", "submitted", "source/homework"])
def test_data_that_would_show_the_course_is_refused_at_the_start(course, data):
    configure(course, f"c.Proctor.data = {data!r}")
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert "because c.Proctor.data is" in said
    assert "let it be a folder that neither contains nor lies in" in said
    assert not (course.folder / "autograded").exists()
    assert course.points() == {}


def test_at_its_start_it_says_what_it_can_not_bound_and_removes_what_killed_ones_left(graded, tmp_path, monkeypatch):
    left = tmp_path / "temporary" / "proctor-left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    monkeypatch.setenv("TMPDIR", str(left.parent))
    said = graded.nbgrader("autograde", exercise.ASSIGNMENT)
    assert said.count("graded before") == len(EXPECTED)
    assert list(left.parent.glob("proctor-*")) == []
    assert ("no control group for memory here" in said) == (unbound() is not None)


def test_without_a_sandbox_nothing_is_graded_and_the_way_out_is_said(graded, tmp_path):
    def files() -> dict[str, str]:
        paths = [path for path in graded.folder.rglob("*") if path.is_file() and ".nbgrader" not in path.name]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    resubmit(graded, "ben")
    before = files()
    tools = tmp_path / "tools"
    tools.mkdir()
    os.symlink(Path(sys.executable).parent / "alembic", tools / "alembic")
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT],
        cwd=graded.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "apt install bubblewrap" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert files() == before


def test_a_sandbox_that_was_switched_off_is_said_in_every_report_and_grades_the_same(course):
    configure(course, 'c.Proctor.sandbox = "none"')
    said = course.nbgrader("autograde", exercise.ASSIGNMENT, "--student=ben")
    assert course.points() == {"ben": EXPECTED["ben"]}, said
    assert said.count("(sandbox off)") == 1
    course.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    assert "sandbox off" in course.page("ben")


def test_stock_nbgrader_gives_the_same_points(course, undisturbed):
    config = course.folder / "nbgrader_config.py"
    config.write_text(config.read_text().replace("plug_in(c)\n", ""))
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert not (course.folder / "proctor_records").exists()
    assert course.points() == undisturbed.points() == EXPECTED, said


def test_a_checker_that_cannot_start_means_zero_points_a_loud_line_and_another_try(course):
    configure(
        course,
        "c.Proctor.workers = 1\n"
        "import proctor.checking.questions, proctor.grading\n"
        "starts = []\n"
        "def checker(*args):\n"
        "    starts.append(1)\n"
        "    if len(starts) == 1:\n"
        "        raise OSError('no checker today')\n"
        "    return proctor.checking.questions.Checker(*args)\n"
        "proctor.grading.Checker = checker",
    )
    for name in ("cyd", "dan"):
        shutil.rmtree(course.folder / "submitted" / name)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == {"ada": (0, 0, 0), "ben": EXPECTED["ben"]}, said
    assert "no checker today" in said
    assert f"ada  partly graded: not {exercise.NOTEBOOK}" in said
    again = course.nbgrader("autograde", exercise.ASSIGNMENT, "--student=b*")
    assert "ben  graded before" in again
    course.folder.joinpath("nbgrader_config.py").write_text(
        (course.folder / "nbgrader_config.py").read_text().partition("c.Proctor.workers = 1")[0]
    )
    course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == {"ada": EXPECTED["ada"], "ben": EXPECTED["ben"]}


@pytest.mark.parametrize("text", ["{", '{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', None])
def test_a_source_notebook_that_cant_be_read_costs_nobody_points(graded, text):
    source = graded.folder / "source" / exercise.ASSIGNMENT / f"{exercise.NOTEBOOK}.ipynb"
    source.unlink() if text is None else source.write_text(text)
    resubmit(graded, "ben")
    said = graded.nbgrader("autograde", exercise.ASSIGNMENT, "--force")
    assert graded.points() == EXPECTED, said
    assert f"nothing was graded: {source}" in said


def test_an_older_gradebook_put_back_is_filled_again(graded):
    database = graded.folder / "gradebook.db"
    older = database.read_bytes()
    resubmit(graded, "ben")
    graded.nbgrader("autograde", exercise.ASSIGNMENT)
    assert graded.points() == EXPECTED | {"ben": (2, 2, 2)}
    database.write_bytes(older)
    said = graded.nbgrader("autograde", exercise.ASSIGNMENT)
    assert graded.points() == EXPECTED | {"ben": (2, 2, 2)}, said
    assert "ben  graded again (the gradebook changed)" in said
    assert said.count("graded before") == 3


def test_a_timestamp_that_is_none_costs_nothing(course):
    for name in ("ben", "cyd", "dan"):
        shutil.rmtree(course.folder / "submitted" / name)
    (course.folder / "submitted" / "ada" / exercise.ASSIGNMENT / "timestamp.txt").write_bytes(b"\xff tomorrow")
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == {"ada": (2, 2, 2)}, said
    course.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    assert "left out timestamp.txt" in course.page("ada")


def test_release_is_refused_when_gradebook_and_verdicts_differ(graded):
    from nbgrader.api import Gradebook

    graded.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    with Gradebook(f"sqlite:///{graded.folder / 'gradebook.db'}", "test") as gradebook:
        gradebook.find_grade("q1_test", exercise.NOTEBOOK, exercise.ASSIGNMENT, "ben").auto_score = 2
        gradebook.db.commit()
    exchange = graded.folder.parent / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    configure(graded, f"c.Exchange.root = {str(exchange)!r}")
    said = graded.nbgrader("release_feedback", exercise.ASSIGNMENT)
    assert "ben: exercise: q1_test: 2 in the gradebook, 0 by the verdict" in said
    assert "nothing was released: gradebook and verdicts differ for ben;" in said
    assert not list(exchange.rglob("*.html"))


HELPED = "import helper\ndef double(x):\n    return helper.TIMES * x"


def _helped(times: int):
    def make(handed: exercise.Handed) -> None:
        (handed.folder / "helper.py").write_text(f"TIMES = {times}")
        handed.answer("q1_double", HELPED)
        handed.write()

    return make


def test_what_is_handed_in_while_the_older_one_is_graded_is_graded_by_the_next_start(course):
    for name in ("ben", "cyd", "dan"):
        shutil.rmtree(course.folder / "submitted" / name)
    resubmit(course, "ada", _helped(0))
    helper = course.folder / "submitted" / "ada" / exercise.ASSIGNMENT / "helper.py"
    plain = (course.folder / "nbgrader_config.py").read_text()
    configure(
        course,
        "c.Proctor.workers = 1\n"
        "import pathlib, proctor.jobs.doing as step\n"
        "graded = step.grade\n"
        "def grade(*args):\n"
        f"    pathlib.Path({str(helper)!r}).write_text('TIMES = 2')\n"
        "    return graded(*args)\n"
        "step.grade = grade",
    )
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points() == {"ada": (0, 2, 2)}, said
    first = course.hidden_inputs("ada")
    (course.folder / "nbgrader_config.py").write_text(plain)
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert "graded before" not in said
    assert course.points() == {"ada": (2, 2, 2)}, said
    # Only a helper file has changed, and so have the inputs of hidden checks.
    assert not set(course.hidden_inputs("ada")) & set(first)
    assert "ada  graded before" in course.nbgrader("autograde", exercise.ASSIGNMENT)


def test_one_that_can_not_be_staged_has_no_points_of_an_earlier_one_and_the_others_go_on(graded):
    for student in EXPECTED:
        secret = hashlib.sha512(student.encode()).hexdigest()
        (graded.folder / "submitted" / student / exercise.ASSIGNMENT / "submission_secret.txt").write_text(secret)
    exchange = graded.folder.parent / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    configure(
        graded,
        f"c.Exchange.root = {str(exchange)!r}\n"
        "import proctor.plugin.prepare as step\n"
        "staged = step.stage\n"
        "def stage(submitted, *rest):\n"
        "    if 'ada' in str(submitted):\n"
        "        raise RuntimeError('trouble with this one')\n"
        "    return staged(submitted, *rest)\n"
        "step.stage = stage",
    )
    graded.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    said = graded.nbgrader("autograde", exercise.ASSIGNMENT)
    assert graded.points() == EXPECTED | {"ada": (0, 0, 0)}, said
    assert "ada  not graded, its points are 0: RuntimeError: trouble with this one" in said
    assert "dan  graded" in said
    graded.nbgrader("generate_feedback", exercise.ASSIGNMENT, "--force")
    said = graded.nbgrader("release_feedback", exercise.ASSIGNMENT)
    assert "feedback was released to 3 students, but not to ada;" in said
    assert len(list(exchange.rglob("*.html"))) == 3
