"""How many submissions this machine can grade at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

# A submission's own process and its checker with their libraries, and what they compute with.
BYTES_PER_WORKER = 2560 * 2**20
_GROUPS = Path("/sys/fs/cgroup")
# Of the second and of the first version of control groups; a limit of "max" is none.
_GROUP_FILES = (
    ("memory.max", "memory.current", ""),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_"),
)


def default_workers() -> int:
    """As many as cores that this process may use; fewer if there is not enough memory for them, but one at least."""
    return max(1, min(cores(), free_bytes() // BYTES_PER_WORKER))


def cores(groups: Path = _GROUPS) -> int:
    """Cores that this process may use, by its affinity and by what its container is given."""
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = (groups / "cpu.max").read_text().split()
        return count if quota == "max" else max(1, min(count, int(quota) // int(period)))
    except (OSError, ValueError):
        return count


def free_bytes(groups: Path = _GROUPS) -> int:
    """Memory that is free on this machine, and in its container if that has a limit."""
    free = psutil.virtual_memory().available
    for limit, used, prefix in _GROUP_FILES:
        with contextlib.suppress(OSError, ValueError, KeyError):
            most, now = int((groups / limit).read_text()), int((groups / used).read_text())
            stat = dict(line.split() for line in (groups / used).with_name("memory.stat").read_text().splitlines())
            # Files that nobody has read lately are given up when a program needs the room.
            free = min(free, max(0, most - now + int(stat[f"{prefix}inactive_file"])))
    return free
