"""Submissions graded by the workers of a Dask scheduler that see nothing of the course: the same as on one machine.

Whatever is killed meanwhile: a grading process, a worker, the coordinator, the scheduler.
"""

import base64
import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import exercise
import psutil
import pytest
from course_folder import ROOT
from dask_cluster import Cluster, Recorder, below
from several import SUBMISSIONS, Several, table

from proctor.errors import ProctorError
from proctor.jobs import at_worker, cluster, message
from proctor.jobs.doing import DONE, JOB
from proctor.jobs.job import Accident, Done, Job, load, save
from proctor.jobs.workers import WorkerLost
from proctor.plugin import room
from proctor.plugin.run_state import states
from proctor.plugin.status import status
from proctor.sandbox.bubblewrap import availability

_SECONDS = 240
no_sandbox = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")


def graded(test):
    """It needs the engine, its sandboxes and minutes."""
    return pytest.mark.slow(no_sandbox(test))


class Stand:
    """In place of a scheduler: workers are lists of what they answer, in turn; what is asked of them is kept."""

    def __init__(self, workers: dict[str, list], slots: int = 1) -> None:
        self.answers, self.slots, self.refused, self.asked, self.closed = workers, slots, {}, [], None
        self.lost, self.greeted, self.most, self.busy = False, [], 0, 0
        self.going_on = threading.Event()
        self.going_on.set()

    def workers(self) -> dict[str, int]:
        if self.lost:
            raise OSError("it is gone")
        return dict.fromkeys(self.answers, self.slots)

    def connected(self) -> bool:
        return not self.lost

    def why_not(self, worker: str) -> str:
        self.greeted.append(worker)
        return self.refused.get(worker, "")

    def answer(self, worker: str, job: bytes, stop) -> bytes:
        self.asked.append((worker, message.to_job(job).student))
        self.busy += 1
        self.most = max(self.most, self.busy)
        while not self.going_on.wait(0.01) and not stop():
            pass
        self.busy -= 1
        word = self.answers[worker].pop(0) if self.answers.get(worker) else at_worker.DONE
        if worker not in self.answers:
            return b""
        if word == "gone":
            del self.answers[worker]
            word = b""
        return word + message.of_done(Done(used_up=worker)) if word == at_worker.DONE else word

    def close(self, workers) -> None:
        self.closed = list(workers)


@pytest.fixture
def crew(monkeypatch, tmp_path):
    """Makes a crew with such a scheduler; `said`, `begun` and `lost` are lists of it."""
    made = []

    def make(stand: Stand) -> cluster.Cluster:
        monkeypatch.setattr(cluster, "Scheduler", lambda *words: stand)
        monkeypatch.setattr(cluster, "SECONDS_BETWEEN_LOOKS", 0.05)
        begun, lost, said = [], [], []
        one = cluster.Cluster("tcp://here:1", {}, None, begun.append, lost.append, said.append)
        one.begun, one.lost, one.said = begun, lost, said
        made.append(one)
        return one

    yield make
    for one in made:
        one.end()


def give(crew, tmp_path, student: str = "ada"):
    folder = tmp_path / student
    folder.mkdir(exist_ok=True)
    save(folder / JOB, Job("ps1", student, (), b""))
    return crew.do(folder, student)


def test_jobs_are_done_by_all_that_may_and_each_does_no_more_than_it_has_threads(crew, tmp_path):
    stand = Stand({"a": [], "b": [], "c": []}, slots=2)
    stand.refused = {"c": "it has another version"}
    stand.going_on.clear()
    one = crew(stand)
    assert (one.number, one.ahead) == (4, 5)
    assert one.said == ["worker c gets nothing to grade: it has another version"]
    jobs = [give(one, tmp_path, f"s{i}") for i in range(9)]
    wait_until(lambda: len(stand.asked) == 4)
    stand.going_on.set()
    assert [job.result() for job in jobs] == [None] * 9
    assert {worker for worker, _ in stand.asked} == {"a", "b"}
    assert stand.most <= 4
    assert sorted(student for _, student in stand.asked) == sorted(one.begun) == [f"s{i}" for i in range(9)]
    assert load(tmp_path / "s0" / DONE).used_up in ("a", "b")
    one.end()
    assert sorted(stand.closed) == ["a", "b"]


def test_a_job_whose_worker_goes_away_is_done_by_another(crew, tmp_path):
    stand = Stand({"a": ["gone"], "b": ["gone"], "c": []})
    one = crew(stand)
    assert give(one, tmp_path).result() is None
    assert load(tmp_path / "ada" / DONE).used_up == stand.asked[-1][0]
    assert len(one.lost) == len(stand.asked) - 1
    assert len({worker for worker, _ in stand.asked}) == len(stand.asked)


def test_a_job_that_ends_every_process_that_does_it_is_given_up(crew, tmp_path):
    stand = Stand({"a": [at_worker.LOST] * 9, "b": [at_worker.LOST] * 9})
    one = crew(stand)
    with pytest.raises(WorkerLost, match="the process that graded it was ended 2 times"):
        give(one, tmp_path).result()
    # Where another one is, that one tries.
    assert {worker for worker, _ in stand.asked} == {"a", "b"}
    assert one.lost == ["ada"]


def test_a_job_whose_workers_all_go_away_is_given_up_some_time(crew, tmp_path):
    one = crew(Stand({str(number): ["gone"] for number in range(9)}))
    with pytest.raises(WorkerLost, match="the worker that graded it went away 5 times"):
        give(one, tmp_path).result()


def test_a_worker_that_has_begun_anew_is_looked_at_again_and_that_is_no_try(crew, tmp_path):
    stand = Stand({"a": [at_worker.UNKNOWN] * 7})
    one = crew(stand)
    assert give(one, tmp_path).result() is None
    assert stand.greeted == ["a"] * 8
    assert one.lost == []


def test_without_the_scheduler_everything_ends_with_what_to_do(crew, tmp_path):
    stand = Stand({"a": [b""]})
    stand.going_on.clear()
    one = crew(stand)
    one.check()
    jobs = [give(one, tmp_path, name) for name in ("ada", "ben")]
    wait_until(lambda: stand.asked)
    stand.lost = True
    for job in jobs:
        with pytest.raises(cluster.ClusterLost, match="scheduler tcp://here:1 is lost: .* then run this command again"):
            job.result()
    with pytest.raises(cluster.ClusterLost):
        one.check()
    with pytest.raises(cluster.ClusterLost):
        give(one, tmp_path, "cyd").result()


def test_where_all_workers_are_gone_one_is_waited_for(crew, tmp_path, monkeypatch):
    stand = Stand({"a": ["gone"]})
    one = crew(stand)
    job = give(one, tmp_path)
    wait_until(lambda: one.said == ["tcp://here:1 has no worker any more that may grade; waiting for one"])
    stand.answers["b"] = []
    assert job.result() is None
    monkeypatch.setattr(cluster, "_SECONDS_WITHOUT_WORKERS", 0.1)
    stand.answers = {}
    with pytest.raises(cluster.ClusterLost, match="it has had no worker for a long time"):
        give(one, tmp_path, "ben").result()


def test_a_run_does_not_begin_without_a_worker_that_may(crew, monkeypatch):
    stand = Stand({"a": []})
    stand.refused = {"a": "no"}
    with pytest.raises(ProctorError, match="the lines above say what is wrong with them. Start some: dask worker"):
        crew(stand)
    assert stand.closed == []
    monkeypatch.setattr(cluster, "_SECONDS_FOR_WORKERS", 0.1)
    with pytest.raises(ProctorError, match="none has come. Start some: dask worker"):
        crew(Stand({}))


def test_what_a_worker_sends_about_somebody_else_is_not_taken(crew, tmp_path, monkeypatch):
    monkeypatch.setattr(Stand, "answer", lambda *words: at_worker.DONE + b"nonsense")
    with pytest.raises(ProctorError, match="not what was asked for"):
        give(crew(Stand({"a": []})), tmp_path).result()
    assert not (tmp_path / "ada" / DONE).exists()


def test_a_full_disk_is_said_to_be_a_worker_s():
    try:
        raise OSError(errno.ENOSPC, "no room", "/tmp/x/y")
    except OSError as error:
        accident = Accident.of(error)
    done = cluster._named(Done({"1a": accident}, accident), "tcp://there:1")
    for found in (done.found["1a"], done.accident):
        assert room.of_machine(found.again())
        assert room.said(found.again()).startswith("on the worker tcp://there:1: /tmp/x: no room is left on this disk")


def wait_until(there, said=lambda: "") -> None:
    until = time.monotonic() + _SECONDS
    while not there():
        assert time.monotonic() < until, said()
        time.sleep(0.1)


def graders(worker: subprocess.Popen) -> list[psutil.Process]:
    """Processes of a worker that grade, or wait for something to grade."""
    return [one for one in below(worker.pid) if any("proctor.jobs.grader" in word for word in cmdline(one))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@graded
def test_all_that_is_written_is_the_same_and_the_secret_stays_here(tmp_path):
    other = tmp_path / "other"
    for package in ("proctor", "dl1"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with open(other / "proctor" / "grading.py", "a") as file:
        file.write("# Another version.\n")
    course, ending = tmp_path / "course", contextlib.ExitStack()
    with ending:
        cluster = Cluster(course)
        ending.callback(cluster.stop)
        # A worker with several threads does as many jobs at a time.
        workers = [cluster.start_worker("--nthreads", "2"), cluster.start_worker()]
        recorder = Recorder(cluster.port)
        ending.callback(recorder.stop)
        several = Several(course, 1, scheduler=recorder.address)
        # Bytes that stand nowhere by chance.
        several.course.secret.write_text(hashlib.sha256(b"secret of this test").hexdigest())
        # Another cluster, whose only worker is not taken.
        refused = Cluster(course)
        ending.callback(refused.stop)
        refused.start_worker(environment={"PYTHONPATH": str(other)})
        said = several.grade(f"--Proctor.scheduler={refused.address}")
        assert several.status == 1
        assert "worker tcp://127.0.0.1:" in said
        assert re.search(r"there is proctor with modules \w+ instead of with modules \w+; install there", said), said
        assert f"{refused.address} has no worker that may grade: the lines above say what is wrong with them" in said
        assert several.course.points() == {}
        refused.stop()
        # The good ones.
        said = several.grade()
        assert several.status == 0, said
        assert "3 submissions are graded at a time (c.Proctor.scheduler, tcp://127.0.0.1:" in said
        made = (table(said), several.gradebook(), several.records(), several.notebooks(), several.course.points())
        assert len(made[0]) == len(SUBMISSIONS)
        points = made[-1]
        assert (points["ada"], points["ben"], points["cyd"]) == ((2, 2, 2), (0, 2, 2), (2, 0, 2)), said
        # Nothing of the run is kept on a worker.
        assert (several.left(), cluster.left()) == ([], [])
        assert [graders(worker) for worker in workers] == [[], []]
        heard, secret = bytes(recorder.heard), bytes.fromhex(several.course.secret.read_text())
        for form in (secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)[:40]):
            assert form not in heard
        # What was looked for would have been found: the digests of the submissions are there.
        digests = {json.loads(text).get("digest") for text in several.records().values()} - {None}
        assert len(digests) > 1
        assert all(digest.encode() in heard for digest in digests)
    # One after the other on this machine.
    said = several.grade("--force", "--Proctor.scheduler=")
    again = (table(said), several.gradebook(), several.records(), several.notebooks(), several.course.points())
    assert again == made


def _slow(handed: exercise.Handed) -> None:
    handed.answer("q1_double", f"import time\ntime.sleep(4)\n\n{exercise.SOLUTIONS['q1_double']}")
    handed.write()


class Killed:
    """A course of three slow students, a cluster of two workers, and what becomes of them."""

    students = ("ada", "ben", "cyd")

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder)
        self.workers = [self.cluster.start_worker(), self.cluster.start_worker()]
        self.several = Several(folder, 1, dict.fromkeys(self.students, _slow), self.cluster.address)

    def start(self, *words: str) -> subprocess.Popen:
        """Start a run, and wait until both workers grade somebody."""
        run = self.several.start(*words)

        def busy() -> bool:
            assert run.poll() is None, run.communicate()[0]
            known = [one for one in states(self.several.course.folder) if one.holder.pid == run.pid]
            inside = [any("bwrap" in cmdline(one)[:1] for one in below(worker.pid)) for worker in self.workers]
            return all(inside) and bool(known) and len(known[0].running) == 2

        wait_until(busy, lambda: self.cluster.log("worker-0") + self.cluster.log("scheduler"))
        return run

    def ended(self, run: subprocess.Popen) -> str:
        said, _ = run.communicate()
        assert "Traceback" not in said, said
        return said

    def nothing_is_graded(self) -> None:
        """No worker is busy with a job; what has cancelled one is over too."""
        wait_until(lambda: not any(graders(worker) for worker in self.workers))

    def nothing_is_left(self) -> None:
        alive = [worker for worker in self.workers if worker.poll() is None]
        wait_until(lambda: not any(graders(worker) for worker in alive))
        wait_until(lambda: self.cluster.left() == [], lambda: str(self.cluster.left()))
        assert self.several.left() == []


def kill_worker(worker: subprocess.Popen) -> None:
    """Its process and the one that looks after it, without a word; graders only lose it."""
    for one in [*psutil.Process(worker.pid).children(), psutil.Process(worker.pid)]:
        one.kill()
    worker.wait()


@graded
def test_whatever_is_killed_or_stopped_costs_time_and_no_points(tmp_path):
    killed = Killed(tmp_path)
    several, cluster, right = killed.several, killed.cluster, dict.fromkeys(killed.students, (2, 2, 2))
    try:
        # Ctrl-C.
        run = killed.start()
        lines = status(several.course.folder, exercise.ASSIGNMENT)
        assert lines[0].startswith("homework: 0 of 3 done, time left not known yet; 2 at a time; being graded by "), (
            lines
        )
        os.killpg(run.pid, signal.SIGINT)
        said = killed.ended(run)
        assert run.returncode == 128 + signal.SIGINT, said
        assert "ada  not graded to its end: stopped by Ctrl-C" in said
        killed.nothing_is_left()
        # The coordinator, without a word: Dask learns that nobody waits for the tasks.
        run = killed.start()
        run.kill()
        run.communicate()
        killed.nothing_is_graded()
        # A grading process, and a whole worker.
        run = killed.start()
        graders(killed.workers[0])[0].kill()
        wait_until(lambda: len(graders(killed.workers[0])) == 1 and run.poll() is None)
        kill_worker(killed.workers[1])
        said = killed.ended(run)
        assert run.returncode == 0, said
        assert said.count(": the process that graded it was ended; it is graded again") == 2, said
        assert several.course.points() == right, said
        killed.nothing_is_graded()
        made = (several.gradebook(), several.records(), several.notebooks())
        # The scheduler: what was graded stays, though all were to be graded again.
        killed.workers[1] = cluster.start_worker(again=1)
        run = killed.start("--force")
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        said = killed.ended(run)
        assert run.returncode == 1, said
        assert f"the Dask scheduler {cluster.address} is lost" in said, said
        assert "then run this command again: it goes on where this run stopped" in said
        assert several.course.points() == right
        said = several.grade()
        assert several.status == 1
        assert f"{cluster.address}: there is no Dask scheduler to be reached" in said, said
        assert several.course.points() == right
        # Once there is one again, the next run goes on.
        cluster.start_scheduler()
        for worker in killed.workers:
            wait_until(lambda worker=worker: worker.poll() is not None)
        killed.workers = [cluster.start_worker(again=0), cluster.start_worker(again=1)]
        said = several.grade()
        assert several.status == 0, said
        assert several.course.points() == right
        # Nor anything of those that were killed before.
        killed.nothing_is_left()
        assert (several.gradebook(), several.records(), several.notebooks()) == made
    finally:
        cluster.stop()
