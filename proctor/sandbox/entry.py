"""The two steps into a sandbox, as a program of its own that needs nothing but Python's standard library.

``outside JSON`` runs as whoever grades. Started by root it first gives up root: everything that is to be mounted is
bound into a private mount namespace, where an unprivileged user can reach it, and user and group are changed for good.
(bwrap run by root would leave settings of the kernel under /proc writable.) Then it becomes bwrap.

``inside JSON`` runs in the sandbox, copies the submission to where it may be changed, sets the limits and becomes the
program. Limits are set here, because outside they would also count against the next sandbox of the same user.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sys
from typing import Any

_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4_096, 16_384, 1 << 18
_PR_SET_PDEATHSIG = 1


def outside(job: dict[str, Any]) -> None:
    """Become bwrap.

    Args:
        job: ``parent`` (process that must be alive), ``stage`` (empty folder), ``sources`` (what is to be mounted),
            ``uid`` and ``gid`` (or None), ``command`` (in which "mount:0", "mount:1", … stand for the sources).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    places = job["sources"]
    if job["uid"] is not None:
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
        os.setresgid(job["gid"], job["gid"], job["gid"])
        os.setresuid(job["uid"], job["uid"], job["uid"])
        os.chdir("/")
    # The kernel forgets this signal when a process changes its user.
    _checked(libc, libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != job["parent"]:
        os._exit(1)
    command = [places[int(word[6:])] if word.startswith("mount:") else word for word in job["command"]]
    os.execvp(command[0], command)


def inside(job: dict[str, Any]) -> None:
    """Become the program.

    Args:
        job: ``source`` (folder to copy, or None) and ``work`` (where to), ``limits`` by name of resource, ``command``.
    """
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


def _mount(libc: Any, source: bytes, target: bytes, kind: bytes, flags: int) -> None:
    _checked(libc, libc.mount(source, target, kind, ctypes.c_ulong(flags), None))


def _checked(libc: Any, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    {"outside": outside, "inside": inside}[sys.argv[1]](json.loads(sys.argv[2]))
