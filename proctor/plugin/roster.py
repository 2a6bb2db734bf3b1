"""`nbgrader db student import`: reads the list of students as spreadsheets save it, or says in a line why it can't."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.dbapp import DbBaseApp, DbStudentImportApp
from sqlalchemy.exc import DBAPIError

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import gradebook_file

FIELDS = ("first_name", "last_name", "email", "lms_user_id")
_ID = "id"
_COLUMNS = "columns: id,first_name,last_name,email"
_MAX_BYTES = 32 * 2**20
# With what files begin that hold no text: Excel's and LibreOffice's own, and older ones of Excel.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# Names that would lead out of a student's folder, or that a pattern of nbgrader's would read otherwise.
_NO_NAME = frozenset("/\\*?[]{}\0")
# A long number as a spreadsheet shows it when its column is too narrow; the digits are lost.
_ROUNDED = re.compile(r"\d+([.,]\d+)?E\+\d+", re.IGNORECASE)


def read_roster(content: bytes, name: str) -> tuple[dict[str, dict[str, str | None]], list[str]]:
    """The students in a file, and plain lines about how it was read.

    Args:
        content: of the file: with commas, semicolons or tabs, in UTF-8, UTF-16 or Windows-1252.
        name: of the file, for messages.

    Returns:
        Fields of `FIELDS` that the file has, by id; None where it has no value.

    Raises:
        ProctorError: it is no such list; nothing of it should be used.
    """
    text, notes = _decoded(content, name)
    lines = text.splitlines(keepends=True)
    if lines and lines[0].strip().lower().startswith("sep="):
        # For Excel, which separator follows.
        del lines[0]
    try:
        rows = list(csv.reader(io.StringIO("".join(lines), newline=""), delimiter=_delimiter(lines)))
    except csv.Error as error:
        raise ProctorError(f"{name}: is no CSV file ({error}); save it from the spreadsheet as CSV UTF-8") from error
    rows = [(number, [one.strip() for one in row]) for number, row in enumerate(rows, start=1)]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ProctorError(f"{name}: it is empty; {_COLUMNS}")
    head = [_known(one) for one in rows[0][1]]
    if _ID not in head:
        there = ", ".join(printable(one) for one in rows[0][1])
        raise ProctorError(f"{name}: one column has to be called id, and the first line has: {there}; {_COLUMNS}")
    twice = sorted({one for one in head if one in (_ID, *FIELDS) and head.count(one) > 1})
    if twice:
        raise ProctorError(f"{name}: the first line has the column {twice[0]} more than once")
    left = [printable(raw) for raw, one in zip(rows[0][1], head, strict=True) if one not in (_ID, *FIELDS) and raw]
    notes += [f"left out the columns {', '.join(left)}"] if left else []
    return _students(rows[1:], head, name), notes


def _students(rows: list[tuple[int, list[str]]], head: list[str], name: str) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for number, row in rows:
        if len(row) > len(head) and any(row[len(head) :]):
            raise ProctorError(
                f"{name}: row {number} has {len(row)} fields and the first line {len(head)}; put names with a comma "
                'in quotes: "Vries, de"'
            )
        fields = dict(zip(head, [*row, *[""] * len(head)], strict=False))
        student = fields[_ID]
        if not student or student.startswith(".") or not student.isprintable() or _NO_NAME & set(student):
            raise ProctorError(f"{name}: row {number} has {printable(student) or 'nothing'!r} for an id")
        if _ROUNDED.fullmatch(student):
            raise ProctorError(
                f"{name}: row {number} has the id {student}, which the spreadsheet has rounded; show the "
                "column as text and save it again"
            )
        one = {field: fields[field] or None for field in FIELDS if field in head}
        if found.setdefault(student, one) != one:
            raise ProctorError(f"{name}: row {number} says something else about {printable(student)} than a row above")
    return found


def _decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    again = "save it from the spreadsheet as CSV UTF-8"
    if content.startswith(_WORKBOOKS):
        raise ProctorError(f"{name}: it is a workbook, not a CSV file; {again}")
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        odd = encoding == "cp1252"
        return text, [f"{name} is not in UTF-8; it was read as Windows-1252: look at the names"] if odd else []
    raise ProctorError(f"{name}: its letters can't be read; {again}")


def _delimiter(lines: list[str]) -> str:
    """What separates the columns of the first line with something in it."""
    first = next((line for line in lines if line.strip(" \t\r\n,;")), "")
    return max(
        ",;\t", key=lambda one: (_ID in [_known(part.strip(' "')) for part in first.split(one)], first.count(one))
    )


def _known(column: str) -> str:
    return "_".join(column.strip().lower().replace("-", " ").replace("_", " ").split())


def import_roster(app: DbStudentImportApp) -> None:
    """Take the place of the command's own work; all students of the file or none.

    Raises:
        SystemExit: the file can't be used, in a line.
    """
    DbBaseApp.start(app)
    if len(app.extra_args) != 1:
        app.fail("give one file: nbgrader db student import students.csv, " + _COLUMNS)
    path = Path(app.extra_args[0])
    try:
        with path.open("rb") as file:
            students, notes = read_roster(file.read(_MAX_BYTES), path.name)
    except ProctorError as error:
        app.fail("%s. Nobody was imported", error)
    except OSError as error:
        app.fail("%s: can't be read (%s). Nobody was imported", path, error.strerror)
    for line in notes:
        app.log.warning("%s", line)
    try:
        with Gradebook(app.coursedir.db_url, app.course_id, app.authenticator) as gradebook:
            for student, fields in students.items():
                gradebook.update_or_create_student(student, **fields)
    except DBAPIError as error:
        app.fail("not all were imported: %s", gradebook_file.said(error, app.coursedir.db_url))
    app.log.info("imported %d students from %s", len(students), path.name)
