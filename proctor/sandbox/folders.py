"""Temporary folders that only their owner can enter, and that don't outlive him; accounts for sandboxes.

A folder belongs to a living process as long as that process holds the lock in it: what a killed one has left is removed
by the next (`sweep`).
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pwd
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections import deque
from pathlib import Path

PREFIX = "proctor-"
_LOCK = "lock"
_MAX_NAME = 1_000
_SECONDS_WITHOUT_LOCK = 3_600.0
# Numbers of accounts that no system gives to anybody; where they don't exist (in a container), some of the last ones
# below "nobody".
_HIGH = range(0x7000_0000, 0x7000_0000 + 2**24)
_LOW = range(65_000, 65_534)
# After so many more the first has long been started, and is seen among the processes.
_MAX_CLAIMS = 2_000
# Accounts that are kept claimed, the last ones that were given out.
MOST_CLAIMED = 8
_claims: deque[socket.socket] = deque(maxlen=MOST_CLAIMED)


class OwnFolder:
    """A new folder, mode 0700; `remove` ends it.

    Args:
        purpose: what its name begins with, after the prefix.
        place: where to make it; the temporary folder if None.
    """

    def __init__(self, purpose: str = "", place: Path | None = None, prefix: str = PREFIX) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix + purpose, dir=place))
        self._lock: int | None = None
        try:
            # Locked before it has its name: nobody finds a lock that is free by chance.
            draft = self.path / "lock.draft"
            self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Where a file system has no locks, whatever is in the folder stays until staff remove it.
            with contextlib.suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            # Its disk may be seen by other machines, which don't see this process.
            os.write(self._lock, socket.gethostname().encode())
            draft.rename(self.path / _LOCK)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it; once more does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep(place: Path | None = None, prefix: str = PREFIX) -> int:
    """Remove folders whose owners are gone.

    Args:
        place: where `OwnFolder` made them; the temporary folder if None.

    Returns:
        Number of removed folders.
    """
    removed = 0
    for path in (place or Path(tempfile.gettempdir())).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if _is_ours(path) and _is_left(path, place is not None):
                shutil.rmtree(path)
                removed += 1
    return removed


def left_by_others(place: Path, prefix: str) -> list[tuple[Path, str]]:
    """Folders that `sweep` leaves because it can't know whether they are still used, and why."""
    found = []
    for path in sorted(place.glob(f"{prefix}*")):
        with contextlib.suppress(OSError):
            if not _is_ours(path):
                found.append((path, f"belongs to the account with the number {path.lstat().st_uid}"))
            elif (host := (path / _LOCK).read_text()) not in ("", socket.gethostname()):
                found.append((path, f"was made on {host}"))
    return found


def new_account() -> int:
    """Number of a user, and of a group, that belong to nobody and to no process; for root, who alone can become it."""
    numbers = _HIGH if _mapped(_HIGH) else _LOW
    taken = _of_processes()
    for attempt in itertools.count():
        number = numbers.start + secrets.randbelow(len(numbers))
        try:
            pwd.getpwuid(number)
        except KeyError:
            # Nobody can keep grading from going on by claiming all of them.
            if number not in taken and (_claimed(number) or attempt > _MAX_CLAIMS):
                return number


def _claimed(number: int) -> bool:
    """Claim an account until its first process runs; False if another process of this machine is just doing so."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        # In no file system; the name is free again when its socket, or its process, is gone.
        claim.bind(f"\0proctor-account-{number}")
    except OSError:
        claim.close()
        return False
    if len(_claims) == _claims.maxlen:
        _claims[0].close()
    _claims.append(claim)
    return True


def _is_ours(path: Path) -> bool:
    status = path.lstat()
    owners = {os.geteuid()}
    mine = status.st_uid in owners or (os.geteuid() == 0 and (status.st_uid in _HIGH or status.st_uid in _LOW))
    return stat.S_ISDIR(status.st_mode) and mine


def _is_left(path: Path, many_machines: bool) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Made just now, or by a version that knew no locks.
        return time.time() - path.lstat().st_mtime > _SECONDS_WITHOUT_LOCK
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Of another machine: its process may live, where a lock is not passed on.
        return not many_machines or os.read(lock, _MAX_NAME) in (b"", socket.gethostname().encode())
    except OSError:
        return False
    finally:
        os.close(lock)


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
