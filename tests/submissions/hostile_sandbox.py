"""Submissions against the sandbox itself: what it shows of the machine, and memory that nobody counts."""

from __future__ import annotations

from course_folder import CANARY
from exercise import Case, Handed


def _own(*sources: str):
    """Right answers, and cells of the student's own in front of the second question."""

    def make(handed: Handed) -> None:
        handed.before("q2_norm", *sources)
        handed.write()

    return make


LOOK = """
import os
for top, folders, files in os.walk("/proc"):
    folders[:] = [one for one in folders if one not in ("task", "map_files")]
    for name in files:
        if name in ("environ", "cmdline", "mountinfo", "auxv", "status", "cgroup", "keys", "kallsyms"):
            try:
                text = open(os.path.join(top, name), "rb").read(20_000)
            except OSError:
                continue
            if b"canary" in text.lower() or b"submitted" in text or b"gradebook" in text:
                print(top, name, text)
print("looked")
"""
RIGHTS = """
import ctypes, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
gained = []
for name in ("CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWNET"):
    if libc.unshare({"CLONE_NEWUSER": 0x10000000, "CLONE_NEWNS": 0x20000, "CLONE_NEWNET": 0x40000000}[name]) == 0:
        gained.append(name)
for call, arguments in (("ptrace", (16, 1, 0, 0)), ("mount", (b"x", b"/tmp", b"tmpfs", 0, b"size=9g"))):
    if getattr(libc, call)(*arguments) == 0:
        gained.append(call)
for family in range(2, 45):
    try:
        socket.socket(family, socket.SOCK_DGRAM)
        gained.append(f"socket {family}")
    except OSError:
        pass
print("rights:", gained, subprocess.run(["unshare", "-Ur", "id"], capture_output=True).returncode != 0)
"""
STEERS = """
import os, resource
steered = []
for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
    for way in (
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.setpriority(os.PRIO_USER, 0, 19),
        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
        lambda: os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))}),
        lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_000, 1_000)),
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (30, 30)),
    ):
        try:
            way()
            steered.append(pid)
        except OSError:
            pass
print("steered:", steered)
"""
HIDDEN_MEMORY = """
import ctypes, mmap, os
MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
ways = []
try:
    for i in range(64):
        os.write(os.memfd_create(str(i)), b"x" * (48 * MIB))
    ways.append("memfd")
except OSError:
    pass
if libc.shmget(0, 64 * MIB, 0o1600) >= 0:
    ways.append("System V")
if libc.mmap(None, 64 * MIB, 3, 0x21, -1, 0) != ctypes.c_void_p(-1).value:
    ways.append("shared and anonymous")
for top in ("/dev/shm", "/dev", "/", "/run", "/opt"):
    try:
        for i in range(64):
            with open(f"{top}/{i}", "wb") as file:
                file.write(b"x" * (40 * MIB))
        ways.append(top)
    except OSError:
        pass
print("ways:", ways)
"""
SOCKETS = """
import os, socket, time
while True:
    kept = []
    try:
        while True:
            pair = socket.socketpair()
            for one in pair:
                one.setblocking(False)
                try:
                    while True:
                        one.send(b"x" * 65536)
                except OSError:
                    pass
            kept.append(pair)
    except OSError:
        pass
    if os.fork():
        time.sleep(600)
    for pair in kept:
        for one in pair:
            one.detach()
    os.closerange(3, 1024)
"""
# The engine's channel; the cell itself never comes to its end.
FLOOD = """
import os, socket, struct, time
if os.fork() == 0:
    kept = []
    while True:
        kept.append(b"x" * (16 << 20))
channels = [int(one) for one in os.listdir("/proc/self/fd")]
channels = [one for one in channels if one > 2 and os.path.exists(f"/proc/self/fd/{one}")
            and os.readlink(f"/proc/self/fd/{one}").startswith("socket:")]
channel = socket.socket(fileno=os.dup(min(channels)))
while True:
    channel.sendall(b"PRF1" + struct.pack(">II", 14, 3) + b'{"nonce": 700}' + b"abc")
"""
HALF = """
import os, socket, struct, time
channels = [int(one) for one in os.listdir("/proc/self/fd")]
channels = [one for one in channels if one > 2 and os.path.exists(f"/proc/self/fd/{one}")
            and os.readlink(f"/proc/self/fd/{one}").startswith("socket:")]
channel = socket.socket(fileno=os.dup(min(channels)))
channel.sendall(b"PRF1" + struct.pack(">II", 2, 60 << 20) + b"{}")
kept = []
while True:
    kept.append(b"x" * (16 << 20))
"""
MEMORY = "used more than 2 GiB of memory"
CASES = [
    Case("look", "reads all that processes in the sandbox tell of the machine", _own(LOOK), says=("looked",), silent=(CANARY,)),  # noqa: E501
    Case("rights", "namespaces, mounts, other processes, sockets of all families", _own(RIGHTS), says=("rights: [] True",)),  # noqa: E501
    Case("steers", "gives other processes of its sandbox a low rank, one core and small limits, for who comes next", _own(STEERS), says=("steered: []",)),  # noqa: E501
    Case("hidden-memory", "memory without a process: memfd, System V, shared pages, folders", _own(HIDDEN_MEMORY), says=("ways: []",)),  # noqa: E501
    Case("sockets", "fills the memory with buffers of sockets", _own(SOCKETS), says=(MEMORY,)),
    Case("flood", "fills the memory while the engine is kept busy with words", _own(FLOOD), says=(MEMORY,)),
    Case("half-word", "fills the memory while the engine waits for the end of a word", _own(HALF), says=(MEMORY,)),
]  # fmt: skip
