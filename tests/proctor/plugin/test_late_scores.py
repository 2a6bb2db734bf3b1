"""The formgrader's lists show what counts: a late rule acts on them, and an extension does."""

import datetime

import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, copied, made_once
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Configurable

from proctor.plugin.late_scores import count_lateness

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


class App(Configurable):
    """Stands for the server."""


@pytest.fixture
def graded(tmp_path_factory, monkeypatch):
    for name in ("get_submission", "get_submissions"):
        monkeypatch.setattr(NbGraderAPI, name, getattr(NbGraderAPI, name))
    count_lateness()
    course = copied(made_once(tmp_path_factory.mktemp("graded")), tmp_path_factory.mktemp("course"))
    for student in ("ada", "ben"):
        folder = course.root / "autograded" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{NOTEBOOK}.ipynb").write_text("{}")
        course.read_essay(student, 4)
    late = DUE + datetime.timedelta(minutes=1)
    course.hand_in("ada", late)
    (course.root / "submitted" / "ada" / ASSIGNMENT / "timestamp.txt").write_text(f"{late} UTC")
    return course


def scores(course, **sections) -> dict[str, float]:
    api = NbGraderAPI(coursedir=course.directory(), parent=App(config=config(**sections)))
    listed = {one["student"]: one["score"] for one in api.get_submissions(ASSIGNMENT)}
    assert {student: api.get_submission(ASSIGNMENT, student)["score"] for student in listed} == listed
    return listed


def test_points_in_lists_are_those_that_count(graded):
    assert scores(graded) == {"ada": 5, "ben": 7}
    rule = {"penalty_method": "zero"}
    assert scores(graded, LateSubmissionPlugin=rule) == {"ada": 0, "ben": 7}
    later = {ASSIGNMENT: {"ada": (DUE + datetime.timedelta(days=1)).replace(tzinfo=datetime.UTC)}}
    assert scores(graded, LateSubmissionPlugin=rule, Proctor={"extensions": later}) == {"ada": 5, "ben": 7}


def test_what_is_not_graded_and_a_broken_rule_leave_the_lists_as_they_are(graded, caplog):
    (graded.root / "submitted" / "cyd" / ASSIGNMENT).mkdir(parents=True)
    api = NbGraderAPI(coursedir=graded.directory(), parent=App(config=config(Proctor={"extensions": {ASSIGNMENT: 1}})))
    assert {one["student"]: one["score"] for one in api.get_submissions(ASSIGNMENT)} == {"ada": 5, "ben": 7, "cyd": 0}
    assert api.get_submission(ASSIGNMENT, "nobody")["score"] == 0
