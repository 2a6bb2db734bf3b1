"""The program that lives in a warm sandbox: imports libraries once, and forks a process for each notebook.

It needs nothing but Python's standard library. It never sees a submission, a test or a key: what a notebook needs
arrives in the fork. There a process enters namespaces of its own (users, mounts, IPC, network, host name), gets empty
folders, a keyring, limits and the filter of system calls, gives up every capability, and runs the program of the
notebook. Process numbers are those of the sandbox: the fork can see this process, which is closed to be read, and can
end it, which costs that notebook a start. One fork lives at a time. At its end every process of the sandbox is ended
but the first one and this one, before the next fork begins.
"""

from __future__ import annotations

import array
import base64
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import random
import re
import resource
import select
import signal
import socket
import sys
import tarfile
import types
from typing import Any

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_OWN_NAMESPACES = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWUSER | _CLONE_NEWNET
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4_096, 16_384, 1 << 18
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_KEYCTL_JOIN_SESSION_KEYRING = 1
_BYTES_OF_AN_INSTRUCTION = 8
_LONGEST_MESSAGE = 2**20
_MOST_DESCRIPTORS = 253
_FIRST_DESCRIPTOR = 3
_SECONDS_TO_DIE = 10
_TRIES = 3


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def main(control: int) -> None:
    """Serve until the other end hangs up; returns in each fork, with what it is to run."""
    wire = socket.socket(fileno=control)
    told, _ = _receive(wire)
    libc = ctypes.CDLL(None, use_errno=True)
    sys.path[:0] = told["path"]
    _import(wire, libc, told)
    request, descriptors = _serve(wire, libc, told)
    program = types.ModuleType("__main__")
    sys.modules["__main__"], sys.argv = program, ["notebook", *request["arguments"]]
    _put_in_place(descriptors, request["output"])
    wire = libc = told = descriptors = None
    exec(compile(request.pop("program"), "<program>", "exec"), program.__dict__)


def _import(wire: socket.socket, libc: Any, told: dict[str, Any]) -> None:
    """Import ``modules``, and be ready for forks; ``last`` if nothing is imported after them.

    Nobody lives beside this process meanwhile.
    """
    # Imports leave hardly anything to collect, and looking for it would take a part of their time, or half a second
    # behind them.
    gc.disable()
    missing = [name for name in told["modules"] if not _imported(name)]
    # What is here stays; forks share its memory as long as nobody counts references in it.
    gc.freeze()
    gc.enable()
    if told["last"]:
        # Only one that may be read can look at its own pages.
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        _in_a_file()
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _send(wire, {"ready": True, "missing": missing, "threads": len(os.listdir("/proc/self/task"))})


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    # Whatever a library raises: the notebooks that need it will say so.
    except Exception:
        return False
    return True


def _in_a_file() -> None:
    """Let forks map only what they touch of the memory of this process, where that can be had."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "memory_image.py")
    spec = importlib.util.spec_from_file_location("_memory_image", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for _ in range(_TRIES):
        # Without it everything works, and takes longer.
        with contextlib.suppress(AttributeError, OSError):
            module.move_to_file()
            return


def _serve(wire: socket.socket, libc: Any, told: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Forks and ends; returns in a fork, when it is ready to run its program."""
    child = watched = None
    while True:
        readable, _, _ = select.select([wire] if watched is None else [wire, watched], [], [])
        if watched in readable:
            _, status = os.waitpid(child, 0)
            os.close(watched)
            child = watched = None
            _send(wire, {"ended": os.waitstatus_to_exitcode(status)})
            continue
        request, descriptors = _receive(wire)
        if request["do"] == "end":
            if watched is not None:
                os.close(watched)
            child = watched = None
            _send(wire, {"clean": _end_all()})
            continue
        if request["do"] == "import":
            _import(wire, libc, request)
            continue
        (reading, writing), (held, holding) = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.close(holding)
            wire.close()
            try:
                _become(libc, told, descriptors.pop(0))
            except BaseException as error:
                os.write(writing, f"{type(error).__name__}: {error}".encode()[:1_000])
                os._exit(1)
            os.close(writing)
            # Its program may end this process at once, which would hide that it was started.
            os.read(held, 1)
            os.close(held)
            return request, descriptors
        os.close(writing)
        os.close(held)
        for descriptor in descriptors:
            os.close(descriptor)
        with open(reading, "rb") as file:
            failed = file.read().decode("utf-8", "replace")
        watched = os.pidfd_open(child)
        _send(wire, {"started": not failed, "why": failed, "number": child})
        os.close(holding)


def _become(libc: Any, told: dict[str, Any], files: int) -> None:
    """Step into namespaces of its own, out of which nothing leads back.

    Args:
        told: ``folders`` (that get an empty file system), ``bytes`` (its size), ``work`` (folder of the notebook),
            ``limits`` by name of resource, ``filter`` (of system calls, in base64), ``keyctl`` (number of that call).
        files: descriptor of an archive with the submission's files.
    """
    os.setsid()
    user, group = os.getuid(), os.getgid()
    # Only one that may be read can describe its own namespace.
    _checked(libc, libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))
    _checked(libc, libc.unshare(_OWN_NAMESPACES))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _checked(libc, libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    options = f"size={told['bytes']},mode=0755".encode()
    for folder in told["folders"]:
        below = _mounted_below(folder)
        flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
        _checked(libc, libc.mount(b"tmpfs", folder.encode(), b"tmpfs", flags, options))
        for place, held in below.items():
            _show_again(libc, place, held)
    if told["keyctl"] is not None:
        libc.syscall(told["keyctl"], _KEYCTL_JOIN_SESSION_KEYRING, None)
    _unpack(files, told["work"])
    for name, value in told["limits"].items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    _give_up_capabilities(libc)
    _checked(libc, libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    instructions = base64.b64decode(told["filter"])
    rules = _Filter(len(instructions) // _BYTES_OF_AN_INSTRUCTION, instructions)
    _checked(libc, libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0))
    # Chance is not shared with the next fork.
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _mounted_below(folder: str) -> dict[str, int]:
    """What is mounted somewhere in a folder (an environment may lie there), by place, and held by a descriptor."""
    with open("/proc/self/mountinfo", "rb") as file:
        fields = [line.split()[4] for line in file]
    # Odd characters stand there by their octal numbers.
    places = [os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda odd: bytes([int(odd[1], 8)]), one)) for one in fields]
    inside = sorted({place for place in places if place.startswith(f"{folder}/")})
    outermost = [one for one in inside if not any(one.startswith(f"{other}/") for other in inside)]
    return {one: os.open(one, os.O_PATH) for one in outermost}


def _show_again(libc: Any, place: str, held: int) -> None:
    """Mount what was covered at its place, as it was."""
    source = f"/proc/self/fd/{held}"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(place, exist_ok=True)
    else:
        open(place, "w").close()
    _checked(libc, libc.mount(source.encode(), place.encode(), None, ctypes.c_ulong(_MS_BIND | _MS_REC), None))
    os.close(held)


def _unpack(files: int, work: str) -> None:
    os.makedirs(work, mode=0o700)
    with open(files, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        archive.extractall(work, filter="data")
    for folder, _, names in os.walk(work):
        os.chmod(folder, 0o700)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o600)
    os.chdir(work)


def _give_up_capabilities(libc: Any) -> None:
    for number in range(_LAST_CAPABILITY + 1):
        # Those that this kernel doesn't have can't be dropped.
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(libc, libc.capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), ctypes.byref(nothing)))


def _put_in_place(descriptors: list[int], output: bool) -> None:
    """Descriptors get the numbers from 3 on, in their order; with ``output`` the last one is what is printed."""
    high = max([*descriptors, 2]) + 1 + len(descriptors)
    moved = []
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, high + number)
        os.close(descriptor)
        moved.append(high + number)
    printed = moved.pop() if output else os.open(os.devnull, os.O_RDWR)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    for number, descriptor in enumerate(moved, _FIRST_DESCRIPTOR):
        os.dup2(descriptor, number, inheritable=False)
    os.closerange(_FIRST_DESCRIPTOR + len(moved), high + len(descriptors) + 64)


def _end_all() -> bool:
    """End every other process of this sandbox but the first; whether none is left.

    The kernel sends one signal to all of them in one step, those included that are just being started.
    """
    for _ in range(_SECONDS_TO_DIE * 1_000):
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, os.getpid()}:
            return True
        select.select([], [], [], 0.001)
    return False


def _send(wire: socket.socket, message: dict[str, Any]) -> None:
    wire.send(json.dumps(message).encode())


def _receive(wire: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message with its descriptors; ends this process when the other side is gone."""
    numbers = array.array("i")
    content, extra, _, _ = wire.recvmsg(_LONGEST_MESSAGE, socket.CMSG_SPACE(_MOST_DESCRIPTORS * numbers.itemsize))
    if not content:
        os._exit(0)
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return json.loads(content), list(numbers)


def _checked(libc: Any, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(int(sys.argv[1]))
