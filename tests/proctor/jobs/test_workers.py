"""Worker processes with small tasks: each is done once, and what happens to one costs no other."""

import functools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import psutil
import pytest
import small_tasks

from proctor.jobs import workers as workers_module
from proctor.jobs.workers import WorkerLost, Workers
from proctor.sandbox.ended import has_ended

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def workers(tmp_path):
    lost = []
    made = Workers(2, small_tasks.prepare, (str(tmp_path),), lost=lost.append)
    made.told = lost
    yield made
    made.end()


def until(condition) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def here(place: Path, word: str) -> list[psutil.Process]:
    """The worker that does a task that waits, and the child of that."""
    until(lambda: (place / f"began-{word}").exists() and (place / f"began-{word}").read_text().count(" "))
    return [psutil.Process(int(pid)) for pid in (place / f"began-{word}").read_text().split()]


def gone(processes: list[psutil.Process]) -> bool:
    return all(map(has_ended, processes))


def test_each_task_is_done_in_a_process_of_its_own_pool_and_accidents_stay_with_their_task(workers, tmp_path):
    assert workers.do(small_tasks.prepared).result() == [str(tmp_path)]
    results = [workers.do(small_tasks.echo, str(number)) for number in range(8)]
    failed = workers.do(small_tasks.fail, "no luck")
    wait([*results, failed])
    assert [one.result()[1] for one in results] == [str(number) for number in range(8)]
    assert {one.result()[0] for one in results} - {os.getpid()}
    with pytest.raises(ValueError, match="no luck"):
        failed.result()
    workers.end()
    assert len(list(tmp_path.glob("ended-*"))) == 2


@pytest.mark.parametrize("at_once", [1, 2])
def test_so_many_warm_up_at_a_time_and_those_that_have_not_get_no_task(workers, tmp_path, at_once):
    workers.start(functools.partial(small_tasks.take_a_while, str(tmp_path)), at_once)
    done = [workers.do(small_tasks.echo, word).result()[0] for word in "abcd"]
    until(lambda: (tmp_path / "turns").exists() and (tmp_path / "turns").read_text().count("\n") == 4)
    turns = [line.split() for line in (tmp_path / "turns").read_text().splitlines()]
    assert len({pid for pid, *_ in turns}) == 2
    assert sorted(turn for *_, turn in turns) == ["0", "0", "1", "1"]
    if at_once == 1:
        assert [words for _, *words in turns] == [["begins", "0"], ["ends", "0"], ["begins", "1"], ["ends", "1"]]
        assert done[0] == int(turns[0][0])


def test_one_that_dies_while_it_warms_up_lets_the_next_one_begin(workers, tmp_path):
    workers.start(functools.partial(small_tasks.die, str(tmp_path), 1, "once"), 1)
    blocked = workers.do(small_tasks.wait_for_file, str(tmp_path), "blocked")
    here(tmp_path, "blocked")
    assert workers.do(small_tasks.echo, "x").result()[1] == "x"
    (tmp_path / "go").touch()
    assert blocked.result() == "blocked"


def test_what_is_waiting_goes_to_whoever_is_free(workers, tmp_path):
    blocked = workers.do(small_tasks.wait_for_file, str(tmp_path), "blocked")
    here(tmp_path, "blocked")
    assert [workers.do(small_tasks.echo, str(number)).result()[1] for number in range(4)] == ["0", "1", "2", "3"]
    assert blocked.running()
    (tmp_path / "go").touch()
    assert blocked.result() == "blocked"


def test_a_worker_that_is_killed_costs_its_task_one_try_and_no_other_task_anything(workers, tmp_path):
    other = workers.do(small_tasks.wait_for_file, str(tmp_path), "other")
    here(tmp_path, "other")
    assert workers.do(small_tasks.die, str(tmp_path), 1, "once").result() == "once"
    assert workers.told == ["once"]
    with pytest.raises(WorkerLost, match="look whether memory is short"):
        workers.do(small_tasks.die, str(tmp_path), 2, "twice").result()
    assert workers.told == ["once", "twice"]
    assert workers.do(small_tasks.echo, "still there").result()[1] == "still there"
    assert not other.done()
    (tmp_path / "go").touch()
    assert other.result() == "other"


def test_one_that_is_killed_while_it_has_nothing_to_do_costs_nothing(workers):
    pids = {workers.do(small_tasks.echo, "x").result()[0] for _ in range(4)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # A task that is handed out before this is known is begun twice.
    until(lambda: sum(bool(slot.executor._broken) for slot in workers._slots) == len(pids))
    assert [workers.do(small_tasks.echo, word).result()[1] for word in "abcd"] == list("abcd")
    assert workers.told == []


def test_at_the_end_tasks_undo_what_they_have_made_and_nothing_is_left(workers, tmp_path):
    for word in ("first", "second"):
        workers.do(small_tasks.wait_for_file, str(tmp_path), word)
    processes = [*here(tmp_path, "first"), *here(tmp_path, "second")]
    waiting = workers.do(small_tasks.echo, "never begun")
    workers.end()
    assert gone(processes)
    assert {path.name for path in tmp_path.glob("undone-*")} == {"undone-first", "undone-second"}
    assert len(list(tmp_path.glob("ended-*"))) == 2
    assert not waiting.done()


def test_one_that_does_not_end_when_it_is_told_is_ended(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "_SECONDS_TO_END", 0.2)
    workers.do(small_tasks.wait_for_file, str(tmp_path), "stopped")
    worker, child = here(tmp_path, "stopped")
    worker.suspend()
    workers.end()
    assert gone([worker])
    child.kill()


def test_programs_that_a_task_starts_find_the_signals_as_everywhere(workers):
    assert workers.do(small_tasks.signals_of_a_program, "x").result() == small_tasks.signals_of_a_program("x")


PROGRAM = """
import sys, small_tasks
from proctor.jobs.workers import Workers
print("begun", flush=True)
workers = Workers(2)
tasks = [workers.do(small_tasks.wait_for_file, sys.argv[1], word) for word in ("first", "second")]
try:
    [task.result() for task in tasks]
finally:
    workers.end()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_in_order_with_the_one_that_has_started_them_and_do_not_run_its_program(tmp_path, number):
    # A script as staff may write it, without anything that keeps it from being run again where it is imported.
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "submissions")])}
    coordinator = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    processes = [*here(tmp_path, "first"), *here(tmp_path, "second")]
    if number == signal.SIGINT:
        # As a terminal does, which tells all of them.
        os.killpg(coordinator.pid, number)
    else:
        coordinator.kill()
    said, _ = coordinator.communicate()
    assert said == "begun\n"
    until(lambda: gone(processes))
    assert {path.name for path in tmp_path.glob("undone-*")} == {"undone-first", "undone-second"}
