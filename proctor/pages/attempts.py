"""Work in a process of its own with limits on computing time, clock and memory: it may fail, and costs no more.

For a process without threads, since each attempt is a fork of it. The kernel ends an attempt, so it ends within a
regular expression, too.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

_LENGTH = struct.Struct(">Q")
_MAX_DEATHS = 200

DONE, TIME, MEMORY, SIZE, MARKUP, ERROR = "done", "time", "memory", "size", "markup", "error"


class UnsafeMarkup(Exception):
    """What was drawn holds something that could run in a browser."""


class Attempt(NamedTuple):
    """How it ended (`DONE` or why not), what it gave or what an error said, and its computing time in seconds."""

    how: str
    value: Any
    seconds: float


def attempt(work: Callable[[], Any], cpu_seconds: float, memory_bytes: int, max_bytes: int, deadline: float) -> Attempt:
    """Does one piece of work.

    Args:
        work: gives something that JSON can hold.
        memory_bytes: of address space, beyond what this process has already.
        max_bytes: size of what it gives.
        deadline: on the clock of `time.monotonic`.
    """
    for one in _stream([work], cpu_seconds, memory_bytes, max_bytes, deadline):
        return one
    return Attempt(ERROR, None, 0.0)


def attempt_each(
    works: Sequence[Callable[[], Any]],
    cpu_seconds: float,
    all_cpu_seconds: float,
    memory_bytes: int,
    max_bytes: int,
    deadline: float,
) -> list[Attempt]:
    """Does pieces of work one after the other, each with limits of its own, until the time for all is used up.

    Args:
        cpu_seconds: for each.
        all_cpu_seconds: for all together; those behind are not begun (`TIME`).
        max_bytes: of what each gives.
    """
    found: list[Attempt] = []
    spent, deaths = 0.0, 0
    while len(found) < len(works) and spent < all_cpu_seconds and deaths < _MAX_DEATHS:
        for one in _stream(works[len(found) :], cpu_seconds, memory_bytes, max_bytes, deadline):
            found.append(one)
            spent += one.seconds
            if spent >= all_cpu_seconds:
                break
        deaths += 1
        if time.monotonic() > deadline:
            break
    return found + [Attempt(TIME, None, 0.0)] * (len(works) - len(found))


def _stream(
    works: Sequence[Callable[[], Any]], cpu_seconds: float, memory_bytes: int, max_bytes: int, deadline: float
) -> Iterator[Attempt]:
    """Attempts in a row, done by one process; the last one is that at which it died."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _work(works, cpu_seconds, memory_bytes, max_bytes, writing)
        finally:
            os._exit(0)
    os.close(writing)
    sent, died = 0, False
    try:
        for _ in works:
            head = _exactly(reading, _LENGTH.size, deadline)
            body = _exactly(reading, _LENGTH.unpack(head)[0], deadline) if head else head
            if not body:
                died = body is not None
                break
            sent += 1
            yield Attempt(*json.loads(body))
    finally:
        os.close(reading)
        how = _end(pid, died)
    if sent < len(works):
        yield Attempt(how, None, cpu_seconds if how == TIME else 0.0)


def _work(
    works: Sequence[Callable[[], Any]], cpu_seconds: float, memory_bytes: int, max_bytes: int, writing: int
) -> None:
    most = _address_space() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Its default is to end the process, which no code in it can put off.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for work in works:
        began, said = time.process_time(), None
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            how, value = DONE, work()
            text = json.dumps([how, value, time.process_time() - began])
            if len(text) > max_bytes:
                how = SIZE
        except MemoryError:
            how = MEMORY
        except UnsafeMarkup:
            how = MARKUP
        # Texts of students bring libraries to raise anything, RecursionError among it.
        except Exception as error:
            how, said = ERROR, f"{type(error).__name__}: {error}"[:300]
        signal.setitimer(signal.ITIMER_PROF, 0)
        if how != DONE:
            text = json.dumps([how, said, time.process_time() - began])
        body = text.encode()
        _write(writing, _LENGTH.pack(len(body)) + body)


def _address_space() -> int:
    """Bytes of this process's address space; 0 where nobody can tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _exactly(descriptor: int, count: int, deadline: float) -> bytes | None:
    """So many bytes; none if the other end has closed before, None if it is too late."""
    parts = bytearray()
    while len(parts) < count:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = os.read(descriptor, min(2**20, count - len(parts)))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _end(pid: int, died: bool) -> str:
    """Why a process has died; one that has not is ended, because it is too late or is not needed any more."""
    if not died:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if not died:
        return TIME
    if os.WIFSIGNALED(status):
        return {signal.SIGPROF: TIME, signal.SIGKILL: MEMORY}.get(os.WTERMSIG(status), ERROR)
    return ERROR
