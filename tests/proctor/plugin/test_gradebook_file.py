"""What is wrong with a gradebook, in plain words; how long it is waited for."""

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from proctor.errors import ProctorError
from proctor.plugin import gradebook_file


@pytest.fixture
def gradebook(tmp_path, monkeypatch):
    # nbgrader runs alembic.
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "test").close()
    return tmp_path / "gradebook.db"


def problem(path, **how) -> str:
    with pytest.raises(ProctorError) as refused:
        gradebook_file.check(f"sqlite:///{path}", path.parent, **how)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_one_that_is_in_order_is_left_as_it_is(gradebook):
    before = gradebook.read_bytes()
    gradebook_file.check(f"sqlite:///{gradebook}", gradebook.parent)
    assert gradebook.read_bytes() == before
    assert [one.name for one in gradebook.parent.iterdir()] == [gradebook.name]


def test_one_that_is_locked_is_waited_for_and_the_one_who_locks_it_is_named(gradebook, monkeypatch):
    monkeypatch.setattr(gradebook_file, "SECONDS", 0.3)
    said = []
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        # The child holds the lock until it is killed.
        database = sqlite3.connect(gradebook, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        os.write(writer, b"x")
        signal.pause()
    try:
        os.read(reader, 1)
        text = problem(gradebook, say=said.append)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert f"process {pid} (" in text
    assert "has locked the gradebook for a minute; end it, then run this command again" in text
    assert len(said) == 1
    assert "waiting for up to" in said[0]
    gradebook_file.check(f"sqlite:///{gradebook}", gradebook.parent)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE grade", "this is no gradebook of nbgrader"),
        (None, "the gradebook is empty"),
    ],
)
def test_one_that_is_none_of_nbgraders(gradebook, statement, said):
    if statement is None:
        gradebook.write_bytes(b"")
    else:
        with closing(sqlite3.connect(gradebook)) as database:
            database.execute(statement)
    assert said in problem(gradebook)


def test_one_that_is_gone_is_only_said_where_something_was_graded(tmp_path):
    db_url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    gradebook_file.refuse_lost(db_url, tmp_path)
    assert "there is no gradebook yet; run: nbgrader generate_assignment" in problem(tmp_path / "gradebook.db")
    (tmp_path / "proctor_records" / ".busy").mkdir(parents=True)
    gradebook_file.refuse_lost(db_url, tmp_path)
    (tmp_path / "proctor_records" / "ps1").mkdir()
    with pytest.raises(ProctorError, match="the gradebook is gone"):
        gradebook_file.refuse_lost(db_url, tmp_path)
    assert not (tmp_path / "gradebook.db").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("database or disk is full", "there is no room for the gradebook"),
        ("attempt to write a readonly database", "you can't write into the gradebook"),
        ("unable to open database file", "can't be opened; correct their rights"),
        ("database disk image is malformed", "the gradebook is damaged; move it away and restore it"),
        ("file is not a database", "this file is no gradebook"),
        ("no such table: grade", "this is no gradebook of nbgrader"),
        ("no such column: x", "nbgrader db upgrade"),
        ("disk I/O error", "the disk of the gradebook has errors, or is full"),
        ("something else", "the gradebook can't be used (something else)"),
    ],
)
def test_what_errors_of_a_database_mean(tmp_path, words, said):
    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    for error in (sqlite3.OperationalError(words), OperationalError("SELECT", {}, sqlite3.OperationalError(words))):
        assert said in gradebook_file.said(error, url)
        assert "SELECT" not in gradebook_file.said(error, url)
    assert gradebook_file.said(ValueError(words), url) is None


def test_an_address_that_is_none():
    with pytest.raises(ProctorError, match="db_url is no address of a database"):
        gradebook_file.path_of("gradebook.db")
    assert gradebook_file.path_of("sqlite:///a/b.db?timeout=3").name == "b.db"
    assert gradebook_file.path_of("postgresql://me@host/x") is None


def test_all_connections_wait_for_a_minute_unless_the_address_says_otherwise(monkeypatch):
    found = []
    monkeypatch.setattr(gradebook_file, "SECONDS", 47.0)
    gradebook_file.wait_for_others()
    gradebook_file.wait_for_others()

    def connect(path, **options):
        found.append(options["timeout"])
        return sqlite3_connect(path, **options)

    sqlite3_connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", connect)
    for url in ("sqlite://", "sqlite:///:memory:?timeout=3"):
        engine = create_engine(url)
        engine.connect().close()
        engine.dispose()
    assert found == [47.0, 3.0]


def test_gradebooks_that_are_opened_alike_share_an_engine_and_are_closed_one_by_one(gradebook, tmp_path):
    url, other = f"sqlite:///{gradebook}", f"sqlite:///{tmp_path / 'other.db'}"
    with gradebook_file.opened_alike():
        first, second, third = Gradebook(url, "test"), Gradebook(url, "test"), Gradebook(other, "test")
        assert first.engine is second.engine is not third.engine
        first.add_student("ada")
        first.close()
        assert [one.id for one in second.students] == ["ada"]
        second.close()
        third.close()
        assert second.engine.pool.checkedout() == 0
        with Gradebook(url, "test") as again:
            assert [one.id for one in again.students] == ["ada"]
    with Gradebook(url, "test") as outside, Gradebook(url, "test") as beside:
        assert outside.engine is not beside.engine
