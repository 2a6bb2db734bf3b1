import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from proctor.sandbox import folders
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.folders import OwnFolder, left_by_others, new_account, sweep
from proctor.sandbox.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
OWNER = """
import subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from proctor.sandbox.folders import OwnFolder
folder = OwnFolder("results-")
(folder.path / "kept").mkdir()
(folder.path / "kept" / "copy").write_text("answer")
# What a program inherits from whoever is killed must not keep the folder. Popen waits until it has begun.
subprocess.Popen(["/bin/sleep", "600"], close_fds=False)
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_process_left_is_removed_by_the_next(temporary, number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(ROOT)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        left = Path(owner.stdout.readline().strip())
        assert left.parent == temporary
        assert sweep() == 0
        assert (left / "kept" / "copy").read_text() == "answer"
        owner.send_signal(number)
        owner.wait()
        assert left.exists()
        assert sweep() == 1
        assert not left.exists()
    finally:
        os.killpg(owner.pid, signal.SIGKILL)
        owner.wait()
        owner.stdout.close()


def test_what_is_in_use_or_new_or_of_others_stays(temporary):
    own = OwnFolder()
    (temporary / "proctor-new").mkdir()
    old = temporary / "proctor-old"
    old.mkdir()
    os.utime(old, (0, 0))
    (temporary / "elsewhere").mkdir()
    (temporary / "proctor-link").symlink_to(temporary / "elsewhere")
    assert sweep() == 1
    assert {one.name for one in temporary.iterdir()} == {own.path.name, "proctor-new", "elsewhere", "proctor-link"}
    own.remove()
    own.remove()
    assert not own.path.exists()


def test_in_a_folder_of_the_course_only_what_this_machine_left_is_removed(tmp_path):
    def leave(name: str, host: str) -> Path:
        folder = tmp_path / f"staged-{name}"
        folder.mkdir(mode=0o700)
        (folder / "lock").write_text(host)
        return folder

    own = OwnFolder("-", tmp_path, "staged")
    here, there = leave("here", socket.gethostname()), leave("there", "elsewhere")
    assert stat.S_IMODE(own.path.stat().st_mode) == 0o700
    assert sweep(tmp_path, "staged") == 1
    assert (own.path.exists(), here.exists(), there.exists()) == (True, False, True)
    assert left_by_others(tmp_path, "staged") == [(there, "was made on elsewhere")]
    own.remove()


def test_one_that_can_not_be_made_leaves_nothing(temporary, monkeypatch):
    write = os.write

    def full(descriptor, content):
        if content == socket.gethostname().encode():
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="full"):
        OwnFolder()
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_a_sandbox_is_the_same_whatever_the_umask_of_whoever_grades(tmp_path, umask):
    work = tmp_path / "work"
    work.mkdir()
    (work / "my_solution.py").write_text("token")
    program = "import os; print(open('/etc/passwd').read()[:7], open('my_solution.py').read(), oct(os.umask(0)))"
    before = os.umask(umask)
    try:
        with open(tmp_path / "said", "w+") as said:
            running = Sandbox("bwrap", Limits(), work=work).start([sys.executable, "-I", "-S", "-c", program], (), said)
            try:
                assert running.wait(time.monotonic() + 60) == 0
            finally:
                running.kill()
    finally:
        os.umask(before)
    assert (tmp_path / "said").read_text() == "student token 0o22\n"


@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
def test_nobody_else_can_enter_the_folder_of_a_sandbox(temporary, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    (work / "my_solution.py").write_text("token")
    temporary.chmod(0o755)
    running = Sandbox("bwrap", Limits(), work=work).start(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
    )
    try:
        (folder,) = temporary.glob("proctor-*")
        status = folder.stat()
        assert stat.S_IMODE(status.st_mode) == 0o700
        if os.geteuid() == 0:
            run = subprocess.run(
                ["cat", str(folder / "submission" / "my_solution.py")],
                user=new_account(),
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            assert run.returncode != 0
            assert b"Permission denied" in run.stderr
            assert run.stdout == b""
    finally:
        running.kill()
    assert list(temporary.glob("proctor-*")) == []


def test_accounts_belong_to_nobody():
    numbers = {new_account() for _ in range(20)}
    assert len(numbers) > 10
    used = {line.split(":")[2] for line in Path("/etc/passwd").read_text().splitlines()}
    assert not used & set(map(str, numbers))


def test_two_that_choose_the_same_account_at_once_do_not_both_get_it(monkeypatch):
    # Neither has a process yet by which the other could see it.
    monkeypatch.setattr(folders, "_of_processes", set)
    drawn = iter([5, 5, 5, 6])
    monkeypatch.setattr(folders.secrets, "randbelow", lambda number: next(drawn))
    program = "import sys; sys.path.insert(0, sys.argv[1]); from proctor.sandbox import folders; "
    program += (
        "folders.secrets.randbelow = lambda number: 5; print(folders.new_account(), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    theirs = int(other.stdout.readline())
    assert new_account() == theirs + 1
    other.communicate("")
    monkeypatch.setattr(folders.secrets, "randbelow", lambda number: 5)
    assert new_account() == theirs
    monkeypatch.setattr(folders, "_MAX_CLAIMS", 3)
    assert new_account() == theirs
