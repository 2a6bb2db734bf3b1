"""What a sandbox may use: memory, time, processes, files, output. Numbers are per sandbox unless they say otherwise."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from proctor.errors import ProctorError

GIB = 2**30
MIB = 2**20
# Of a submission's time on the clock, for ending what still runs when it is over.
ENDING_SECONDS = 60.0


@dataclass(frozen=True)
class Limits:
    """Caps on what runs in a sandbox.

    Attributes:
        memory_bytes: sum over all processes, shared pages counted once, and of the files in the sandbox's own folders.
        processes: processes and threads, all together.
        cell_cpu_seconds: computing time of one cell, all processes together; the limit that counts.
        cell_wall_seconds: time on the clock for one cell; generous, for a busy machine.
        asking_wall_seconds: time on the clock for all answers to one test cell, runs of the notebook for it included.
        notebook_wall_seconds: time on the clock for all that one notebook costs: starts, cells, runs after an accident,
            results, answers and checks. Cells get two thirds of it, so that what they left can still be judged.
        submission_seconds: time on the clock for all notebooks of a submission, see `worst_seconds`.
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
    cell_wall_seconds: float = 300.0
    asking_wall_seconds: float = 300.0
    notebook_wall_seconds: float = 900.0
    submission_seconds: float = 1_800.0
    startup_seconds: float = 120.0
    file_bytes: int = 512 * MIB
    home_bytes: int = 1 * GIB
    home_files: int = 100_000
    open_files: int = 1_024
    output_bytes: int = 1 * MIB
    probe_cpu_seconds: int = 60
    probe_wall_seconds: float = 120.0
    restarts: int = 8


# Times that lie within others, from the outermost on; each may be as long as the one around it.
_WITHIN = (
    ("notebook_wall_seconds",),
    ("startup_seconds", "cell_wall_seconds", "asking_wall_seconds"),
    ("probe_wall_seconds",),
)


def worst_seconds(limits: Limits, notebooks: int | None = None) -> float:
    """What one submission costs at most on the clock, whatever it does: how long grading waits for its processes and
    for the checkers of its notebooks until all of them are ended.

    That is ``min(notebooks * notebook_wall_seconds, submission_seconds - ENDING_SECONDS) + ENDING_SECONDS``, and
    ``submission_seconds`` for any number of notebooks. Restarts, replays and questions are no factors in it: they all
    draw on the same `proctor.sandbox.budget.Budget`.

    Args:
        notebooks: of the assignment, or of a run with ``--notebook``; None for any number.
    """
    most = submission_budget_seconds(limits)
    if notebooks is not None:
        most = min(most, notebooks * limits.notebook_wall_seconds)
    return most + ENDING_SECONDS


def submission_budget_seconds(limits: Limits) -> float:
    """How long anything of a submission may be waited for; what is left of `submission_seconds` ends its processes."""
    return limits.submission_seconds - ENDING_SECONDS


def fitted(limits: Limits, chosen: Collection[str]) -> Limits:
    """The limits with every time cut to the one around it, if nobody has chosen it.

    Args:
        chosen: names of the limits that the course has set itself.

    Raises:
        ProctorError: a chosen time has no room within the one around it, or is no time.
    """
    for name in (one.name for one in fields(Limits) if one.name.endswith("_seconds")):
        value = getattr(limits, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ProctorError(f"c.Proctor.limits: {name} is {value!r}; give a number of seconds above 0")
    around, room = "submission_seconds", submission_budget_seconds(limits)
    if room <= 0:
        raise ProctorError(
            f"c.Proctor.limits: submission_seconds is {limits.submission_seconds:g}; give more than the "
            f"{ENDING_SECONDS:g} seconds that are kept for ending a submission's processes"
        )
    for names in _WITHIN:
        for name in names:
            if getattr(limits, name) <= room:
                continue
            if name in chosen:
                raise ProctorError(
                    f"c.Proctor.limits: {name} is {getattr(limits, name):g}, and {around} leaves {room:g} seconds for "
                    f"it; lower {name}, or raise {around}"
                )
            limits = replace(limits, **{name: room})
        around, room = names[-1], getattr(limits, names[-1])
    return limits


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
