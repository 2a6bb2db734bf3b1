"""What a command and everything that it starts use: seconds on the clock, computing time, memory, over time.

Computing time comes from a control group of the kernel's around the command where one can be made (version 2, or the
older `cpuacct`): it counts all that ever ran, also what was killed and what nobody waited for. Elsewhere it is that of
the children that were waited for, which is less than the whole; the output says which of them it is.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SECONDS_BETWEEN_LOOKS = 5.0
# To add up the memory of many processes takes this part of one core at most: where all are busy, it is taken from them.
_PART_OF_TIME = 0.004
_SECONDS_BETWEEN_GLANCES = 0.2
_GROUPS = Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$0" && exec "$@"'


@dataclass
class Use:
    """What one command used.

    Attributes:
        began: seconds since 1970.
        seconds: on the clock.
        cpu_seconds: of the command and all that it started.
        counted_by: how these were found.
        looks: (seconds since 1970, bytes of the command itself, bytes of all, number of processes), in turn. Bytes of
            all count a page that several share once, and are 0 where they were not added up.
        seen: when what was waited for had come, seconds since 1970; NaN if it had not.
    """

    began: float
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    counted_by: str = ""
    status: int = 0
    looks: list[tuple[float, int, int, int]] = field(default_factory=list)
    seen: float = float("nan")

    def peak_bytes(self) -> int:
        """The most that all processes held at any look."""
        return max((every for _, _, every, _ in self.looks), default=0)

    def most_processes(self) -> int:
        """The largest number of processes at any look."""
        return max((count for *_, count in self.looks), default=0)

    def own_bytes(self, since: float, until: float) -> float:
        """Mean resident memory of the command itself between two moments (seconds since 1970); NaN if nobody looked."""
        found = [own for when, own, _, _ in self.looks if since <= when <= until]
        return sum(found) / len(found) if found else float("nan")


class _Group:
    """A control group that counts computing time; `place` is its folder, None where none can be made."""

    def __init__(self) -> None:
        self.place, self.kind = None, "children that were waited for; what was killed in a sandbox may be missing"
        name = f"benchmark-{os.getpid()}-{time.monotonic_ns()}"
        for parent, number, kind in (
            (_GROUPS, "cpu.stat", "a control group"),
            (_GROUPS / "cpuacct", "cpuacct.usage", "a control group (cpuacct)"),
        ):
            if not (parent / number).exists() or not os.access(parent, os.W_OK):
                continue
            with contextlib.suppress(OSError):
                (parent / name).mkdir()
                self.place, self.kind, self._number = parent / name, kind, number
                return

    def cpu_seconds(self) -> float:
        text = (self.place / self._number).read_text()
        if self._number == "cpu.stat":
            return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6
        return int(text) / 1e9

    def processes(self) -> list[int]:
        return [int(pid) for file in self.place.rglob("cgroup.procs") for pid in file.read_text().split()]

    def remove(self) -> None:
        if self.place is not None:
            # What a killed command has left is still ending.
            for _ in range(50):
                with contextlib.suppress(OSError):
                    self.place.rmdir()
                    return
                time.sleep(0.1)


def measured(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    come: Callable[[], bool] = lambda: False,
) -> Use:
    """Run a command to its end, whatever that is, and look at it from time to time.

    Args:
        folder: in which it runs.
        log: gets all that it says.
        come: whether something has come that is waited for.
    """
    group = _Group()
    prefix = [] if group.place is None else ["sh", "-c", _ENTER, str(group.place / "cgroup.procs")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    use = Use(time.time(), counted_by=group.kind)
    started, over = time.monotonic(), threading.Event()
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*prefix, *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        watcher = threading.Thread(target=_watch, args=(process.pid, group, use, over, come), daemon=True)
        watcher.start()
        try:
            use.status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            use.seconds = time.monotonic() - started
            over.set()
            watcher.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        waited_for = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        use.cpu_seconds = waited_for if group.place is None else group.cpu_seconds()
    finally:
        group.remove()
    return use


def _watch(pid: int, group: _Group, use: Use, over: threading.Event, come: Callable[[], bool]) -> None:
    looked, add_up = time.monotonic(), 0.0
    while not over.wait(_SECONDS_BETWEEN_GLANCES):
        if not use.seen > 0 and come():
            use.seen = time.time()
        if time.monotonic() - looked < SECONDS_BETWEEN_LOOKS:
            continue
        looked, began = time.monotonic(), time.thread_time()
        with contextlib.suppress(OSError, psutil.Error):
            own = psutil.Process(pid)
            others = [one.pid for one in own.children(recursive=True)] if group.place is None else group.processes()
            pids, held = {pid, *others}, 0
            if looked >= add_up:
                held = sum(map(held_bytes, pids))
                add_up = looked + (time.thread_time() - began) / _PART_OF_TIME
            use.looks.append((time.time(), own.memory_info().rss, held, len(pids)))


def held_bytes(pid: int) -> int:
    """Memory of a process, in which a page that n processes share counts an n-th; 0 if it is gone."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    with contextlib.suppress(psutil.Error):
        memory = psutil.Process(pid).memory_info()
        return memory.rss - getattr(memory, "shared", 0)
    return 0
