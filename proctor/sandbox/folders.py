"""Temporary folders that only their owner can enter, and that don't outlive him; accounts for sandboxes.

A folder belongs to a living process as long as that process holds the lock in it: what a killed one has left is removed
by the next (`sweep`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import stat
import tempfile
import time
from pathlib import Path

_PREFIX = "proctor-"
_LOCK = "lock"
_SECONDS_WITHOUT_LOCK = 3_600.0
# Numbers of accounts that no system gives to anybody; where they don't exist (in a container), some of the last ones
# below "nobody".
_HIGH = range(0x7000_0000, 0x7000_0000 + 2**24)
_LOW = range(65_000, 65_534)


class OwnFolder:
    """A new folder in the temporary folder, mode 0700; `remove` ends it."""

    def __init__(self, purpose: str = "") -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX + purpose))
        # Locked before it has its name: nobody finds a lock that is free by chance.
        draft = self.path / "lock.draft"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Remove it with all that is in it; once more does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep() -> int:
    """Remove folders whose owners are gone.

    Returns:
        Number of removed folders.
    """
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_ours(path) and _is_left(path):
                shutil.rmtree(path)
                removed += 1
    return removed


def new_account() -> int:
    """Number of a user, and of a group, that belong to nobody and to no process; for root, who alone can become it."""
    numbers = _HIGH if _mapped(_HIGH) else _LOW
    taken = _of_processes()
    while True:
        number = numbers.start + secrets.randbelow(len(numbers))
        try:
            pwd.getpwuid(number)
        except KeyError:
            if number not in taken:
                return number


def _is_ours(path: Path) -> bool:
    status = path.lstat()
    owners = {os.geteuid()}
    mine = status.st_uid in owners or (os.geteuid() == 0 and (status.st_uid in _HIGH or status.st_uid in _LOW))
    return stat.S_ISDIR(status.st_mode) and mine


def _is_left(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Made just now, or by a version that knew no locks.
        return time.time() - path.lstat().st_mtime > _SECONDS_WITHOUT_LOCK
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _mapped(numbers: range) -> bool:
    with open("/proc/self/uid_map") as file:
        for line in file:
            first, _, count = map(int, line.split())
            if first <= numbers.start and numbers.stop <= first + count:
                return True
    return False


def _of_processes() -> set[int]:
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                found.add(os.stat(f"/proc/{name}").st_uid)
    return found
