"""The gradebook as a file: that it is locked, broken, empty, gone or read-only is found before anything is changed.

nbgrader makes a new gradebook where there is none, which would hide that one was lost, and gives up after five seconds
on one that another program has locked. Here all of its commands wait for a minute.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from proctor.checking import verdict
from proctor.errors import ProctorError

SECONDS = 60.0
_SECONDS_UNSAID = 2.0
_MAGIC = b"SQLite format 3\0"
# What pip calls them, with the library that they need.
_DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}
_TABLES = {"assignment", "grade", "submitted_assignment", "student"}
_RESTORE = "restore it from your backup"
_AGAIN = "then run this command again; nothing was changed"


def wait_for_others() -> None:
    """Let every connection to a SQLite gradebook wait for a minute while another program writes."""
    if not event.contains(Engine, "do_connect", _with_timeout):
        event.listen(Engine, "do_connect", _with_timeout)


def _with_timeout(dialect: Any, record: Any, words: list, options: dict[str, Any]) -> None:
    if dialect.name == "sqlite":
        options.setdefault("timeout", SECONDS)


def path_of(db_url: str) -> Path | None:
    """Where the gradebook lies; None if it is no file.

    Raises:
        ProctorError: this is no address of a database.
    """
    try:
        url = make_url(db_url)
    except ArgumentError as error:
        raise ProctorError(f"c.CourseDirectory.db_url is no address of a database: {error}") from error
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def refuse_lost(db_url: str, root: Path) -> None:
    """Stop before nbgrader makes a new gradebook where there was one, or reads what is none.

    Raises:
        ProctorError: the file is empty or something else, or it is gone and there are grades of this course.
    """
    path = path_of(db_url)
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        if any((root / verdict.FOLDER).glob("[!.]*")):
            raise ProctorError(
                f"{path}: the gradebook is gone, and {verdict.FOLDER}/ says that there was one; {_RESTORE}. For a new "
                f"one without any points, move {verdict.FOLDER}/ away"
            ) from None
        return
    except OSError as error:
        raise ProctorError(f"{path}: the gradebook can't be read ({error.strerror}); {_rights(path)}") from error
    if not start:
        raise ProctorError(
            f"{path}: the gradebook is empty (a full disk leaves such a file); {_RESTORE}, or remove it for a new one "
            "without any points"
        )
    if start != _MAGIC:
        raise ProctorError(f"{path}: this file is no gradebook; move it away and {_RESTORE}")


def check(db_url: str, root: Path, say: Callable[[str], None] = lambda line: None) -> None:
    """Whether the gradebook can be read and written now; waits for a minute while another program has locked it.

    Args:
        say: is told why it takes so long.

    Raises:
        ProctorError: it can't; the message says why, and what to do.
    """
    refuse_lost(db_url, root)
    path = path_of(db_url)
    if path is None:
        _connect(db_url)
        return
    if not path.exists():
        raise ProctorError(f"{path}: there is no gradebook yet; run: nbgrader generate_assignment ASSIGNMENT")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise ProctorError(f"{path}: you can't write into the gradebook or its folder; {_rights(path)}")
    try:
        try:
            _try_to_write(path, min(_SECONDS_UNSAID, SECONDS))
        except sqlite3.OperationalError as error:
            if not _is_lock(error):
                raise
            say(f"{path}: {_who_locks(path)} has locked the gradebook; waiting for up to {SECONDS:.0f} seconds")
            _try_to_write(path, SECONDS)
    except sqlite3.Error as error:
        raise ProctorError(said(error, db_url)) from error


def said(error: Exception, db_url: str) -> str | None:
    """What an error of the gradebook means and what to do; None if it is none of these."""
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return None
    path, text = path_of(db_url), str(getattr(error, "orig", None) or error)
    where = str(path) if path is not None else "the gradebook's server"
    if _is_lock(error):
        who = _who_locks(path) if path is not None else "another program"
        return f"{where}: {who} has locked the gradebook for a minute; end it, then run this command again"
    known = {
        "full": "there is no room for the gradebook; make room (df -h shows where), then run this command again",
        "readonly": f"you can't write into the gradebook or its folder; {_rights(path) if path else 'see its rights'}",
        "read-only": f"you can't write into the gradebook; {_rights(path) if path else 'see its rights'}",
        "unable to open": "the gradebook, or its journal beside it, can't be opened; correct their rights",
        "malformed": f"the gradebook is damaged; move it away and {_RESTORE}",
        "not a database": f"this file is no gradebook; move it away and {_RESTORE}",
        "no such table": f"this is no gradebook of nbgrader; move it away and {_RESTORE}",
        "no such column": "the gradebook is of another version of nbgrader; copy it, then run: nbgrader db upgrade",
        "I/O": "the disk of the gradebook has errors, or is full; look at it (df -h, dmesg) before anything else",
    }
    for word, meaning in known.items():
        if word in text:
            return f"{where}: {meaning}"
    return f"{where}: the gradebook can't be used ({' '.join(text.split())[:200]})"


def _try_to_write(path: Path, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=seconds, isolation_level=None)) as database:
        # Takes the lock for writing, and gives it back.
        database.execute("BEGIN IMMEDIATE")
        found = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
        database.execute("ROLLBACK")
    if state != "ok":
        raise sqlite3.DatabaseError("malformed")
    if not found >= _TABLES:
        raise sqlite3.DatabaseError("no such table")


def _connect(db_url: str) -> None:
    address = make_url(db_url).render_as_string(hide_password=True)
    try:
        engine = create_engine(db_url)
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        raise ProctorError(
            f"{address}: the driver {error.name} is not installed; run: "
            f"pip install -c constraints.txt {_DRIVERS.get(error.name, error.name)}"
        ) from error
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise ProctorError(f"{address}: the gradebook's server can't be used ({reason}); {_AGAIN}") from error


def _is_lock(error: Exception) -> bool:
    return "locked" in str(getattr(error, "orig", None) or error)


def _rights(path: Path) -> str:
    return f"correct its rights (ls -l {path.parent}; python -m proctor doctor says which)"


def _who_locks(path: Path) -> str:
    """Which program has locked a file, in plain words; locks of other machines have no name here."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        status = path.stat()
        with open("/proc/locks") as locks:
            fields = [line.split() for line in locks]
        for one in fields:
            if "->" not in one and int(one[5].rpartition(":")[2]) == status.st_ino and one[4] not in ("0", "-1"):
                found.append(int(one[4]))
    for pid in found:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if pid != os.getpid():
                return f"process {pid} ({process.name()}, of {process.username()})"
    return "another program"
