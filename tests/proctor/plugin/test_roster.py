"""A list of students as spreadsheets save it is imported, or refused in one line that says why."""

import logging
import os
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.dbapp import DbStudentImportApp
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from proctor.errors import ProctorError
from proctor.plugin.registration import plug_in
from proctor.plugin.roster import read_roster

ROWS = "id,first_name,last_name,email\ns1,José,Müller,a@b.nl\ns2,,,\n"
READ = {
    "s1": {"first_name": "José", "last_name": "Müller", "email": "a@b.nl"},
    "s2": {"first_name": None, "last_name": None, "email": None},
}


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ROWS.encode("utf-8-sig"),
        ROWS.replace(",", ";").encode("utf-8-sig"),
        ROWS.replace(",", ";").encode("cp1252"),
        ROWS.replace(",", "\t").encode("utf-16"),
        ROWS.replace("\n", "\r\n").encode("latin-1"),
        b"sep=;\r\n" + ROWS.replace(",", ";").encode("cp1252"),
        ("\n;;;\n" + ROWS.replace(",", ";") + ";;;\n").encode(),
        ROWS.replace("id,first_name", "ID , First Name").encode(),
        ROWS.replace("\n", ",\n").encode(),
        ROWS.replace("\n", ";\n").replace(",", ";").encode(),
    ],
)
def test_all_that_spreadsheets_write_is_read(content):
    assert read_roster(content, "students.csv")[0] == READ


def test_quoted_names_may_have_separators_and_lines():
    text = 'id;last_name\ns1;"Vries; de, ""Jan"""\ns2;"two\nlines"\n'
    found, notes = read_roster(text.encode(), "students.csv")
    assert found["s1"]["last_name"] == 'Vries; de, "Jan"'
    assert found["s2"]["last_name"] == "two\nlines"
    assert notes == []


def test_what_was_guessed_or_left_out_is_said():
    _, notes = read_roster("id,last_name,Groep\ns1,Müller,7\n".encode("cp1252"), "students.csv")
    assert notes == [
        "students.csv is not in UTF-8; it was read as Windows-1252: look at the names",
        "left out the columns Groep",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty; columns: id,"),
        (b"name;mail\ns1;a\n", "one column has to be called id, and the first line has: name, mail"),
        (b"student_id,first_name\ns1,a\n", "one column has to be called id, and the first line has: student_id"),
        (b"PK\x03\x04rest", "it is a workbook, not a CSV file; save it"),
        (b"\xd0\xcf\x11\xe0rest", "it is a workbook"),
        (b"id,first_name\ns1\0,a\n", "its letters can't be read"),
        (b"\xff\xfei", "its letters can't be read"),
        (b"id,last_name\ns1,Vries, de\n", "row 2 has 3 fields and the first line 2; put names with a comma in quotes"),
        (b"id,last_name\n,Vries\n", "row 2 has 'nothing' for an id"),
        (b"id,last_name\n../x,Vries\n", "row 2 has '../x' for an id"),
        (b"id,last_name\n.git,Vries\n", "row 2 has '.git' for an id"),
        (b"id,last_name\n1.23E+07,Vries\n", "row 2 has the id 1.23E+07, which the spreadsheet has rounded"),
        (b"id;last_name\n1,23E+07;Vries\n", "which the spreadsheet has rounded"),
        (b"id,last_name\ns1,a\ns1,b\n", "row 3 says something else about s1 than a row above"),
        (b"id,email,Email\ns1,a,b\n", "the first line has the column email more than once"),
    ],
)
def test_what_can_not_be_used_is_refused_in_one_line(content, said):
    with pytest.raises(ProctorError) as error:
        read_roster(content, "students.csv")
    assert str(error.value).startswith("students.csv: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Runs the command on a file with this content, and returns the students of the gradebook."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    database = f"sqlite:///{tmp_path / 'gradebook.db'}"
    plug_in(Config())

    def run(content: bytes) -> dict[str, str | None]:
        (tmp_path / "students.csv").write_bytes(content)
        app = DbStudentImportApp()
        app.log = logging.getLogger("roster")
        app.coursedir = CourseDirectory(root=str(tmp_path), course_id="test", db_url=database)
        app.extra_args = [str(tmp_path / "students.csv")]
        app.start()
        with Gradebook(database, "test") as gradebook:
            return {student.id: student.last_name for student in gradebook.students}

    return run


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_the_command_imports_all_or_nobody(imported, caplog):
    assert imported(ROWS.replace(",", ";").encode("cp1252")) == {"s1": "Müller", "s2": None}
    with pytest.raises(SystemExit) as end:
        imported(b"id;last_name\ns3;new\ns4;a;b\n")
    assert end.value.code == 1
    assert "row 3 has 3 fields and the first line 2" in caplog.text
    assert "Nobody was imported" in caplog.text
    # Neither was s3, of the row above.
    assert imported(b"id\ns1\n") == {"s1": "Müller", "s2": None}
