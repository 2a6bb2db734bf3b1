"""Which processes count as ended: also those that nobody has buried, and not those that only look dead."""

import os
import subprocess
import sys

import psutil
import pytest

from proctor.sandbox.ended import has_ended, number_is_free, wait_for

LINUX_EXIT = {"x86_64": 60, "aarch64": 93}


@pytest.fixture
def child():
    started = []

    def start(code: str) -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdin.close()
        one.stdout.close()


def test_one_that_runs_has_not_ended_and_one_that_is_not_buried_has(child):
    process = child("import sys; sys.stdin.read()")
    seen = psutil.Process(process.pid)
    assert not has_ended(seen)
    assert not number_is_free(process.pid)
    assert wait_for([seen], 0.05) == [seen]
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert seen.status() == psutil.STATUS_ZOMBIE
    assert has_ended(seen)
    assert number_is_free(process.pid)
    assert wait_for([seen], 60.0) == []
    process.wait()
    assert has_ended(seen)
    assert number_is_free(process.pid)


@pytest.mark.skipif(os.uname().machine not in LINUX_EXIT, reason=f"no number of exit for {os.uname().machine} here")
def test_one_whose_first_thread_alone_has_ended_has_not(child):
    process = child(
        "import ctypes, os, threading, time\n"
        "def later():\n"
        "    while b'State:\\tZ' not in open(f'/proc/{os.getpid()}/status', 'rb').read():\n        time.sleep(0.01)\n"
        "    os.write(1, b'dead?')\n    time.sleep(300)\n"
        "threading.Thread(target=later).start()\n"
        f"ctypes.CDLL(None).syscall({LINUX_EXIT[os.uname().machine]}, 0)"
    )
    assert process.stdout.read(5) == b"dead?"
    seen = psutil.Process(process.pid)
    assert seen.status() == psutil.STATUS_ZOMBIE
    assert not has_ended(seen)
    process.kill()
    assert wait_for([seen], 60.0) == []
