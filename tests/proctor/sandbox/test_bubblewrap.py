"""What a program in the sandbox can see, use and leave behind."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from proctor.errors import ProctorError
from proctor.sandbox import bubblewrap as module
from proctor.sandbox.bubblewrap import WORK, Mount, Sandbox, SandboxUnavailable, availability
from proctor.sandbox.ended import has_ended
from proctor.sandbox.limits import Limits, Usage, passed
from proctor.sandbox.mounts import etc_mounts
from proctor.sandbox.process import end_by

ROOT = Path(__file__).resolve().parents[3]
needs_bwrap = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
SMALL = Limits(memory_bytes=300 * 2**20, processes=40, file_bytes=2**20, home_bytes=8 * 2**20, home_files=2_000)


def start(code: str, kind: str = "bwrap", limits: Limits = SMALL, pass_fds=(), **options):
    box = Sandbox(kind, limits, **options)
    return box.start([sys.executable, "-I", "-S", "-c", code], pass_fds, subprocess.PIPE, subprocess.STDOUT)


def output(code: str, **options) -> str:
    running = start(code, **options)
    try:
        return running.process.communicate(timeout=60)[0].decode()
    finally:
        running.kill()


def inside(expression: str, setup: str = "", **options):
    """Value of an expression, evaluated in the sandbox."""
    code = f"import json, os, socket, sys\n{setup}\nprint(json.dumps({expression}))"
    text = output(code, **options)
    try:
        return json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        pytest.fail(text)


@needs_bwrap
def test_the_mount_list_has_nothing_of_the_repository_but_the_submission(tmp_path, capsys):
    lines = Sandbox("bwrap", SMALL, work=tmp_path).mount_list()
    with capsys.disabled():
        print("\nvisible in the sandbox:", *lines, sep="\n  ")
    environment = Path(sys.prefix)
    sources = [line.partition("  from ")[2].removesuffix(", read-only") for line in lines if "  from " in line]
    assert str(tmp_path) in sources
    for source in map(Path, sources):
        assert source == environment or not source.is_relative_to(ROOT)
        assert not ROOT.is_relative_to(source)


@needs_bwrap
def test_what_is_visible_is_the_mount_list():
    seen = set(inside("os.listdir('/')"))
    allowed = {"bin", "sbin", "lib", "lib64", "lib32", "usr", "etc", "proc", "dev", "tmp", "home", "opt"}
    allowed |= {Path(sys.prefix).parts[1], Path(sys.base_prefix).resolve().parts[1]}
    assert seen <= allowed
    assert inside("os.listdir('/home')") == ["student"]
    for secret in (
        ROOT / "nbgrader_config.py",
        ROOT / "source",
        Path("/etc/shadow"),
        Path.home() / ".ssh",
        Path("/var"),
    ):
        assert not inside(f"os.path.exists({str(secret)!r})"), secret


@needs_bwrap
@pytest.mark.parametrize("mount", etc_mounts(), ids=lambda mount: mount.source.name)
def test_fonts_and_links_of_the_system_are_there_and_can_not_be_changed(mount):
    seen, told = inside(
        "[os.listdir(place), change()]",
        f"""
place = {mount.target!r}
def change():
    try:
        os.symlink('x', place + '/x')
    except OSError as error:
        return error.strerror
""",
    )
    assert sorted(seen) == sorted(os.listdir(mount.source))
    assert told == "Read-only file system"


@needs_bwrap
def test_user_rights_and_environment(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    user, status, variables, listed = inside(
        "[os.getuid(), open('/proc/self/status').read(), dict(os.environ), processes]",
        "processes = [name for name in os.listdir('/proc') if name.isdigit()]",
    )
    assert user == 1000
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "SECRET_TOKEN" not in variables
    assert "JPY_PARENT_PID" not in variables
    assert variables["OMP_NUM_THREADS"] == "1"
    assert len(listed) <= 3
    extra = Sandbox("bwrap", SMALL, environment={"MPLBACKEND": "agg"})
    assert extra._variables()["MPLBACKEND"] == "agg"


@needs_bwrap
@pytest.mark.parametrize(
    "path",
    ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/usr/x", "/etc/passwd", "/x", "/home/x", sys.prefix + "/x"],
)
def test_nothing_but_its_own_folders_can_be_written(path):
    setup = f"try:\n    open({path!r}, 'w').write('1')\n    wrote = True\nexcept OSError:\n    wrote = False"
    assert inside("wrote", setup) is False


@needs_bwrap
def test_there_is_no_network_and_no_socket_of_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind("\0proctor test")
        hidden.listen()
        setup = (
            "def reached(family, address):\n    try:\n        with socket.socket(family) as s:\n"
            "            s.settimeout(2)\n            s.connect(address)\n            return True\n"
            "    except OSError:\n        return False"
        )
        port = server.getsockname()[1]
        found = inside(
            f"[reached(socket.AF_INET, ('127.0.0.1', {port})), reached(socket.AF_INET, ('8.8.8.8', 53)), "
            "reached(socket.AF_UNIX, chr(0) + 'proctor test')]",
            setup,
        )
    assert found == [False, False, False]


@needs_bwrap
@pytest.mark.parametrize("kind", ["bwrap", "none"])
def test_only_the_named_descriptors_are_there(kind):
    ours, theirs = socket.socketpair()
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    code = (
        f"import os, socket\ns = socket.socket(fileno={theirs.fileno()})\ns.sendall(b'hello')\n"
        "listed = sorted(int(fd) for fd in os.listdir('/proc/self/fd'))\n"
        "print([fd for fd in listed if os.path.exists(f'/proc/self/fd/{fd}')])"
    )
    try:
        text = output(code, kind=kind, pass_fds=(theirs.fileno(),))
        assert json.loads(text) == [0, 1, 2, theirs.fileno()]
        assert ours.recv(10) == b"hello"
    finally:
        os.close(extra)
        ours.close()
        theirs.close()


@needs_bwrap
@pytest.mark.parametrize("kind", ["bwrap", "none"])
def test_the_submission_is_copied_and_the_copy_is_writable(tmp_path, kind):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.json").write_text("{}")
    (tmp_path / "runs" / "run.json").chmod(0o444)
    text = output(
        "import os\nopen('runs/run.json', 'a').write('!')\nopen('new', 'w')\n"
        "print(os.getcwd(), open('runs/run.json').read())",
        kind=kind,
        work=tmp_path,
    )
    assert text.strip().endswith("{}!")
    assert (WORK in text) == (kind == "bwrap")
    assert (tmp_path / "runs" / "run.json").read_text() == "{}"
    assert not (tmp_path / "new").exists()


@needs_bwrap
def test_a_large_file_and_a_full_disk_end_in_an_error_inside():
    code = "try:\n    open('big', 'wb').write(b'x' * (2 << 20))\nexcept OSError as error:\n    print(error.errno)"
    assert output("import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + code).strip() == "27"  # EFBIG
    fill = (
        "for i in range(20):\n    try:\n        open(str(i), 'wb').write(b'x' * 1000000)\n"
        "    except OSError as e:\n        print(e.errno)\n        break"
    )
    assert output(fill).strip() == "28"  # ENOSPC


@needs_bwrap
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("kept = b'x' * (400 << 20)\nimport time\ntime.sleep(60)", "memory"),
        (
            "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
            "        kept = b'x' * (60 << 20)\n        break\ntime.sleep(60)",
            "memory",
        ),  # noqa: E501
        ("import os, time\nos.chdir('/tmp')\nfor i in range(9000):\n    open(str(i), 'w')\ntime.sleep(60)", "files"),
    ],
)
def test_limits_of_the_whole_sandbox_are_noticed(code, words):
    running = start(code)
    try:
        deadline = time.monotonic() + 30
        while (said := running.check()) is None and time.monotonic() < deadline and running.alive():
            time.sleep(0.1)
        assert said is not None
        assert words in said
    finally:
        running.kill()


@needs_bwrap
def test_a_fork_bomb_stays_small_and_dies():
    code = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    running = start(code)
    seen = set()
    try:
        ends = time.monotonic() + 60
        while running.alive():
            seen.update(tree := running.processes())
            assert len(tree) <= SMALL.processes + 5
            assert time.monotonic() < ends
        assert running.check() == "it ran more than 40 processes"
    finally:
        running.kill()
    assert len(seen) > SMALL.processes / 2
    assert all(map(has_ended, seen))


STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        # Not for ever: without a sandbox nothing holds on to this one.
        time.sleep(60)
    os._exit(0)
print("ready", flush=True)
time.sleep(600)
"""


@needs_bwrap
@pytest.mark.parametrize("kind", ["bwrap", "none"])
def test_kill_ends_everything(kind):
    running = start(STUBBORN, kind)
    assert running.process.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    tree = running._population.tree()
    assert len(tree) >= 2
    running.kill()
    running.kill()
    assert not running.alive()
    if kind == "bwrap":
        assert not any(one.is_running() for one in tree)


@needs_bwrap
def test_nothing_survives_the_death_of_the_engine(tmp_path):
    marker = f"proctor-test-{os.getpid()}"
    engine = tmp_path / "engine.py"
    engine.write_text(
        f"import subprocess, sys, time\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from proctor.sandbox.bubblewrap import Sandbox\n"
        f"from proctor.sandbox.limits import Limits\ncode = {STUBBORN!r} + '# {marker}'\n"
        "r = Sandbox('bwrap', Limits()).start([sys.executable, '-I', '-S', '-c', code], (), subprocess.PIPE)\n"
        "r.process.stdout.readline()\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, str(engine)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"

    def left() -> list[int]:
        found = []
        for one in psutil.process_iter(["cmdline"]):
            if any(marker in word for word in one.info["cmdline"] or ()):
                found.append(one.pid)
        return found

    assert len(left()) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left() == []


@needs_bwrap
def test_more_mounts_are_read_only(tmp_path):
    (tmp_path / "data.txt").write_text("tale")
    tmp_path.chmod(0o755)
    read, wrote = inside(
        "[open('/opt/data/data.txt').read(), wrote]",
        "try:\n    open('/opt/data/x', 'w')\n    wrote = True\nexcept OSError:\n    wrote = False",
        mounts=[Mount(tmp_path, "/opt/data")],
    )
    assert (read, wrote) == ("tale", False)


def test_a_missing_bubblewrap_is_explained(monkeypatch):
    monkeypatch.setattr(module, "availability", lambda: availability.__wrapped__())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
        start("pass")


def test_a_kernel_that_refuses_is_explained(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder != Path("/tmp") and folder.owner() == Path.home().owner() and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = availability.__wrapped__()
    assert "No permissions to create new namespace" in said
    assert "sysctl" in said


def test_other_kinds_are_refused():
    with pytest.raises(ProctorError, match="no sandbox of kind 'docker'"):
        Sandbox("docker", SMALL)


def test_limits_in_words():
    fine = Usage(0, 1, 0, 0)
    assert passed(fine, SMALL) is None
    assert "memory" in passed(fine._replace(memory_bytes=2**40), SMALL)
    assert "processes" in passed(fine._replace(processes=41), SMALL)
    assert "files" in passed(fine._replace(files=2_001), SMALL)


def test_ends_in_words():
    assert end_by(3) == "it ended with exit status 3"
    assert end_by(137) == "it ended with exit status 137, as after SIGKILL"
    assert end_by(255) == "it ended with exit status 255"
    assert end_by(-9) == "it was ended by SIGKILL"
    assert end_by(-200) == "it was ended by signal 200"
