"""The course secret, and the keys that are derived from it for each student, submission and purpose.

Inputs of checks are drawn from such a key, so that nobody can foresee them and a regrade repeats them exactly. Whoever
has the secret can foresee the inputs of every check of the course.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import hmac
import json
import os
import pwd
import secrets
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from proctor.errors import ProctorError

FILE_NAME = ".proctor_secret"
_BYTES = 32
_MAX_FILE = 1_000
_ROOT = 0


@dataclass(frozen=True)
class Secret:
    """The bytes of the course secret; they are never shown."""

    value: bytes = field(repr=False)

    def key(self, purpose: str, student: str, digest: str) -> bytes:
        """Key of 32 bytes, HMAC-SHA256 over purpose, student and digest of the submission.

        Args:
            purpose: what the key is for, e.g. "checks"; the key for one purpose tells nothing about another's.
        """
        # As JSON, so that no two different triples make the same text.
        message = json.dumps([purpose, student, digest]).encode()
        return hmac.new(self.value, message, hashlib.sha256).digest()


def default_path(course_root: Path) -> Path:
    """Place of the secret unless configured: beside the repository that holds the course."""
    return _repository(course_root).parent / FILE_NAME


def load_secret(path: Path, course_root: Path, group: int | None = None) -> Secret:
    """Read the secret, and make it on first use, readable by its owner only, or by the staff's group too.

    Args:
        group: number of the staff's group, if several accounts grade: then the file may belong to any of its members.

    Raises:
        ProctorError: the file lies inside the repository, others may read it, or it is no secret.
    """
    path = path.expanduser().absolute()
    folder = path.parent.resolve()
    inside = _repository(course_root)
    in_course = folder.is_relative_to(course_root.resolve())
    if in_course or (folder.is_relative_to(inside) and not _ignored(path, inside)):
        raise ProctorError(f"{path}: the course secret must lie outside of {inside}; set another path for it")
    try:
        if not path.exists() and not path.is_symlink():
            _create(path, group)
        text = _read_private(path, group)
    except OSError as error:
        raise ProctorError(f"{path}: the course secret can't be used ({error.strerror}); set another path") from error
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) < _BYTES:
        raise ProctorError(
            f"{path}: is not a course secret; restore it from your backup, or move it away for a new one"
        )
    return Secret(value)


def _repository(course_root: Path) -> Path:
    """The folder under version control that holds the course, or the course itself."""
    root = course_root.resolve()
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _ignored(path: Path, repository: Path) -> bool:
    """Whether git never takes the file into the repository."""
    command = ["git", "-C", str(repository), "check-ignore", "--quiet", str(path)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create(path: Path, group: int | None) -> None:
    # Complete before it has its name, so that of two runs that start together both read the same secret.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
            if group is not None:
                os.fchown(file.fileno(), -1, group)
                os.fchmod(file.fileno(), 0o640)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def _read_private(path: Path, group: int | None) -> str:
    # Without waiting: a FIFO of this name would block for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ProctorError(f"{path}: the course secret has to be a regular file; set another path")
        if problem := _too_open(path, status, group):
            raise ProctorError(problem)
        return file.read(_MAX_FILE).decode("ascii", "replace").strip()


def _too_open(path: Path, status: os.stat_result, group: int | None) -> str | None:
    """Why somebody outside of the staff can read the secret, or has written it; None if nobody can."""
    if group is None:
        if status.st_uid not in (os.geteuid(), _ROOT):
            return (
                f"{path}: belongs to somebody else; grade with that account, or, for several accounts, share the "
                "course with a group (c.CourseDirectory.groupshared; python -m proctor doctor says how)"
            )
        return f"{path}: others may read the course secret; run `chmod 600 {path}`" if status.st_mode & 0o077 else None
    name = group_name(group)
    if status.st_uid not in (os.geteuid(), _ROOT) and not is_member(status.st_uid, group):
        return f"{path}: belongs to an account that is not in the group {name}; make it your own (chown)"
    if status.st_mode & 0o037 or (status.st_mode & 0o040 and status.st_gid != group):
        return (
            f"{path}: others than the group {name} may read the course secret; run "
            f"`chgrp {name} {path}` and `chmod 640 {path}`"
        )
    return None


def group_name(number: int) -> str:
    """Name of a group, or its number if it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def is_member(account: int, group: int) -> bool:
    """Whether an account belongs to a group."""
    try:
        one = pwd.getpwuid(account)
        return group in os.getgrouplist(one.pw_name, one.pw_gid)
    except (KeyError, OSError):
        return False
