"""Jobs in forked children: beside each other, contained, cleaned up."""

import subprocess
import sys
from pathlib import Path

import pytest

from proctor.catalogue.forked import run_forked
from proctor.errors import ProctorError


def test_children_run_at_the_same_time_and_come_back_as_they_finish(tmp_path):
    def waits_for_other():
        while not (tmp_path / "other").exists():
            pass
        return "first"

    def other():
        (tmp_path / "other").touch()
        return {"large": "x" * 1_000_000}

    # The first job ends only if the second runs beside it.
    outcomes = dict(run_forked({"first": waits_for_other, "second": other}, at_once=2, timeout=60))
    assert outcomes["first"].value == "first"
    assert len(outcomes["second"].value["large"]) == 1_000_000
    assert list(dict(run_forked({"a": lambda: 1, "b": lambda: 2}, at_once=1, timeout=60))) == ["a", "b"]


def test_what_a_child_started_ends_with_it(tmp_path):
    def leaves_a_process_behind():
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return process.pid

    outcome = dict(run_forked({"job": leaves_a_process_behind}, at_once=1, timeout=60))["job"]
    state = Path(f"/proc/{outcome.value}/stat")
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc to look at a process that is no child of this one")
    # Killed, it may stay in the table as a zombie until init collects it.
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] in "ZX"


def test_an_exception_in_a_child_comes_back_as_text():
    def wrong():
        raise ProctorError("do this next")

    def broken():
        raise ValueError("odd")

    outcomes = dict(run_forked({"wrong": wrong, "broken": broken}, at_once=2, timeout=60))
    assert {name: outcome.failure for name, outcome in outcomes.items()} == {
        "wrong": "do this next",
        "broken": "ValueError: odd",
    }
