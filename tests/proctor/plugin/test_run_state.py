"""What other commands see of a run: a living one, a killed one, one of another machine, and files that are none."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from proctor.plugin import busy
from proctor.plugin.run_state import RunState, StateFile, forget_killed, states
from proctor.plugin.status import status


@pytest.fixture
def state() -> RunState:
    return RunState(busy.me("graded"), "ps1", 2, 40, 12, [("ada", 5.0)], {"cyd": "not graded: \x1b no luck"}, 840.0)


def killed() -> busy.Holder:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(busy.me("graded"), pid=process.pid)


def test_a_living_run_says_how_far_it_is_and_who_had_trouble(tmp_path, state):
    StateFile(tmp_path, state.holder).write(state)
    first, running, trouble = status(tmp_path, "ps1")
    assert first.startswith("ps1: 12 of 40 done, about 14 minutes left; 2 at a time; being graded by ")
    assert f"(process {os.getpid()} on " in first
    assert running.startswith("  ada  for ")
    assert trouble.startswith("  trouble: cyd  not graded: ")
    assert "\x1b" not in trouble
    assert status(tmp_path, "ps2") == ["ps2: nothing is being graded"]
    StateFile(tmp_path, state.holder).remove()
    assert status(tmp_path) == ["this course: nothing is being graded"]
    assert list((tmp_path / "proctor_records" / ".running").iterdir()) == []


def test_what_is_judged_may_be_anything_in_a_file_and_is_a_number_or_nothing(tmp_path, state):
    file = StateFile(tmp_path, state.holder)
    file.write(replace(state, judged={"ada": [2, 6]}))
    assert status(tmp_path, "ps1")[1].endswith(", 2 of 6 notebooks judged")
    for odd in ({"ada": ["\x1b", 6]}, {"ada": 3}, [1]):
        file.write(replace(state, judged=odd))
        assert states(tmp_path) == []


def test_a_run_that_was_killed_is_said_to_be_that_and_the_next_one_forgets_it(tmp_path, state):
    dead = replace(state, holder=killed())
    for one in (state, dead):
        StateFile(tmp_path, one.holder).write(one)
    lines = [line for line in status(tmp_path, "ps1") if "when the run was killed" in line]
    assert len(lines) == 1
    assert lines[0].startswith("ps1: 12 of 40 done when the run was killed: it was being graded by ")
    assert lines[0].endswith("run it again for the rest")
    forget_killed(tmp_path)
    assert [one.holder.pid for one in states(tmp_path)] == [os.getpid()]


def test_a_run_on_another_machine_says_when_it_was_last_heard_of(tmp_path, state):
    elsewhere = replace(state, holder=replace(killed(), host="another"))
    StateFile(tmp_path, elsewhere.holder).write(elsewhere)
    elsewhere.written = time.time() - 300
    assert "; last heard of 5 minutes ago" in elsewhere.lines(time.time())[0]
    forget_killed(tmp_path)
    assert len(states(tmp_path)) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "\xff", json.dumps({"holder": {}, "running": []}), '{"holder": 3}'])
def test_a_file_that_is_none_is_passed_over(tmp_path, state, text):
    file = StateFile(tmp_path, state.holder)
    file.write(state)
    file._path.write_text(text, encoding="latin-1")
    assert states(tmp_path) == []


def test_it_is_the_staffs_alone_and_that_it_can_not_be_written_stops_nothing(tmp_path, state):
    StateFile(tmp_path, state.holder).write(state)
    folder = tmp_path / "proctor_records" / ".running"
    assert [path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())] == [0, 0]
    StateFile(tmp_path / "proctor_records" / ".running" / next(folder.iterdir()).name, state.holder).write(state)
