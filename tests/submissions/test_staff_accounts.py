"""Several accounts of this machine: two of the staff's group grade one course, and nobody else reads any of it.

Accounts and group are made for this test and removed after it; that needs root.
"""

import contextlib
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import exercise
import pytest
from course_folder import ROOT, Course

from proctor.sandbox.bubblewrap import availability


def lacking() -> str | None:
    if os.geteuid() != 0:
        return "needs root, who makes accounts"
    tools = [
        tool for tool in ("useradd", "userdel", "groupadd", "groupdel", "setpriv", "unshare") if not shutil.which(tool)
    ]
    if tools:
        return f"needs {', '.join(tools)}"
    trial = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return "needs the right to mount" if trial.returncode else availability()


pytestmark = [pytest.mark.slow, pytest.mark.skipif(lacking() is not None, reason=str(lacking()))]
STAFF, STUDENTS = ("anna", "bob"), ("ada", "eve")
# An interpreter below a closed folder (of root's) is shown to the accounts in a view of the disk of their own.
VIEW = """
set -e
if [ -n "$CLOSED" ]; then
  mount --bind "$BASE" "$HOLD"
  mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
  mkdir -p "$BASE"
  mount --bind "$HOLD" "$BASE"
fi
umask 022
exec setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --init-groups "$@"
"""


class Accounts:
    """Accounts with a name of their own each, and what they run.

    Attributes:
        names: of the accounts, by what they are called here.
        temporary: folder for all their temporary files.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.group = f"pt{os.getpid()}"
        self.names = {name: f"{self.group}{name}" for name in (*STAFF, *STUDENTS)}
        self.processes: list[subprocess.Popen] = []
        (place / "hold").mkdir()
        # Wherever this run has its own: everybody may write there, as on any machine.
        self.temporary = place / "tmp"
        self.temporary.mkdir()
        self.temporary.chmod(0o1777)

    def make(self) -> None:
        subprocess.run(["groupadd", self.group], check=True)
        for name, account in self.names.items():
            groups = ["--groups", self.group] if name in STAFF else []
            home = self.place / f"home-{name}"
            subprocess.run(["useradd", "--no-create-home", "--home-dir", home, *groups, account], check=True)
            home.mkdir()
            shutil.chown(home, account, account)

    def remove(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for account in self.names.values():
            subprocess.run(["userdel", "--force", account], capture_output=True, check=False)
        subprocess.run(["groupdel", self.group], capture_output=True, check=False)

    def start(self, name: str, *command: str, folder: Path = Path("/")) -> subprocess.Popen:
        base = Path(sys.base_prefix).resolve()
        closed = [one for one in base.parents if not one.stat().st_mode & 0o001]
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
            "HOME": str(self.place / f"home-{name}"),
            "ACCOUNT": self.names[name],
            "BASE": str(base),
            "HOLD": str(self.place / "hold"),
            "CLOSED": str(closed[-1]) if closed else "",
        }
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", VIEW, "sh", *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, name: str, *command: str, folder: Path = Path("/")) -> tuple[int, str]:
        process = self.start(name, *command, folder=folder)
        said, _ = process.communicate()
        return process.returncode, said


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    place = Path(tempfile.mkdtemp(prefix="accounts-", dir="/tmp"))
    place.chmod(0o755)
    made = Accounts(place)
    try:
        made.make()
        yield made
    finally:
        made.remove()
        shutil.rmtree(place)


def doctor(accounts: Accounts, name: str, course: Course) -> tuple[int, str, list[str]]:
    """Its status, what it said, and the commands that it names."""
    status, said = accounts.run(name, sys.executable, "-m", "proctor", "doctor", folder=course.folder)
    cures = [line.partition("mend: ")[2] for line in said.splitlines() if line.strip().startswith("mend: ")]
    return status, said, cures


def readable(accounts: Accounts, name: str, *places: Path) -> list[str]:
    """Files below some folders that an account can read, and folders that it can list."""
    if not places:
        # Without a place `find` would walk through the whole disk, for as long as the grading takes.
        return []
    _, said = accounts.run(name, "find", *map(str, places), "-readable", "-print")
    return [line for line in said.splitlines() if line.startswith("/") and "Permission denied" not in line]


def test_two_accounts_of_the_staff_grade_and_nobody_else_reads(accounts):
    course = Course(accounts.place)
    config = course.folder / "nbgrader_config.py"
    (accounts.place / "exchange").mkdir()
    (accounts.place / "exchange").chmod(0o777)
    config.write_text(
        f"{config.read_text()}\nc.CourseDirectory.groupshared = True\n"
        f"c.Exchange.root = {str(accounts.place / 'exchange')!r}\n"
    )
    for student in STUDENTS:
        course.submit(student, exercise.Handed.write)
    subprocess.run(["chown", "-R", f"{accounts.names['anna']}:{accounts.group}", course.folder], check=True)
    # The secret lies beside the course, where one of the staff makes it.
    shutil.chown(accounts.place, accounts.names["anna"], accounts.group)
    accounts.place.chmod(0o2775)

    # What the doctor names is enough.
    status, said, cures = doctor(accounts, "anna", course)
    assert status == 1, said
    for cure in cures:
        if said.partition(cure)[0].splitlines()[-2].startswith("fail"):
            status, words = accounts.run("anna", "sh", "-c", cure, folder=course.folder)
            assert status == 0, cure + words
    for name in STAFF:
        status, said, _ = doctor(accounts, name, course)
        assert status == 0, said

    # Both at once, while a student looks for what he can read.
    command = [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT]
    runs = {
        "anna": accounts.start("anna", *command, "--student=ada", folder=course.folder),
        "bob": accounts.start("bob", *command, "--student=eve", folder=course.folder),
    }
    seen, in_work = [], set()
    owners = {pwd.getpwnam(accounts.names[name]).pw_uid for name in STAFF}
    while any(run.poll() is None for run in runs.values()):
        for folder in accounts.temporary.glob("proctor-*"):
            with contextlib.suppress(FileNotFoundError):
                if folder.stat().st_uid not in owners:
                    continue
                in_work.add(folder.name.partition("-")[2].partition("-")[0])
                seen += readable(accounts, "eve", folder)
        seen += readable(accounts, "eve", *course.folder.glob("proctor_staged*"))
        time.sleep(0.2)
    for name, run in runs.items():
        said = run.communicate()[0]
        assert run.returncode == 0, f"{name}: {said}"
        assert "  graded" in said
    assert course.points() == {"ada": (2, 2, 2), "eve": (2, 2, 2)}
    assert "work" in in_work
    assert seen == []

    # One of them what the other has graded.
    status, said = accounts.run("bob", *command, "--student=ada", "--force", folder=course.folder)
    assert (status, "ada  graded" in said) == (0, True), said
    status, said, _ = doctor(accounts, "bob", course)
    assert status == 0, said

    # And the student afterwards.
    closed = ["source", "submitted", "autograded", "proctor_records", "gradebook.db"]
    assert readable(accounts, "eve", *(course.folder / name for name in closed), course.secret) == []
    assert len(readable(accounts, "bob", *(course.folder / name for name in closed), course.secret)) > 10
    status, said = accounts.run("eve", "cat", shlex.quote(str(course.secret)))
    assert (status != 0, "Permission denied" in said) == (True, True)
