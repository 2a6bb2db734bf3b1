"""Which processes belong to a program, and what the kernel tells of them."""

import os
import subprocess
import sys

import pytest

from proctor.sandbox import measure
from proctor.sandbox.measure import Population

# A child of another thread than the first, and one of its own below it; both say who they are.
PROGRAM = """
import os, subprocess, sys, threading
inner = "import os; print(os.getpid(), flush=True); input()"
outer = f"import os, subprocess, sys; print(os.getpid(), flush=True); subprocess.run([sys.executable, '-c', {inner!r}])"
one = threading.Thread(target=lambda: subprocess.run([sys.executable, "-c", outer]))
one.start()
one.join()
"""


@pytest.fixture
def family():
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as top:
        yield top.pid, {int(top.stdout.readline()), int(top.stdout.readline())}
        top.stdin.close()


@pytest.mark.parametrize("listed", [True, False])
def test_children_of_every_thread_belong_to_it_and_theirs_too(family, listed, monkeypatch):
    if not listed:
        # As on a kernel that doesn't list children by their parent.
        monkeypatch.setattr(measure, "_below", lambda pid: None)
    pid, below = family
    first, *others = [one.pid for one in Population(pid, namespace=False).tree()]
    assert first == pid
    assert sorted(others) == sorted(below)


def test_one_that_is_gone_has_nobody_below_it():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert Population(gone.pid, namespace=False).tree() == []


def test_accounts_tell_what_was_computed():
    before = sum(os.times()[:2])
    while sum(os.times()[:2]) - before < 0.1:
        pass
    own = next(iter(Population(os.getpid(), namespace=False).accounts()))
    assert own.own == pytest.approx(sum(os.times()[:2]), abs=0.05)  # two ticks of the kernel's clock, and the look
    assert own.runs
