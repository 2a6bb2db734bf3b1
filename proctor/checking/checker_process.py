"""Starts the checker in a sandbox of its own, and ends it."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from proctor.notebooks.checked_cells import CHECKING_PACKAGE
from proctor.packages import folder_of
from proctor.sandbox.bubblewrap import Mount, Sandbox
from proctor.sandbox.frames import Channel
from proctor.sandbox.limits import Limits
from proctor.sandbox.process import end_by
from proctor.sandbox.warm import FIRST_DESCRIPTOR, Pool
from proctor.stations import timed

# What it needs of this package; the rest stays outside of its sandbox.
_MODULES = (
    "__init__",
    "errors",
    "staff_files",
    *(f"checking/{name}" for name in ("__init__", "checker", "verdict")),
    *(f"diagnosis/{name}" for name in ("__init__", "alike", "likeness", "variant_host")),
    *(f"notebooks/{name}" for name in ("__init__", "cells", "checked_cells", "code", "neutral", "renaming")),
    *(f"sandbox/{name}" for name in ("__init__", "frames", "machine_words")),
)
_PACKAGES = "/opt/packages"
_PROGRAM = """\
import os, sys
sys.path[:0] = sys.argv.pop(1).split(os.pathsep)
"""
# Without what Python does at its end: to take all libraries apart would take longer than the checks of a notebook.
_MAIN = """\
import os, sys
from {} import main
status = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""
CHECKER = "proctor.checking.checker"
# Of a warm sandbox: folders to import from, and what is imported besides the libraries.
WARM_IMPORTS = ((_PACKAGES,), (CHECKER,))
_LAST_WORDS = 8_000

# Tensors of up to 64 MiB lie in memory that the process keeps, and not in new pages each time: networks answer in two
# thirds of the time. A C library that does not know these words ignores them.
_VARIABLES = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=268435456"}


class Checker:
    """A started checker and the `channel` to it.

    Args:
        pool: of warm sandboxes, if there is one.
        seconds: how long the libraries in it may take to be imported.
        program: module whose `main` is run, one of those in a checker's sandbox.
    """

    @timed("sandbox starts")
    def __init__(
        self, sandbox: Sandbox, pool: Pool | None = None, seconds: float = 0.0, program: str = CHECKER
    ) -> None:
        folders = [str(folder_of("proctor").parent), str(folder_of(CHECKING_PACKAGE).parent)]
        path = os.pathsep.join(folders) if sandbox.kind == "none" else _PACKAGES
        ours, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        try:
            with theirs:
                numbers, warm = [str(FIRST_DESCRIPTOR)], None
                if pool is not None:
                    warm = pool.start(
                        sandbox, _MAIN.format(program), numbers, [theirs], seconds, *WARM_IMPORTS, self._said
                    )
                command = [sys.executable, "-I", "-c", _PROGRAM + _MAIN.format(program), path, str(theirs.fileno())]
                self._running = warm or sandbox.start(command, [theirs.fileno()], self._said, self._said)
        except BaseException:
            ours.close()
            self._said.close()
            raise
        self.channel = Channel(ours)

    def trouble(self) -> str | None:
        """The limit that it has passed, in plain words."""
        return self._running.check()

    def cpu_seconds(self) -> float:
        """Computing time of its sandbox so far, in seconds."""
        return self._running.cpu_seconds()

    @timed("ends of sandboxes")
    def end(self) -> str:
        """Kill it with all that it started, and say what is known about its end: its status, its last words."""
        self.channel.close()
        # One that has closed its channel is about to end by itself, and its status tells why.
        status = self._running.wait(time.monotonic() + 1.0)
        self._running.kill()
        with self._said as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            words = file.read().decode("utf-8", "replace")
        return f"the checker: {'it had to be ended' if status is None else end_by(status)}\n{words}"


def checker_sandbox(
    kind: str,
    limits: Limits,
    data: Sequence[Mount] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Sandbox:
    """Sandbox of a checker: Python, the course's package, and the modules of this one that it needs.

    Args:
        data, variables: mounts with the course's data, and how they are found: some checks measure with it.
    """
    own = folder_of("proctor")
    mounts = [Mount(own / f"{name}.py", f"{_PACKAGES}/proctor/{name}.py") for name in _MODULES]
    mounts.append(Mount(folder_of(CHECKING_PACKAGE), f"{_PACKAGES}/{CHECKING_PACKAGE}"))
    return Sandbox(kind, limits, [*mounts, *data], environment={**_VARIABLES, **variables})
