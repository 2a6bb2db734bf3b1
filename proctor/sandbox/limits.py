"""What a sandbox may use: memory, time, processes, files, output. Numbers are per sandbox unless they say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

GIB = 2**30
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Caps on what runs in a sandbox.

    Attributes:
        memory_bytes: sum over all processes, shared pages counted once, and of the files in the sandbox's own folders.
        processes: processes and threads, all together.
        cell_cpu_seconds: computing time of one cell, all processes together; the limit that counts.
        cell_wall_seconds: time on the clock for one cell; generous, for a busy machine.
        notebook_wall_seconds: time on the clock after which no further cell of a notebook is begun.
        startup_seconds: until the first answer.
        file_bytes: size of one file.
        home_bytes: size of all files in the home and working folder; the temporary folder and the one for shared memory
            have as much again.
        home_files: number of files in them.
        open_files: open descriptors of one process.
        output_bytes: what is kept of one cell's output.
        probe_cpu_seconds, probe_wall_seconds: for the answer to one probe.
        restarts: how often the kernel of one notebook is started anew after an accident.
    """

    memory_bytes: int = 6 * GIB
    processes: int = 512
    cell_cpu_seconds: float = 120.0
    cell_wall_seconds: float = 600.0
    notebook_wall_seconds: float = 3_600.0
    startup_seconds: float = 120.0
    file_bytes: int = 512 * MIB
    home_bytes: int = 1 * GIB
    home_files: int = 100_000
    open_files: int = 1_024
    output_bytes: int = 1 * MIB
    probe_cpu_seconds: int = 60
    probe_wall_seconds: float = 300.0
    restarts: int = 8


class Usage(NamedTuple):
    """What a sandbox uses now: memory, processes and threads, bytes and number of its own files."""

    memory_bytes: int
    processes: int
    file_bytes: int
    files: int


def passed(usage: Usage, limits: Limits, exhausted: bool = False) -> str | None:
    """The first limit of a whole sandbox that is passed, in plain words; None if there is none.

    Args:
        exhausted: whether the kernel has seen that the memory was used up.
    """
    if exhausted or usage.memory_bytes > limits.memory_bytes:
        return f"it used more than {limits.memory_bytes / GIB:.3g} GiB of memory"
    if usage.processes > limits.processes:
        return f"it ran more than {limits.processes} processes"
    if usage.files > limits.home_files:
        return f"it made more than {limits.home_files:,} files"
    return None
