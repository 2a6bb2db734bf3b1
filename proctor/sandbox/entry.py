"""The steps into a sandbox, as a program of its own that needs nothing but Python's standard library.

``outside FD`` runs as whoever grades. It leaves the keyring of whoever grades. Started by root it also gives up root:
everything that is to be mounted is bound into a private mount namespace, where an unprivileged user can reach it, and
user and group are changed for good. (bwrap run by root would leave settings of the kernel under /proc writable.) Then
it becomes bwrap, with an empty environment and a command line that says nothing of this machine.

``inside JSON`` runs in the sandbox as its first process. It starts a second one, which copies the submission to where
it may be changed, sets the limits and becomes the program; the first one waits for all, and closes to be read. Limits
are set here, because outside they would also count against the next sandbox of the same user.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import sys
from typing import Any

_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4_096, 16_384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_KEYCTL_JOIN_SESSION_KEYRING = 1


def outside(job: dict[str, Any]) -> None:
    """Become bwrap.

    Args:
        job: ``parent`` (process that must be alive), ``stage`` (empty folder), ``sources`` (what is to be mounted),
            ``account`` (number of user and group, or None), ``group`` (folder of its control group, or None),
            ``keyctl`` (number of that system call, or None), ``filter`` (of system calls, in base64; None for a program
            that sets it in its forks), ``bwrap`` (its path), ``options`` (of bwrap, in which "mount:0", "mount:1", …
            stand for the sources), ``command`` (what runs in the sandbox).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if job["group"] is not None:
        with open(f"{job['group']}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    places = job["sources"]
    if job["account"] is not None:
        _checked(libc, libc.unshare(_CLONE_NEWNS))
        _mount(libc, b"none", b"/", b"", _MS_REC | _MS_PRIVATE)
        _mount(libc, b"tmpfs", job["stage"].encode(), b"tmpfs", 0)
        os.chmod(job["stage"], 0o755)
        places = []
        for number, source in enumerate(job["sources"]):
            place = f"{job['stage']}/{number}"
            if os.path.isdir(source):
                os.mkdir(place)
            else:
                open(place, "w").close()
            _mount(libc, source.encode(), place.encode(), b"", _MS_BIND | _MS_REC)
            places.append(place)
        os.setgroups([])
        os.setresgid(*[job["account"]] * 3)
        os.setresuid(*[job["account"]] * 3)
        os.chdir("/")
    if job["keyctl"] is not None:
        # No namespace parts keyrings, and this process has inherited one that may hold tickets and passwords.
        result = libc.syscall(job["keyctl"], _KEYCTL_JOIN_SESSION_KEYRING, None)
        # Without keyrings in this kernel, or without the right to use any, there is nothing to be left.
        if result < 0 and ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
            _checked(libc, result)
    # The kernel forgets this signal when a process changes its user.
    _checked(libc, libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != job["parent"]:
        os._exit(1)
    options = [places[int(word[6:])] if word.startswith("mount:") else word for word in job["options"]]
    if job["filter"] is not None:
        options += ["--seccomp", str(_file(base64.b64decode(job["filter"])))]
    words = ["bwrap", "--args", str(_file(b"".join(os.fsencode(word) + b"\0" for word in options))), "--"]
    os.execve(job["bwrap"], [*words, *job["command"]], {})


def inside(job: dict[str, Any]) -> None:
    """Become the program.

    Args:
        job: ``source`` (folder to copy, or None) and ``work`` (where to), ``limits`` by name of resource, ``command``.
    """
    if os.getpid() == 1:
        program = os.fork()
        if program:
            _wait_for_all(program)
    if job["source"] is not None:
        shutil.copytree(job["source"], job["work"], symlinks=True, dirs_exist_ok=True)
    os.makedirs(job["work"], exist_ok=True)
    for folder, _, files in os.walk(job["work"]):
        os.chmod(folder, 0o700)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o600)
    os.chdir(job["work"])
    for name, value in job["limits"].items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    os.execv(job["command"][0], job["command"])


def _wait_for_all(program: int) -> None:
    """The life of the first process: buries the dead, and ends with the program, and all others with it."""
    # What has no handler can't be sent to the first process from within.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # An end of a channel that stayed open here would hide that the program is gone.
    os.closerange(3, max(int(name) for name in os.listdir("/proc/self/fd")) + 1)
    while True:
        with contextlib.suppress(InterruptedError):
            ended, status = os.wait()
            if ended == program:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)


def _file(content: bytes) -> int:
    """Descriptor of a file in memory that the next program inherits."""
    descriptor = os.memfd_create("proctor", 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _mount(libc: Any, source: bytes, target: bytes, kind: bytes, flags: int) -> None:
    _checked(libc, libc.mount(source, target, kind, ctypes.c_ulong(flags), None))


def _checked(libc: Any, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    step, argument = sys.argv[1:]
    if step == "outside":
        # Closed before the next program could inherit it.
        with open(int(argument), "rb") as file:
            told = json.load(file)
        outside(told)
    else:
        inside(json.loads(argument))
