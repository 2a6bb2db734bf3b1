"""Submissions graded side by side: the same as one after the other, whatever becomes of the processes meanwhile."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import exercise
import psutil
import pytest
from several import OTHER, SUBMISSIONS, Several, table

from proctor.jobs import crew
from proctor.plugin.run_state import states
from proctor.plugin.status import status
from proctor.sandbox.bubblewrap import availability
from proctor.sandbox.ended import has_ended
from proctor.sandbox.limits import Limits
from proctor.submission import Surroundings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]


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


class _Workers:
    """Warm up one after the other in this process, as far as they are asked."""

    def __init__(self, number, prepare, words, begun, lost) -> None:
        prepare(*words)
        self.at_once = None

    def start(self, warm_up, at_once) -> None:
        self.warm_up, self.at_once = warm_up, at_once

    def end(self) -> None:
        pass


@pytest.fixture
def made(monkeypatch):
    """A started crew whose workers are these; `waited` has what was waited for the warm processes of each."""
    found = []

    def make(number: int, cores: int) -> SimpleNamespace:
        waited = []
        monkeypatch.setattr(crew, "Workers", _Workers)
        monkeypatch.setattr(crew, "cores", lambda: cores)
        monkeypatch.setattr(crew, "_told", None)
        around = Surroundings("none", Limits(), pool=SimpleNamespace(wait=waited.append))
        one = crew.Crew(number, around, print, print)
        # What it would end is the pool of this process alone.
        one._around = around
        one.start()
        found.append(one)
        return SimpleNamespace(crew=one, workers=one._workers, waited=waited, verdict=crew._told.verdict)

    yield make
    for one in found:
        one._around = Surroundings("none", Limits())
        one.end()


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (16, 8)])
def test_as_many_warm_up_at_a_time_as_there_are_cores_for(made, monkeypatch, cores, at_once):
    found = made(16, cores)
    assert found.workers.at_once == at_once
    found.workers.warm_up(at_once - 1)
    assert found.waited == [Limits().startup_seconds]


def test_the_others_begin_with_the_checker_once_there_is_a_verdict_or_it_does_not_come(made, monkeypatch):
    found, slept, begun = made(2, 2), [], []
    pool = SimpleNamespace(wait=found.waited.append, close=print)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            found.verdict.touch()

    def warmed(around, pause):
        begun.append("student code")
        pause()
        begun.append(len(slept))
        return replace(around, pool=pool)

    def warm_up(turn: int) -> None:
        monkeypatch.setattr(crew, "_told", crew._told._replace(around=Surroundings("none", Limits())))
        found.workers.warm_up(turn)

    monkeypatch.setattr(crew, "warmed", warmed)
    monkeypatch.setattr(crew.worker, "at_end", lambda ending: None)
    monkeypatch.setattr(crew.time, "sleep", sleep)
    warm_up(0)
    assert begun == ["student code", 0]
    assert not found.verdict.exists()
    warm_up(1)
    assert begun[2:] == ["student code", 3]
    warm_up(1)
    assert begun[4:] == ["student code", 3]
    found.verdict.unlink()
    monkeypatch.setattr(crew, "_SECONDS_FOR_A_VERDICT", 0.0)
    warm_up(1)
    # Then jobs are wanted for it.
    assert begun[6:] == ["student code", 3]
    assert found.verdict.exists()
    assert len(found.waited) == 4


@pytest.mark.parametrize(("number", "cores", "before", "after"), [(2, 2, 1, 3), (3, 16, 3, 4), (16, 8, 4, 17)])
def test_before_a_verdict_no_more_jobs_are_wanted_than_can_be_done_at_once(
    made, monkeypatch, number, cores, before, after
):
    found = made(number, cores)
    assert found.crew.ahead == before
    found.verdict.touch()
    assert found.crew.ahead == after
    found.verdict.unlink()
    assert found.crew.ahead == before
    monkeypatch.setattr(crew, "_SECONDS_UNTIL_A_VERDICT", 0.0)
    assert found.crew.ahead == after


def test_one_that_has_not_warmed_up_does_so_with_its_first_job(monkeypatch, tmp_path):
    pool, ended = SimpleNamespace(close=print), []
    monkeypatch.setattr(crew, "warmed", lambda around, pause: replace(around, pool=pool))
    monkeypatch.setattr(crew.worker, "at_end", ended.append)
    monkeypatch.setattr(crew, "run_in", lambda folder, around, judged: judged() or seen.append(around.pool))
    monkeypatch.setattr(crew, "_told", None)
    seen: list = []
    crew._prepare(Surroundings("none", Limits()), None, tmp_path / "verdict", 1)
    for _ in range(2):
        crew._work(tmp_path, "ada")
    assert (seen, ended) == ([pool, pool], [print])
    assert (tmp_path / "verdict").exists()
    # Whatever has become of that folder.
    crew._prepare(Surroundings("none", Limits()), None, tmp_path / "gone" / "verdict", 1)
    crew._work(tmp_path, "ada")
    assert len(seen) == 3


def _slow(handed: exercise.Handed, seconds: int = 4) -> None:
    handed.answer("q1_double", f"import time\ntime.sleep({seconds})\n\n{exercise.SOLUTIONS['q1_double']}")
    handed.write()


def _slower(handed: exercise.Handed) -> None:
    """So slow that another worker doesn't wait for it any more, and begins."""
    _slow(handed, 12)


def _below(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def _is(process: psutil.Process, word: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return word in " ".join(process.cmdline())
    return False


def busy_workers(several: Several, run: subprocess.Popen) -> list[psutil.Process]:
    """Both workers of a run, once each grades somebody and has a sandbox."""
    ends = time.monotonic() + 240
    while time.monotonic() < ends and run.poll() is None:
        workers = [one for one in psutil.Process(run.pid).children() if _is(one, "--multiprocessing-fork")]
        busy = [one for one in workers if any(_is(other, "bwrap") for other in _below(one))]
        # It is written every second; one of a killed run may still be there.
        known = [one for one in states(several.course.folder) if one.holder.pid == run.pid]
        if len(busy) == 2 and known and len(known[0].running) == 2:
            return busy
        time.sleep(0.1)
    raise AssertionError(run.communicate()[0])


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    ends = time.monotonic() + 60
    left = processes
    while left and time.monotonic() < ends:
        time.sleep(0.1)
        left = [one for one in left if not has_ended(one)]
    return left


def test_whatever_is_killed_or_stopped_the_next_run_goes_on_and_nothing_is_left(tmp_path):
    students = ("ada", "ben", "cyd")
    several = Several(tmp_path, 2, dict.fromkeys(students, _slow) | {"ada": _slower})
    # Ctrl-C, which a terminal sends to all processes.
    run = several.start()
    processes = [one for worker in busy_workers(several, run) for one in [worker, *_below(worker)]]
    lines = status(several.course.folder, exercise.ASSIGNMENT)
    assert lines[0].startswith("homework: 0 of 3 done, time left not known yet; 2 at a time; being graded by "), lines
    assert {line.split()[0] for line in lines[1:]} == {"ada", "ben"}
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate()
    assert run.returncode == 128 + signal.SIGINT, said
    assert "Traceback" not in said, said
    assert "ada  not graded to its end: stopped by Ctrl-C" in said
    assert left_of(processes) == []
    assert several.left() == []
    # The coordinator alone, without a word.
    run = several.start()
    processes = [one for worker in busy_workers(several, run) for one in [worker, *_below(worker)]]
    run.kill()
    run.communicate()
    assert left_of(processes) == []
    assert "0 of 3 done when the run was killed" in status(several.course.folder, exercise.ASSIGNMENT)[0]
    # One worker; what a killed coordinator has left is gone before.
    run = several.start()
    worker = busy_workers(several, run)[0]
    processes = [worker, *_below(worker)]
    worker.kill()
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert said.count(": the process that graded it was ended; it is graded again") == 1, said
    assert left_of(processes) == []
    assert several.course.points() == dict.fromkeys(students, (2, 2, 2)), said
    assert several.left() == []
    assert status(several.course.folder) == ["this course: nothing is being graded"]
