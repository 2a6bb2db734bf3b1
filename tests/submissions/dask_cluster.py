"""A Dask scheduler and workers on this machine that share no folder with the course, for as long as they are needed."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import psutil

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS_TO_START = 240
_KNOWN = "Registered to:"
_CLI = "import sys; from distributed.cli import dask_{0} as cli; sys.exit(cli.main())"


class Cluster:
    """One scheduler; `start_worker` adds workers. `stop` ends everything that is left of it.

    Args:
        hidden: folders that processes of the cluster don't see, where this account can hide them.
    """

    def __init__(self, *hidden: Path) -> None:
        self.hidden = hidden if _can_hide() else ()
        for one in self.hidden:
            one.mkdir(parents=True, exist_ok=True)
        # Where the accounts of sandboxes can come by.
        self.folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="cluster-"))
        self.folder.chmod(0o755)
        self.processes: list[subprocess.Popen] = []
        self.temporary: list[Path] = []
        self.port = free_port()
        self.start_scheduler()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """Start it, at the address that it had before if there was one."""
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        self.scheduler = self._start("scheduler", words, "scheduler")
        _wait(lambda: _listens(self.port), self.scheduler, lambda: self.log("scheduler"))

    def start_worker(
        self, *words: str, again: int | None = None, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen:
        """Start a worker with a temporary folder of its own, and wait until the scheduler knows it.

        Args:
            again: number of the worker, counted from 0, whose folder it gets.
        """
        number = len(self.temporary) if again is None else again
        name, before = f"worker-{number}", self.log(f"worker-{number}").count(_KNOWN)
        chosen = words or ("--nthreads", "1")
        process = self._start("worker", [self.address, "--no-dashboard", *chosen], name, environment)
        if again is None:
            self.temporary.append(self.folder / name / "tmp")
        _wait(lambda: self.log(name).count(_KNOWN) > before, process, lambda: self.log(name))
        return process

    def _start(
        self, kind: str, words: list[str], name: str, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen:
        temporary = self.folder / name / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        temporary.parent.chmod(0o755)
        command = [sys.executable, "-c", _CLI.format(kind), *words]
        if self.hidden:
            lines = [f"mount -t tmpfs none {shlex.quote(str(one))}" for one in self.hidden]
            command = ["unshare", "--mount", "sh", "-c", " && ".join([*lines, f"exec {shlex.join(command)}"])]
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=temporary.parent,
                env=os.environ | {"PYTHONPATH": str(_ROOT), "TMPDIR": str(temporary)} | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        """What one of them has said: "scheduler", "worker-0"."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def left(self) -> list[str]:
        """What the grading of jobs has left in temporary folders."""
        return [str(path) for folder in self.temporary for path in folder.glob("proctor-*")]

    def stop(self) -> None:
        """End it, with all that it has started."""
        for process in self.processes:
            for one in [*below(process.pid), psutil.Process(process.pid)] if process.poll() is None else []:
                with contextlib.suppress(psutil.Error):
                    one.send_signal(signal.SIGKILL)
            process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


class Recorder:
    """Passes bytes on between whoever connects and a port of this machine, and keeps all of them."""

    def __init__(self, port: int) -> None:
        self._to, self._listening = port, socket.create_server(("127.0.0.1", 0))
        self.port, self.heard = self._listening.getsockname()[1], bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(2**16):
                self.heard += data
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._listening.close()


def below(pid: int) -> list[psutil.Process]:
    """All that a process has started."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _can_hide() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).returncode == 0


def _wait(there: Callable[[], bool], process: subprocess.Popen, log: Callable[[], str]) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while not there():
        if process.poll() is not None or time.monotonic() > until:
            raise AssertionError(log())
        time.sleep(0.1)
