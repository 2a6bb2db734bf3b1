"""The gradebook as a file: that it is locked, broken, empty, gone or read-only is found before anything is changed.

nbgrader makes a new gradebook where there is none, which would hide that one was lost, and gives up after five seconds
on one that another program has locked. Here all of its commands wait for a minute.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from nbgrader import api
from nbgrader.api import InvalidEntry
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.plugin import gradebook_server

SECONDS = 60.0
_SECONDS_UNSAID = 2.0
_MAGIC = b"SQLite format 3\0"
_TABLES = {"assignment", "grade", "submitted_assignment", "student"}
_RESTORE = "restore it from your backup (python -m proctor restore FILE)"


def wait_for_others() -> None:
    """Let every connection to a gradebook wait for a minute while another program writes."""
    if not event.contains(Engine, "do_connect", _with_timeout):
        event.listen(Engine, "do_connect", _with_timeout)


def _with_timeout(dialect: Any, record: Any, words: list, options: dict[str, Any]) -> Any:
    """The driver's connection to a server; None lets SQLAlchemy make it itself, with these options."""
    if dialect.name == "sqlite":
        options.setdefault("timeout", SECONDS)
    elif gradebook_server.is_one(dialect):
        return gradebook_server.connected(dialect, words, options, SECONDS)
    return None


@contextlib.contextmanager
def opened_alike() -> Iterator[None]:
    """Gradebooks that are opened in the block share what SQLAlchemy has learned of their database.

    nbgrader opens one for each step of each notebook, and an engine of its own for each has to make the SQL of every
    statement anew. Connections are closed with each gradebook as before.
    """
    make = api.create_engine
    api.create_engine = functools.cache(make)
    try:
        yield
    finally:
        api.create_engine = make


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


def exists(db_url: str) -> bool:
    """Whether there is a gradebook, or anything in its place.

    Raises:
        ProctorError: that can't be looked at; the message says why, and what to do.
    """
    path = path_of(db_url)
    return gradebook_server.has_gradebook(db_url) if path is None else path.exists()


def shown(db_url: str) -> str:
    """Its place for people's eyes: a file's path, or an address without its password."""
    path = path_of(db_url)
    return gradebook_server.shown(db_url) if path is None else str(path)


def has_password(db_url: str) -> bool:
    """Whether its address tells a password."""
    return bool(make_url(db_url).password)


def refuse_lost(db_url: str, root: Path) -> None:
    """Stop before nbgrader makes a new gradebook where there was one, or reads what is none.

    Raises:
        ProctorError: the file is empty or something else, or it is gone and there are grades of this course.
    """
    path = path_of(db_url)
    if path is None:
        _refuse_lost_on_server(db_url, root)
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
        gradebook_server.check(db_url, SECONDS, say)
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


def cause(error: Exception) -> DBAPIError | None:
    """The database's own error, also where nbgrader has put it into one of its; None if it is neither."""
    inner = error.__context__ if isinstance(error, InvalidEntry) else error
    return inner if isinstance(inner, DBAPIError) else None


def said(error: Exception, db_url: str) -> str | None:
    """What an error of the gradebook means and what to do; None if it is none of these."""
    error = cause(error) or error
    path, text = path_of(db_url), str(getattr(error, "orig", None) or error)
    if path is None:
        return gradebook_server.said(error, db_url)
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return None
    if _is_lock(error):
        return f"{path}: {_who_locks(path)} has locked the gradebook for a minute; end it, then run this command again"
    known = {
        "full": "there is no room for the gradebook; make room (df -h shows where), then run this command again",
        "readonly": f"you can't write into the gradebook or its folder; {_rights(path)}",
        "read-only": f"you can't write into the gradebook; {_rights(path)}",
        "unable to open": "the gradebook, or its journal beside it, can't be opened; correct their rights",
        "malformed": f"the gradebook is damaged; move it away and {_RESTORE}",
        "not a database": f"this file is no gradebook; move it away and {_RESTORE}",
        "no such table": f"this is no gradebook of nbgrader; move it away and {_RESTORE}",
        "no such column": "the gradebook is of another version of nbgrader; copy it, then run: nbgrader db upgrade",
        "I/O": "the disk of the gradebook has errors, or is full; look at it (df -h, dmesg) before anything else",
    }
    for word, meaning in known.items():
        if word in text:
            return f"{path}: {meaning}"
    return f"{path}: the gradebook can't be used ({' '.join(text.split())[:200]})"


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


def _refuse_lost_on_server(db_url: str, root: Path) -> None:
    if not any((root / verdict.FOLDER).glob("[!.]*")):
        return
    try:
        there = gradebook_server.has_gradebook(db_url)
    except ProctorError:
        # That the server is away is said by whoever needs it.
        return
    if not there:
        raise ProctorError(
            f"{gradebook_server.shown(db_url)}: there is no gradebook here, and {verdict.FOLDER}/ says that "
            f"there was one; correct the address, or {_RESTORE}. For a new one without any points, move "
            f"{verdict.FOLDER}/ away"
        )


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
