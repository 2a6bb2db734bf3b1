"""Each refused call is tried in a real sandbox; what a course needs still works there."""

import errno
import json
import platform
import subprocess
import sys

import pytest

from proctor.checking.checker_process import checker_sandbox
from proctor.errors import ProctorError
from proctor.sandbox import seccomp_filter
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
# Nothing else says this, so that a call refused for another reason (lack of rights) is told from a filtered one.
BY_THE_FILTER = errno.EXFULL
X32_BIT = 0x4000_0000
ON_X86 = platform.machine() == "x86_64"
TRY = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for name, number, arguments in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(one) for one in arguments])
    # A child that came to be after all.
    if result == 0 and name.startswith("clone"):
        import os
        os._exit(0)
    found[name] = ctypes.get_errno() if result == -1 else "done"
print(json.dumps(found))
"""
# The kernel's door for programs of 32 bits: getpid there, with a number that is another call here.
THE_OTHER_DOOR = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print(call())
"""


def output(sandbox: Sandbox, code: str, *arguments: str, isolated: tuple[str, ...] = ("-I", "-S")) -> str:
    command = [sys.executable, *isolated, "-c", code, *arguments]
    running = sandbox.start(command, (), subprocess.PIPE, subprocess.STDOUT)
    try:
        return running.process.communicate(timeout=300)[0].decode()
    finally:
        running.kill()


def calls() -> dict[str, tuple[int | None, list[int]]]:
    """Number and arguments by name, for each entry of the filter."""
    found = {name: (seccomp_filter.call_number(name), []) for name in [*seccomp_filter.CALLS, *seccomp_filter.MISSING]}
    for name, case in seccomp_filter.CASES.items():
        arguments = [0] * 6
        for place, mask, value in case.conditions:
            arguments[place] = value if mask is not None else value + 1
        found[name] = (seccomp_filter.call_number(case.call), arguments)
        if any(mask == 0xFFFF_FFFF for _, mask, _ in case.conditions):
            wide = [one + (1 << 32) if one else 0 for one in arguments]
            found[f"{name} with an upper half"] = (seccomp_filter.call_number(case.call), wide)
    for family in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
        number = {"AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_VSOCK": 40, "AF_ALG": 38}[family]
        found[f"socket {family}"] = (seccomp_filter.call_number("socket"), [number, 1, 0])
    if ON_X86:
        found["x32 getpid"] = (X32_BIT | 39, [])
        found["x32 ptrace"] = (X32_BIT | 521, [])
    for number in (seccomp_filter.FIRST_NEW_CALL, 600, 1023):
        found[f"call {number}"] = (number, [])
    return found


def answers(table: dict[str, tuple[int | None, list[int]]]) -> dict[str, int | str]:
    known = [(name, number, arguments) for name, (number, arguments) in table.items() if number is not None]
    return json.loads(output(Sandbox("bwrap", Limits()), TRY, json.dumps(known)).splitlines()[-1])


@pytest.fixture(scope="module")
def answered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seccomp_filter, "REFUSED", BY_THE_FILTER)
        seccomp_filter.program.cache_clear()
        try:
            return answers(calls())
        finally:
            seccomp_filter.program.cache_clear()


@pytest.mark.parametrize("name", calls())
def test_each_entry_is_refused_in_the_sandbox_by_the_filter(answered, name):
    if calls()[name][0] is None:
        pytest.skip("this kind of machine has no such call")
    missing = name in seccomp_filter.MISSING or name.startswith("call ")
    assert answered[name] == (errno.ENOSYS if missing else BY_THE_FILTER)


@pytest.mark.skipif(not ON_X86, reason="names of this kind of machine")
def test_every_name_is_one_of_a_call():
    assert [name for name in seccomp_filter.CALLS if seccomp_filter.call_number(name) is None] == []


def test_pages_are_not_collapsed_and_are_given_back():
    madvise = seccomp_filter.call_number("madvise")
    collapse, dont_need = 25, 4
    tried = {"collapse": (madvise, [0, 0, collapse]), "give back": (madvise, [0, 0, dont_need])}
    assert answers(tried) == {"collapse": errno.EPERM, "give back": "done"}


def test_a_refused_call_says_that_it_is_not_permitted():
    table = {name: call for name, call in calls().items() if name in ("add_key", "unshare", "memfd_create", "ptrace")}
    assert len(table) == 4
    assert set(answers(table).values()) == {errno.EPERM}


@pytest.mark.skipif(not ON_X86, reason="this kind of machine has no such door")
def test_calls_of_another_architecture_are_refused():
    said = output(Sandbox("bwrap", Limits()), THE_OTHER_DOOR).split()
    # A kernel without that door ends the program; one with it would say the number of the process.
    assert said in (["-1"], []), said


@pytest.mark.parametrize("of", ["student", "checker"])
def test_student_and_checker_have_the_filter_and_no_rights_to_be_gained(of):
    sandbox = Sandbox("bwrap", Limits()) if of == "student" else checker_sandbox("bwrap", Limits())
    said = output(sandbox, "print(open('/proc/self/status').read())").replace("\t", "")
    assert "Seccomp:2" in said
    assert "NoNewPrivs:1" in said


def test_harmless_forms_of_the_same_calls_work():
    code = """
import ctypes, fcntl, mmap, os, socket, struct, termios, threading
ours, theirs = socket.socketpair()
ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 1, 0))
theirs.sendall(b"x")
assert struct.unpack("i", fcntl.ioctl(ours, termios.FIONREAD, bytes(4)))[0] == 1
listening = socket.socket(socket.AF_UNIX)
listening.bind("/tmp/socket")
memory = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
assert ctypes.CDLL(None).personality(ctypes.c_ulong(0xffffffff)) == 0
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
if os.fork() == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
assert open("/dev/zero", "rb").read(3) == bytes(3)
print("all of it")
"""
    assert output(Sandbox("bwrap", Limits()), code).split("\n")[:2] == ["thread", "all of it"]


def test_a_missing_library_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(ProctorError, match="apt install libseccomp2"):
        seccomp_filter.program.__wrapped__()
    seccomp_filter.program.cache_clear()
    availability.cache_clear()
    try:
        assert "apt install libseccomp2" in availability()
    finally:
        seccomp_filter.program.cache_clear()
        availability.cache_clear()


WORKING = {
    "torch with threads": """
import torch
torch.set_num_threads(3)
a = torch.randn(600, 600)
assert torch.allclose(a @ torch.linalg.inv(a), torch.eye(600), atol=1e-1)
torch.nn.Linear(3, 3)(torch.ones(3)).sum().backward()
""",
    "numpy with threads": """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "3"
import numpy
a = numpy.random.default_rng(0).random((500, 500))
assert numpy.allclose(a @ numpy.linalg.inv(a), numpy.eye(500), atol=1e-6)
""",
    "matplotlib": """
import matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
pyplot.plot([1, 2, 3])
pyplot.savefig("figure.png")
assert open("figure.png", "rb").read(4) == b"\\x89PNG"
""",
    "DataLoader, forked": """
import torch
from torch.utils.data import DataLoader
batches = list(DataLoader(torch.arange(40.0), batch_size=10, num_workers=2))
assert torch.cat(batches).sum() == 780
""",
    "DataLoader, spawned": """
import torch
from torch.utils.data import DataLoader
if __name__ == "__main__":
    loader = DataLoader(torch.arange(40.0), batch_size=10, num_workers=2, multiprocessing_context="spawn")
    assert torch.cat(list(loader)).sum() == 780
""",
    "tensors shared by processes": """
import torch
import torch.multiprocessing as mp
def fill(x):
    x += 1
if __name__ == "__main__":
    for strategy in mp.get_all_sharing_strategies():
        mp.set_sharing_strategy(strategy)
        x = torch.zeros(3).share_memory_()
        one = mp.get_context("spawn").Process(target=fill, args=(x,))
        one.start()
        one.join()
        assert x.sum() == 3
""",
    "multiprocessing": """
import multiprocessing
from multiprocessing import shared_memory
if __name__ == "__main__":
    for how in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(how).Pool(2) as pool:
            assert pool.map(abs, range(-5, 0)) == [5, 4, 3, 2, 1]
    with multiprocessing.Manager() as manager:
        assert list(manager.list([1])) == [1]
    assert multiprocessing.Array("d", 3)[:] == [0, 0, 0]
    block = shared_memory.SharedMemory(create=True, size=10)
    block.close()
    block.unlink()
""",
    "subprocess, sqlite and asyncio": """
import asyncio, sqlite3, subprocess
assert subprocess.run(["echo", "heard"], capture_output=True, text=True).stdout == "heard\\n"
with sqlite3.connect("x.db") as db:
    db.execute("pragma journal_mode = wal")
    db.execute("create table t (x)")
    db.execute("insert into t values (1)")
assert asyncio.run(asyncio.sleep(0, 3)) == 3
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WORKING)
def test_what_a_course_needs_still_works(what):
    # From a file, as spawned processes read it again.
    code = f"import runpy\nopen('program.py', 'w').write({WORKING[what]!r})\n"
    code += "import os, sys\nos.execv(sys.executable, [sys.executable, 'program.py'])"
    running = Sandbox("bwrap", Limits()).start(
        [sys.executable, "-I", "-c", code], (), subprocess.PIPE, subprocess.STDOUT
    )
    try:
        said = running.process.communicate(timeout=300)[0].decode()
        assert running.process.returncode == 0, said
    finally:
        running.kill()
