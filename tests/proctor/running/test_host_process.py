"""A student host that does not come up leaves nothing behind, whatever the reason."""

import contextlib
import json
import socket
import struct
import sys
import tempfile
from dataclasses import replace

import psutil
import pytest

from proctor.errors import ProctorError
from proctor.running import host_process
from proctor.running.host_process import Accident, HostProcess, NotStarted, OutOfTime
from proctor.sandbox import folders
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import Channel
from proctor.sandbox.limits import Limits
from proctor.sandbox.warm import Lease, Pool

KINDS = ["none"] if availability() else ["none", "bwrap"]
CHILD = "import os, time\nif os.fork() == 0:\n    time.sleep(300)\n"


class Odd(Sandbox):
    """Runs another program than the one that it is asked to run."""

    program = ""

    def start(self, command, *more):
        if self.program == "refused":
            raise ProctorError("no sandbox today")
        return super().start([sys.executable, "-c", self.program, command[3]], *more)


def odd(kind, program, limits):
    def make(mounts):
        one = Odd(kind, limits, mounts)
        one.program = program
        return one

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("program", "error"),
    [
        (f"{CHILD}time.sleep(300)", NotStarted),
        ("", NotStarted),
        ("raise SystemExit(3)", NotStarted),
        (f"{CHILD}import socket\nimport sys\nsocket.socket(fileno=int(sys.argv[1])).sendall(b'x' * 99)\ntime.sleep(300)", NotStarted),  # noqa: E501
        (
            f"{CHILD}import socket\nimport sys\nimport struct\ntext = b'{{\"ready\": false}}'\n"
            "one = socket.socket(fileno=int(sys.argv[1]))\n"
            "one.sendall(struct.pack('>4sII', b'PRF1', len(text), 0) + text)\ntime.sleep(300)",
            NotStarted,
        ),
        ("refused", ProctorError),
    ],
    ids=["silent", "ends", "fails", "junk", "not ready", "refused"],
)  # fmt: skip
def test_what_does_not_start_leaves_no_process_and_no_folder(tmp_path, monkeypatch, kind, program, error):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # As many accounts of sandboxes as are kept claimed at a time.
    for _ in range(folders.MOST_CLAIMED):
        folders.new_account()
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    open_before = psutil.Process().num_fds()
    limits = replace(Limits(), startup_seconds=1.0)
    with pytest.raises(error):
        HostProcess(odd(kind, program, limits), [1, 2], limits, 1, Budget("the notebook", 30.0))
    assert list(tmp_path.iterdir()) == []
    assert {one.pid for one in psutil.Process().children(recursive=True)} <= before
    assert psutil.Process().num_fds() == open_before


def test_an_interrupt_while_it_starts_leaves_nothing_either(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(HostProcess, "next", interrupted)
    with pytest.raises(KeyboardInterrupt):
        HostProcess(odd("none", f"{CHILD}time.sleep(300)", Limits()), [], Limits(), 1, Budget("the notebook", 30.0))
    assert list(tmp_path.iterdir()) == []


def test_when_the_time_is_up_nothing_is_started():
    def make(mounts):
        raise AssertionError("made")

    with pytest.raises(OutOfTime, match="the time for the submission was used up"):
        HostProcess(make, [], Limits(), 1, Budget("the submission", 0.0))


def test_a_start_is_waited_for_no_longer_than_the_time_that_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OutOfTime):
        HostProcess(odd("none", "import time\ntime.sleep(300)", Limits()), [], Limits(), 1, Budget("the notebook", 0.5))
    assert list(tmp_path.iterdir()) == []


class Computing:
    """A sandbox that lives and has computed for a minute since the request began."""

    def cpu_seconds(self):
        return 60.0

    def check(self):
        return None

    def alive(self):
        return True

    def processes(self):
        return []


@pytest.fixture
def held():
    """A host without a process, and the other end of its control channel."""
    ours, theirs = socket.socketpair()
    host = HostProcess.__new__(HostProcess)
    host.limits, host.budget, host.nonce = Limits(), Budget("the notebook", 30.0), 7
    host.control, host.running = Channel(ours), Computing()
    host.cpu = host._computed = 0.0
    host.began, host._stopped = host.budget.clock(), False
    # The last look at the limits was long ago.
    host._looked = 0.0
    with theirs:
        yield host, theirs
    host.control.close()


def word(**header):
    text = json.dumps(header).encode()
    return struct.pack(">4sII", b"PRF1", len(text), 0) + text


@pytest.mark.parametrize(
    "words",
    [
        b"",
        struct.pack(">4sII", b"PRF1", 99, 0) + b"{",
        word(nonce=-1) * 3 + word(done=7),
    ],
    ids=["silence", "half a word", "words on no request"],
)
def test_limits_are_looked_at_whether_words_come_or_not(held, monkeypatch, words):
    monkeypatch.setattr(host_process, "_FRAME_SECONDS", 1.0)
    host, theirs = held
    theirs.sendall(words)
    with pytest.raises(Accident, match="computed for more than 8 seconds"):
        host.next(8.0, 1000.0)


def test_the_clock_is_looked_at_while_words_come(held):
    host, theirs = held
    theirs.sendall(word(nonce=-1) + word(done=7))
    host.budget.ends = 0.0
    with pytest.raises(OutOfTime):
        host.next(1000.0, 1000.0)


@pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
def test_with_warm_sandboxes_each_start_is_a_fork_of_the_same_process():
    limits = Limits()
    with contextlib.closing(Pool(["IPython.core.interactiveshell"])) as pool:
        sandboxes = set()
        for _ in range(2):
            host = HostProcess(
                lambda mounts: Sandbox("bwrap", limits, mounts), [1], limits, 1, Budget("the notebook", 120.0), pool
            )
            assert isinstance(host.running, Lease), pool.notes
            sandboxes.add(host.running.warm.running.pid)
            host.begin({"do": "run", "source": "print(1)"})
            assert host.next(20, 60)[0]["out"]["text"] == "1"
            host.close()
    assert len(sandboxes) == 1
