"""Several accounts of this machine: two of the staff's group grade one course, and nobody else reads any of it.

Accounts and group are made for this test and removed after it; that needs root.
"""

import contextlib
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import exercise
import pytest
from accounts import Accounts, lacking, made
from course_folder import Course

from proctor.sandbox.bubblewrap import availability

LACKING = lacking() or availability()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(LACKING is not None, reason=str(LACKING))]
STAFF, STUDENTS = ("anna", "bob"), ("ada", "eve")


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    with made({"": STAFF, "students": STUDENTS}) as accounts:
        yield accounts


def doctor(accounts: Accounts, name: str, course: Course) -> tuple[int, str, list[str]]:
    """Its status, what it said, and the commands that it names."""
    status, said = accounts.run(name, sys.executable, "-m", "proctor", "doctor", folder=course.folder)
    cures = [line.partition("mend: ")[2] for line in said.splitlines() if line.strip().startswith("mend: ")]
    return status, said, cures


def test_two_accounts_of_the_staff_grade_and_nobody_else_reads(accounts):
    course = Course(accounts.place)
    config = course.folder / "nbgrader_config.py"
    (accounts.place / "exchange").mkdir()
    (accounts.place / "exchange").chmod(0o1777)
    config.write_text(
        f"{config.read_text()}\nc.CourseDirectory.groupshared = True\n"
        f"c.Exchange.root = {str(accounts.place / 'exchange')!r}\n"
    )
    for student in STUDENTS:
        course.submit(student, exercise.Handed.write)
    subprocess.run(["chown", "-R", f"{accounts.names['anna']}:{accounts.groups['']}", course.folder], check=True)
    # The secret lies beside the course, where one of the staff makes it.
    shutil.chown(accounts.place, accounts.names["anna"], accounts.groups[""])
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
                seen += accounts.readable("eve", folder)
        seen += accounts.readable("eve", *course.folder.glob("proctor_staged*"))
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
    assert accounts.readable("eve", *(course.folder / name for name in closed), course.secret) == []
    assert len(accounts.readable("bob", *(course.folder / name for name in closed), course.secret)) > 10
    status, said = accounts.run("eve", "cat", shlex.quote(str(course.secret)))
    assert (status != 0, "Permission denied" in said) == (True, True)
