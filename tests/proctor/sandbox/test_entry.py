"""The steps into a sandbox: what is left behind outside, and what the first process inside does."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import MIB, Limits
from proctor.sandbox.measure import ENTRY

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
SMALL = Limits(memory_bytes=300 * MIB, processes=40, home_bytes=8 * MIB)

# A teacher with a session keyring and a key in it; the filter, which would refuse the question, is left out.
TEACHER = """
import ctypes, subprocess, sys
sys.path.insert(0, sys.argv[1])
from proctor.sandbox import seccomp_filter
from proctor.sandbox.bubblewrap import Sandbox
from proctor.sandbox.limits import Limits
libc = ctypes.CDLL(None, use_errno=True)
keyctl, add_key, request_key = (seccomp_filter.call_number(one) for one in ("keyctl", "add_key", "request_key"))
if libc.syscall(keyctl, 1, None) < 0:
    print("no keyrings", ctypes.get_errno())
    sys.exit()
assert libc.syscall(add_key, b"user", b"ticket", b"secret", ctypes.c_size_t(6), -3) > 0, ctypes.get_errno()
for name in ("keyctl", "add_key", "request_key"):
    del seccomp_filter.CALLS[name]
ask = f'''
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
key = libc.syscall({request_key}, b"user", b"ticket", None, 0)
print("inside", "found" if key > 0 else ctypes.get_errno())
'''
print("outside", libc.syscall(request_key, b"user", b"ticket", None, 0) > 0)
running = Sandbox("bwrap", Limits()).start([sys.executable, "-I", "-S", "-c", ask], (), subprocess.PIPE)
print(running.process.communicate(timeout=60)[0].decode())
running.kill()
"""


def test_keys_of_whoever_grades_are_not_found():
    run = subprocess.run(
        [sys.executable, "-c", TEACHER, str(ROOT)], capture_output=True, text=True, timeout=120, check=False
    )
    if "no keyrings" in run.stdout:
        pytest.skip(run.stdout)
    assert run.stdout.split() == ["outside", "True", "inside", "126"], run.stderr  # ENOKEY


def output(code: str) -> str:
    running = Sandbox("bwrap", SMALL).start(
        [sys.executable, "-I", "-S", "-c", code], (), subprocess.PIPE, subprocess.STDOUT
    )
    try:
        return running.process.communicate(timeout=60)[0].decode()
    finally:
        running.kill()


def test_the_first_process_buries_the_dead_and_can_not_be_read_or_ended():
    code = """
import json, os, signal, time
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
    os.kill(1, number)
if os.fork() == 0:
    # Becomes an orphan, and ends.
    if os.fork() == 0:
        os._exit(0)
    os._exit(0)
os.wait()
refused = []
for name in ("environ", "maps", "mem", "auxv", "exe", "cwd", "root", "fd"):
    try:
        path = "/proc/1/" + name
        os.listdir(path) if name == "fd" else os.readlink(path) if name in ("exe", "cwd", "root") else open(path).read()
    except OSError:
        refused.append(name)
for _ in range(100):
    try:
        states = [open(f"/proc/{one}/stat").read().split()[2] for one in os.listdir("/proc") if one.isdigit()]
        if len(states) == 2:
            break
    except OSError:
        pass
    time.sleep(0.05)
print(json.dumps([refused, len(states), "Z" in states]))
"""
    assert json.loads(output(code)) == [["environ", "maps", "mem", "auxv", "exe", "cwd", "root", "fd"], 2, False]


@pytest.mark.parametrize(("how", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_the_end_of_the_program_is_the_end_of_the_sandbox(how, status):
    code = f"import os, sys, time\nif os.fork() == 0:\n    time.sleep(600)\n{how}"
    running = Sandbox("bwrap", SMALL).start([sys.executable, "-I", "-S", "-c", code])
    try:
        assert running.wait(time.monotonic() + 60) == status
        assert running._population.tree() == []
    finally:
        running.kill()


def test_command_lines_on_this_machine_do_not_name_the_submission(tmp_path):
    submission = tmp_path / "submission-of-ada"
    submission.mkdir()
    running = Sandbox("bwrap", SMALL, work=submission).start(
        [sys.executable, "-I", "-S", "-c", "import time; print('ready', flush=True); time.sleep(600)"],
        (),
        subprocess.PIPE,
    )
    try:
        assert running.process.stdout.readline() == b"ready\n"
        seen = [word for one in psutil.process_iter(["cmdline"]) for word in one.info["cmdline"] or ()]
        assert ENTRY in seen
        assert not [word for word in seen if "submission-of-ada" in word]
    finally:
        running.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a sandbox an account of its own")
def test_each_sandbox_of_root_has_an_account_of_its_own():
    running = [
        Sandbox("bwrap", SMALL).start([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
        for _ in range(2)
    ]
    try:
        deadline = time.monotonic() + 30
        while any(one._population.first() is None for one in running) and time.monotonic() < deadline:
            time.sleep(0.05)
        users = [psutil.Process(one._population.first()).uids() for one in running]
        groups = [psutil.Process(one._population.first()).gids() for one in running]
    finally:
        for one in running:
            one.kill()
    assert len({user.real for user in users}) == 2
    for user, group in zip(users, groups, strict=True):
        assert len(set(user)) == 1
        assert user.real not in (0, os.getuid(), 65534)
        assert group.real == user.real
