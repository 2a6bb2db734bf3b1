"""Locks of submissions: one holder, who is named; those of the dead are taken over, those of other machines said."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.plugin import busy

ME = socket.gethostname()


ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from proctor.plugin import busy
with busy.held(pathlib.Path(sys.argv[2]), "ps1", "ada", "graded"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def another(tmp_path):
    """A process that holds ada's lock until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(ROOT), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def left_by(tmp_path, host: str, pid: int, since: float | None = None):
    """A lock whose holder has gone without taking it away."""
    path = busy.lock_path(tmp_path, "ps1", "ada")
    path.parent.mkdir(parents=True)
    holder = {"account": "bea", "host": host, "pid": pid, "since": since or time.time(), "doing": "graded"}
    path.write_text(json.dumps(holder))
    return path


def test_the_holder_is_named_and_others_are_free(tmp_path, another):
    with pytest.raises(ProctorError) as refused, busy.held(tmp_path, "ps1", "ada", "graded"):
        pass
    assert f"it is being graded by {busy._account()} since " in str(refused.value)
    assert f"(process {another.pid} on {ME}); run this again when that has ended" in str(refused.value)
    assert busy.holder(tmp_path, "ps1", "ada") == str(refused.value)
    assert busy.all_held(tmp_path) == [f"a submission: {refused.value}"]
    with busy.held(tmp_path, "ps1", "ben", "graded"), busy.held(tmp_path, "ps2", "ada", "graded"):
        pass
    with busy.held(tmp_path, "ps1", "ada", "copied", part=busy.FILES):
        assert busy.holder(tmp_path, "ps1", "ben") is None


def test_one_waits_for_the_other(tmp_path, another):
    another.stdin.write(b"\n")
    another.stdin.flush()
    with busy.held(tmp_path, "ps1", "ada", "graded", wait=60):
        assert str(os.getpid()) in busy.holder(tmp_path, "ps1", "ada")
    assert list(busy.lock_path(tmp_path, "ps1", "ada").parent.iterdir()) == []


def test_the_lock_of_a_killed_one_is_taken_over(tmp_path, another):
    another.kill()
    another.wait()
    assert busy.lock_path(tmp_path, "ps1", "ada").exists()
    assert busy.holder(tmp_path, "ps1", "ada") is None
    with busy.held(tmp_path, "ps1", "ada", "graded"):
        assert str(os.getpid()) in busy.holder(tmp_path, "ps1", "ada")
    assert not busy.lock_path(tmp_path, "ps1", "ada").exists()


def test_a_killed_one_is_dead_before_anybody_has_buried_it(tmp_path, another):
    another.kill()
    os.waitid(os.P_PID, another.pid, os.WEXITED | os.WNOWAIT)
    assert busy.holder(tmp_path, "ps1", "ada") is None
    assert busy.all_held(tmp_path) == []


def test_of_two_in_one_process_too_only_one_holds_it(tmp_path):
    with (
        busy.held(tmp_path, "ps1", "ada", "graded"),
        pytest.raises(ProctorError, match="it is being graded"),
        busy.held(tmp_path, "ps1", "ada", "graded"),
    ):
        pass


def test_what_another_machine_left_is_for_staff_to_decide(tmp_path):
    path = left_by(tmp_path, "elsewhere", 1)
    with (
        pytest.raises(ProctorError, match="on elsewhere.*another machine: if the process runs no more there, remove "),
        busy.held(tmp_path, "ps1", "ada", "graded"),
    ):
        pass
    assert "elsewhere" in busy.holder(tmp_path, "ps1", "ada")
    path.unlink()
    with busy.held(tmp_path, "ps1", "ada", "graded"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_locks_what_is_written_counts(tmp_path, monkeypatch, number):
    def flock(descriptor, how):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(busy.fcntl, "flock", flock)
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=-1)
    try:
        sleeping.stdout.readline()
        left_by(tmp_path, ME, sleeping.pid)
        with (
            pytest.raises(ProctorError, match=f"process {sleeping.pid}"),
            busy.held(tmp_path, "ps1", "ada", "graded"),
        ):
            pass
    finally:
        sleeping.kill()
        sleeping.communicate()
    with busy.held(tmp_path, "ps1", "ada", "graded"):
        pass


def test_a_process_that_got_the_number_of_a_dead_one_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(busy.fcntl, "flock", lambda descriptor, how: (_ for _ in ()).throw(OSError(errno.ENOLCK, "")))
    left_by(tmp_path, ME, os.getppid(), since=1.0)
    with busy.held(tmp_path, "ps1", "ada", "graded"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '"\x00"'])
def test_a_lock_with_anything_in_it_that_nobody_holds_is_free(tmp_path, text):
    path = busy.lock_path(tmp_path, "ps1", "ada")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with busy.held(tmp_path, "ps1", "ada", "graded"):
        pass


def test_a_lock_that_can_not_be_made_is_said(tmp_path):
    (tmp_path / "proctor_records").write_text("a file")
    with pytest.raises(ProctorError, match="can't be written"), busy.held(tmp_path, "ps1", "ada", "graded"):
        pass


def test_names_of_students_stand_in_no_path(tmp_path):
    path = busy.lock_path(tmp_path, "ps1", "../../" + "x" * 300)
    assert path.parent == tmp_path / "proctor_records" / ".busy"
    assert len(path.name) == 64
