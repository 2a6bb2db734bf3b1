"""A control group of the kernel's (version 2) for each sandbox, where this process may make some.

In a group the kernel itself counts and bounds memory of every kind, processes, and computing time, also of those that
have ended. Without one `proctor.sandbox.measure` adds up what it can see, from time to time.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from pathlib import Path

from proctor.sandbox.ended import number_is_free
from proctor.sandbox.limits import Limits

# What is lost without a group, for the person who grades, and how to have one.
UNBOUND = (
    "no control group for memory here: limits are looked at ten times a second, so that a submission may take more "
    "for a moment, and the computing time of children that nobody waits for is not counted (time on the clock is). "
    'With systemd, put "systemd-run --user --scope -p Delegate=yes" in front of the command'
)
_CONTROLLERS = ("memory", "pids")
_ENGINE = "proctor-engine"
_SECONDS_TO_EMPTY = 5.0
# The files that no program uses any more are in the page cache too, and the kernel takes them back when it needs to.
_HELD = ("anon", "shmem", "sock", "kernel_stack", "pagetables", "percpu", "slab_unreclaimable")
_numbers = itertools.count()
_told: list[Path | None] = []


class Group:
    """The control group of one sandbox; `path` is its folder.

    Raises:
        OSError: it can't be made.
    """

    def __init__(self, parent: Path, limits: Limits) -> None:
        self.path = parent / f"proctor-{os.getpid()}-{next(_numbers)}"
        self.path.mkdir()
        try:
            self._write("memory.max", str(limits.memory_bytes))
            self._write("memory.oom.group", "1")
            # The limit holds for processes and threads in the sandbox; two more are around it.
            self._write("pids.max", str(limits.processes + 8))
            # Not there where nothing is ever swapped out.
            with contextlib.suppress(FileNotFoundError):
                self._write("memory.swap.max", "0")
        except OSError:
            self.path.rmdir()
            raise

    def memory(self) -> int:
        """Bytes that it holds and can't do without."""
        stat = self._numbers("memory.stat")
        return sum(stat.get(name, 0) for name in _HELD)

    def processes(self) -> int:
        """Number of processes and threads."""
        return int((self.path / "pids.current").read_text())

    def cpu_seconds(self) -> float:
        """Computing time of all that ever ran in it."""
        return self._numbers("cpu.stat")["usage_usec"] / 1e6

    def exhausted(self) -> bool:
        """Whether the kernel has ended something in it because the memory was used up."""
        with contextlib.suppress(OSError):
            return self._numbers("memory.events").get("oom_kill", 0) > 0
        return False

    def kill(self) -> None:
        """End all processes in it at once."""
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", "1")

    def remove(self) -> None:
        """Remove it, which needs that it is empty; once more does nothing."""
        deadline = time.monotonic() + _SECONDS_TO_EMPTY
        while self.path.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.05)

    def _write(self, name: str, text: str) -> None:
        _put(self.path / name, text)

    def _numbers(self, name: str) -> dict[str, int]:
        lines = (line.split() for line in (self.path / name).read_text().splitlines())
        return {line[0]: int(line[1]) for line in lines if len(line) == 2}


def _put(path: Path, text: str) -> None:
    # Not made where it isn't: only the kernel makes files here.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def sweep() -> None:
    """Remove the groups of processes of this engine that were killed; what runs in them ends."""
    parent = delegated()
    for path in parent.glob("proctor-*-*") if parent is not None else ():
        pid = path.name.split("-")[1]
        if pid.isdigit() and number_is_free(int(pid)):
            with contextlib.suppress(OSError):
                _put(path / "cgroup.kill", "1")
            with contextlib.suppress(OSError):
                path.rmdir()


def use(folder: Path | None) -> None:
    """Let `delegated` say what it says in the process that has started this one, and that has moved into another group.

    Args:
        folder: what it says there.
    """
    _told.append(folder)


def delegated() -> Path | None:
    """The folder in which this process may make groups with limits for memory and processes; None if there is none."""
    return _told[-1] if _told else _found()


@functools.cache
def _found() -> Path | None:
    """Look for it: it is this process's own group, if the process is alone in it or it is the machine's topmost.

    The process moves into a group below, since one that holds processes can't give limits to others.
    """
    own = _own_group()
    if own is None:
        return None
    try:
        offered = (own / "cgroup.controllers").read_text().split()
        if not set(_CONTROLLERS) <= set(offered):
            return None
        # The topmost group has no such file, and may hold processes.
        if (own / "cgroup.type").exists():
            inside = set(map(int, (own / "cgroup.procs").read_text().split()))
            if inside != {os.getpid()}:
                return None
            leaf = own / _ENGINE
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))
        Group(own, Limits()).remove()
    except OSError:
        return None
    return own


def _own_group() -> Path | None:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        (place,) = (line[3:] for line in lines if line.startswith("0::"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            if after.split()[0] == "cgroup2":
                top, mounted = before.split()[3:5]
                return Path(mounted) / os.path.relpath(place, top)
    except (OSError, ValueError):
        pass
    return None
