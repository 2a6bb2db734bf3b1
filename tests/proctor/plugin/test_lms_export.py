"""Files for an LMS: nobody with open points is in them, sums are the gradebook's, and no cell is a formula."""

import csv
import datetime

import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, source_notebook
from traitlets.config import Configurable

from proctor.plugin.ans_export import AnsQuestions
from proctor.plugin.brightspace_export import BrightspaceTotals
from proctor.plugin.canvas_export import CanvasQuestions, CanvasTotals
from proctor.plugin.export import OPTION

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
ALL = (CanvasTotals, CanvasQuestions, BrightspaceTotals, AnsQuestions)
ALLOWED = {"GradesTable": {"allow_incomplete": True}}
# Two questions, of which the first has two cells.
HEADS = ("### Question 2.1", "### Question 2.2 (b)")


class App(Configurable):
    """Stands for nbgrader's command."""


@pytest.fixture
def course(graded, monkeypatch):
    monkeypatch.chdir(graded.root)
    made = source_notebook()
    heads = [{"cell_type": "markdown", "id": f"h{n}", "metadata": {}, "source": s} for n, s in enumerate(HEADS)]
    made["cells"] = [heads[0], *made["cells"][:3], heads[1], made["cells"][3]]
    graded.write_source(made)
    graded.read_essay("ada", 4)
    graded.read_essay("ben", 2.5)
    return graded


def export(course, kind, **sections) -> list[list[str]]:
    """The lines of the file; none where it was refused."""
    app = App(config=config(**sections))
    app.coursedir = course.directory()
    file = course.root / kind.file
    file.unlink(missing_ok=True)
    with course.gradebook() as gradebook:
        ended = None
        try:
            kind(parent=app).export(gradebook)
        except SystemExit as end:
            ended = end.code
    assert (ended, file.exists()) in [(None, True), (1, False)]
    if ended:
        return []
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.reader(table))


def left_out(course, kind) -> dict[str, str]:
    with (course.root / f"{kind.file}.left_out.csv").open(encoding="utf-8", newline="") as table:
        return dict(list(csv.reader(table))[1:])


def test_each_system_gets_the_columns_that_it_reads(course):
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("ada", first_name="Ada", last_name="Lovelace", lms_user_id="4711")
        gradebook.update_or_create_student("ben", lms_user_id="12x")
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert export(course, CanvasTotals, LmsTable={"titles": {"hw": "Homework 1 (77)"}}) == [
        [*head, "Homework 1 (77)"],
        ["    Points Possible", "", "", "", "", "8"],
        ["Lovelace, Ada", "4711", "", "ada", "", "5"],
        ["ben", "", "", "ben", "", "5.5"],
    ]
    assert export(course, CanvasQuestions, CanvasTotals={"student_id_is": "SIS User ID"}) == [
        [*head, "hw 2.1", "hw 2.2 (b)"],
        ["    Points Possible", "", "", "", "", "3", "5"],
        ["Lovelace, Ada", "4711", "ada", "", "", "1", "4"],
        ["ben", "", "ben", "", "", "3", "2.5"],
    ]
    assert export(course, BrightspaceTotals) == [
        ["OrgDefinedId", "hw Points Grade", "End-of-Line Indicator"],
        ["#ada", "5", "#"],
        ["#ben", "5.5", "#"],
    ]
    assert export(course, AnsQuestions) == [
        ["Student number", "First name", "Last name", "hw 2.1", "hw 2.2 (b)", "Total points", "Maximum points"],
        ["ada", "Ada", "Lovelace", "1", "4", "5", "8"],
        ["ben", "", "", "3", "2.5", "5.5", "8"],
    ]


def test_who_has_open_points_is_in_no_file(course, caplog):
    course.change("ben", "essay", manual_score=None, auto_score=None, needs_manual_grade=True)
    with course.gradebook() as gradebook:
        gradebook.add_student("cyd")
    for kind in ALL:
        assert export(course, kind) == []
        assert "hw, ben: 1 answer waits for a TA" in caplog.text
        assert f"With {OPTION} they are left out, and listed in a file that ends with .left_out.csv" in caplog.text
        lines = export(course, kind, **ALLOWED)
        assert not [line for line in lines for cell in line if cell.strip("#") in ("ben", "cyd")]
        assert "ada" in "".join(lines[-1])
        assert left_out(course, kind) == {"ben": "1 answer waits for a TA", "cyd": "nothing was handed in"}
    course.read_essay("ben", 1)
    course.not_judged("ben")
    assert export(course, CanvasTotals) == []
    assert "hw, ben: 1 check was not judged" in caplog.text
    # Once nobody is left out, no older list says otherwise.
    course.grade("ben", {"q1": "", "q2": ""})
    with course.gradebook() as gradebook:
        gradebook.remove_student("cyd")
    assert len(export(course, CanvasTotals)) == 4
    assert not (course.root / "canvas.csv.left_out.csv").exists()


def test_sums_by_question_are_what_counts_with_lateness_and_bonus(course, caplog):
    course.hand_in("ben", DUE + datetime.timedelta(hours=1))
    course.change("ada", "essay", manual_score=5, extra_credit=4)
    zero = {"LateSubmissionPlugin": {"penalty_method": "zero"}}
    counts = {"ada": 10, "ben": 0}
    head, possible, *lines = export(course, CanvasQuestions, **zero)
    assert head[5:] == ["hw 2.1", "hw 2.2 (b)", "hw lateness"]
    assert possible[5:] == ["3", "5", "0"]
    assert {line[3]: sum(map(float, line[5:])) for line in lines} == counts
    assert lines[1][5:] == ["3", "2.5", "-5.5"]
    assert {line[0]: float(line[-2]) for line in export(course, AnsQuestions, **zero)[1:]} == counts
    assert {line[0]: float(line[1]) for line in export(course, BrightspaceTotals, **zero)[1:]} == {
        "#ada": 10,
        "#ben": 0,
    }
    assert "ada: 10 of 8 points; Brightspace cuts that" in caplog.text


ODD = {"s1": "=cmd|' /C calc'!A0", "s2": "Vries, de", "s3": 'O"Neil', "s4": "陈伟", "s5": "x;=1+1"}
ODD |= {"s6": "Points Possible", "s7": "＝1", "s8": "@SUM(A1)"}
SHOWN = {"s1": "'=cmd|' /C calc'!A0", "s5": "x;'=1+1", "s6": "s6", "s7": "'＝1", "s8": "'@SUM(A1)"}


def test_odd_names_survive_and_are_no_formula_and_no_line_of_canvas(course):
    with course.gradebook() as gradebook:
        for student, name in ODD.items():
            gradebook.add_student(student, last_name=name)
            gradebook.add_submission(ASSIGNMENT, student, timestamp=DUE)
    for student in ODD:
        course.grade(student, {"q1": "", "q2": ""})
        course.read_essay(student, 5)
    names = {line[3]: line[0] for line in export(course, CanvasTotals)[2:]}
    assert names == {"ada": "ada", "ben": "ben", **ODD, **SHOWN}
    assert [line[1] for line in export(course, BrightspaceTotals)[3:]] == ["8"] * len(ODD)
    assert [line[2] for line in export(course, AnsQuestions)[3:]] == list((ODD | SHOWN | {"s6": ODD["s6"]}).values())


def test_who_would_be_somebody_else_or_a_formula_is_refused(course, caplog):
    with course.gradebook() as gradebook:
        for student in ("ada", "ben"):
            gradebook.update_or_create_student(student, lms_user_id="7")
    assert export(course, CanvasTotals) == []
    assert "ben and ada are both 7 for the LMS; correct the roster" in caplog.text
    with course.gradebook() as gradebook:
        gradebook.add_student("-12")
        gradebook.add_submission(ASSIGNMENT, "-12", timestamp=DUE)
    course.grade("-12", {"q1": "", "q2": ""})
    course.read_essay("-12", 5)
    assert export(course, AnsQuestions) == []
    assert "the id '-12' would not arrive as it is" in caplog.text
    # Behind the mark of Brightspace it does.
    assert export(course, BrightspaceTotals)[1] == ["#-12", "8", "#"]


@pytest.mark.parametrize(
    ("title", "said"),
    [("=1+1", "the title '=1+1' would not arrive"), ("Final Score", "Canvas passes over columns with 'Final Score'")],
)
def test_a_title_that_would_not_arrive_is_refused(course, title, said, caplog):
    assert export(course, CanvasTotals, LmsTable={"titles": {ASSIGNMENT: title}}) == []
    assert said in caplog.text


def test_one_file_is_about_one_assignment(course, caplog):
    with course.gradebook() as gradebook:
        gradebook.add_assignment("hw2")
    assert export(course, CanvasTotals) == []
    assert "name one assignment, --assignment=NAME; there are hw, hw2" in caplog.text
    assert export(course, CanvasTotals, ExportPlugin={"assignment": ["hw3"]}) == []
    assert len(export(course, CanvasTotals, ExportPlugin={"assignment": [ASSIGNMENT]})) == 4
    assert NOTEBOOK == "2a"
