"""Grading again after a correction: a preview that writes nothing, and what is stored of it. A stand-in grades."""

import json
import os
import shutil
import signal

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, Graded, copied, made_once, source_notebook

from proctor.checking.verdict import Record, Verdict, no_verdict
from proctor.graded_notebook import write_verdicts
from proctor.jobs import doing
from proctor.notebooks import cells as notebook_cells
from proctor.plugin import busy
from proctor.plugin.autograde import Autograde
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_state import states
from proctor.plugin.regrade import RegradeApp
from proctor.plugin.show import ShowApp

pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
CONFIG = """
c = get_config()
from proctor.plug_in import plug_in
plug_in(c)
c.CourseDirectory.root = {root!r}
c.CourseDirectory.course_id = "test"
c.CourseDirectory.db_url = "sqlite:///{root}/gradebook.db"
c.Proctor.sandbox = "none"
c.Proctor.secret = {secret!r}
c.Proctor.workers = 1
c.Proctor.warm = []
c.Exchange.root = {exchange!r}
"""
# Who passes the hidden test of q2, by its text.
PASS = {"assert 1": {"ben", "cyd"}, "assert 2": {"ada", "cyd"}, "assert 3": {"cyd"}}
STUDENTS = ("ada", "ben", "cyd")
ran: list[str] = []
stopping: list[bool] = []


def stand_in(notebook, submission, around, *rest):
    """Grades in place of the engine."""
    ran.append(submission.student)
    if stopping:
        os.kill(os.getpid(), signal.SIGINT)
    tests = notebook_cells.autograded_cells(notebook)
    points = {name: float(notebook_cells.nbgrader_metadata(cell)["points"]) for name, cell in tests.items()}
    verdicts = {name: Verdict(name, True, "", "", False, "", "") for name in points}
    text = notebook_cells.source(tests["q2"])
    if "nothing" in text:
        verdicts["q2"] = no_verdict("q2", "no data")
    elif submission.student not in next(found for said, found in PASS.items() if said in text):
        verdicts["q2"] = Verdict(
            "q2", False, "wrong value", "large numbers", True, "A hidden check failed", "2 is not 3"
        )
    write_verdicts(notebook, verdicts)
    return Record(
        *(submission.assignment, submission.student, submission.notebook, submission.digest),
        engine="stand-in",
        sandbox="none",
        points=points,
        verdicts=verdicts,
    )


class Course(Graded):
    """A course that is graded by the stand-in, and what the command says in it."""

    def configure(self) -> None:
        beside = self.root.parent
        (beside / "exchange").mkdir(exist_ok=True)
        words = {"root": str(self.root), "secret": str(beside / "secret"), "exchange": str(beside / "exchange")}
        (self.root / "nbgrader_config.py").write_text(CONFIG.format(**words))

    def autograde(self) -> None:
        app = self.app(RegradeApp, ASSIGNMENT)
        app.coursedir.assignment_id = ASSIGNMENT
        Autograde(coursedir=app.coursedir, parent=app).start()

    def app(self, kind, *words: str):
        before = os.getcwd()
        os.chdir(self.root)
        try:
            kind.clear_instance()
            app = kind()
            app.initialize(list(words))
            return app
        finally:
            os.chdir(before)

    def regrade(self, *words: str) -> int:
        """Its exit status."""
        try:
            self.app(RegradeApp, ASSIGNMENT, *words).start()
        except SystemExit as end:
            return end.code
        return 0

    def correct(self, hidden: str) -> None:
        self.write_source(source_notebook(hidden=hidden))

    def points(self) -> dict[str, float]:
        with self.gradebook() as gradebook:
            return {name: gradebook.find_grade("q2", NOTEBOOK, ASSIGNMENT, name).auto_score for name in STUDENTS}

    def mark(self, student: str) -> None:
        """What a TA does with an essay."""
        self.read_essay(student, 4)
        with self.gradebook() as gradebook:
            gradebook.find_comment("essay", NOTEBOOK, ASSIGNMENT, student).manual_comment = "Well said"
            gradebook.db.commit()

    def of_staff(self) -> list[tuple]:
        """All rows of hand marks and comments."""
        with self.gradebook() as gradebook:
            found = []
            for name in STUDENTS:
                submitted = gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, name)
                found += [(name, one.name, one.manual_score, one.needs_manual_grade) for one in submitted.grades]
                found += [(name, one.name, one.manual_comment) for one in submitted.comments]
            return sorted(found, key=repr)

    def pages(self) -> dict[str, str]:
        """By student what a page would show."""
        lateness = Lateness(ShowApp())
        return {name: states(self.directory(), lateness, ASSIGNMENT, name)[NOTEBOOK] for name in STUDENTS}

    def content(self) -> dict[str, bytes]:
        """All files of the course."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doing, "grade", stand_in)
        folder = tmp_path_factory.mktemp("regraded")
        made = Course(made_once(folder))
        with made.gradebook() as gradebook:
            gradebook.add_student("cyd")
            for cell in ("a1", "essay"):
                gradebook.find_source_cell(cell, NOTEBOOK, ASSIGNMENT).checksum = "0" * 32
            gradebook.db.commit()
        for name in STUDENTS:
            (made.root / "submitted" / name / ASSIGNMENT).mkdir(parents=True, exist_ok=True)
        (folder / "secret").write_text("5e" * 32)
        (folder / "secret").chmod(0o600)
        made.configure()
        made.autograde()
        assert made.points() == {"ada": 0, "ben": 2, "cyd": 2}
    return made.root


@pytest.fixture
def course(once, tmp_path, monkeypatch):
    made = Course(copied(once, tmp_path).root)
    shutil.copy(once.parent / "secret", tmp_path / "secret")
    made.configure()
    monkeypatch.setattr(doing, "grade", stand_in)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ran.clear()
    stopping.clear()
    return made


def test_a_preview_names_whose_points_change_and_writes_nothing(course, capsys):
    course.correct("assert 2")
    before = course.content()
    assert course.regrade() == 0
    said = capsys.readouterr().out
    assert course.content() == before
    assert "hw: 3 submissions were graded again, beside the course (the tests of 2a changed)" in said
    assert "  ada  q2  0 → 2 of 2  its test changed\n" in said
    assert "  ben  q2  2 → 0 of 2  its test changed; now: A hidden check failed: large numbers — wrong value\n" in said
    assert "1 as they were" in said
    assert sorted(ran) == [*STUDENTS]


def test_what_was_shown_is_stored_without_grading_once_more_and_nothing_else_changes(course, capsys):
    course.mark("ada")
    course.correct("assert 2")
    assert course.regrade() == 0
    # Whatever people do in between stays.
    course.mark("cyd")
    staff, pages, before = course.of_staff(), course.pages(), course.content()
    ran.clear()
    assert course.regrade("--apply") == 0
    assert ran == []
    assert course.points() == {"ada": 2, "ben": 0, "cyd": 2}
    assert course.of_staff() == staff
    # Of whom nothing changed, no file is another one but the note of what the submission is graded with.
    after = course.content()
    different = {name for name in before if after.get(name) != before[name]}
    assert {name for name in different if "cyd" in name} == {f"proctor_records/{ASSIGNMENT}/cyd/complete.json"}
    assert {f"autograded/{name}/{ASSIGNMENT}/{NOTEBOOK}.ipynb" for name in ("ada", "ben")} <= different
    assert {name for name, one in course.pages().items() if one != pages[name]} == {"ada", "ben"}
    # The former records are beside them, and there is nothing more to do.
    kept = f"proctor_records/{ASSIGNMENT}/.former/ben/0001/{NOTEBOOK}.json"
    assert after[kept] == before[f"proctor_records/{ASSIGNMENT}/ben/{NOTEBOOK}.json"]
    capsys.readouterr()
    course.app(ShowApp, "ben", ASSIGNMENT).start()
    said = capsys.readouterr().out
    assert "(the tests of 2a changed)" in said
    assert "q2 (q2): 2 → 0 of 2: its test changed" in said
    assert kept.rpartition("/")[0] in said
    course.app(ShowApp, "ben", ASSIGNMENT, "--json").start()
    (one,) = json.loads(capsys.readouterr().out)[0]["former"]
    assert (one["why"], one["changes"][0]["after"]) == (["the tests of 2a changed"], 0)
    assert course.regrade() == 0
    assert "3 not graded again: nothing has changed for them" in capsys.readouterr().out
    assert course.regrade("--apply") == 1
    assert "this account has no preview of it" in capsys.readouterr().err


def test_no_question_loses_points_also_when_all_is_graded_once_more(course, capsys):
    course.correct("assert 2")
    assert course.regrade("--never-lower") == 0
    assert "  ben  q2  2 → 0 of 2, which is not taken  its test changed" in capsys.readouterr().out
    # What was shown without losses is not stored with them.
    assert course.regrade("--apply") == 1
    assert "the last preview has shown less than that" in capsys.readouterr().err
    assert course.regrade("--apply", "--never-lower") == 0
    assert course.points() == {"ada": 2, "ben": 2, "cyd": 2}
    course.correct("assert 3")
    course.autograde()
    assert course.points() == {"ada": 0, "ben": 2, "cyd": 2}
    # Another submission is judged as all are.
    (course.root / "submitted" / "ben" / ASSIGNMENT / "notes.txt.handed-in").write_text("new")
    course.autograde()
    assert course.points() == {"ada": 0, "ben": 0, "cyd": 2}


def test_what_changed_since_the_preview_is_left_as_it_is_and_named(course, capsys):
    course.correct("assert 2")
    assert course.regrade() == 0
    (course.root / "submitted" / "ben" / ASSIGNMENT / "notes.txt.handed-in").write_text("new")
    before = course.content()
    assert course.regrade("--apply") == 1
    assert "not stored: ben: changed since the preview: make the preview again" in capsys.readouterr().out
    assert course.points() == {"ada": 2, "ben": 2, "cyd": 2}
    after = course.content()
    assert {name for name in before if "ben" in name and after.get(name) != before[name]} == set()
    assert course.regrade() == 0
    said = capsys.readouterr().out
    assert "  ben  q2  2 → 0 of 2  another submission was collected; its test changed" in said
    # Of two submissions nobody gets the best of both.
    assert course.regrade("--apply", "--cell=q1") == 1
    assert "another submission was collected, which counts as a whole" in capsys.readouterr().out
    # A test that is corrected once more was not in the preview.
    course.correct("assert 1")
    assert course.regrade("--apply") == 1
    assert course.points() == {"ada": 2, "ben": 2, "cyd": 2}


def test_other_checks_stay_and_remain_to_be_graded(course, capsys):
    notebook = source_notebook(hidden="assert 2")
    for place, title in ((1, "## 2.6 Small numbers, (a) and (b)"), (3, "## 2.60 (a) Large numbers")):
        notebook["cells"].insert(place, {"cell_type": "markdown", "id": f"t{place}", "metadata": {}, "source": title})
    course.write_source(notebook)
    assert course.regrade("--question=2.6", "--student=ada", "--student=ben") == 0
    assert "2 as they were" in capsys.readouterr().out
    assert course.regrade("--apply", "--question=2.60") == 1
    assert course.regrade("--apply", "--question=2.6") == 0
    assert course.points() == {"ada": 0, "ben": 2, "cyd": 2}
    capsys.readouterr()
    assert course.regrade("--question=2.60") == 0
    said = capsys.readouterr().out
    assert "3 submissions were graded again" in said
    assert "  ada  2.60 (a) (q2)  0 → 2 of 2  its test changed\n" in said


def test_what_we_could_not_judge_takes_no_points(course, capsys):
    course.correct("nothing")
    assert course.regrade() == 1
    assert "not to be stored: ben: not judged this time: q2" in capsys.readouterr().out
    assert course.regrade("--apply") == 1
    assert course.points() == {"ada": 0, "ben": 2, "cyd": 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--student=nobody",), "the gradebook has no student nobody"),
        (("--question=2.6",), "there is no question 2.6 with checks"),
        (("--cell=q9",), "there is no check q9; there are q1, q2"),
        (("--apply",), "this account has no preview of it; make one first: python -m proctor regrade hw"),
    ],
)
def test_a_name_that_nobody_has_is_said(course, capsys, words, said):
    before = course.content()
    assert course.regrade(*words) == 1
    assert said in capsys.readouterr().err
    assert course.content() == before


def test_nothing_is_done_while_somebody_grades_or_where_the_gradebook_has_other_points(course, capsys):
    course.correct("assert 2")
    with busy.held(course.root, ASSIGNMENT, "ada", "graded"):
        for words in ((), ("--apply",)):
            assert course.regrade(*words) == 1
            assert "nothing was done: a submission: it is being graded by" in capsys.readouterr().err
    course.write_source(source_notebook(hidden="assert 2", points=3))
    assert course.regrade() == 1
    said = capsys.readouterr().err
    assert f"{course.root}/source/{ASSIGNMENT} and the gradebook differ" in said
    assert "run: nbgrader generate_assignment hw --force" in said
    assert ran == []


def test_a_preview_that_is_stopped_leaves_nothing_behind(course, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    course.correct("assert 2")
    before = course.content()
    stopping.append(True)
    assert course.regrade() == 128 + signal.SIGINT
    assert course.content() == before
    assert [*(tmp_path / "tmp").iterdir(), *(tmp_path / "state" / "proctor").iterdir()] == []
