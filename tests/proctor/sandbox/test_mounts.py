"""Canaries of the machine are looked for in every byte that a program in a sandbox can read."""

import subprocess
import sys
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import MIB, Limits
from proctor.sandbox.measure import OWN_FOLDERS
from proctor.sandbox.mounts import Mount, refuse_exposing, without_its_place

needs_bwrap = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
SMALL = Limits(memory_bytes=1024 * MIB, home_bytes=8 * MIB)

# Reads all that there is, but for the system's and Python's own files, which anybody has. Words are handed in in two
# halves, so that the search does not find itself.
SEARCH = """
import os, sys
words = [(a + b).encode() for a, b in (one.split("~") for one in sys.argv[1].split("|"))]
skipped = sys.argv[2].split("|")
looked, found = [0, 0], set()
def look(path, content):
    looked[0] += 1
    looked[1] += len(content)
    found.update((word.decode(), path) for word in words if word in content)
def read(path):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    content, place = b"", 0
    try:
        while len(content) < 2**24 and (part := os.read(descriptor, 2**16)):
            content += part
            # The device files have no end.
            if path.startswith("/dev/") and len(content) > 2**17:
                break
    except OSError:
        pass
    os.close(descriptor)
    look(path, content)
def memory(folder):
    try:
        ranges = open(folder + "/maps").read().splitlines()
        with open(folder + "/mem", "rb", 0) as file:
            for line in ranges:
                place, end = (int(one, 16) for one in line.split()[0].split("-"))
                # Not its own memory, in which the words are, and no files.
                if "/" in line or end - place > 2**28:
                    continue
                try:
                    file.seek(place)
                    look(folder + "/mem", file.read(end - place))
                except (OSError, ValueError, OverflowError):
                    pass
    except OSError:
        pass
own = str(os.getpid())
for top, folders, files in os.walk("/"):
    folders[:] = [one for one in folders if os.path.join(top, one) not in skipped and one not in ("task", "map_files")]
    if top == "/proc":
        folders[:] = [one for one in folders if one not in ("self", "thread-self")]
    look(top, "\\n".join(folders + files).encode())
    for name in files:
        path = os.path.join(top, name)
        if os.path.islink(path):
            try:
                look(path, os.readlink(path).encode())
            except OSError:
                pass
        # Its own command line has the halves of the words, and no word.
        elif name not in ("mem", "pagemap", "clear_refs", "kmsg"):
            read(path)
    if top.startswith("/proc/") and top.count("/") == 2 and top[6:].isdigit() and top[6:] != own:
        memory(top)
    for name in folders if top.startswith("/proc") else ():
        path = os.path.join(top, name)
        if os.path.islink(path):
            try:
                look(path, os.readlink(path).encode())
            except OSError:
                pass
print("looked", *looked)
for word, path in sorted(found):
    print("found", word, path)
"""


def search(words: dict[str, str], **options) -> tuple[int, int, list[str]]:
    """Number of things that were read in a sandbox, their bytes, and where the words were found."""
    skipped = ["/usr", *(str(Path(one).resolve()) for one in {sys.prefix, sys.base_prefix})]
    skipped += [sys.prefix, *("/bin", "/sbin", "/lib", "/lib64", "/lib32")]
    halves = "|".join(f"{word[:5]}~{word[5:]}" for word in words.values())
    # A second process, so that there is one with a memory to be read.
    code = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-I', '-S', '-c', *sys.argv[1:]])"
    command = [sys.executable, "-I", "-S", "-c", code, SEARCH, halves, "|".join(skipped)]
    running = Sandbox("bwrap", SMALL, **options).start(command, (), subprocess.PIPE, subprocess.STDOUT)
    try:
        text = running.process.communicate(timeout=200)[0].decode(errors="replace")
    finally:
        running.kill()
    lines = text.splitlines()
    said = [line for line in lines if line.startswith("looked ")]
    assert len(said) == 1, text
    files, size = map(int, said[0].split()[1:])
    return files, size, [line for line in lines if line.startswith("found ")]


@needs_bwrap
def test_no_readable_byte_tells_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "token-of-a-teacher-4711")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hubtoken-0815")
    course = tmp_path / "course-of-the-canary"
    for name in ("data", "submitted/other-student-ada", "mine"):
        (course / name).mkdir(parents=True)
    (course / "data" / "set.txt").write_text("visible-data-9")
    (course / "submitted" / "other-student-ada" / "x.ipynb").write_text("hidden-test-canary-1")
    (course / "mine" / "answer.txt").write_text("visible-answer-9")
    words = {
        "environment": "token-of-a-teacher-4711",
        "hub": "hubtoken-0815",
        "name of a variable": "JUPYTERHUB_API_TOKEN",
        "the course's place": "course-of-the-canary",
        "the tests' place": str(tmp_path),
        "the kit's place": str(Path(__file__).parents[3] / "proctor"),
        "another student": "other-student-ada",
        "a hidden test": "hidden-test-canary-1",
        "data": "visible-data-9",
        "answer": "visible-answer-9",
    }
    monkeypatch.chdir(course)
    files, size, found = search(words, work=course / "mine", mounts=[Mount(course / "data", "/opt/data")])
    # The search itself works: it finds what is meant to be seen.
    seen = {line.split()[1] for line in found}
    assert {words["data"], words["answer"]} <= seen
    assert files > 200
    assert size > 100_000
    assert [line for line in found if "visible-" not in line] == []


WRITABLE = """
for line in open("/proc/self/mountinfo"):
    before, _, after = line.partition(" - ")
    place, flags = before.split()[4:6]
    if "rw" in flags.split(","):
        print(place, after.split()[0], [word for word in after.split()[2].split(",") if word.startswith("size=")])
"""


@needs_bwrap
def test_whatever_can_be_written_has_a_limited_size():
    running = Sandbox("bwrap", SMALL).start(
        [sys.executable, "-I", "-S", "-c", WRITABLE], (), subprocess.PIPE, subprocess.STDOUT
    )
    said = running.process.communicate(timeout=60)[0].decode()
    running.kill()
    mounts = [line.split(" ", 2) for line in said.splitlines()]
    for place, kind, size in mounts:
        if kind == "tmpfs":
            assert place in OWN_FOLDERS
            assert size == f"['size={SMALL.home_bytes // 1024}k']"
        else:
            # Devices and the kernel's own files, in which nothing can be stored.
            assert kind in ("proc", "devpts", "devtmpfs") or place.startswith("/dev/"), place
    assert {place for place, kind, _ in mounts if kind == "tmpfs"} == set(OWN_FOLDERS)


@needs_bwrap
def test_what_lies_under_proc_and_is_no_process_is_empty():
    code = """
import os
for name in sorted(os.listdir("/proc")):
    path = "/proc/" + name
    if name.isdigit() or os.path.islink(path):
        continue
    try:
        held = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(100)
    except OSError:
        held = "refused"
    if held:
        print(name)
"""
    running = Sandbox("bwrap", SMALL).start(
        [sys.executable, "-I", "-S", "-c", code], (), subprocess.PIPE, subprocess.STDOUT
    )
    said = running.process.communicate(timeout=60)[0].decode().split()
    running.kill()
    assert said == ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version"]


def test_a_large_folder_stays_where_it_is_and_a_small_one_is_copied(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    (small / "x").write_text("tale")
    with open(large / "x", "wb") as file:
        file.truncate(2**30)
    copied = without_its_place(Mount(small, "/opt/x"), tmp_path / "copy")
    assert copied == Mount(tmp_path / "copy", "/opt/x")
    assert (tmp_path / "copy" / "x").read_text() == "tale"
    assert without_its_place(Mount(large, "/opt/x"), tmp_path / "other") == Mount(large, "/opt/x")


@pytest.mark.parametrize("data", [".", "..", "source", "source/homework", "link", "submitted"])
def test_mounts_that_would_show_the_course_are_refused(tmp_path, data):
    course = tmp_path / "course"
    (course / "source" / "homework").mkdir(parents=True)
    (course / "link").symlink_to(".")
    private = [course / name for name in ("source", "submitted", "gradebook.db")]
    mount = Mount(course / data, "/opt/data")
    with pytest.raises(ProctorError, match=r"c\.Proctor\.data is .*let it be a folder"):
        refuse_exposing([mount], private)
    (course / "data").mkdir()
    refuse_exposing([Mount(course / "data", "/opt/data")], private)


def test_an_environment_that_holds_the_course_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(
        ProctorError, match=f"would see {tmp_path}/source, because the Python environment is {tmp_path}"
    ):
        refuse_exposing([Mount(tmp_path, str(tmp_path))], [tmp_path / "source"])
    (tmp_path / ".venv").mkdir()
    refuse_exposing([Mount(tmp_path / ".venv", str(tmp_path / ".venv"))], [tmp_path / "source"])
