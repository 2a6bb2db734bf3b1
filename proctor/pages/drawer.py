"""The child in which pages are drawn, seen from the process that wants them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.pages.child import LENGTH
from proctor.pages.limits import PageLimits

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from proctor.pages.child import main; main()"
# Beyond the time that the child allows itself.
_MARGIN = 60.0


class Drawer:
    """Does jobs in a child process, which it starts when there is one to do. One job at a time, from any thread."""

    def __init__(self, limits: PageLimits) -> None:
        self.limits = limits
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    def do(self, task: str, **job: Any) -> Any:
        """Result of a job.

        Args:
            task: "draw" (see `proctor.pages.drawing.draw_here`) or "clean" (see `proctor.pages.cleaning`).

        Raises:
            ProctorError: the child could not be started, or gave no answer in time; the next job gets a new one.
        """
        body = json.dumps({"task": task, "limits": asdict(self.limits), **job}, default=str).encode()
        with self._lock:
            try:
                return self._asked(LENGTH.pack(len(body)) + body)
            except (OSError, ValueError, EOFError, TimeoutError) as error:
                self.end()
                raise ProctorError(
                    f"the process that draws pages gave no answer ({type(error).__name__}: {error}); look whether this "
                    "machine has memory left, and try again"
                ) from error
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """End the child with everything that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _asked(self, message: bytes) -> Any:
        # One that waited long for work has left; that it does so just now is seen by the pipe, and tried once more.
        for last in (False, True):
            process = self._running()
            try:
                deadline = time.monotonic() + self.limits.wall_seconds + _MARGIN
                process.stdin.write(message)
                process.stdin.flush()
                length = LENGTH.unpack(_exactly(process.stdout.fileno(), LENGTH.size, deadline))[0]
                return json.loads(_exactly(process.stdout.fileno(), length, deadline))
            except (BrokenPipeError, EOFError):
                self.end()
                if last:
                    raise
        raise AssertionError

    def _running(self) -> subprocess.Popen:
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            folder = Path(__file__).resolve().parents[2]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        return self._process


@functools.cache
def drawer(limits: PageLimits) -> Drawer:
    """The drawer of this process."""
    return Drawer(limits)


def _exactly(descriptor: int, count: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError("it took too long")
        part = os.read(descriptor, min(2**20, count - len(parts)))
        if not part:
            raise EOFError("it ended")
        parts += part
    return bytes(parts)
