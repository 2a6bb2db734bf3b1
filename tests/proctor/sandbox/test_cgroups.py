"""Control groups, where this process may make some; and what is said where it may not."""

import os
import subprocess
import sys
import time

import pytest

from proctor.sandbox import cgroups
from proctor.sandbox.bubblewrap import Sandbox, availability, unbound
from proctor.sandbox.limits import MIB, Limits

needs_group = pytest.mark.skipif(
    cgroups.delegated() is None or availability() is not None, reason="no control group for memory can be made here"
)
LIMITS = Limits(memory_bytes=200 * MIB, processes=60, home_bytes=64 * MIB)


def start(code: str):
    command = [sys.executable, "-I", "-S", "-c", f"import os, signal, sys, time\n{code}"]
    return Sandbox("bwrap", LIMITS).start(command, (), subprocess.PIPE, subprocess.STDOUT)


@needs_group
@pytest.mark.parametrize(
    "code",
    [
        "kept = b'x' * (400 << 20)",
        "for _ in range(20):\n    if os.fork() == 0:\n        kept = b'x' * (20 << 20)\n        break\ntime.sleep(60)",
    ],
    ids=["one process", "many"],
)
def test_the_kernel_bounds_the_memory(code):
    running = start(code)
    try:
        assert running.wait(time.monotonic() + 60) is not None
        assert running.check() == "it used more than 0.195 GiB of memory"
        peak = int((running._group.path / "memory.peak").read_text())
        assert peak <= LIMITS.memory_bytes + 4 * MIB
    finally:
        running.kill()
    assert not running._group.path.exists()


@needs_group
def test_the_kernel_bounds_the_processes():
    running = start(
        "made = 0\ntry:\n    while os.fork():\n        made += 1\n    time.sleep(60)\nexcept OSError:\n    pass\n"
        "print(made, flush=True)\ntime.sleep(60)"
    )
    try:
        assert 40 < int(running.process.stdout.readline()) <= LIMITS.processes + 8
        assert running.usage().processes <= LIMITS.processes + 8
    finally:
        running.kill()


@needs_group
def test_computing_time_of_children_counts_that_nobody_waits_for():
    code = """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        began = time.process_time()
        while time.process_time() - began < 1:
            pass
        os._exit(0)
while len([one for one in os.listdir("/proc") if one.isdigit()]) > 2:
    time.sleep(0.05)
print("ready", flush=True)
time.sleep(60)
"""
    running = start(code)
    try:
        assert running.process.stdout.readline() == b"ready\n"
        # Three of them, a second each; what is left alive has used less.
        assert running.cpu_seconds() > 3
    finally:
        running.kill()


@needs_group
def test_the_sandbox_sees_nothing_of_its_group():
    running = start("print(open('/proc/self/cgroup').read().split(':')[-1].strip(), os.path.exists('/sys/fs/cgroup'))")
    try:
        assert running.process.communicate(timeout=60)[0] == b"/ False\n"
    finally:
        running.kill()


@needs_group
def test_nothing_needs_to_be_said():
    assert unbound() is None


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder that looks like the group of this process."""
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids\n")
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    monkeypatch.setattr(cgroups, "_own_group", lambda: tmp_path)
    return tmp_path


def test_a_group_with_others_in_it_is_left_alone(own):
    (own / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    before = sorted(own.rglob("*"))
    assert cgroups._found.__wrapped__() is None
    assert sorted(own.rglob("*")) == before


def test_a_group_without_control_of_memory_is_of_no_use(own):
    (own / "cgroup.controllers").write_text("cpu pids\n")
    assert cgroups._found.__wrapped__() is None
    assert not (own / "proctor-engine").exists()


def test_without_version_2_there_is_none(monkeypatch):
    monkeypatch.setattr(cgroups, "_own_group", lambda: None)
    assert cgroups._found.__wrapped__() is None


def test_a_worker_uses_what_its_coordinator_has_found_and_groups_of_killed_ones_go(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups, "_told", [])
    monkeypatch.setattr(cgroups, "_own_group", lambda: None)
    cgroups.use(tmp_path)
    assert cgroups.delegated() == tmp_path
    ended, unburied = (subprocess.Popen([sys.executable, "-c", ""]) for _ in range(2))
    ended.wait()
    os.waitid(os.P_PID, unburied.pid, os.WEXITED | os.WNOWAIT)
    names = [
        f"proctor-{ended.pid}-3",
        f"proctor-{unburied.pid}-0",
        f"proctor-{os.getpid()}-0",
        "proctor-engine",
        "other",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    cgroups.sweep()
    assert {path.name for path in tmp_path.iterdir()} == set(names[2:])
    unburied.wait()
    cgroups.use(None)
    assert cgroups.delegated() is None
    cgroups.sweep()


def test_what_is_not_bounded_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(cgroups, "delegated", lambda: None)
    said = unbound()
    assert "\n" not in said
    for words in ("no control group", "computing time of children", "systemd-run --user --scope"):
        assert words in said
