"""The gradebook on a PostgreSQL server: that it is away, closed, locked or none is found before anything is changed.

By itself a server lets a command wait for ever behind another one's lock. Here every wait ends after a minute, and a
line says who is waited for.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from proctor.errors import ProctorError

SECONDS_UNSAID = 2.0
_SECONDS_TO_CONNECT = 20
# What pip calls them, with the library that they need.
_DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}
_TABLES = {"assignment", "grade", "submitted_assignment", "student"}
_LOCKED = "55P03"
_AGAIN = "then run this command again"
_LOOK = "look at its log and at what else uses it"
# What the codes of PostgreSQL's own errors mean, by their beginning, the longest first. Its texts come in the server's
# own language.
_CODES = {
    "08": f"it is away, or ended the connection; see that it runs, {_AGAIN}",
    "22001": "a name, of a student say, is longer than the 128 characters that a gradebook takes; shorten it",
    "23505": "another command has just written the same thing; run this command again",
    "25006": "it lets nobody write (a copy of another one, or set so); give the address of the one that is written to",
    "40": "another command changed the same thing at the same time; run this command again",
    "42501": "this user may not read or write the gradebook; make it the owner (ALTER DATABASE … OWNER TO …)",
    "42703": "the gradebook is of another version of nbgrader; copy it (pg_dump), then run: nbgrader db upgrade",
    "42P01": "this database has no gradebook of nbgrader; correct c.CourseDirectory.db_url, or restore your backup",
    "42P07": "another command has just made the same gradebook; run this command again",
    "53100": f"its disk is full; make room there, {_AGAIN}",
    "53300": f"it takes no more connections; end programs that use it, or raise its max_connections, {_AGAIN}",
    "53": f"it is short of memory or room; {_LOOK}, {_AGAIN}",
    "57": f"it was stopped, or starts just now; wait until it runs, {_AGAIN}",
    "58": f"its disk has errors; {_LOOK}",
    "XX": f"its data are damaged; {_LOOK}, and restore your backup",
}
# Before there is a connection there are no codes.
_WORDS = {
    "password authentication failed": "it refuses this user or password; correct the line in ~/.pgpass",
    "no password supplied": "it asks for a password, and there is none; write a line into ~/.pgpass",
    "no pg_hba.conf entry": "it lets nobody in from this machine as this user; add a line to its pg_hba.conf",
    "Peer authentication failed": "it lets only the account of that name in; change the user in the address, or add a "
    "line to its pg_hba.conf",
    "too many": _CODES["53300"],
    "remaining connection slots": _CODES["53300"],
    "starting up": _CODES["57"],
    "shutting down": _CODES["57"],
    "onnection refused": f"nothing answers at this address; start the server or correct the address, {_AGAIN}",
    "No such file": f"nothing answers at this address; start the server or correct the address, {_AGAIN}",
    "resolve host": "there is no machine of that name; correct the address",
    "timeout": f"nothing answers at this address within {_SECONDS_TO_CONNECT} seconds; see that it runs and can be "
    f"reached, {_AGAIN}",
    "unreachable": f"its machine can't be reached; correct the address, or the network, {_AGAIN}",
    "No route": f"its machine can't be reached; correct the address, or the network, {_AGAIN}",
    "closed": _CODES["08"],
    "terminat": _CODES["57"],
    "lost": _CODES["08"],
}
_HOLDERS = """\
SELECT DISTINCT a.pid, coalesce(a.usename, '?'), coalesce(a.application_name, ''), coalesce(a.client_addr::text, '')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.relation = 'grade'::regclass AND a.pid <> pg_backend_pid() AND l.mode IN (
  'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') ORDER BY 1"""


def is_one(dialect: Any) -> bool:
    """Whether a dialect of SQLAlchemy is that of such a server, with a driver that takes the options set here."""
    return dialect.name == "postgresql" and dialect.driver in _DRIVERS


def connected(dialect: Any, words: list, options: dict[str, Any], seconds: float) -> Any:
    """The driver's connection, which waits no longer than this for the server or for what others have locked.

    Args:
        words, options: as SQLAlchemy would hand them to the driver; what the address says stays.
    """
    options.setdefault("connect_timeout", _SECONDS_TO_CONNECT)
    options.setdefault("application_name", f"process {os.getpid()} on {socket.gethostname()}")
    connection = dialect.connect(*words, **options)
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {round(1000 * seconds)}")
    connection.commit()
    return connection


def has_gradebook(db_url: str) -> bool:
    """Whether there is any table in the database.

    Raises:
        ProctorError: it can't be looked at; the message says why, and what to do.
    """
    with _connected(db_url) as connection:
        return bool(inspect(connection).get_table_names())


def check(db_url: str, seconds: float, say: Callable[[str], None]) -> None:
    """Whether the gradebook can be read and written now; waits while another program has locked it.

    Args:
        seconds: to wait at most.
        say: is told why it takes so long.

    Raises:
        ProctorError: it can't; the message says why, and what to do.
    """
    with _connected(db_url) as connection:
        found = set(inspect(connection).get_table_names())
        if not found:
            raise ProctorError(
                f"{shown(db_url)}: there is no gradebook yet; run: nbgrader generate_assignment ASSIGNMENT"
            )
        if not found >= _TABLES:
            raise ProctorError(f"{shown(db_url)}: {_CODES['42P01']}")
        connection.rollback()
        if not _writable(connection, min(SECONDS_UNSAID, seconds)):
            who = _holders(connection) or "another program"
            say(f"{shown(db_url)}: {who} has locked the gradebook; waiting for up to {seconds:.0f} seconds")
            if not _writable(connection, seconds):
                raise ProctorError(_locked(db_url, who))


def said(error: BaseException, db_url: str) -> str | None:
    """What an error of such a gradebook means and what to do; None if it is none of these."""
    where = shown(db_url)
    if isinstance(error, ModuleNotFoundError):
        if error.name not in _DRIVERS:
            return None
        return (
            f"{where}: the driver {error.name} is not installed; run: "
            f"pip install -c constraints.txt {_DRIVERS[error.name]}"
        )
    if isinstance(error, NoSuchModuleError):
        return f"{where}: no database is of this kind; c.CourseDirectory.db_url begins with sqlite: or postgresql:"
    if not isinstance(error, DBAPIError):
        return None
    # Below the first line stand the statement and its values.
    words = " ".join(str(error.orig or error).strip().partition("\n")[0].split())
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
    if code == _LOCKED:
        return _locked(db_url, "another program")
    meaning = next((_CODES[code[:n]] for n in (5, 2) if code[:n] in _CODES), None)
    if meaning is None and not code:
        meaning = next((text for word, text in _WORDS.items() if word in words), None)
        if "does not exist" in words:
            meaning = "make the user and its database (createuser, createdb --owner), or correct the address"
    if meaning is None and code[:2] in ("28", "3D"):
        meaning = "it has no such user or database, or refuses the password; correct the address, or ~/.pgpass"
    if meaning is None:
        return f"{where}: the gradebook can't be used ({words[:200]})"
    if ".pgpass" in meaning:
        meaning += f" (mode 600): {_line_of_passwords(db_url)}"
    return f"{where}: {meaning} ({words[:200]})"


def shown(db_url: str) -> str:
    """An address without its password."""
    return make_url(db_url).render_as_string(hide_password=True)


@contextlib.contextmanager
def _connected(db_url: str) -> Iterator[Connection]:
    try:
        engine = create_engine(db_url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except (ModuleNotFoundError, NoSuchModuleError, DBAPIError) as error:
        meaning = said(error, db_url)
        if meaning is None:
            raise
        raise ProctorError(meaning) from error


def _writable(connection: Connection, seconds: float) -> bool:
    """Whether grades can be written within this time; nothing is."""
    try:
        connection.execute(text(f"SET LOCAL lock_timeout = {max(1, round(1000 * seconds))}"))
        # What every writing takes; it gets in nobody's way but of those who want all for themselves.
        connection.execute(text("LOCK TABLE grade IN ROW EXCLUSIVE MODE"))
        # nbgrader adds this row whenever it is missing, and two commands at once would both do it.
        connection.execute(text("INSERT INTO course (id) VALUES ('default_course') ON CONFLICT DO NOTHING"))
        connection.commit()
        return True
    except DBAPIError as error:
        connection.rollback()
        if getattr(error.orig, "sqlstate", None) != _LOCKED and getattr(error.orig, "pgcode", None) != _LOCKED:
            raise
        return False


def _holders(connection: Connection) -> str:
    found = connection.execute(text(_HOLDERS)).all()
    connection.rollback()
    return ", ".join(
        f"{name or 'a program'} of the user {user}{f' at {place}' if place else ''} (server process {pid})"
        for pid, user, name, place in found[:3]
    )


def _locked(db_url: str, who: str) -> str:
    return f"{shown(db_url)}: {who} has locked the gradebook for a minute; end it, then run this command again"


def _line_of_passwords(db_url: str) -> str:
    url = make_url(db_url)
    place = url.query.get("host") or url.host or "localhost"
    return f"{place}:{url.port or 5432}:{url.database or '*'}:{url.username or '*'}:PASSWORD"
