"""Runs jobs in forked children: they have the parent's imports at once, and none can hang, crash or alter the parent.

A child of a process that has several threads may hang in the first lock that another thread held, so the parent only
imports: it does no array or tensor computation.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from proctor.errors import ProctorError

# How often a child is asked whether it has died without an answer, in seconds.
_LOOK_EVERY = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the `value` that it returned, or, if `failure` is not None, why there is none."""

    value: Any
    failure: str | None
    seconds: float


def usable_cpus() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_forked(jobs: Mapping[str, Callable[[], Any]], *, at_once: int, timeout: float) -> Iterator[tuple[str, Outcome]]:
    """Run each job in a child of its own and give its name and outcome as soon as it has finished.

    Args:
        jobs: functions that return something JSON can hold.
        at_once: number of children at a time.
        timeout: seconds after which a child and all that it started are killed.

    Raises:
        ProctorError: this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise ProctorError("this needs os.fork, which Windows does not have; run it on Linux, in WSL or on macOS")
    context = multiprocessing.get_context("fork")
    waiting = list(jobs.items())
    running: dict[connection.Connection, tuple[str, Any, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name, job = waiting.pop(0)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_answer, args=(job, sender, timeout))
                process.start()
                sender.close()
                running[receiver] = name, process, time.monotonic()
            connection.wait(list(running), timeout=_LOOK_EVERY)
            for receiver, (name, process, start) in list(running.items()):
                seconds = time.monotonic() - start
                outcome = _outcome(receiver, process, seconds, timeout)
                if outcome is not None:
                    del running[receiver]
                    _end(receiver, process)
                    yield name, outcome
    finally:
        for receiver, (_, process, _) in running.items():
            _end(receiver, process)


def limit_computing(seconds: int) -> None:
    """This process is killed (SIGXCPU) when it has computed for so long."""
    # Not everywhere, and `run_forked` says so.
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _answer(job: Callable[[], Any], sender: connection.Connection, timeout: float) -> None:
    # A session of its own, so that killing its process group takes whatever the job started with it.
    os.setsid()
    # If the parent itself is killed, nobody else ends an endless loop.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(timeout) + 10)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        answer = {"value": job(), "failure": None}
        text = json.dumps(answer)
    except ProctorError as error:
        text = json.dumps({"value": None, "failure": str(error)})
    except BaseException as error:
        text = json.dumps({"value": None, "failure": f"{type(error).__name__}: {error}"})
    sender.send_bytes(text.encode())
    # Neither the parent's exit hooks nor a thread that the job left behind are to run or be waited for here.
    os._exit(0)


def _outcome(receiver: connection.Connection, process: Any, seconds: float, timeout: float) -> Outcome | None:
    """None as long as the child works."""
    exit_code = process.exitcode
    if receiver.poll():
        with contextlib.suppress(EOFError):
            answer = json.loads(receiver.recv_bytes())
            return Outcome(answer["value"], answer["failure"], seconds)
        process.join(timeout=1.0)
        exit_code = process.exitcode
    if exit_code is not None:
        return Outcome(None, f"its process ended early: {_reason(exit_code)}", seconds)
    if seconds > timeout:
        return Outcome(None, f"stopped after {timeout:g} s: it hangs, or needs a longer time-out", seconds)
    return None


def _reason(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit status {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"


def _end(receiver: connection.Connection, process: Any) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # The child may not have reached setsid yet.
    process.kill()
    process.join()
    process.close()
    receiver.close()
