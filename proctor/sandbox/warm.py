"""Warm sandboxes: in each lives a process with the libraries imported, and forks one for every notebook.

Importing numeric libraries takes longer than most answers. A warm sandbox is made like any other, but for two things
that its program needs in order to wrap each fork in namespaces of its own: the filter of system calls, and the ban on
further user namespaces; both hold in the fork. What lives in it between two notebooks has never seen a submission, and
anything unusual at all (a limit that was passed, a process that stayed, a missing word) ends the whole sandbox. The
next notebook then gets a fresh one.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import IO

from proctor.sandbox.bubblewrap import Sandbox
from proctor.sandbox.lease import Lease
from proctor.sandbox.warm_process import Unusable, Warm

# What one message can carry, and one descriptor of the archive and one for output.
MOST_SOCKETS = 250
FIRST_DESCRIPTOR = 3


class Pool:
    """Warm sandboxes of one grading process, one of each kind at most; they end with it.

    Args:
        modules: what is imported in each, by name; what can't be imported there is left out.
        later: what is imported besides, once the first program of each is over; one that is made after that has it all.

    Attributes:
        notes: plain lines for staff about what can't be warm here.
    """

    def __init__(self, modules: Sequence[str], later: Sequence[str] = ()) -> None:
        self.notes: list[str] = []
        self._modules, self._later = list(modules), list(later)
        self._idle: dict[tuple, Warm] = {}
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
            self._idle[key] = Warm(sandbox, key, [*self._modules, *modules], self._later)

    def wait(self, seconds: float) -> None:
        """Wait until each that is being prepared is ready, or will not be, which whoever wants to use it will see."""
        for warm in self._idle.values():
            with contextlib.suppress(Unusable):
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
            lease = Lease(self._returned, warm, *warm.fork(sandbox.work, program, arguments, sockets, output))
        except Unusable as error:
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

    def _returned(self, lease: Lease, usable: bool) -> None:
        """A lease is over; its sandbox is as before, or it has ended."""
        self._leased.discard(lease)
        warm = lease.warm
        if usable and self._open and warm.key not in self._idle and warm.complete():
            self._idle[warm.key] = warm
            return
        warm.end()
        if self._open and warm.key not in self._idle:
            self._idle[warm.key] = Warm(warm.sandbox, warm.key, [*warm.modules, *warm.later])

    def _usable(self, sandbox: Sandbox) -> bool:
        return self._open and sandbox.kind == "bwrap"

    def _told(self, lines: Sequence[str]) -> None:
        self.notes += [line for line in lines if line not in self.notes]


def _key(sandbox: Sandbox, path: Sequence[str], modules: Sequence[str]) -> tuple:
    """What has to be the same for two programs that come from one warm process."""
    variables = tuple(sorted(sandbox.environment.items()))
    return sandbox.kind, sandbox.limits, tuple(sandbox.mounts), variables, tuple(path), tuple(modules)
