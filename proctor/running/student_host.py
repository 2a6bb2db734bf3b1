"""The program in a student's sandbox: runs the cells of one notebook and answers probes from snapshots of it.

It needs IPython, and the course's package for probes; nothing of the grading engine is there. The engine drives it over
an inherited socket (the wire format is that of `proctor.sandbox.frames`, repeated here because this file stands alone,
but for `student_probes` and `student_answers`, which lie beside it).
Student code shares the process and can do anything to it: whatever it forges here stands for its own answer only.

A first process does nothing but live, so that snapshots outlast the one that runs the cells.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import types
from pathlib import Path
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

_PREFIX = struct.Struct(">4sII")
_MAX_FILES = 500
# As it is before any code of the submission runs, which may put its own in its place.
_loads = json.loads
_RESULTS = ("*.py", "*.json", "runs/**/*")
# What Jupyter's kernel has loaded before the first cell, and this program has not: files of that name were never used.
_LOADED_BY_A_KERNEL = {
    *("asyncio", "base64", "bdb", "bz2", "calendar", "cmd", "code", "comm", "concurrent"),
    *("contextvars", "csv", "ctypes", "curses", "dateutil", "debugpy", "decimal", "email", "faulthandler"),
    *("fcntl", "getpass", "glob", "gzip", "hashlib", "hmac", "html", "http", "ipykernel"),
    *("jupyter_client", "jupyter_core", "locale", "lzma", "mimetypes", "packaging", "pdb", "platform", "platformdirs"),
    *("psutil", "pwd", "pydoc", "pyexpat", "quopri", "resource", "shutil", "sqlite3", "ssl"),
    *(
        "stringprep",
        "subprocess",
        "sysconfig",
        "tempfile",
        "termios",
        "tornado",
        "typing_extensions",
        "unicodedata",
        "uuid",
    ),
    *("xml", "xmlrpc", "zipfile", "zlib", "zmq", "zoneinfo"),
}
# What answers are asked with.
_OF_THE_COURSE = "dl1"


class Wire:
    """Messages over a socket: a JSON header and bytes."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self.socket.setblocking(True)

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        text = json.dumps(header).encode()
        self.socket.sendall(_PREFIX.pack(b"PRF1", len(text), len(body)) + text + body)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        _, header, body = _PREFIX.unpack(self._exactly(_PREFIX.size))
        return _loads(self._exactly(header)), self._exactly(body)

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(min(2**20, count - len(parts)))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


class Stream:
    """sys.stdout or sys.stderr of the notebook."""

    encoding, errors, newlines = "utf-8", "replace", None
    closed = False

    def __init__(self, name: str, emit: Any) -> None:
        self.name = f"<{name}>"
        self._kind, self._emit = name, emit

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._emit({"output_type": "stream", "name": self._kind, "text": text})
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def fileno(self) -> int:
        return 1 if self._kind == "stdout" else 2


class Publisher(DisplayPublisher):
    """Sends what is displayed, as a notebook stores it."""

    emit: Any = None

    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:
        self.emit({"output_type": "display_data", "data": _bundle(data), "metadata": {}})

    def clear_output(self, wait: bool = False) -> None:
        self.emit({"output_type": "clear"})


class Hook(DisplayHook):
    """Sends the value of a cell's last line."""

    emit: Any = None

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        output = {"output_type": "execute_result", "data": _bundle(format_dict), "metadata": {}}
        self.emit({**output, "execution_count": self.prompt_count})


class Shell(InteractiveShell):
    """A notebook's Python without a kernel around it."""

    display_pub_class = Publisher
    displayhook_class = Hook
    emit: Any = None

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = [str(line) for line in stb] if isinstance(stb, (list, tuple)) else [str(stb)]
        self.emit({"output_type": "error", "ename": etype.__name__, "evalue": _text(evalue), "traceback": lines})

    def enable_gui(self, gui: str | None = None) -> None:
        pass

    def init_io(self) -> None:
        pass


def _bundle(data: Any) -> dict[str, Any]:
    found = {}
    for kind, value in dict(data).items():
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        with contextlib.suppress(TypeError, ValueError):
            json.dumps(value)
            found[str(kind)] = value
    return found


def _text(value: Any) -> str:
    try:
        return str(value)[:20_000]
    # A student's own __str__ may do anything.
    except BaseException:
        return f"<{type(value).__name__} whose text can't be made>"


class OwnFiles:
    """Finds a student's file that is called like an installed module which nothing has loaded yet: `test.py`.

    As in a notebook it comes first, but only where the notebook or a file beside it asks. Whatever a library or this
    program imports is never found in the submission, and libraries that were loaded once for all stay what they are.
    """

    def __init__(self, folder: str, namespace: dict[str, Any]) -> None:
        self._folder, self._namespace = folder, namespace

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if path is not None or name in _LOADED_BY_A_KERNEL or name == _OF_THE_COURSE or not self._asked_by_student():
            return None
        found = importlib.machinery.PathFinder.find_spec(name, [self._folder])
        # A mere folder comes behind every module of its name.
        return found if found is not None and found.has_location else None

    def _asked_by_student(self) -> bool:
        frame = sys._getframe(2)
        while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "importlib":
            frame = frame.f_back
        if frame is None:
            return False
        return frame.f_globals is self._namespace or frame.f_code.co_filename.startswith(f"{self._folder}{os.sep}")


class Host:
    """Runs cells, forks snapshots, sends files."""

    def __init__(self, control: Wire, snapshots: list[int]) -> None:
        self.control = control
        self.snapshots = snapshots
        self.nonce = 0
        self.muted = False
        self.answers, self.answer_probes = _beside("student_answers"), _beside("student_probes").answer_probes
        self.shell = self._make_shell()

    def _make_shell(self) -> Shell:
        module = types.ModuleType("__main__")
        module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = module
        Shell.emit = Publisher.emit = Hook.emit = staticmethod(self.emit)
        shell = Shell.instance(user_module=module, user_ns=module.__dict__)
        sys.meta_path.insert(0, OwnFiles(os.getcwd(), shell.user_ns))
        shell.colors = "nocolor"
        shell.display_formatter.active_types = shell.display_formatter.format_types
        sys.stdout, sys.stderr = Stream("stdout", self.emit), Stream("stderr", self.emit)
        builtins.input = _no_input
        return shell

    def emit(self, output: dict[str, Any]) -> None:
        # All that is shown ends here, by whatever name the notebook keeps a stream, a display or a handler.
        if not self.muted:
            self.control.send({"out": output, "nonce": self.nonce})

    def serve(self) -> None:
        while True:
            request, _ = self.control.receive()
            self.nonce = request["nonce"]
            ok, more = True, {}
            if request["do"] == "run":
                ok = self.shell.run_cell(request["source"], store_history=True).success
            elif request["do"] == "snapshot":
                self.snapshot(self.snapshots[request["index"]])
            elif request["do"] == "files":
                more = {"files": self.send_files(request["max_bytes"])}
            elif request["do"] == "end":
                os._exit(0)
            self.control.send({"done": request["nonce"], "ok": bool(ok), **more})

    def snapshot(self, descriptor: int) -> None:
        # IPython's own writes its history.
        threads = [one for one in threading.enumerate() if type(one).__name__ != "HistorySavingThread"]
        if os.fork() == 0:
            try:
                self.muted = True
                self.control.close()
                for other in self.snapshots:
                    if other != descriptor:
                        with contextlib.suppress(OSError):
                            os.close(other)
                self.answer_probes(self.answers, Wire(descriptor), self.shell.user_ns, _text, len(threads) > 1)
            finally:
                os._exit(0)
        os.close(descriptor)

    def send_files(self, max_bytes: int) -> int:
        """Sends the declared results; the engine decides what it takes."""
        sent = 0
        here = Path.cwd()
        for pattern in _RESULTS:
            for path in sorted(here.glob(pattern)):
                if sent < _MAX_FILES and path.is_file() and not path.is_symlink() and path.stat().st_size <= max_bytes:
                    self.control.send(
                        {"file": path.relative_to(here).as_posix(), "nonce": self.nonce}, path.read_bytes()
                    )
                    sent += 1
        return sent


def _no_input(prompt: object = "") -> str:
    raise RuntimeError("input() and breakpoint() have nobody to ask while a notebook is graded")


def _beside(name: str) -> types.ModuleType:
    """A file of the engine that lies beside this one; no folder of it is where imports look."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Arguments: control descriptor, descriptors of the snapshots with commas between, seed."""
    control, snapshots = int(sys.argv[1]), [int(one) for one in sys.argv[2].split(",") if one]
    if os.fork() != 0:
        # The first process: closes all, and lives until the sandbox is ended.
        os.closerange(0, 65_536)
        while True:
            signal.pause()
    random.seed(int(sys.argv[3]))
    # Last, so that a file of the submission never stands in for a module that anything but the submission asks for.
    sys.path.append(os.getcwd())
    host = Host(Wire(control), snapshots)
    host.control.send({"ready": True})
    with contextlib.suppress(EOFError, OSError):
        host.serve()


if __name__ == "__main__":
    main()
