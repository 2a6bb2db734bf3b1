"""Pages are made anew when what stands on them has changed, and say what has no points yet."""

import datetime
import errno
import json
import logging
import re
import shutil
import tempfile

import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, copied, made_once, source_notebook
from nbgrader.converters.base import NbGraderException
from traitlets.config import Configurable

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.pages.page import Page
from proctor.plugin import feedback, page_grades
from proctor.plugin.feedback import FeedbackExporter, SafeFeedback
from proctor.plugin.generate_feedback import GenerateFeedback
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_grades import PageGrades, write_template
from proctor.plugin.page_state import refuse_older

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    root = made_once(tmp_path_factory.mktemp("graded"))
    for student in ("ada", "ben"):
        folder = root / "autograded" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{NOTEBOOK}.ipynb").write_text(json.dumps(source_notebook()))
    return root


@pytest.fixture
def graded(once, tmp_path):
    return copied(once, tmp_path)


@pytest.fixture
def undrawn(monkeypatch):
    """Pages that are only their notebook: what is drawn is tested elsewhere, and takes its time."""
    monkeypatch.setattr(feedback, "draw_page", lambda title, text, *rest, **more: Page(text, [], True))


class App(Configurable):
    """Stands for nbgrader's command."""


def make(course, force: bool = False, **sections) -> list[str]:
    """Makes pages; of which students it made any."""
    steps = {"exporter_class": FeedbackExporter, "preprocessors": [SafeFeedback, PageGrades]}
    before = {path: path.stat().st_mtime_ns for path in course.root.glob("feedback/*/*/*.html")}
    parent = App(config=config(GenerateFeedback=steps, **sections))
    directory = course.directory()
    directory.student_id = "*"
    step = GenerateFeedback(coursedir=directory, parent=parent, force=force)
    step.log = logging.getLogger("feedback")
    step.start()
    pages = sorted(course.root.glob("feedback/*/*/*.html"))
    return [path.parent.parent.name for path in pages if before.get(path) != path.stat().st_mtime_ns]


def scores(course, student: str) -> list[str]:
    page = (course.root / "feedback" / student / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    return [" ".join(one.split()) for one in re.findall(r"Score: ([^()<]*)", page)]


def comment(course, student: str, text: str) -> None:
    with course.gradebook() as gradebook:
        gradebook.find_comment("essay", NOTEBOOK, ASSIGNMENT, student).manual_comment = text
        gradebook.db.commit()


def test_what_is_open_says_so_and_does_not_count(graded):
    graded.read_essay("ada", 4)
    graded.not_judged("ben")
    assert make(graded) == ["ada", "ben"]
    assert scores(graded, "ada")[:4] == ["5.0 / 8.0", "1.0 / 1.0", "0.0 / 2.0", "4.0 / 5.0"]
    total = "1.0 / 1.0 so far; 2 answers are not graded yet, 7 points"
    assert scores(graded, "ben")[:4] == [total, "1.0 / 1.0", "not judged yet / 2.0", "waiting for a TA / 5.0"]


def test_a_page_is_made_anew_for_whom_something_changed_and_for_nobody_else(graded, undrawn):
    assert make(graded) == ["ada", "ben"]
    assert make(graded) == []
    comment(graded, "ada", "Well said")
    assert make(graded) == ["ada"]
    assert "Well said" in (graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    graded.read_essay("ben", 2)
    assert make(graded) == ["ben"]
    graded.change("ben", "essay", extra_credit=1)
    assert make(graded) == ["ben"]
    graded.grade("ada", {"q1": "", "q2": "wrong shape"})
    assert make(graded) == ["ada"]
    notebook = graded.root / "autograded" / "ben" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    notebook.write_text(notebook.read_text().replace("Why?", "Why not?"))
    assert make(graded) == ["ben"]
    (graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").unlink()
    assert make(graded) == ["ada"]
    assert make(graded) == []
    assert make(graded, force=True) == ["ada", "ben"]


def test_whose_autograded_notebook_is_gone_is_named(graded, undrawn, caplog):
    shutil.rmtree(graded.root / "autograded" / "ben")
    assert make(graded) == ["ada"]
    assert "ben: no pages were made: there is nothing in" in caplog.text
    assert f"run: nbgrader autograde {ASSIGNMENT} --student=ben" in caplog.text
    assert "ada: no pages" not in caplog.text


def test_an_accident_costs_the_pages_of_one_submission_and_is_a_line(graded, undrawn, monkeypatch, caplog):
    make(graded)
    folders = {name: graded.root / "feedback" / name / ASSIGNMENT for name in ("ada", "ben")}
    monkeypatch.setattr(tempfile, "tempdir", str(graded.root))
    made = GenerateFeedback.convert_single_notebook

    def failing(error: Exception):
        def convert(self, place: str) -> None:
            if "/ada/" in place:
                folders["ada"].mkdir(exist_ok=True)
                (folders["ada"] / f"{NOTEBOOK}.html").write_text("half a page")
                raise error
            made(self, place)

        return convert

    rights = PermissionError(errno.EPERM, "Operation not permitted", str(folders["ada"] / "x"))
    for error, said in ((rights, "you can't write there"), (KeyError("odd"), "KeyError: 'odd' (nobody has foreseen")):
        monkeypatch.setattr(GenerateFeedback, "convert_single_notebook", failing(error))
        with pytest.raises(NbGraderException, match="no pages were made of 1 submissions \\(ada\\)"):
            make(graded, force=True)
        assert "ada: no pages were made: " in caplog.text
        assert said in caplog.text
        assert [(folder / f"{NOTEBOOK}.html").exists() for folder in folders.values()] == [False, True]
    full = OSError(errno.ENOSPC, "No space left on device", str(folders["ada"] / "x"))
    monkeypatch.setattr(GenerateFeedback, "convert_single_notebook", failing(full))
    with pytest.raises(NbGraderException, match="no pages were made from ada on: .*no room is left on this disk"):
        make(graded, force=True)
    assert "Traceback" not in caplog.text
    monkeypatch.setattr(GenerateFeedback, "convert_single_notebook", made)
    assert make(graded) == ["ada"]


def test_a_page_that_is_older_than_a_comment_is_not_released(graded, undrawn):
    def refused(student: str) -> str:
        with graded.gradebook() as gradebook:
            submission = gradebook.find_submission(ASSIGNMENT, student)
            try:
                refuse_older(graded.directory(), Lateness(App()), submission)
            except ProctorError as error:
                return str(error)
        return ""

    assert refused("ada") == ""
    make(graded)
    comment(graded, "ada", "Well said")
    assert refused("ada") == (
        "points, comments or verdicts changed since the page of 2a was made; run nbgrader generate_feedback hw"
    )
    assert refused("ben") == ""
    make(graded)
    assert refused("ada") == ""


def test_a_late_rule_acts_on_the_points_as_they_are_now(graded):
    for student in ("ada", "ben"):
        graded.read_essay(student, 5)
    graded.hand_in("ben", DUE + datetime.timedelta(minutes=7))
    assert make(graded) == ["ada", "ben"]
    zero = {"LateSubmissionPlugin": {"penalty_method": "zero"}}
    assert make(graded, **zero) == ["ben"]
    assert scores(graded, "ben")[0] == "0.0 / 8.0"
    assert "-8.0" in scores(graded, "ben")
    until = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
    assert make(graded, Proctor={"extensions": {ASSIGNMENT: {"ben": until}}}, **zero) == ["ben"]
    assert scores(graded, "ben")[0] == "8.0 / 8.0"


def test_a_student_can_not_write_the_marks(graded):
    notebook = source_notebook()
    for cell in notebook["cells"]:
        cell["metadata"]["nbgrader"][page_grades.OPEN] = "5.0"
    (graded.root / "autograded" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))
    graded.read_essay("ada", 0)
    make(graded)
    assert scores(graded, "ada")[:4] == ["1.0 / 8.0", "1.0 / 1.0", "0.0 / 2.0", "0.0 / 5.0"]


def test_without_records_pages_are_made_each_time_and_say_so(graded, undrawn):
    shutil.rmtree(verdict.record_path(graded.root, ASSIGNMENT, "ada", NOTEBOOK).parent)
    make(graded)
    page = (graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    assert page.count(f'"{page_grades.OPEN}": "not judged yet"') == 2
    assert make(graded) == ["ada"]


def test_another_template_of_nbgraders_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "index.html.j2"
    other.write_text("{{ cell.metadata.nbgrader.score }}")
    monkeypatch.setattr(page_grades, "_TEMPLATE", other)
    with pytest.raises(RuntimeError, match="install the pinned nbgrader"):
        write_template(tmp_path)
