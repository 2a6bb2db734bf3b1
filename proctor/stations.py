"""Where the time of grading goes: seconds by station, added up while a file for them is named; off by default.

`PROCTOR_STATIONS=/path/to/file` in the environment of a command lets each of its processes append a line of JSON to
that file whenever its outermost station ends: seconds by name. A station that runs inside of another one counts for
itself alone, so that the sum is the time on the clock of all outermost ones. Nothing of it reaches a sandbox, whose
environment is chosen, or a submission's results.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

VARIABLE = "PROCTOR_STATIONS"
_Given = ParamSpec("_Given")
_Returned = TypeVar("_Returned")


class _Thread(threading.local):
    """What this thread is in: for each station its seconds that went to stations inside of it; and the sums."""

    def __init__(self) -> None:
        self.inside: list[float] = []
        self.sums: dict[str, float] = {}


_here = _Thread()
# A process that was forked inside of a station counts for itself from its beginning.
os.register_at_fork(after_in_child=lambda: _here.__init__())


@contextlib.contextmanager
def station(name: str) -> Iterator[None]:
    """Count what runs in this block for `name`, but for what other stations in it count."""
    file = os.environ.get(VARIABLE)
    if not file:
        yield
        return
    _here.inside.append(0.0)
    began = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - began
        own = seconds - _here.inside.pop()
        _here.sums[name] = _here.sums.get(name, 0.0) + own
        if _here.inside:
            _here.inside[-1] += seconds
        else:
            sums, _here.sums = _here.sums, {}
            _append(file, sums)


def timed(name: str | Callable[..., str]) -> Callable[[Callable[_Given, _Returned]], Callable[_Given, _Returned]]:
    """The same for each call of a function.

    Args:
        name: of the station, or what tells it from the call's arguments.
    """

    def decorated(function: Callable[_Given, _Returned]) -> Callable[_Given, _Returned]:
        @functools.wraps(function)
        def called(*args: _Given.args, **options: _Given.kwargs) -> _Returned:
            with station(name if isinstance(name, str) else name(*args, **options)):
                return function(*args, **options)

        return called

    return decorated


def read(file: Path) -> dict[str, float]:
    """Seconds by station, of all processes together, largest first; none if nothing was written."""
    sums: dict[str, float] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        for name, seconds in json.loads(line).items():
            sums[name] = sums.get(name, 0.0) + seconds
    return dict(sorted(sums.items(), key=lambda one: -one[1]))


def _append(file: str, sums: dict[str, float]) -> None:
    # A measurement that can't be written is no reason to grade nobody. One write, so that lines stay whole.
    with contextlib.suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{json.dumps(sums)}\n".encode())
        finally:
            os.close(descriptor)
