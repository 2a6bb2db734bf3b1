"""What a worker's process does with jobs, with a stand-in for the program that grades."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from proctor.jobs import at_worker

PROGRAM = """
import os, sys, threading
from multiprocessing.connection import Connection
life, line = (Connection(int(number)) for number in sys.argv[1:])
threading.Thread(target=lambda: (life.recv(), os._exit(0)), daemon=True).start()
around = line.recv_bytes()
while True:
    job = line.recv_bytes()
    if job == b"die first":
        os._exit(1)
    line.send_bytes(b"begun")
    if job == b"die":
        os._exit(1)
    if job == b"hang":
        threading.Event().wait()
    line.send_bytes(b"%s %s %d" % (around, job, os.getpid()))
    if job == b"last":
        os._exit(0)
"""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    wanted = threading.Event()
    wanted.set()
    monkeypatch.setattr(at_worker, "_PROGRAM", ("-c", PROGRAM))
    monkeypatch.setattr(at_worker, "_wanted", lambda: wanted.is_set)
    yield wanted
    for run in ("one", "two", *map(str, range(9))):
        asyncio.run(at_worker.forget(run))
    assert at_worker._idle == []


def remember(run: str, *pieces: bytes) -> None:
    for number in reversed(range(len(pieces))):
        asyncio.run(at_worker.remember(run, number, len(pieces), pieces[number]))


def did(run: str, job: bytes) -> tuple[bytes, bytes, int]:
    answer = at_worker.work(run, job)
    assert answer[:1] == at_worker.DONE
    around, job, pid = answer[1:].rsplit(b" ", 2)
    return around, job, int(pid)


def test_one_process_does_the_jobs_of_a_run_one_after_the_other():
    remember("one", b"a ", b"b ", b"c")
    first, second = did("one", b"job 1"), did("one", b"job2")
    assert first[:2] == (b"a b c job", b"1")
    assert second == (b"a b c", b"job2", first[2])
    # Those of another run get another one, and the first is not kept beside it.
    remember("two", b"x")
    other = did("two", b"job3")
    assert (other[0], other[2] == first[2]) == (b"x", False)
    assert [one.run for one in at_worker._idle] == ["two"]


def test_jobs_of_several_threads_are_done_by_several_processes(stand_in, monkeypatch):
    made = []

    class Noted(at_worker._Grader):
        def __init__(self, *words):
            super().__init__(*words)
            made.append(self)

    monkeypatch.setattr(at_worker, "_Grader", Noted)
    remember("one", b"x")
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(at_worker.work, "one", b"hang")
        try:
            while not (made and made[0].begun):
                time.sleep(0.01)
            assert did("one", b"job")[1] == b"job"
            assert not held.done()
            made[0]._process.kill()
            assert held.result() == at_worker.LOST
        finally:
            # Else the pool would wait for it, whatever has failed here.
            stand_in.clear()


def test_a_job_that_nobody_wants_any_more_is_ended(stand_in):
    remember("one", b"x")
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(at_worker.work, "one", b"hang")
        stand_in.clear()
        assert held.result() == at_worker.STOPPED
    assert at_worker._idle == []


def test_a_process_that_dies_over_a_job_is_said_and_one_that_had_died_before_is_replaced():
    remember("one", b"x")
    assert at_worker.work("one", b"die") == at_worker.LOST
    # It ends once it has answered.
    last = did("one", b"last")
    at_worker._idle[0]._process.wait()
    assert did("one", b"job")[2] != last[2]
    # Any new one dies of this, and it is not tried for ever.
    assert at_worker.work("one", b"die first") == at_worker.LOST


def test_a_run_is_unknown_before_all_of_it_is_there_and_when_it_is_over():
    assert at_worker.work("one", b"job") == at_worker.UNKNOWN
    asyncio.run(at_worker.remember("one", 0, 2, b"x"))
    assert at_worker.work("one", b"job") == at_worker.UNKNOWN
    asyncio.run(at_worker.remember("one", 1, 2, b"y"))
    assert did("one", b"job")[0] == b"xy"
    asyncio.run(at_worker.forget("one"))
    assert at_worker.work("one", b"job") == at_worker.UNKNOWN


def test_of_killed_coordinators_only_the_last_are_remembered():
    for number in range(9):
        remember(str(number), b"x")
    known = [number for number in range(9) if str(number) in at_worker._whole]
    assert known == [6, 7, 8]
    assert set(at_worker._pieces) == at_worker._whole
