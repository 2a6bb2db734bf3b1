"""Exported points: blank is not 0, late rules act on the final points, and every spreadsheet can read the table."""

import csv
import datetime
import os
import shutil

import graded_course
import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, copied, made_once
from nbgrader.plugins import BasePlugin
from sqlalchemy.exc import OperationalError
from traitlets.config import Configurable

from proctor.checking import verdict
from proctor.plugin.export import COLUMNS, OPTION, GradesTable
from proctor.plugin.lateness import Lateness

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return made_once(tmp_path_factory.mktemp("graded"))


@pytest.fixture
def graded(once, tmp_path, monkeypatch):
    course = copied(once, tmp_path)
    monkeypatch.chdir(course.root)
    return course


class App(Configurable):
    """Stands for nbgrader's command."""


def export(course, refused: bool = False, **sections) -> dict[str, dict[str, str]]:
    """Rows by student; of a refused export those of the table that was there before."""
    app = App(config=config(**sections))
    app.coursedir = course.directory()
    with course.gradebook() as gradebook:
        plugin = GradesTable(parent=app)
        if refused:
            with pytest.raises(SystemExit) as end:
                plugin.export(gradebook)
            assert end.value.code == 1
        else:
            plugin.export(gradebook)
    table = course.root / "grades.csv"
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(COLUMNS)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    return {row[3]: dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]}


def incomplete(course, **sections) -> dict[str, dict[str, str]]:
    return export(course, GradesTable={"allow_incomplete": True}, **sections)


def read_all(course) -> None:
    course.read_essay("ada", 4)
    course.read_essay("ben", 0)


def test_all_that_is_graded_is_exported(graded):
    read_all(graded)
    rows = export(graded)
    assert [rows[name]["score"] for name in ("ada", "ben")] == ["5.0", "3.0"]
    assert [rows[name]["raw_score"] for name in ("ada", "ben")] == ["5.0", "3.0"]
    assert {row["missing"] for row in rows.values()} == {""}
    assert {row["waiting"] for row in rows.values()} == {"0"}
    assert os.stat("grades.csv").st_mode & 0o777 == 0o600


def test_what_waits_for_a_ta_is_refused_and_blank_where_it_is_allowed(graded, caplog):
    graded.read_essay("ada", 4)
    assert export(graded, refused=True) == {}
    assert "hw, ben: 1 answer waits for a TA" in caplog.text
    assert "nothing was written: 1 rows are not complete (ben;" in caplog.text
    assert OPTION in caplog.text
    rows = incomplete(graded)
    assert rows["ada"]["score"] == "5.0"
    assert [rows["ben"][name] for name in ("raw_score", "late_submission_penalty", "score")] == ["", "", ""]
    assert (rows["ben"]["waiting"], rows["ben"]["missing"]) == ("1", "1 answer waits for a TA")
    assert list(graded.root.glob(".grades.csv*")) == []


def forget(course) -> None:
    course.finished("ben").forget()


def in_part(course) -> None:
    course.finished("ben").write(None, [])


def differ(course) -> None:
    course.finish("ben", ("2a: q1: 0 in the gradebook, 1 by the verdict",))


def no_record(course) -> None:
    verdict.record_path(course.root, ASSIGNMENT, "ben", NOTEBOOK).unlink()


def newer(course) -> None:
    (course.root / "submitted" / "ben" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text("{}")


def other_tests(course) -> None:
    course.finish("ben", made_with={"sources": {NOTEBOOK: "of older tests"}})


def older_gradebook(course) -> None:
    course.change("ben", "q1", auto_score=0)


@pytest.mark.parametrize(
    ("accident", "said"),
    [
        (older_gradebook, "gradebook and verdicts differ; run nbgrader autograde hw --student=ben"),
        (forget, "not graded to its end; run nbgrader autograde hw --student=ben"),
        (in_part, "graded in part; run"),
        (differ, "gradebook and verdicts differ; run"),
        (no_record, "2 checks were not judged"),
        (newer, "another one was collected and isn't graded; run"),
        (other_tests, "graded before the tests of 2a changed; run"),
        (lambda course: course.not_judged("ben"), "1 check was not judged"),
    ],
)
def test_what_is_not_graded_to_its_end_is_refused_and_blank(graded, accident, said, caplog):
    read_all(graded)
    accident(graded)
    assert export(graded, refused=True) == {}
    assert f"hw, ben: {said}" in caplog.text
    row = incomplete(graded)["ben"]
    assert row["missing"].startswith(said)
    assert row["score"] == row["raw_score"] == ""


def test_points_of_staff_settle_what_could_not_be_judged(graded):
    read_all(graded)
    graded.not_judged("ben")
    graded.change("ben", "q2", manual_score=1.5, needs_manual_grade=False)
    assert export(graded)["ben"]["score"] == "2.5"


def test_who_was_collected_and_never_graded_is_no_zero_and_who_handed_in_nothing_stops_nobody(graded, caplog):
    read_all(graded)
    with graded.gradebook() as gradebook:
        gradebook.add_student("cyd")
    row = export(graded)["cyd"]
    assert (row["score"], row["missing"]) == ("", "nothing was handed in")
    for student in ("cyd", "dan"):
        shutil.copytree(graded.root / "submitted" / "ada", graded.root / "submitted" / student)
    os.remove("grades.csv")
    assert export(graded, refused=True) == {}
    assert "(cyd, dan;" in caplog.text
    rows = incomplete(graded)
    assert [rows[name]["score"] for name in ("cyd", "dan")] == ["", ""]
    assert rows["dan"]["missing"].startswith("not graded to its end")


def test_only_the_students_that_were_asked_for_can_stop_it(graded):
    graded.read_essay("ada", 4)
    rows = export(graded, ExportPlugin={"student": ["ada"]})
    assert list(rows) == ["ada"]


NAMES = {
    "Vries, de": "Vries, de",
    'O"Neil': 'O"Neil',
    "two\nlines": "two\nlines",
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "+31": "'+31",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t=1",
    "陈伟": "陈伟",
}


def test_names_are_quoted_and_no_text_is_a_formula(graded):
    read_all(graded)
    with graded.gradebook() as gradebook:
        for number, name in enumerate(NAMES):
            gradebook.add_student(f"s{number}", last_name=name, first_name="José", email="a@b.nl")
    rows = export(graded)
    for number, shown in enumerate(NAMES.values()):
        row = rows[f"s{number}"]
        assert (row["last_name"], row["first_name"], row["email"]) == (shown, "José", "a@b.nl")


LATE = DUE + datetime.timedelta(minutes=7)
ZERO = {"LateSubmissionPlugin": {"penalty_method": "zero"}}


def penalty_of(course, student: str) -> float | None:
    with course.gradebook() as gradebook:
        return gradebook.find_submission(ASSIGNMENT, student).late_submission_penalty


def test_a_late_one_counts_zero_also_after_its_essays_got_points(graded):
    graded.hand_in("ben", LATE)
    read_all(graded)
    # As autograding left it, before a TA had read the essay.
    with graded.gradebook() as gradebook:
        gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, "ben").late_submission_penalty = 3
        gradebook.db.commit()
    graded.read_essay("ben", 5)
    row = export(graded, **ZERO)["ben"]
    assert (row["raw_score"], row["late_submission_penalty"], row["score"]) == ("8.0", "8.0", "0.0")
    # Whatever else reads the gradebook finds the same.
    assert penalty_of(graded, "ben") == 8
    assert export(graded, **ZERO)["ada"]["score"] == "5.0"


def test_a_rule_that_is_dropped_costs_nothing(graded):
    graded.hand_in("ben", LATE)
    read_all(graded)
    export(graded, **ZERO)
    assert export(graded)["ben"]["score"] == "3.0"
    assert penalty_of(graded, "ben") == 0


class TenPercent(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        assert student_id == "ben"
        assert total_seconds_late == 7 * 60
        return 0.1 * score


def test_a_rule_of_the_course_gets_the_final_points(graded):
    graded.hand_in("ben", LATE)
    read_all(graded)
    graded.read_essay("ben", 4)
    # In binary fractions a tenth of 7 is 0.7000000000000001.
    row = export(graded, AssignLatePenalties={"plugin_class": TenPercent})["ben"]
    assert (row["late_submission_penalty"], row["score"]) == ("0.7", "6.3")


def test_an_extension_counts_and_is_shown(graded):
    graded.hand_in("ben", LATE)
    read_all(graded)
    moment = LATE.replace(tzinfo=datetime.UTC)
    row = export(graded, Proctor={"extensions": {ASSIGNMENT: {"ben": moment}}}, **ZERO)["ben"]
    assert (row["score"], row["duedate"]) == ("3.0", str(LATE))


def test_a_mistyped_extension_and_one_without_a_zone_are_refused(graded, caplog):
    read_all(graded)
    moment = LATE.replace(tzinfo=datetime.UTC)
    assert export(graded, refused=True, Proctor={"extensions": {ASSIGNMENT: {"bne": moment}}}) == {}
    assert "EXTENSIONS names bne for hw, who is no student here (is ben meant?)" in caplog.text
    assert export(graded, refused=True, Proctor={"extensions": {ASSIGNMENT: {"ben": LATE}}}) == {}
    assert "write a time with its zone" in caplog.text


def test_a_table_that_can_not_be_written_leaves_the_old_one(graded, caplog):
    read_all(graded)
    before = export(graded)
    graded.read_essay("ben", 5)
    assert export(graded, refused=True, ExportPlugin={"to": "nowhere/grades.csv"}) == before
    assert "nowhere/grades.csv: can't be written (No such file or directory)" in caplog.text


def test_the_source_of_the_fixture_is_what_the_gradebook_has(graded):
    from proctor.plugin.agreement import differences

    with graded.gradebook() as gradebook:
        folder = graded.root / "source" / ASSIGNMENT
        assert differences(gradebook.find_assignment(ASSIGNMENT), folder, [NOTEBOOK]) == {}
    assert graded_course.POINTS == {"q1": 1.0, "q2": 2.0}


def test_a_gradebook_that_is_held_by_another_is_said_in_a_line(graded, caplog, monkeypatch):
    read_all(graded)
    graded.hand_in("ben", LATE)

    def held(self, *args):
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr(Lateness, "refresh", held)
    assert export(graded, refused=True) == {}
    assert "another program has locked the gradebook for a minute; end it, then run" in caplog.text


def test_points_beyond_those_of_a_question_and_extra_credit_are_said_and_count(graded, caplog):
    read_all(graded)
    export(graded)
    assert "points were typed" not in caplog.text
    assert "extra credit" not in caplog.text
    graded.read_essay("ada", 40)
    graded.change("ben", "essay", manual_score=-1, extra_credit=5)
    rows = export(graded)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    said = f"{NOTEBOOK}, essay: {{}} points were typed where there are 0 to 5; correct that, or type what is a bonus as"
    assert [line for line in lines if "typed" in line] == [
        f"{ASSIGNMENT}, ada: {said.format(40)} extra credit",
        f"{ASSIGNMENT}, ben: {said.format(-1)} extra credit",
    ]
    assert f"{ASSIGNMENT}, ben: {NOTEBOOK}, essay: 5 points of extra credit" in lines
    assert (rows["ada"]["raw_score"], rows["ben"]["raw_score"]) == ("41.0", "7.0")
