import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.folders import OwnFolder, new_account, sweep
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
