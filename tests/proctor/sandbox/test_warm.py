"""Forks of a warm process: what each can reach of it and of the one before, and what becomes of accidents."""

import contextlib
import dataclasses
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psutil
import pytest

from proctor.sandbox import seccomp_filter
from proctor.sandbox.bubblewrap import WORK, Sandbox, availability
from proctor.sandbox.ended import has_ended
from proctor.sandbox.limits import Limits
from proctor.sandbox.mounts import Mount
from proctor.sandbox.warm import MOST_SOCKETS, Pool

pytestmark = [
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
LIMITS = Limits(memory_bytes=300 * 2**20, home_bytes=64 * 2**20)
# Every program says what it has found as one JSON text, and ends, or waits until it is ended.
SAY = """
import json, os, socket, sys
wire = socket.socket(fileno=3)
def say(what):
    wire.send(json.dumps(what).encode())
def tried(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__
warm = os.getppid()
"""
WAIT = "\nimport time\ntime.sleep(300)\n"


class Told:
    """A lease, and what its program says."""

    def __init__(self, lease, wire) -> None:
        self.lease = lease
        self.wire = wire

    def word(self):
        assert self.wire.recv(1, socket.MSG_PEEK), "it ended without a word"
        return json.loads(self.wire.recv(2**16))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with contextlib.closing(Pool(["decimal"])) as made:
        yield made


@contextlib.contextmanager
def run(pool: Pool, program: str, limits: Limits = LIMITS, work=None) -> Iterator[Told]:
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with ours:
        with theirs:
            lease = pool.start(Sandbox("bwrap", limits, work=work), SAY + program, ["a"], [theirs], 60.0)
        assert lease is not None, pool.notes
        try:
            yield Told(lease, ours)
        finally:
            lease.kill()


def until(true, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_one_process_serves_one_after_the_other(pool):
    seen = []
    for _ in range(3):
        with run(pool, "say([warm, os.getpid(), sys.argv, 'decimal' in sys.modules])") as told:
            seen.append(told.word())
    assert len({warm for warm, *_ in seen}) == 1
    assert len({own for _, own, *_ in seen}) == 3
    assert all(rest == [["notebook", "a"], True] for *_, rest in [(one[0], one[1], one[2:]) for one in seen])
    assert pool.notes == []


def test_in_a_fork_garbage_is_looked_for_but_not_in_what_was_imported(pool):
    with run(pool, "import gc\nsay([gc.isenabled(), gc.get_freeze_count() > 1_000])") as told:
        assert told.word() == [True, True]


def test_who_has_waited_for_it_needs_no_time_for_imports():
    with contextlib.closing(Pool(["decimal"])) as own:
        sandbox = Sandbox("bwrap", LIMITS)
        own.prepare(sandbox)
        own.wait(60.0)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            lease = own.start(sandbox, SAY + WAIT, ["a"], [theirs], 0.0)
            assert lease is not None, own.notes
            lease.kill()


def test_of_what_is_imported_a_fork_gets_only_the_pages_that_it_touches():
    program = """
with open("/proc/self/smaps_rollup") as file:
    sizes = {line.split()[0]: int(line.split()[1]) for line in list(file)[1:]}
with open("/proc/self/maps") as file:
    lines = [line.split() for line in file if "memfd:" in line]
lengths = [int(last, 16) - int(first, 16) for first, last in (line[0].split("-") for line in lines)]
held = [tried(lambda: os.readlink(f"/proc/self/fd/{name}")) for name in os.listdir("/proc/self/fd")]
torch = sys.modules["torch"]
say([sizes["Anonymous:"] * 1024, sum(lengths), any("memfd" in one for one in held), hasattr(torch, "own")])
torch.own = True
"""
    limits = dataclasses.replace(LIMITS, memory_bytes=2**31)
    with contextlib.closing(Pool(["torch"])) as made:
        for _ in range(2):
            with run(made, program, limits) as told:
                own, in_the_file, held, changed = told.word()
            assert in_the_file > 50 * 2**20
            assert own < in_the_file / 2
            assert not held
            assert not changed
        assert made.notes == []


LATER = """
with open("/proc/self/maps") as file:
    moved = any("memfd:" in line for line in file)
say([warm, "fractions" in sys.modules, moved, tried(lambda: os.listdir(f"/proc/{warm}/fd"))])
"""


def test_what_is_left_for_later_is_there_once_the_first_program_is_over():
    limits = dataclasses.replace(LIMITS, memory_bytes=2**31)
    with contextlib.closing(Pool(["torch"], ["fractions", "no_such_module"])) as made:
        found = []
        for _ in range(3):
            with run(made, LATER, limits) as told:
                found.append(told.word())
        assert len({warm for warm, *_ in found}) == 1
        # Only then is what it holds in a file, and at no time can a fork look into it.
        assert [one[1:] for one in found] == [[there, there, "PermissionError"] for there in (False, True, True)]
        assert made.notes == ["c.Proctor.warm: no_such_module can't be imported in the sandbox"]


def test_one_that_takes_the_place_of_another_has_everything_from_the_start():
    with contextlib.closing(Pool(["decimal"], ["fractions"])) as made:
        found = []
        for end in ("os.kill(warm, 9)", "", ""):
            with run(made, LATER + end + WAIT) as told:
                found.append(told.word()[:2])
                if end:
                    until(lambda: not told.lease.alive())
    assert [there for _, there in found] == [False, True, True]
    assert len({warm for warm, _ in found[1:]}) == 1


def test_one_that_ends_the_warm_process_at_once_was_started_all_the_same():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        with contextlib.closing(Pool(["decimal"])) as made:
            for _ in range(20):
                lease = made.start(Sandbox("bwrap", LIMITS), "import os; os.kill(os.getppid(), 9)" + WAIT, [], [], 60.0)
                assert lease is not None
                until(lambda lease=lease: not lease.alive())
                lease.kill()
            assert made.notes == []
    finally:
        for one in busy:
            one.kill()
            one.wait()


def test_a_library_for_later_that_starts_threads_is_told_and_not_forked_from(tmp_path):
    (tmp_path / "threaded.py").write_text("import threading\nthreading.Thread(target=threading.Event().wait).start()\n")
    tmp_path.chmod(0o755)
    sandbox = Sandbox("bwrap", LIMITS, [Mount(tmp_path / "threaded.py", "/opt/more/threaded.py")])
    with contextlib.closing(Pool(["decimal"], ["threaded"])) as made:
        told = []
        for _ in range(2):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                lease = made.start(sandbox, SAY + WAIT, ["a"], [theirs], 60.0, ("/opt/more",))
                told.append(lease is not None)
                if lease is not None:
                    lease.kill()
        assert told == [True, False]
        (note,) = made.notes
        assert "a library that is imported ahead starts threads" in note


def test_a_submission_gets_its_files_and_may_change_them(pool, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.txt").write_text("mine")
    tmp_path.chmod(0o755)
    program = "text = open('runs/a.txt').read(); open('runs/a.txt', 'w').write('new'); say([text, os.getcwd()])"
    with run(pool, program, work=tmp_path) as told:
        assert told.word() == ["mine", WORK]
    assert (tmp_path / "runs" / "a.txt").read_text() == "mine"
    with run(pool, "say(os.listdir('.'))") as told:
        assert told.word() == []


def test_an_environment_in_a_folder_that_is_its_own_stays_there_to_be_read(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "later.py").write_text("VALUE = 7")
    (tmp_path / "two.txt").write_text("two")
    places = ["/tmp/an environment/lib", "/home/student/more/two.txt", "/tmp/ü/lib"]
    sources = [tmp_path / "one", tmp_path / "two.txt", tmp_path / "one"]
    mounts = [Mount(source, place) for source, place in zip(sources, places, strict=True)]
    program = f"""
sys.path.append({places[0]!r})
import later
def write(place):
    with open(place, "a") as file:
        file.write("x")
say([
    later.VALUE, open({places[1]!r}).read(), os.listdir({places[2]!r}),
    sorted(set(["an environment", "ü"]) & set(os.listdir("/tmp"))),
    [tried(lambda: write(place)) for place in ({places[0]!r} + "/later.py", {places[1]!r}, {places[0]!r} + "/new")],
    tried(lambda: write("/tmp/an environment/new")),
])
"""
    with contextlib.closing(Pool(["decimal"])) as pool:
        for _ in range(2):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    lease = pool.start(Sandbox("bwrap", LIMITS, mounts), SAY + program, [], [theirs], 60.0)
                assert lease is not None, pool.notes
                said = Told(lease, ours).word()
                lease.kill()
            *found, refused, kept = said
            assert (found, kept) == ([7, "two", ["later.py"], ["an environment", "ü"]], None)
            assert set(refused) <= {"PermissionError", "OSError"}


def test_of_the_warm_process_nothing_can_be_read(pool):
    names = ["environ", "fd", "fdinfo", "maps", "map_files", "mem", "root", "cwd", "exe", "stack", "auxv", "syscall"]
    program = f"""
def read(name):
    path = f"/proc/{{warm}}/{{name}}"
    if name in ("fd", "fdinfo", "map_files"):
        return os.listdir(path)
    return os.readlink(path) if name in ("root", "cwd", "exe") else len(open(path, "rb").read(1))
say([warm, {{name: tried(lambda: read(name)) for name in {names}}}])
"""
    with run(pool, program) as told:
        warm, found = told.word()
    assert warm > 1
    # Some of them aren't there in every kernel.
    assert set(found.values()) <= {"PermissionError", "FileNotFoundError"}, found


def test_a_fork_has_no_rights_and_no_way_out(pool):
    program = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def call(name, *arguments):
    return [getattr(libc, name)(*arguments), ctypes.get_errno()]
say([
    {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
    status["Seccomp"], status["NoNewPrivs"],
    call("unshare", 0x10000000), call("unshare", 0x20000), call("umount2", b"/tmp", 2), call("ptrace", 16, warm, 0, 0),
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None), call("setns", 0, 0),
    sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
])
"""
    with run(pool, program) as told:
        capabilities, filtered, fixed, *calls, descriptors = told.word()
    assert set(capabilities.values()) == {0}
    assert (filtered, fixed) == ("2", "1")
    assert calls == 6 * [[-1, 1]]
    assert descriptors == [0, 1, 2, 3]


LEFT = """
import threading
for place in ("/tmp", "/dev/shm", "/home/student"):
    open(f"{place}/left", "w").write("left")
listening = socket.socket(socket.AF_UNIX)
listening.bind("\\0left")
listening.listen()
os.environ["LEFT"] = "left"
import decimal
decimal.LEFT = "left"
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import time
            time.sleep(300)
        os._exit(0)
"""
LOOK = """
def connect():
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\\0left")
import decimal, random
say([
    [os.path.exists(f"{place}/left") for place in ("/tmp", "/dev/shm", "/home/student")],
    tried(connect), os.environ.get("LEFT"), hasattr(decimal, "LEFT"),
    [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, warm, os.getpid())],
    random.random(),
])
"""


def test_nothing_of_one_reaches_the_next(pool):
    chances = []
    for _ in range(2):
        with run(pool, f"{LEFT}say(0){WAIT}") as told:
            told.word()
        with run(pool, LOOK) as told:
            *found, chance = told.word()
        assert found == [3 * [False], "ConnectionRefusedError", None, False, []]
        chances.append(chance)
    assert chances[0] != chances[1]


def test_a_fork_bomb_ends_with_its_lease(pool):
    limits = dataclasses.replace(LIMITS, processes=60)
    bomb = "say(0)\nwire.recv(1)\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    with run(pool, bomb, limits) as told:
        told.word()
        told.wire.send(b"go")
        pid = told.lease.warm.running.pid
    left = psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []
    assert len(left) <= 2
    with run(pool, LOOK, limits) as told:
        assert told.word()[4] == []


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSTOP"])
def test_who_ends_the_warm_process_loses_his_own_fork(pool, number, monkeypatch):
    monkeypatch.setattr("proctor.sandbox.warm_process._SECONDS_TO_END", 1.0)
    with run(pool, "say(warm)") as told:
        before = told.lease.warm.running.pid
    # As every program here does: nothing of a submission runs before the engine says so.
    with run(pool, f"import signal\nwire.recv(1)\nos.kill(warm, signal.{number})\nsay(0){WAIT}") as told:
        told.wire.send(b"go")
        assert told.lease.warm.running.pid == before
        if number == "SIGKILL":
            until(lambda: not told.lease.alive())
        else:
            told.word()
    assert not psutil.pid_exists(before)
    with run(pool, LOOK) as told:
        assert told.word()[4] == []
        assert told.lease.warm.running.pid != before


def test_memory_and_files_are_counted_in_a_fork(pool):
    with run(
        pool, f"say(0)\nkept = bytearray(400 * 2**20)\nfor n in range(0, len(kept), 4096): kept[n] = 1{WAIT}"
    ) as told:
        until(lambda: told.lease.check() is not None)
        assert "memory" in told.lease.check()
    # Also when the process with which it began is gone.
    program = f"""
wire.recv(1)
if os.fork():
    os._exit(0)
open("/tmp/large", "wb").write(bytes(50 * 2**20))
say(0){WAIT}
"""
    with run(pool, program) as told:
        # As every program here does: nothing of a submission runs before the engine says so.
        told.wire.send(b"go")
        told.word()
        usage = told.lease.usage()
        assert 50 * 2**20 <= usage.file_bytes < 60 * 2**20
        assert usage.memory_bytes > usage.file_bytes


def test_the_end_of_a_program_is_told_with_its_status_and_words(pool):
    with tempfile.TemporaryFile() as said:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            lease = pool.start(
                Sandbox("bwrap", LIMITS), "print('last words')\nraise SystemExit(7)", [], [theirs], 60.0, output=said
            )
            assert lease.wait(time.monotonic() + 60) == 7
            assert not lease.alive()
            lease.kill()
        said.seek(0)
        assert said.read() == b"last words\n"


def test_a_library_that_starts_threads_is_not_imported_ahead(tmp_path):
    (tmp_path / "busy.py").write_text(
        "import threading\nevent = threading.Event()\nthreading.Thread(target=event.wait, daemon=True).start()"
    )
    sandbox = Sandbox("bwrap", LIMITS, [Mount(tmp_path, "/opt/more")])
    with contextlib.closing(Pool([])) as pool:
        assert pool.start(sandbox, "", [], [], 60.0) is None
    with contextlib.closing(Pool(["decimal", "no_such_module"])) as pool:
        lease = pool.start(sandbox, "", [], [], 60.0, path=["/opt/more"])
        lease.kill()
        assert pool.notes == ["c.Proctor.warm: no_such_module can't be imported in the sandbox"]
        assert pool.start(sandbox, "", [], [], 60.0, path=["/opt/more"], modules=["busy"]) is None
        assert "starts threads" in pool.notes[-1]
        # From then on each program gets a sandbox of its own.
        assert pool.start(sandbox, "", [], [], 60.0, path=["/opt/more"]) is None


def test_what_can_not_be_had_from_a_fork_is_left_to_a_sandbox_of_its_own(pool):
    pairs = [socket.socketpair() for _ in range(MOST_SOCKETS // 2 + 1)]
    many = [one for pair in pairs for one in pair]
    try:
        assert pool.start(Sandbox("bwrap", LIMITS), "", [], many, 60.0) is None
        assert pool.start(Sandbox("none", LIMITS), "", [], [], 60.0) is None
    finally:
        for one in many:
            one.close()


def test_a_closed_pool_leaves_nothing():
    made = Pool(["decimal"])
    with run(made, "say(0)" + WAIT) as told:
        told.word()
        processes = told.lease.processes()
        folder = told.lease.warm.running._folder.path
        made.close()
        assert all(map(has_ended, processes))
        assert not folder.exists()
    assert made.start(Sandbox("bwrap", LIMITS), "", [], [], 60.0) is None


def test_it_ends_with_the_process_that_grades():
    program = (
        "import sys, time\nfrom proctor.sandbox.warm import Pool\nfrom proctor.sandbox.bubblewrap import Sandbox\n"
        "from proctor.sandbox.limits import Limits\npool = Pool(['decimal'])\n"
        "lease = pool.start(Sandbox('bwrap', Limits()), 'import time; time.sleep(300)', [], [], 60.0)\n"
        "print(*[one.pid for one in lease.processes()], flush=True)\ntime.sleep(300)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as one:
        numbers = list(map(int, one.stdout.readline().split()))
        assert len(numbers) >= 4
        os.kill(one.pid, signal.SIGKILL)
    until(lambda: not any(map(psutil.pid_exists, numbers)))


# What others of one user may change of a process without any right, and forks of it then have.
STEER = """
import errno, resource
def sched(name, pid):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(ctypes.c_long(NUMBERS[name]), *[ctypes.c_ulong(one) for one in (1, pid, 3 << 13)])
    raise OSError(ctypes.get_errno(), name)
ways = {
    "rank": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    "rank of all": lambda pid: os.setpriority(os.PRIO_USER, 0, 19),
    "rank of a group": lambda pid: os.setpriority(os.PRIO_PGRP, os.getpgid(pid), 19),
    "rank on the disk": lambda pid: sched("ioprio_set", pid),
    "kind": lambda pid: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
    "cores": lambda pid: os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))}),
    "files": lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_000, 1_000)),
    "descriptors": lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (30, 30)),
    "time": lambda pid: resource.prlimit(pid, resource.RLIMIT_CPU, (60, 60)),
}
def steer(way, pid):
    try:
        ways[way](pid)
    except OSError as error:
        return errno.errorcode[error.errno]
say({way: [steer(way, pid) for pid in (warm, 1)] for way in ways})
# Its own it may have, as some libraries want.
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.setpriority(os.PRIO_PROCESS, 0, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
"""
STANDING = """
import resource
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
say([os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0)), limits])
"""


def test_a_fork_can_not_steer_the_warm_process(pool):
    numbers = {"ioprio_set": seccomp_filter.call_number("ioprio_set")}
    with run(pool, STANDING) as told:
        before = told.word()
    with run(pool, f"NUMBERS = {numbers}\n{STEER}") as told:
        tried = told.word()
    assert len(tried) == 9
    assert {name for ways in tried.values() for name in ways} == {"EPERM"}, tried
    with run(pool, STANDING) as told:
        assert told.word() == before


@pytest.mark.parametrize("way", ["rank", "limit"])
def test_a_warm_process_that_was_steered_forks_no_more(pool, way):
    with run(pool, STANDING + WAIT) as told:
        before = told.word()
        first = told.lease.warm.running.pid
        warm = psutil.Process(told.lease.pid).parent().pid
        if way == "rank":
            os.setpriority(os.PRIO_PROCESS, warm, 7)
        else:
            # By its own account: also who may do everything else may lack this right.
            own = psutil.Process(warm)
            account = {} if os.geteuid() else {"user": own.uids().real, "group": own.gids().real, "extra_groups": []}
            subprocess.run(["prlimit", "--pid", str(warm), "--nofile=200:200"], check=True, cwd="/", **account)
    with run(pool, STANDING) as told:
        assert told.word() == before
        assert told.lease.warm.running.pid != first


class _Crowded:
    """A channel on which no descriptors can be sent for now, because of others of the same account."""

    def __init__(self, wire) -> None:
        self.wire = wire

    def sendmsg(self, content, extra):
        if extra:
            raise OSError(errno.ETOOMANYREFS, "Too many references")
        return self.wire.sendmsg(content, extra)

    def __getattr__(self, name):
        return getattr(self.wire, name)


def test_what_another_submission_takes_of_the_account_costs_one_notebook_its_warm_process():
    with contextlib.closing(Pool(["decimal"])) as made:
        with run(made, "say(0)") as told:
            told.word()
        (warm,) = made._idle.values()
        warm.wire = _Crowded(warm.wire)
        assert made.start(Sandbox("bwrap", LIMITS), "", [], [], 60.0) is None
        assert made.notes == [
            "no warm processes for each notebook, so that grading takes longer: too many descriptors of this account "
            "are on their way"
        ]
        with run(made, "say(1)") as told:
            assert told.word() == 1


def test_all_that_wait_are_hit_before_the_end_of_one_is_waited_for():
    done = []

    class Waiting:
        def __init__(self, name):
            self.name, self.running = name, self

        def hit(self):
            done.append(f"{self.name} is hit")

        def end(self):
            done.append(f"{self.name} has ended")

    pool = Pool(["decimal"])
    pool._idle.update({(name,): Waiting(name) for name in ("notebook", "checker")})
    pool.close()
    assert sorted(done[:2]) == ["checker is hit", "notebook is hit"]
    assert sorted(done[2:]) == ["checker has ended", "notebook has ended"]
