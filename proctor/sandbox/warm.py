"""Warm sandboxes: in each lives a process with the libraries imported, and forks one for every notebook.

Importing numeric libraries takes longer than most answers. A warm sandbox is made like any other, but for two things
that its program needs in order to wrap each fork in namespaces of its own: the filter of system calls, and the ban on
further user namespaces; both hold in the fork. What lives in it between two notebooks has never seen a submission, and
anything unusual at all (a limit that was passed, a process that stayed, a missing word) ends the whole sandbox. The
next notebook then gets a fresh one.
"""

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
from proctor.sandbox.limits import Limits, Usage
from proctor.sandbox.measure import OWN_FOLDERS
from proctor.sandbox.mounts import Mount
from proctor.sandbox.process import as_they_are, identity

_ENTRY, _BESIDE = "/opt/proctor/warm_entry.py", "/opt/proctor/memory_image.py"
# What one message can carry, and one descriptor of the archive and one for output.
MOST_SOCKETS = 250
FIRST_DESCRIPTOR = 3
_LONGEST_MESSAGE = 2**20
_SECONDS_TO_START = 20.0
_SECONDS_TO_END = 15.0


class _Unusable(Exception):
    """A warm sandbox that can't be used, or only not now (then another one can later); the text says why, for staff."""

    def __init__(self, why: str, later: bool = False) -> None:
        super().__init__(why)
        self.later = later


class Pool:
    """Warm sandboxes of one grading process, one of each kind at most; they end with it.

    Args:
        modules: what is imported in each, by name; what can't be imported there is left out.

    Attributes:
        notes: plain lines for staff about what can't be warm here.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self.notes: list[str] = []
        self._modules = list(modules)
        self._idle: dict[tuple, _Warm] = {}
        self._leased: set[Lease] = set()
        self._open = bool(modules)

    def prepare(self, sandbox: Sandbox, path: Sequence[str] = (), modules: Sequence[str] = ()) -> None:
        """Let one be ready for what comes, unless one is.

        Args:
            path: folders in the sandbox that its programs import from.
            modules: of those folders, imported after the others.
        """
        key = _key(sandbox, path, modules)
        if self._usable(sandbox) and key not in self._idle and not any(one.warm.key == key for one in self._leased):
            self._idle[key] = _Warm(sandbox, key, [*self._modules, *modules])

    def wait(self, seconds: float) -> None:
        """Wait until each that is being prepared is ready, or will not be, which whoever wants to use it will see."""
        for warm in self._idle.values():
            with contextlib.suppress(_Unusable):
                self._told(warm.ready(seconds))

    def start(
        self,
        sandbox: Sandbox,
        program: str,
        arguments: Sequence[str],
        sockets: Sequence[socket.socket],
        seconds: float,
        path: Sequence[str] = (),
        modules: Sequence[str] = (),
        output: IO | None = None,
    ) -> Lease | None:
        """Run a program in a fork of a warm sandbox's process.

        Args:
            program: Python text.
            arguments: what it finds in ``sys.argv`` from 1 on.
            sockets: it gets them as descriptors from `FIRST_DESCRIPTOR` on.
            seconds: how long the libraries may take to be imported.
            path, modules: as for `prepare`.
            output: where to its output goes; nowhere if None.

        Returns:
            None if that can't be had: then a sandbox of its own does it.
        """
        if not self._usable(sandbox) or len(sockets) > MOST_SOCKETS:
            return None
        self.prepare(sandbox, path, modules)
        warm = self._idle.pop(_key(sandbox, path, modules), None)
        if warm is None:
            return None
        lease = None
        try:
            self._told(warm.ready(seconds))
            lease = Lease(self, warm, *warm.fork(sandbox.work, program, arguments, sockets, output))
        except _Unusable as error:
            self._open = error.later
            of = "for each notebook" if error.later else "here"
            self._told([f"no warm processes {of}, so that grading takes longer: {error}"])
            return None
        finally:
            if lease is None:
                warm.end()
        self._leased.add(lease)
        return lease

    def close(self) -> None:
        """End all of them."""
        self._open = False
        for lease in list(self._leased):
            lease.kill()
        # Their memory is given back side by side, which takes a second or two each.
        for warm in self._idle.values():
            warm.running.hit()
        while self._idle:
            self._idle.popitem()[1].end()

    def returned(self, lease: Lease, usable: bool) -> None:
        """A lease is over; its sandbox is as before, or it has ended."""
        self._leased.discard(lease)
        warm = lease.warm
        if usable and self._open and warm.key not in self._idle:
            self._idle[warm.key] = warm
            return
        warm.end()
        if self._open and warm.key not in self._idle:
            self._idle[warm.key] = _Warm(warm.sandbox, warm.key, warm.modules)

    def _usable(self, sandbox: Sandbox) -> bool:
        return self._open and sandbox.kind == "bwrap"

    def _told(self, lines: Sequence[str]) -> None:
        self.notes += [line for line in lines if line not in self.notes]


class _Warm:
    """A sandbox in which a process imports libraries, waits, and forks."""

    def __init__(self, sandbox: Sandbox, key: tuple, modules: list[str]) -> None:
        programs = {warm_entry.__file__: _ENTRY, memory_image.__file__: _BESIDE}
        mounts = [*sandbox.mounts, *(Mount(Path(file).resolve(), place) for file, place in programs.items())]
        self.sandbox = Sandbox(sandbox.kind, sandbox.limits, sandbox.mounts, None, sandbox.environment)
        self.key = key
        self.modules = modules
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
        self._send({**inner.for_forks(OWN_FOLDERS, WORK), "path": list(key[-2]), "modules": modules})

    def ready(self, seconds: float) -> list[str]:
        """Wait until it is; lines for staff about modules that aren't there.

        Raises:
            _Unusable: it will not be ready.
        """
        if self._ready:
            return []
        word = self.word(seconds)
        if word is None or not word.get("ready"):
            raise _Unusable("a process with the libraries did not start")
        if word["threads"] != 1:
            raise _Unusable("a library that is imported ahead starts threads; leave it out of c.Proctor.warm")
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
            _Unusable: it has not.
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
            raise _Unusable(f"a fork could not be closed in ({(word or {}).get('why') or 'no word of it'})")
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
        except _Unusable:
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

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self.wire.sendmsg([json.dumps(message).encode()], extra)
        except OSError as error:
            # Those of all programs of this account are counted together, other submissions' included.
            if later := error.errno == errno.ETOOMANYREFS:
                raise _Unusable("too many descriptors of this account are on their way", later) from error
            raise _Unusable("its process has ended") from error


class Lease:
    """A program in a fork of a warm sandbox's process, until `kill`; the same to whoever uses it as `Running`."""

    def __init__(self, pool: Pool, warm: _Warm, process: psutil.Process | None) -> None:
        self.warm = warm
        self._pool = pool
        self._process = process
        self._status: int | None = None
        self._over = False

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else self.warm.running.pid

    @property
    def limits(self) -> Limits:
        return self.warm.running.limits

    def alive(self) -> bool:
        """Whether the program and its sandbox live."""
        if self._over or not self.warm.running.alive():
            return False
        self._hear(0.0)
        return self._status is None

    def usage(self) -> Usage:
        return self.warm.running.usage()

    def cpu_seconds(self) -> float:
        return self.warm.running.cpu_seconds()

    def processes(self) -> list[psutil.Process]:
        return self.warm.running.processes()

    def check(self) -> str | None:
        return self.warm.running.check()

    def wait(self, deadline: float) -> int | None:
        """Exit status once the program has ended, or None at the deadline (on the clock of `time.monotonic`)."""
        while self._status is None and not self._over:
            left = deadline - time.monotonic()
            if not self.warm.running.alive():
                return self.warm.running.wait(deadline)
            if left <= 0:
                return None
            self._hear(left)
        return self._status

    def kill(self) -> None:
        """End the program and everything that it started; its sandbox waits for the next one, or ends too."""
        if self._over:
            return
        self._over = True
        usable = False
        try:
            usable = self.warm.clean()
        finally:
            self._pool.returned(self, usable)

    def _hear(self, seconds: float) -> None:
        while self._status is None and select.select([self.warm.wire], [], [], max(0.0, seconds))[0]:
            word = self.warm.word(0.0)
            if word is None:
                return
            if type(word.get("ended")) is int:
                self._status = word["ended"]


def _key(sandbox: Sandbox, path: Sequence[str], modules: Sequence[str]) -> tuple:
    """What has to be the same for two programs that come from one warm process."""
    variables = tuple(sorted(sandbox.environment.items()))
    return sandbox.kind, sandbox.limits, tuple(sandbox.mounts), variables, tuple(path), tuple(modules)
