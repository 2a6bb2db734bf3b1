"""Feedback is not released while the gradebook says something else than the verdicts."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError

from proctor.checking.verdict import Record, Verdict, record_path
from proctor.plugin import release_feedback
from proctor.plugin.release_feedback import ReleaseFeedback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]
ASSIGNMENT, NOTEBOOK = "hw", "2a"
POINTS = {"q1": 1.0, "q2": 2.0}


class Graded:
    """A course with two graded students, ada (q1 right) and ben (all right), and feedback for both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.exchange = root / "exchange"

    def fill(self) -> None:
        self.exchange.mkdir()
        self.exchange.chmod(0o777)
        with self.gradebook() as gradebook:
            gradebook.add_assignment(ASSIGNMENT)
            gradebook.add_notebook(NOTEBOOK, ASSIGNMENT)
            for name, points in POINTS.items():
                gradebook.add_grade_cell(name, NOTEBOOK, ASSIGNMENT, max_score=points, cell_type="code")
            gradebook.add_grade_cell("essay", NOTEBOOK, ASSIGNMENT, max_score=5, cell_type="markdown")
            for student in ("ada", "ben"):
                gradebook.add_student(student)
                gradebook.add_submission(ASSIGNMENT, student)
        self.grade("ada", {"q1": True, "q2": False})
        self.grade("ben", {"q1": True, "q2": True})

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}", "test")

    def grade(self, student: str, passed: dict[str, bool]) -> None:
        verdicts = {
            name: Verdict(name, good, "" if good else "wrong value", "", False, "", "") for name, good in passed.items()
        }
        record = Record(ASSIGNMENT, student, NOTEBOOK, "00", "0.1.0", "bwrap", POINTS, verdicts)
        path = record_path(self.root, ASSIGNMENT, student, NOTEBOOK)
        record.save(path)
        self.complete(student, [])
        for name, points in record.scores().items():
            self.change(student, name, auto_score=points)
        folder = self.root / "feedback" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NOTEBOOK}.html").write_text(student)
        (folder / "timestamp.txt").write_text("2026-01-01 00:00:00 UTC")
        (folder / "submission_secret.txt").write_text(student)

    def complete(self, student: str, differences: list[str]) -> None:
        path = self.root / "proctor_records" / ASSIGNMENT / student / "complete.json"
        path.write_text(json.dumps({"state": "x", "differences": differences}))

    def change(self, student: str, cell: str, **scores: float | None) -> None:
        with self.gradebook() as gradebook:
            grade = gradebook.find_grade(cell, NOTEBOOK, ASSIGNMENT, student)
            for name, score in scores.items():
                setattr(grade, name, score)
            gradebook.db.commit()

    def release(self, **options: str) -> list[str]:
        """Contents of all pages that are released."""
        directory = CourseDirectory(root=str(self.root), course_id="test", assignment_id=ASSIGNMENT, **options)
        step = ReleaseFeedback(coursedir=directory)
        step.root = str(self.exchange)
        try:
            step.start()
        finally:
            self.pages = sorted(path.read_text() for path in self.exchange.rglob("*.html"))
        return self.pages


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> Path:
    # nbgrader calls alembic by its name to mark a new gradebook.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        root = tmp_path_factory.mktemp("graded") / "course"
        root.mkdir()
        Graded(root).fill()
    return root


@pytest.fixture
def graded(once, tmp_path) -> Graded:
    shutil.copytree(once, tmp_path / "course")
    return Graded(tmp_path / "course")


def test_all_is_released_where_gradebook_and_verdicts_agree(graded):
    assert graded.release() == ["ada", "ben"]


def test_points_of_staff_are_no_difference(graded):
    graded.change("ada", "q2", manual_score=1.5, extra_credit=3)
    graded.change("ada", "essay", manual_score=4)
    assert graded.release() == ["ada", "ben"]


@pytest.mark.parametrize("score", [2.0, 0.5, -1.0, float("nan"), None])
def test_another_score_in_the_gradebook_stops_it_for_all_and_names_the_student(graded, score):
    graded.change("ada", "q2", auto_score=score)
    # SQLite keeps no NaN: it comes back as no score.
    with pytest.raises(ExchangeError, match=r"differ for ada;.*--force --student=ID"):
        graded.release()
    assert graded.pages == []


def test_what_was_said_after_grading_stops_it(graded):
    graded.complete("ben", ["2a: q1: 0 in the gradebook, 1 by the verdict"])
    with pytest.raises(ExchangeError, match="differ for ben;"):
        graded.release()
    assert graded.pages == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"differences": 3}', "\x00"])
def test_a_damaged_note_of_completion_stops_it(graded, text):
    (graded.root / "proctor_records" / ASSIGNMENT / "ben" / "complete.json").write_text(text)
    with pytest.raises(ExchangeError, match="differ for ben;"):
        graded.release()


def test_a_damaged_record_stops_it(graded):
    (graded.root / "proctor_records" / ASSIGNMENT / "ben" / f"{NOTEBOOK}.json").write_text("{")
    with pytest.raises(ExchangeError, match="differ for ben;"):
        graded.release()


def test_without_a_record_only_zero_points_pass(graded):
    for student in ("ada", "ben"):
        (graded.root / "proctor_records" / ASSIGNMENT / student / f"{NOTEBOOK}.json").unlink()
    for cell in POINTS:
        graded.change("ben", cell, auto_score=0)
    with pytest.raises(ExchangeError, match="differ for ada;"):
        graded.release()
    graded.change("ada", "q1", auto_score=0)
    assert graded.release() == ["ada", "ben"]


def test_others_can_be_released_without_the_one_that_differs(graded):
    graded.change("ada", "q2", auto_score=2)
    assert graded.release(student_id="ben") == ["ben"]
    assert graded.release(student_id_exclude="ada") == ["ben"]
    with pytest.raises(ExchangeError, match="ada"):
        graded.release(student_id="a*")


def test_records_of_somebody_who_has_left_the_course_stop_nothing(graded):
    with graded.gradebook() as gradebook:
        gradebook.remove_student("ada")
    assert "ben" in graded.release()


@pytest.mark.parametrize("text", [None, "", " \n", "x" * 2_000])
def test_one_without_a_secret_is_named_and_the_others_get_their_pages(graded, text):
    secret = graded.root / "feedback" / "ada" / ASSIGNMENT / "submission_secret.txt"
    secret.unlink()
    if text is not None:
        secret.write_text(text)
    with pytest.raises(ExchangeError, match="released to 1 students, but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]


def test_a_folder_in_place_of_a_file_and_no_time_stop_nobody_else(graded):
    folder = graded.root / "feedback" / "ada" / ASSIGNMENT
    (folder / "submission_secret.txt").unlink()
    (folder / "submission_secret.txt").mkdir()
    (graded.root / "feedback" / "ben" / ASSIGNMENT / "timestamp.txt").unlink()
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]


def test_only_pages_of_the_assignments_notebooks_are_released(graded, tmp_path):
    folder = graded.root / "feedback" / "ada" / ASSIGNMENT
    (folder / "page.html").write_text("<script>alert(1)</script>")
    (folder / "sub").mkdir()
    (folder / "sub" / f"{NOTEBOOK}.html").write_text("another")
    assert graded.release() == ["ada", "ben"]
    # A link to elsewhere is no page.
    (folder / f"{NOTEBOOK}.html").rename(tmp_path / "secret")
    (folder / f"{NOTEBOOK}.html").symlink_to(tmp_path / "secret")
    shutil.rmtree(graded.exchange / "test")
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]


def test_an_old_page_of_one_that_was_not_graded_to_its_end_is_not_released(graded):
    (graded.root / "proctor_records" / ASSIGNMENT / "ada" / "complete.json").unlink()
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]


def test_a_page_of_one_that_was_graded_in_part_or_before_the_last_one_came_is_not_released(graded, caplog):
    path = graded.root / "proctor_records" / ASSIGNMENT / "ada" / "complete.json"
    path.write_text(json.dumps({"state": None, "differences": []}))
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert "ada: graded in part; run nbgrader autograde hw --student=ada" in caplog.text
    assert graded.pages == ["ben"]
    graded.complete("ada", [])
    folder = graded.root / "submitted" / "ada" / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / "timestamp.txt").write_text("2026-03-01 00:00:01 UTC")
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert "ada: another one was collected and isn't graded" in caplog.text


def test_pages_on_which_something_waits_are_released_and_named(graded, caplog):
    graded.change("ben", "essay", manual_score=4, needs_manual_grade=False)
    assert graded.release() == ["ada", "ben"]
    assert "released with a mark: ada: 1 answer waits for a TA" in caplog.text
    assert "with a mark: ben" not in caplog.text


def test_a_page_that_shows_more_than_it_may_now_is_not_released(graded, caplog):
    # Made when the deadline was over; there is none any more.
    page = graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html"
    page.write_text('<head><meta content="all" name="proctor-reveal"/><title>2a</title></head>')
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]
    assert "ada: the page of 2a shows what is hidden" in caplog.text


def test_each_page_has_the_list_of_all_on_top_since_nothing_else_is_fetched(graded):
    with graded.gradebook() as gradebook:
        gradebook.add_notebook("2b", ASSIGNMENT)
        gradebook.add_grade_cell("later", "2b", ASSIGNMENT, max_score=1, cell_type="code")
        submission = gradebook.find_submission(ASSIGNMENT, "ada")
        missing = SubmittedNotebook(notebook=gradebook.find_notebook("2b", ASSIGNMENT), assignment=submission)
        gradebook.db.add(missing)
        gradebook.db.commit()
    page = graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html"
    page.write_text("<main>of ada</main>")
    (made,) = [one for one in graded.release() if "of ada" in one]
    listed = made.partition("of ada")[0]
    assert f'<a href="{NOTEBOOK}.html">' in listed
    assert "2b (no page yet)" in listed
    assert page.read_text() == "<main>of ada</main>"


def test_an_error_of_whatever_kind_is_that_of_one_student(graded, monkeypatch):
    real = release_feedback.notebook_hash

    def notebook_hash(secret, notebook_id):
        assert secret != "ada"
        return real(secret=secret, notebook_id=notebook_id)

    monkeypatch.setattr(release_feedback, "notebook_hash", notebook_hash)
    with pytest.raises(ExchangeError, match="but not to ada;"):
        graded.release()
    assert graded.pages == ["ben"]
