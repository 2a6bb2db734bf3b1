"""A sandbox in which a process imports libraries, waits, and forks; spoken to from outside."""

from __future__ import annotations

import array
import contextlib
import errno
import json
import select
import socket
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from proctor.sandbox import memory_image, warm_entry
from proctor.sandbox.bubblewrap import WORK, Sandbox
from proctor.sandbox.measure import OWN_FOLDERS
from proctor.sandbox.mounts import Mount
from proctor.sandbox.process import as_they_are, identity

_ENTRY, _BESIDE = "/opt/proctor/warm_entry.py", "/opt/proctor/memory_image.py"
_LONGEST_MESSAGE = 2**20
_SECONDS_TO_START = 20.0
_SECONDS_TO_END = 15.0


class Unusable(Exception):
    """A warm sandbox that can't be used, or only not now (then another one can later); the text says why, for staff."""

    def __init__(self, why: str, later: bool = False) -> None:
        super().__init__(why)
        self.later = later


class Warm:
    """A sandbox in which a process imports libraries, waits, and forks."""

    def __init__(self, sandbox: Sandbox, key: tuple, modules: list[str], later: Sequence[str] = ()) -> None:
        programs = {warm_entry.__file__: _ENTRY, memory_image.__file__: _BESIDE}
        mounts = [*sandbox.mounts, *(Mount(Path(file).resolve(), place) for file, place in programs.items())]
        self.sandbox = Sandbox(sandbox.kind, sandbox.limits, sandbox.mounts, None, sandbox.environment)
        self.key = key
        self.modules, self.later = modules, list(later)
        self._before: dict[tuple[int, float], tuple | None] = {}
        self._ready = False
        self.wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inner = Sandbox(sandbox.kind, sandbox.limits, mounts, None, sandbox.environment)
        try:
            with theirs:
                command = [sys.executable, "-I", _ENTRY, str(theirs.fileno())]
                self.running = inner.start(command, [theirs.fileno()], forks=True)
        except BaseException:
            self.wire.close()
            raise
        # Nobody but the engine's own code runs in it until the first fork.
        self.running.rest()
        self._send({**inner.for_forks(OWN_FOLDERS, WORK), "path": list(key[-2]), **self._imports(modules)})

    def complete(self) -> bool:
        """Let it import what was left for later, if anything; whether it may be used after that."""
        if not self.later:
            return True
        self.modules, self.later, more, self._ready = [*self.modules, *self.later], [], self.later, False
        with contextlib.suppress(Unusable):
            self._send({"do": "import", **self._imports(more)})
            return True
        return False

    def ready(self, seconds: float) -> list[str]:
        """Wait until it is; lines for staff about modules that aren't there.

        Raises:
            Unusable: it will not be ready.
        """
        if self._ready:
            return []
        word = self.word(seconds)
        if word is None or not word.get("ready"):
            raise Unusable("a process with the libraries did not start")
        if word["threads"] != 1:
            raise Unusable("a library that is imported ahead starts threads; leave it out of c.Proctor.warm")
        self._ready = True
        return [f"c.Proctor.warm: {name} can't be imported in the sandbox" for name in word["missing"]]

    def fork(
        self,
        work: Path | None,
        program: str,
        arguments: Sequence[str],
        sockets: Sequence[socket.socket],
        output: IO | None,
    ) -> tuple[psutil.Process | None]:
        """Let it fork; the process that came to be.

        Raises:
            Unusable: it has not.
        """
        self._before = as_they_are(self.running)
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w:") as files:
                if work is not None:
                    files.add(work, arcname=".")
            archive.seek(0)
            descriptors = [archive.fileno(), *(one.fileno() for one in sockets)]
            descriptors += [output.fileno()] if output is not None else []
            request = {"do": "start", "program": program, "arguments": list(arguments), "output": output is not None}
            self._send(request, descriptors)
        word = self.word(_SECONDS_TO_START)
        if word is None or not word.get("started"):
            raise Unusable(f"a fork could not be closed in ({(word or {}).get('why') or 'no word of it'})")
        new = [one for one in self.running.processes() if identity(one) not in self._before]
        first = min(new, key=lambda one: one.create_time(), default=None)
        try:
            self.running.resume(first.pid)
        except (AttributeError, OSError, psutil.Error):
            # It has ended already, or was ended by a limit; whoever waits for it will see that.
            return (None,)
        return (first,)

    def clean(self) -> bool:
        """End everything that was forked; whether the sandbox is as it was before."""
        if not self.running.alive() or not self._ready:
            return False
        try:
            self._send({"do": "end"})
            ends = time.monotonic() + _SECONDS_TO_END
            while (word := self.word(ends - time.monotonic())) is not None and "clean" not in word:
                pass
        except Unusable:
            return False
        if word is None or word["clean"] is not True or self.running.check() is not None:
            return False
        self.running.rest()
        return as_they_are(self.running) == self._before

    def word(self, seconds: float) -> dict[str, Any] | None:
        """What it says next; None if it says nothing in that time, or has ended."""
        ends = time.monotonic() + seconds
        while True:
            if select.select([self.wire], [], [], min(0.25, max(0.0, ends - time.monotonic())))[0]:
                with contextlib.suppress(OSError, ValueError):
                    content = self.wire.recv(_LONGEST_MESSAGE)
                    word = json.loads(content) if content else None
                    return word if type(word) is dict else None
                return None
            if time.monotonic() >= ends or not self.running.alive():
                return None

    def end(self) -> None:
        self.wire.close()
        self.running.kill()

    def _imports(self, modules: list[str]) -> dict[str, Any]:
        return {"modules": modules, "last": not self.later}

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self.wire.sendmsg([json.dumps(message).encode()], extra)
        except OSError as error:
            # Those of all programs of this account are counted together, other submissions' included.
            if later := error.errno == errno.ETOOMANYREFS:
                raise Unusable("too many descriptors of this account are on their way", later) from error
            raise Unusable("its process has ended") from error
