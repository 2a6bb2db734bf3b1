"""The coordinator's page: its numbers are those that an independent count gives, and small samples say so."""

import datetime
import random
import re
import sqlite3
from types import SimpleNamespace

import pandas
import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, POINTS, Graded, config, made_once
from nbgrader.api import Gradebook

from proctor.checking.verdict import NO_VERDICT, Record, Verdict, record_path
from proctor.errors import ProctorError
from proctor.plugin import marked_by
from proctor.plugin.course_report import CourseReport, gather
from proctor.plugin.item_statistics import Marking, histogram, items, markers, twice_marked
from proctor.plugin.lateness import Lateness
from proctor.plugin.marked_by import FOLDER, Mark
from proctor.plugin.report import ReportApp
from proctor.plugin.report_page import page
from proctor.plugin.reports_folder import folder_of, write

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
SQL = """\
select s.student_id as student, c.name as cell, coalesce(g.manual_score, g.auto_score) as points
from grade g join base_cell c on c.id = g.cell_id join submitted_notebook n on n.id = g.notebook_id
join submitted_assignment s on s.id = n.assignment_id"""
MOST = {**POINTS, "essay": 5.0}


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Graded:
    """Sixteen more students, whose essays two TAs have marked; one late, one not judged, one unfinished, one unread."""
    made = Graded(made_once(tmp_path_factory.mktemp("report")))
    numbers = random.Random(7)
    with made.gradebook() as gradebook:
        gradebook.add_student("absent")
        for number in range(-2, 16):
            student = f"s{number:02}" if number >= 0 else ("ada", "ben")[number]
            late = datetime.timedelta(hours=30 if student == "s03" else 0)
            if number >= 0:
                gradebook.add_student(student)
                gradebook.add_submission(ASSIGNMENT, student, timestamp=DUE + late)
                record(made, gradebook, student, {name: numbers.choice(["", "wrong value"]) for name in POINTS})
            if student == "s07":
                continue
            essay = gradebook.find_grade("essay", NOTEBOOK, ASSIGNMENT, student)
            essay.manual_score, essay.needs_manual_grade = numbers.choice([1.0, 2.5, 4.0, 5.0]), False
            if number >= 0:
                note(made, "anna" if number % 2 else "bram", student, essay.manual_score)
        gradebook.db.commit()
    # Given other points than there are now, as before a price changed; and marked by somebody else before.
    note(made, "bram", "s02", 0.5, "2026-03-03T10:00:00+00:00")
    note(made, "anna", "s00", 0.0, "2026-03-01T10:00:00+00:00")
    made.finished("s09").forget()
    (made.root / "submitted" / "new" / ASSIGNMENT).mkdir(parents=True)
    return made


def record(course: Graded, gradebook: Gradebook, student: str, kinds: dict[str, str]) -> None:
    kinds = {**kinds, "q2": NO_VERDICT} if student == "s05" else kinds
    verdicts = {name: Verdict(name, not kind, kind, "", False, "", "") for name, kind in kinds.items()}
    made = Record(ASSIGNMENT, student, NOTEBOOK, "00", "0.1.0", "bwrap", POINTS, verdicts)
    made.save(record_path(course.root, ASSIGNMENT, student, NOTEBOOK))
    for name, points in made.scores().items():
        grade = gradebook.find_grade(name, NOTEBOOK, ASSIGNMENT, student)
        grade.auto_score, grade.needs_manual_grade = points, False
    (course.root / "submitted" / student / ASSIGNMENT).mkdir(parents=True)
    course.finish(student)


def note(course: Graded, who: str, student: str, points: float, time: str = "2026-03-02T10:00:00+00:00") -> None:
    marked_by.write(course.root, ASSIGNMENT, Mark(time, who, student, NOTEBOOK, "essay", points))


@pytest.fixture(scope="module")
def report(course) -> CourseReport:
    app = ReportApp(config=config(Proctor={"late_penalty": {"per_day": 0.1, "free_days": 0}}))
    return gather(course.directory(), Lateness(app), ASSIGNMENT)


@pytest.fixture(scope="module")
def table(course) -> pandas.DataFrame:
    """Points by student and cell, as the database has them, without what no verdict and no person has given."""
    with sqlite3.connect(course.root / "gradebook.db") as database:
        found = pandas.read_sql(SQL, database).pivot(index="student", columns="cell", values="points").astype(float)
    found.loc["s05", "q2"] = float("nan")
    return found.drop(["s09"])


def test_questions_are_as_hard_as_the_gradebook_says(report, table):
    found = {question.cells[0][1]: item for question, item in items(report.rows(), of_questions(report)).items()}
    assert list(found) == ["q1", "q2", "essay"]
    whole = table.dropna()
    for cell, item in found.items():
        own = table[cell].dropna()
        assert (item.n, item.n_discrimination) == (len(own), len(whole))
        assert item.difficulty == pytest.approx((own / MOST[cell]).mean())
        assert item.full == pytest.approx((own == MOST[cell]).mean())
        assert item.none == pytest.approx((own == 0).mean())
        rest = whole.drop(columns=cell).sum(axis=1)
        assert item.discrimination == pytest.approx(whole[cell].corr(rest))


def of_questions(report) -> dict:
    return {question: question.most for question in report.questions}


def test_totals_are_those_that_count(report, table):
    final = {one.student: one.total for one in report.graded() if one.final()}
    counted = table.dropna().sum(axis=1)
    # Thirty hours are two begun days.
    counted["s03"] *= 0.8
    assert final == pytest.approx(counted.to_dict())
    assert sum(count for _, _, count in histogram(final.values(), report.most)) == len(counted)


def test_markers_are_compared_on_what_they_marked(report, table):
    found = markers(report.markings)
    shares = pandas.DataFrame([(one.marker, one.answer[0], one.share) for one in report.markings])
    assert {name: one.n for name, one in found.items()} == shares[0].value_counts().to_dict() == {"anna": 7, "bram": 8}
    for name, one in found.items():
        own = shares[shares[0] == name].set_index(1)[2]
        assert (one.mean, one.spread) == pytest.approx((own.mean(), own.std()))
        known = own.drop("s09", errors="ignore")
        assert (known * MOST["essay"]).to_dict() == table["essay"][known.index].to_dict()
        # Too few answers for a comparison.
        assert (one.n_compared, one.lenience) == (one.n, None)
    assert len(twice_marked(report.history)) == 1


def test_a_comparison_is_of_the_same_questions_and_needs_ten():
    strict = [Marking("a", number, number % 2, 0.2 + 0.6 * (number % 2)) for number in range(10)]
    easy = [Marking("b", 10 + number, 0, 0.3) for number in range(10)]
    alone = [Marking("b", 30, "only b", 1.0)]
    found = markers(strict + easy + alone)
    assert (found["a"].n_compared, found["a"].lenience) == (5, None)
    assert (found["b"].n, found["b"].n_compared) == (11, 10)
    assert found["b"].lenience == pytest.approx(0.1)


def test_nine_submissions_have_no_discrimination_and_ten_alike_neither():
    for number, said in ((9, None), (10, pytest.approx(1.0))):
        rows = [{"a": float(one % 2), "b": float(one % 2), "c": 1.0} for one in range(number)]
        found = items(rows, {"a": 1.0, "b": 1.0, "c": 1.0})
        assert (found["a"].discrimination, found["c"].discrimination) == (said, None)
        assert found["a"].n_discrimination == number


def test_a_question_that_nobody_has_read_does_not_hide_the_others():
    rows = [{"a": float(one % 2), "b": float(one % 2), "essay": None} for one in range(12)]
    found = items(rows, {"a": 1.0, "b": 1.0, "essay": 5.0})
    assert found["a"].discrimination == pytest.approx(1.0)
    assert (found["essay"].n, found["essay"].mean, found["essay"].discrimination) == (0, None, None)


def test_the_page_says_what_waits_and_needs_nothing(course, report):
    made = page(report, "unknown")
    text = " ".join(re.sub("<[^>]+>", " ", made).split())
    for said in (
        "19 in the gradebook; 18 have a graded submission",
        "Waits for a person 1 answer of 1 student",
        "Not judged 1 check of 1 student",
        "1 graded in part, or to be graded again; 1 collected and not graded",
        "s09: not graded to its end; run nbgrader autograde hw",
        "Collected, not graded new",
        "s03 1 d 6 h 00 min",
        "on for 18 notebooks",
        "17 answers have points that were given by hand; of 15 it is known by whom.",
        "fewer than 10 (7)",
        "(a small sample)",
    ):
        assert said in text, said
    assert not re.search(r"<script|src=|href=|https?:|@import|url\(", made)
    assert "default-src &#39;none&#39;" in made


def test_texts_of_students_are_texts(course, report):
    odd = "<img src=x onerror=alert(1)>"
    report.notes[odd] = {odd}
    made = page(report, odd)
    del report.notes[odd]
    assert odd not in made
    assert made.count("&lt;img src=x") == 3


def test_the_file_is_for_staff_and_bad_names_are_refused(course):
    target = folder_of(course.root, ASSIGNMENT, False) / "report.html"
    write(target, "a page")
    assert [one.stat().st_mode & 0o777 for one in (target.parents[1], target.parent, target)] == [0o700, 0o700, 0o600]
    with pytest.raises(ProctorError, match="can't name a folder"):
        folder_of(course.root, "..", False)
    with pytest.raises(ProctorError, match="there is no assignment ps9; there are hw"):
        gather(course.directory(), Lateness(ReportApp()), "ps9")


def test_who_marked_is_the_hubs_user_or_the_account(monkeypatch):
    user = SimpleNamespace(username="anna")
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "coord")
    assert marked_by.marker(user) == "coord"
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "x")
    assert (marked_by.marker(user), marked_by.marker({"name": "bram"})) == ("anna", "bram")


def test_damaged_lines_cost_only_themselves(tmp_path):
    for who in ("anna", "../x", "anna"):
        marked_by.write(tmp_path, ASSIGNMENT, Mark("2026-03-02", who, "ada", NOTEBOOK, "essay", 1.0))
    folder = tmp_path / "proctor_records" / ASSIGNMENT / FOLDER
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["..%2Fx.jsonl", "anna.jsonl"]
    with (folder / "anna.jsonl").open("a") as file:
        file.write("{half a li")
    found, lines = marked_by.read(tmp_path, ASSIGNMENT)
    assert len(found) == 3
    assert "1 lines in it are damaged" in lines[0]
    assert (folder / "anna.jsonl").stat().st_mode & 0o777 == 0o600
