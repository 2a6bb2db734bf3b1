"""Who is at work on a submission: a lock for each, so that no two of the staff's commands write into the same one.

A lock is a file that its holder has locked (flock), with who that is in it. It ends with its holder, however that
ends: what a killed one has left is taken over. On NFS the kernel passes locks on to the server (NFSv4, or v3 with
lockd). Where a file system has none, or keeps them to one machine (mounted with `nolock` or `local_lock`), what is
written in the file counts: a dead process of this machine is seen as such, one of another machine is not, and then
staff decide.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable, replace
from proctor.sandbox.ended import has_ended
from proctor.staff_files import file_mode, make_folder, share

# The lock of a student's folder alone: whoever copies it, or puts another in its place, needs it for a moment.
FILES = "files"
SECONDS_TO_COPY = 60.0
_FOLDER = ".busy"
_SECONDS_BETWEEN_LOOKS = 0.2
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_MAX_FILE = 10_000


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        since: seconds since 1970.
        doing: what for, "graded" say.
    """

    account: str
    host: str
    pid: int
    since: float
    doing: str

    def text(self) -> str:
        """In plain words: "graded by anna since 14:02 on 28 November (process 7 on host)"."""
        since = time.strftime("%H:%M on %d %B", time.localtime(self.since))
        return f"{self.doing} by {self.account} since {since} (process {self.pid} on {self.host})"

    def is_here(self) -> bool:
        """Whether it ran on this machine."""
        return self.host == socket.gethostname()

    def lives(self) -> bool:
        """Whether the process still runs; only for one of this machine."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() <= self.since + 1 and not has_ended(process)
        except psutil.Error:
            return psutil.pid_exists(self.pid)


def me(doing: str) -> Holder:
    """This process, from now on.

    Args:
        doing: what for.
    """
    return Holder(_account(), socket.gethostname(), os.getpid(), time.time(), doing)


@contextlib.contextmanager
def held(root: Path, assignment: str, student: str, doing: str, wait: float = 0.0, part: str = "") -> Iterator[None]:
    """Hold the lock of a submission.

    Args:
        root: of the course.
        doing: what for, which whoever finds it held reads: "graded".
        wait: seconds that another may still need.
        part: of the submission, if a lock is for that alone.

    Raises:
        ProctorError: somebody else holds it; the message says who. Or the lock can't be made.
    """
    holding = me(doing)
    path = lock_path(root, assignment, student, part)
    try:
        make_folder(path.parent, root / verdict.FOLDER)
        descriptor = _take(path, holding, wait)
    except OSError as error:
        raise ProctorError(f"{path}: can't be written ({error.strerror}); make room or correct its rights") from error
    try:
        yield
    finally:
        # Gone before it is free: whoever waits finds that it has no name any more, and makes a new one.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def put(draft: Path, target: Path, course: CourseDirectory, student: str) -> None:
    """Put a student's folder that is complete in the place of an older one, while nobody copies that for grading.

    Raises:
        ProctorError: somebody has been at work there for a minute; or the lock can't be made.
        OSError: the place can't be written.
    """
    if course.groupshared:
        share(draft)
    root = Path(course.root).resolve()
    with held(root, course.assignment_id, student, "collected", SECONDS_TO_COPY, FILES):
        replace(draft, target)


def holder(root: Path, assignment: str, student: str) -> str | None:
    """Who is at work on a submission, in a sentence; None if nobody is. Takes no lock."""
    return _held_by(lock_path(root, assignment, student))


def all_held(root: Path) -> list[str]:
    """Who is at work on this course, a sentence for each lock."""
    found = [_held_by(path) for path in sorted((root / verdict.FOLDER / _FOLDER).glob("*"))]
    return [f"a submission: {line}" for line in found if line]


def _held_by(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError:
        return _said(None)
    try:
        found = _read(descriptor)
    finally:
        os.close(descriptor)
    if found is None or (found.is_here() and not found.lives()):
        return None
    return _said(found) if found.is_here() else f"{_said(found)} {_elsewhere(path)}"


def lock_path(root: Path, assignment: str, student: str, part: str = "") -> Path:
    """Where the lock of a submission lies; what students choose stands in no path."""
    name = hashlib.sha256(json.dumps([assignment, student, part]).encode()).hexdigest()
    return root / verdict.FOLDER / _FOLDER / name


def _take(path: Path, me: Holder, wait: float) -> int:
    until = time.monotonic() + wait
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            other = _try(path, descriptor, me)
            if other is None:
                descriptor, mine = -1, descriptor
                return mine
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        if other and time.monotonic() >= until:
            raise ProctorError(other)
        time.sleep(_SECONDS_BETWEEN_LOOKS if other else 0)


def _try(path: Path, descriptor: int, me: Holder) -> str | None:
    """Take the lock; None if that worked, otherwise who has it, or "" if the file has no name any more."""
    flocks = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, *_NO_LOCKS):
            raise
        flocks = error.errno == errno.EWOULDBLOCK
        if flocks:
            return _said(_read(descriptor))
    try:
        if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return ""
    except FileNotFoundError:
        return ""
    before = _read(descriptor)
    if before is not None and not before.is_here():
        return f"{_said(before)} {_elsewhere(path)}"
    if before is not None and not flocks and before.lives() and before.pid != me.pid:
        return _said(before)
    os.fchmod(descriptor, file_mode(path.parent))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(me)).encode(), 0)
    return None


def _said(holder: Holder | None) -> str:
    who = printable(holder.text(), 300) if holder else "in use by another command"
    return f"it is being {who}; run this again when that has ended."


def _elsewhere(path: Path) -> str:
    return f"That is another machine: if the process runs no more there, remove {path}"


def _read(descriptor: int) -> Holder | None:
    try:
        content = json.loads(os.pread(descriptor, _MAX_FILE, 0))
        return Holder(**content)
    except (OSError, ValueError, TypeError):
        return None


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.geteuid()}"
