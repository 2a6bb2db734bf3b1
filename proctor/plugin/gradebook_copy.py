"""A copy of a gradebook as it is at one moment, in a file of its own, also while others write into it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from nbgrader.api import Base
from sqlalchemy import create_engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import ProctorError
from proctor.plugin import gradebook_file


def copy_gradebook(db_url: str, target: Path) -> None:
    """Copy a gradebook, whether it is a file or lies on a server, into a new file of SQLite; it is only read.

    Raises:
        ProctorError: it can't be read; the message says why, and what to do.
    """
    path = gradebook_file.path_of(db_url)
    try:
        if path is None:
            _from_server(db_url, target)
        else:
            snapshot(path, target)
    except (sqlite3.Error, SQLAlchemyError) as error:
        raise ProctorError(gradebook_file.said(error, db_url) or f"the gradebook can't be read ({error})") from error


def snapshot(source: Path, target: Path) -> None:
    """The same of a gradebook that is a file.

    Raises:
        sqlite3.Error: it can't be read.
    """
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as database,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)


def check_whole(copy: Path) -> None:
    """Whether a copy is a gradebook without damage.

    Raises:
        sqlite3.Error: it isn't.
    """
    with contextlib.closing(sqlite3.connect(copy)) as database:
        said = database.execute("PRAGMA integrity_check").fetchone()[0]
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
        database.execute("SELECT count(*) FROM grade").fetchone()


def _from_server(db_url: str, target: Path) -> None:
    source, copy = create_engine(db_url), create_engine(f"sqlite:///{target}")
    try:
        Base.metadata.create_all(copy)
        # One transaction: rows of one moment.
        with source.connect().execution_options(isolation_level="REPEATABLE READ") as old, copy.begin() as new:
            for table in Base.metadata.sorted_tables:
                if rows := [dict(row._mapping) for row in old.execute(select(table))]:
                    new.execute(insert(table), rows)
    finally:
        source.dispose()
        copy.dispose()
