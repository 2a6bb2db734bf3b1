"""A gradebook on a real PostgreSQL server: what is wrong with it, in plain words; and two graders at once."""

import contextlib
import itertools
import sys
from pathlib import Path

import course_folder
import exercise
import hostile
import postgresql_server
import pytest
from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from proctor.errors import ProctorError
from proctor.plugin import doctor_places, gradebook_file, last_words
from proctor.plugin.gradebook_copy import copy_gradebook

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server():
    if why := postgresql_server.missing():
        pytest.skip(why)
    server = postgresql_server.Server()
    yield server
    server.stop()


@pytest.fixture
def empty(server):
    """Name and address of a database without a gradebook."""
    gradebook_file.wait_for_others()
    name = f"course{next(NUMBERS)}"
    return name, server.database(name)


@pytest.fixture(scope="module")
def pattern(server):
    """Name of a database with a new gradebook, of which tests get copies."""
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader runs alembic.
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        Gradebook(server.database("pattern"), "test").close()
    return "pattern"


@pytest.fixture
def made(server, pattern):
    """Name and address of a database with a gradebook."""
    gradebook_file.wait_for_others()
    name = f"course{next(NUMBERS)}"
    return name, server.database(name, pattern)


def problem(url, root, **how) -> str:
    """What a command says before it does anything; never the password."""
    with pytest.raises(ProctorError) as refused:
        gradebook_file.check(url, root, **how)
    assert "***" in str(refused.value)
    return str(refused.value)


def test_one_that_is_in_order(made, server, tmp_path):
    gradebook_file.check(made[1], tmp_path)
    # Otherwise two commands at once would both add it, and one of them would end with an error.
    assert "default_course" in server.tell(made[0], "SELECT id FROM course").split()
    found = list(doctor_places.gradebook(CourseDirectory(root=str(tmp_path), db_url=made[1])))
    assert [one.level for one in found] == ["ok", "warn"]
    assert "has the password of the gradebook in it" in found[1].text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"password": "wrong"}, "correct the line in ~/.pgpass (mode 600): {folder}:5432:course:grader:PASSWORD"),
        ({"user": "nobody"}, "correct the line in ~/.pgpass"),
        ({"name": "nowhere"}, "make the user and its database (createuser, createdb --owner)"),
    ],
)
def test_an_address_that_lets_nobody_in(server, tmp_path, address, said):
    with contextlib.suppress(RuntimeError):
        server.database("course")
    url = server.url(**{"name": "course", **address})
    said = said.format(folder=server.folder)
    assert said in problem(url, tmp_path)
    (one,) = doctor_places.gradebook(CourseDirectory(root=str(tmp_path), db_url=url))
    assert one.level == "fail"
    assert said in one.text
    assert server.password not in one.text


def test_no_password(made, server, tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(ProctorError, match=r"asks for a password, and there is none; write a line into ~/\.pgpass"):
        gradebook_file.check(f"postgresql://grader@/{made[0]}?host={server.folder}", tmp_path)


def test_a_server_that_is_away_and_comes_back(made, server, tmp_path):
    server.halt()
    try:
        assert "nothing answers at this address; start the server or correct the address" in problem(made[1], tmp_path)
        (one,) = doctor_places.gradebook(CourseDirectory(root=str(tmp_path), db_url=made[1]))
        assert (one.level, "nothing answers" in one.text) == ("fail", True)
    finally:
        server.start()
    gradebook_file.check(made[1], tmp_path)


def test_addresses_without_any_server(tmp_path):
    for url, said in (
        ("postgresql://a:b@127.0.0.1:9/x", "nothing answers at this address"),
        ("postgresql://a:b@no-machine.invalid/x", "there is no machine of that name; correct the address"),
        ("postgres://a:b@host/x", "begins with sqlite: or postgresql:"),
    ):
        assert said in problem(url, tmp_path)


def test_no_gradebook_yet_and_one_that_is_gone(empty, tmp_path):
    assert "there is no gradebook yet; run: nbgrader generate_assignment" in problem(empty[1], tmp_path)
    (one,) = doctor_places.gradebook(CourseDirectory(root=str(tmp_path), db_url=empty[1]))
    assert (one.level, "there is no gradebook yet" in one.text) == ("warn", True)
    (tmp_path / "proctor_records" / "ps1").mkdir(parents=True)
    assert "there is no gradebook here, and proctor_records/ says that there was one" in problem(empty[1], tmp_path)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER DATABASE {name} SET default_transaction_read_only = on", "it lets nobody write"),
        ("ALTER TABLE grade OWNER TO tests", "this user may not read or write the gradebook"),
        ("DROP TABLE grade CASCADE", "this database has no gradebook of nbgrader"),
    ],
)
def test_one_that_can_not_be_written(made, server, tmp_path, statement, said):
    server.tell(made[0], statement.format(name=made[0]))
    assert said in problem(made[1], tmp_path)


def test_one_that_is_locked_is_waited_for_and_the_one_who_locks_it_is_named(made, server, tmp_path, monkeypatch):
    monkeypatch.setattr(gradebook_file, "SECONDS", 0.3)
    said = []
    holding = server.holding(made[0], "LOCK TABLE grade")
    try:
        words = problem(made[1], tmp_path, say=said.append)
    finally:
        holding.kill()
        holding.communicate()
    assert "psql of the user tests (server process" in words
    assert "has locked the gradebook for a minute; end it, then run this command again" in words
    assert len(said) == 1
    assert "waiting for up to" in said[0]
    server.wait_for(made[0], "SELECT count(*) FROM pg_locks WHERE relation = 'grade'::regclass", "0")
    gradebook_file.check(made[1], tmp_path)


def test_nothing_waits_for_ever_behind_what_another_one_is_writing(made, server, monkeypatch):
    monkeypatch.setattr(gradebook_file, "SECONDS", 0.3)
    with Gradebook(made[1], "test") as gradebook:
        gradebook.add_student("ada")
    holding = server.holding(made[0], "UPDATE student SET email = 'x'")
    try:
        with Gradebook(made[1], "test") as gradebook, pytest.raises((DBAPIError, InvalidEntry)) as refused:
            gradebook.update_or_create_student("ada", email="y")
    finally:
        holding.kill()
        holding.communicate()
    assert "another program has locked the gradebook for a minute" in last_words.meaning(refused.value, made[1])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", "was stopped, or starts just now; wait until it runs"),
        ("INSERT INTO student (id) VALUES (repeat('x', 200))", "longer than the 128 characters"),
        ("INSERT INTO course (id) VALUES ('test')", "another command has just written the same thing"),
        ("SELECT no_such_column FROM grade", "copy it (pg_dump), then run: nbgrader db upgrade"),
        ("SELECT 1 / 0", "the gradebook can't be used (division by zero)"),
    ],
)
def test_what_errors_in_the_middle_of_a_run_mean(made, statement, said):
    engine = create_engine(made[1])
    try:
        with engine.connect() as connection, pytest.raises(DBAPIError) as refused:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    words = last_words.meaning(refused.value, made[1])
    assert said in words
    assert statement not in words


def test_an_error_that_nbgrader_has_put_into_its_own_is_the_gradebooks(made):
    with Gradebook(made[1], "test") as gradebook, pytest.raises(InvalidEntry) as refused:
        gradebook.add_student("x" * 200)
    assert gradebook_file.cause(refused.value) is not None
    assert "longer than the 128 characters" in last_words.meaning(refused.value, made[1])


def whole(db_url: str) -> list[tuple]:
    """All that a gradebook says, without what is drawn by chance (ids) or by the clock."""
    with Gradebook(db_url, "test") as gradebook:
        found = [
            (submission.student.id, notebook.name, grade.name)
            + (grade.auto_score, grade.manual_score, grade.needs_manual_grade, grade.max_score, grade.extra_credit)
            for submission in gradebook.assignment_submissions(exercise.ASSIGNMENT)
            for notebook in submission.notebooks
            for grade in notebook.grades
        ]
        found += [
            (submission.student.id, notebook.name, comment.name, comment.auto_comment, comment.manual_comment)
            for submission in gradebook.assignment_submissions(exercise.ASSIGNMENT)
            for notebook in submission.notebooks
            for comment in notebook.comments
        ]
        return sorted(found, key=str)


@pytest.mark.slow
def test_two_graders_at_once_write_what_one_writes_into_a_file(server, tmp_path):
    url = server.database("two_graders")
    courses = [
        course_folder.Course(tmp_path / "one"),
        course_folder.Course(tmp_path / "two", db_url=url),
    ]
    cases = {case.name: case.make for case in hostile.CASES}
    hand_in = {"ann": exercise.Handed.write, "ben": cases["lies"], "cas": exercise.Handed.write}
    for course in courses:
        for student, make in hand_in.items():
            course.submit(student, make)
    one, two = courses
    graders = [two.begin("autograde", exercise.ASSIGNMENT) for _ in range(2)]
    said = [grader.communicate()[0] for grader in graders]
    alone = one.nbgrader("autograde", exercise.ASSIGNMENT)
    for log in (*said, alone):
        assert "Traceback" not in log
        # The password is in the address, and in no log.
        assert server.password not in log
    for student in hand_in:
        assert any("graded" in log and student in log for log in said)
    assert whole(one.db_url) == whole(two.db_url)
    assert two.points() == {"ann": (2, 2, 2), "ben": (0, 0, 2), "cas": (2, 2, 2)}


def test_it_can_be_copied_into_a_file(made, tmp_path):
    _, url = made
    with Gradebook(url, "test") as book:
        book.add_assignment("hw")
        book.add_notebook("2a", "hw")
        book.add_grade_cell("q1", "2a", "hw", max_score=2, cell_type="code")
        book.add_student("ada", first_name="Ада")
        book.add_submission("hw", "ada")
        book.find_grade("q1", "2a", "hw", "ada").manual_score = 1.5
        book.db.commit()
    copy_gradebook(url, tmp_path / "copy.db")
    with Gradebook(f"sqlite:///{tmp_path / 'copy.db'}", "test") as copy, Gradebook(url, "test") as book:
        for one in (copy, book):
            grade = one.find_grade("q1", "2a", "hw", "ada")
            assert (grade.manual_score, grade.max_score, grade.student.first_name) == (1.5, 2, "Ада")
