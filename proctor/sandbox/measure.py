"""What all processes of a sandbox use together, read from outside, without a word of theirs.

Where there is a control group the kernel counts (`proctor.sandbox.cgroups`). Here it is added up, from what stands
under /proc: memory of processes, page tables, files in the sandbox's own folders, and what sockets and descriptors may
hold in the kernel. Other memory without a process is closed by the filter of system calls.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
from collections.abc import Iterator
from typing import NamedTuple

import psutil

from proctor.sandbox.computing import Account
from proctor.sandbox.limits import Usage
from proctor.sandbox.memory import Part, SharedMemory, State

HOME = "/home/student"
# The program that is the first process in a sandbox.
ENTRY = "/opt/proctor/sandbox_entry.py"
# In them the program may write.
OWN_FOLDERS = (HOME, "/tmp", "/dev/shm")
_KIB = 1024
# A pipe beyond the first ones of a user holds two pages, most other descriptors less.
_BYTES_OF_A_DESCRIPTOR = 8 * _KIB
# Beyond its buffer, of which nobody can change the size: the last message in it, and the socket itself.
_MORE_OF_A_SOCKET = 64 * _KIB
# Places in `_counts`.
_MINOR_FAULTS, _MAJOR_FAULTS, _TIMES, _START = 6, 8, slice(10, 14), 18
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A process by the folder under some /proc in which it is described."""

    folder: str

    def read(self, name: str) -> bytes:
        with open(f"{self.folder}/{name}", "rb", buffering=0) as file:
            return file.readall()


class Population:
    """All processes below one, the first included.

    With a process namespace these are those that its own /proc lists, however they came to be and whoever is their
    parent; without one, children of children as far as they can be followed.

    Args:
        pid: the outermost process.
        namespace: whether a child of it is the first process of a namespace.
    """

    def __init__(self, pid: int, namespace: bool) -> None:
        self.pid = pid
        self._namespace = namespace
        self._first: int | None = None
        # Of a program with folders and a network of its own: they stay to be seen whatever it ends.
        self._folders: list[int] = []
        self._sockets: int | None = None
        self._memory = SharedMemory(lambda key: _part_of_memory(Process(key[0])))
        # One thread looks while another begins or ends.
        self._lock = threading.Lock()

    def enter(self, pid: int) -> None:
        """Look from now on at the folders and the sockets of this process, which are its own.

        Raises:
            OSError: the process is gone.
        """
        opened: list[int] = []
        try:
            opened.append(os.open(f"/proc/{pid}/net/unix", os.O_RDONLY | os.O_CLOEXEC))
            for place in OWN_FOLDERS:
                opened.append(os.open(f"/proc/{pid}/root{place}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        self.leave()
        with self._lock:
            self._sockets, *self._folders = opened

    def leave(self) -> None:
        """Look again at those of the first process."""
        with self._lock:
            held, self._folders, self._sockets = [*self._folders, self._sockets], [], None
            for descriptor in held:
                if descriptor is not None:
                    os.close(descriptor)

    def first(self) -> int | None:
        """The namespace's first process, once there is one."""
        if self._first is None and self._namespace:
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
                    child = int(file.read().split()[0])
                # As long as it is bwrap, in whose command line that of the program stands further behind, its folders
                # are those of this machine.
                if Process(f"/proc/{child}").read("cmdline").split(b"\0")[3] == ENTRY.encode():
                    self._first = child
        return self._first

    def __iter__(self) -> Iterator[Process]:
        first = self.first()
        if first is None:
            for one in self.tree():
                yield Process(f"/proc/{one.pid}")
            return
        yield Process(f"/proc/{self.pid}")
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{first}/root/proc"):
                if name.isdigit():
                    yield Process(f"/proc/{first}/root/proc/{name}")

    def tree(self) -> list[psutil.Process]:
        """The processes as far as they can be followed from parent to child."""
        try:
            top = psutil.Process(self.pid)
            numbers = _below(self.pid)
            found = top.children(recursive=True) if numbers is None else []
        except psutil.Error:
            return []
        for number in numbers or ():
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(number))
        return [top, *found]

    def accounts(self) -> Iterator[Account]:
        """Computing time of each."""
        for one in self:
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, counts = _counts(one)
                user, system, of_children, system_of_children = (ticks / _TICKS for ticks in counts[_TIMES])
                key, born = (one.folder, counts[_START]), counts[_START] / _TICKS
                yield Account(key, born, user + system, of_children + system_of_children, state == b"R")

    def usage(self, most: int = 0) -> Usage:
        """What they use now.

        Args:
            most: bytes of memory that are allowed; as long as less is used, what is said may be somewhat too much.
        """
        memory = processes = 0
        states = {}
        for one in self:
            with contextlib.suppress(OSError, ValueError):
                status = _fields(one.read("status"), b"Threads", b"VmPTE", b"VmRSS", b"VmSwap")
                processes += status.get(b"Threads", 0)
                memory += status.get(b"VmPTE", 0) * _KIB + _descriptors(one) * _BYTES_OF_A_DESCRIPTOR
                _, counts = _counts(one)
                faults = counts[_MINOR_FAULTS], counts[_MAJOR_FAULTS]
                sizes = status.get(b"VmRSS", 0), status.get(b"VmSwap", 0)
                states[one.folder, counts[_START]] = State(sum(sizes) * _KIB, (*faults, *sizes))
        first = self.first()
        with self._lock:
            held = self._sockets
            if held is not None:
                memory += _socket_memory(held)
        if held is None and first is not None:
            with contextlib.suppress(OSError), open(f"/proc/{first}/net/unix", "rb") as file:
                memory += _socket_memory(file.fileno())
        file_bytes, files = self.files()
        memory += file_bytes
        return Usage(memory + round(self._memory.bytes(states, most - memory)), processes, file_bytes, files)

    def files(self) -> tuple[int, int]:
        """Bytes and number of the files in the sandbox's own folders, those included that no longer have a name."""
        file_bytes = files = 0
        first = self.first()
        places: list[int | str] = [f"/proc/{first}/root{place}" for place in OWN_FOLDERS] if first is not None else []
        with self._lock:
            for place in self._folders or places:
                with contextlib.suppress(OSError):
                    status = os.statvfs(place)
                    file_bytes += (status.f_blocks - status.f_bfree) * status.f_frsize
                    files += status.f_files - status.f_ffree
        return file_bytes, files


def _below(pid: int) -> list[int] | None:
    """Numbers of all that a process has started and that lives; None if this kernel doesn't list them by parent.

    To look for parents among all processes of the machine takes ten times as long where there are hundreds.
    """
    if not os.path.exists("/proc/thread-self/children"):
        return None
    found: list[int] = []
    waiting = [pid]
    while waiting:
        folder = f"/proc/{waiting.pop()}/task"
        with contextlib.suppress(OSError):
            for task in os.listdir(folder):
                with contextlib.suppress(OSError), open(f"{folder}/{task}/children", "rb", buffering=0) as file:
                    children = [int(word) for word in file.readall().split()]
                    found += children
                    waiting += children
    return list(dict.fromkeys(found))


@functools.cache
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(rb"^(%b):\s*(\d+)" % b"|".join(names), re.MULTILINE)


def _fields(text: bytes, *names: bytes) -> dict[bytes, int]:
    return {name: int(value) for name, value in _pattern(names).findall(text)}


def _counts(process: Process) -> tuple[bytes, list[int]]:
    """A letter for what a process is doing, and the numbers of its `stat` from the fourth field on."""
    # The name, in brackets, may hold anything.
    state, *words = process.read("stat").rpartition(b")")[2].split()
    return state, [int(word) for word in words]


def _part_of_memory(process: Process) -> Part:
    """Shared pages count once over all who share them; what was swapped out counts too."""
    with contextlib.suppress(OSError, ValueError):
        found = _fields(process.read("smaps_rollup"), b"Pss", b"SwapPss", b"Private_Clean", b"Private_Dirty")
        used = found.get(b"Pss", 0) + found.get(b"SwapPss", 0)
        return Part(used * _KIB, (found.get(b"Private_Clean", 0) + found.get(b"Private_Dirty", 0)) * _KIB)
    with contextlib.suppress(OSError, ValueError):
        return Part(_fields(process.read("status"), b"VmRSS").get(b"VmRSS", 0) * _KIB, 0)
    return Part(0, 0)


def _descriptors(process: Process) -> int:
    folder = f"{process.folder}/fd"
    # Since Linux 6.2 this is their number.
    return os.stat(folder).st_size or len(os.listdir(folder))


def _socket_memory(listed: int) -> int:
    """The most that the sockets of a network namespace hold, those on their way through a socket included.

    Args:
        listed: descriptor of the file in which they stand.
    """
    with contextlib.suppress(OSError, ValueError):
        os.lseek(listed, 0, os.SEEK_SET)
        lines = 0
        while part := os.read(listed, 2**16):
            lines += part.count(b"\n")
        with open("/proc/sys/net/core/wmem_default") as file:
            return max(0, lines - 1) * (int(file.read()) + _MORE_OF_A_SOCKET)
    return 0
