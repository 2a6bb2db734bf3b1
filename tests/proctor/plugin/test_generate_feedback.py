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
from proctor.pages.template import KEY
from proctor.plugin import feedback
from proctor.plugin.feedback import FeedbackExporter, SafeFeedback
from proctor.plugin.generate_feedback import GenerateFeedback
from proctor.plugin.lateness import Lateness
from proctor.plugin.page_grades import PageGrades
from proctor.plugin.page_state import PageState, refuse_older

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
    before = {path: path.stat().st_mtime_ns for path in course.root.glob(f"feedback/*/*/{NOTEBOOK}.html")}
    parent = App(config=config(GenerateFeedback=steps, **sections))
    directory = course.directory()
    directory.student_id = "*"
    step = GenerateFeedback(coursedir=directory, parent=parent, force=force)
    step.log = logging.getLogger("feedback")
    step.start()
    pages = sorted(course.root.glob(f"feedback/*/*/{NOTEBOOK}.html"))
    return [path.parent.parent.name for path in pages if before.get(path) != path.stat().st_mtime_ns]


def shown(course, student: str) -> list[str]:
    """What the page says of each graded cell, after what it says of the whole."""
    page = (course.root / "feedback" / student / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    total = re.search(r'<p class="total">(.*?)</p>', page, re.DOTALL)[1]
    notebook = page.partition('id="notebook"')[2]
    cells = re.findall(r'<span class="state">(.*?)<span class="quiet">', notebook, re.DOTALL)
    cells = [re.sub(r"<[^>]*>", "", one) for one in (total, *cells)]
    return [" ".join(one.split()) for one in cells]


def comment(course, student: str, text: str) -> None:
    with course.gradebook() as gradebook:
        gradebook.find_comment("essay", NOTEBOOK, ASSIGNMENT, student).manual_comment = text
        gradebook.db.commit()


def test_what_is_open_says_so_and_does_not_count(graded):
    graded.read_essay("ada", 4)
    graded.not_judged("ben")
    assert make(graded) == ["ada", "ben"]
    assert shown(graded, "ada") == [
        "5 of 8 points.",
        "✓ passed · 1 of 1 point",
        "✗ failed · 0 of 2 points",
        "✓ read by a TA · 4 of 5 points",
    ]
    assert shown(graded, "ben") == [
        "1 of 1 point so far, 8 in all; 1 answer waits for a TA, 1 check was not judged; a TA will look.",
        "✓ passed · 1 of 1 point",
        "? not judged; a TA will look · 2 points",
        "… waiting for a TA · 5 points",
    ]


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


def test_what_was_made_when_all_was_shown_is_known_when_it_may_not_be_any_more(graded, undrawn):
    def revealed() -> dict[str, str]:
        return PageState(graded.directory(), ASSIGNMENT, "ada").revealed()

    assert revealed() == {}
    everything = {"Proctor": {"reveal": {ASSIGNMENT: "all"}}}
    make(graded, **everything)
    assert revealed() == {NOTEBOOK: "all"}
    with graded.gradebook() as gradebook:
        gradebook.find_assignment(ASSIGNMENT).duedate = datetime.datetime(2226, 3, 1)
        gradebook.db.commit()
    assert make(graded, **everything) == ["ada", "ben"]
    assert revealed() == {NOTEBOOK: "kind"}


def test_a_late_rule_acts_on_the_points_as_they_are_now(graded):
    for student in ("ada", "ben"):
        graded.read_essay(student, 5)
    graded.hand_in("ben", DUE + datetime.timedelta(minutes=7))
    assert make(graded) == ["ada", "ben"]
    zero = {"LateSubmissionPlugin": {"penalty_method": "zero"}}
    assert make(graded, **zero) == ["ben"]
    assert shown(graded, "ben")[0] == "0 of 8 points."
    page = (graded.root / "feedback" / "ben" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    assert "7 minutes (due 2026-03-01 12:00 UTC); the course's late rule takes off 8 points" in page
    until = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
    assert make(graded, Proctor={"extensions": {ASSIGNMENT: {"ben": until}}}, **zero) == ["ben"]
    assert shown(graded, "ben")[0] == "8 of 8 points."


def test_a_student_can_not_write_the_marks(graded):
    notebook = source_notebook()
    forged = {"kind": "check", "class": "passed", "words": "passed", "points": "5 of 5 points", "model": "<b>FORGED"}
    for cell in notebook["cells"]:
        cell["metadata"][KEY] = forged
    notebook["cells"].append({**notebook["cells"][0], "id": "own", "metadata": {KEY: forged}})
    (graded.root / "autograded" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))
    graded.read_essay("ada", 0)
    make(graded)
    assert shown(graded, "ada") == [
        "1 of 8 points.",
        "✓ passed · 1 of 1 point",
        "✗ failed · 0 of 2 points",
        "✓ read by a TA · 0 of 5 points",
    ]
    assert "FORGED" not in (graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()


def test_without_records_pages_are_made_each_time_and_say_so(graded, undrawn):
    shutil.rmtree(verdict.record_path(graded.root, ASSIGNMENT, "ada", NOTEBOOK).parent)
    make(graded)
    page = (graded.root / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    assert page.count('"words": "not judged; a TA will look"') == 2
    assert make(graded) == ["ada"]
