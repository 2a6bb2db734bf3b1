"""Deadlines with extensions, in time zones that change their clocks."""

import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, config
from nbgrader.plugins import LateSubmissionPlugin
from traitlets.config import Config, Configurable

from proctor.errors import ProctorError
from proctor.plugin.lateness import Lateness
from proctor.settings import Proctor

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DUE = datetime.datetime(2026, 3, 20, 22, 59)


def lateness(extensions: dict, **settings) -> Lateness:
    return Lateness(Proctor(config=Config({"Proctor": {"extensions": extensions, **settings}})))


def submission(student: str, moment: datetime.datetime | None, due: datetime.datetime | None = DUE) -> SimpleNamespace:
    return SimpleNamespace(
        assignment=SimpleNamespace(name="hw", duedate=due),
        student=SimpleNamespace(id=student),
        timestamp=moment,
        duedate=due,
    )


@pytest.mark.parametrize(
    ("extension", "in_utc"),
    [
        # In winter time, in summer time, and the hour that there is twice.
        (datetime.datetime(2026, 3, 28, 23, 59, tzinfo=AMSTERDAM), datetime.datetime(2026, 3, 28, 22, 59)),
        (datetime.datetime(2026, 3, 29, 23, 59, tzinfo=AMSTERDAM), datetime.datetime(2026, 3, 29, 21, 59)),
        (datetime.datetime(2026, 10, 25, 2, 30, tzinfo=AMSTERDAM), datetime.datetime(2026, 10, 25, 0, 30)),
        (datetime.datetime(2026, 10, 25, 2, 30, tzinfo=AMSTERDAM, fold=1), datetime.datetime(2026, 10, 25, 1, 30)),
        (datetime.datetime(2026, 4, 1, 5, 45, tzinfo=ZoneInfo("Asia/Kathmandu")), datetime.datetime(2026, 4, 1)),
    ],
)
def test_an_extension_ends_when_the_clock_there_says_so(extension, in_utc):
    rule = lateness({"hw": {"ben": extension}})
    assert rule.due("hw", "ben", DUE) == in_utc
    assert rule.seconds(submission("ben", in_utc)) == 0
    assert rule.seconds(submission("ben", in_utc + datetime.timedelta(seconds=1))) == 1


def test_it_is_for_one_student_and_one_assignment():
    rule = lateness({"hw": {"ben": datetime.datetime(2026, 4, 1, tzinfo=AMSTERDAM)}})
    late = DUE + datetime.timedelta(hours=1)
    assert rule.seconds(submission("ben", late)) == 0
    assert rule.seconds(submission("ada", late)) == 3600
    assert rule.due("other", "ben", DUE) == DUE
    assert rule.due("hw", "ben", None) is None


def test_without_a_time_or_a_deadline_nobody_is_late():
    rule = lateness({})
    assert rule.seconds(submission("ben", None)) == 0
    assert rule.seconds(submission("ben", DUE, None)) == 0


@pytest.mark.parametrize(
    "given",
    [
        {"hw": {"ben": datetime.datetime(2026, 4, 1)}},
        {"hw": {"ben": "tomorrow"}},
        {"hw": {"ben": True}},
        {"hw": {"ben": 1.5}},
        {"hw": DUE},
        # A day ends where?
        {"hw": {"ben": 3}},
    ],
)
def test_what_is_no_time_with_a_zone_is_refused_with_an_example(given):
    with pytest.raises(ProctorError, match=r"datetime\(2026, 12, 7, 23, 59, tzinfo=ZoneInfo"):
        lateness(given)


class App(Configurable):
    """Stands for nbgrader's command."""


# The deadline is at noon in UTC, and the clocks change four weeks later.
ZONED = {ASSIGNMENT: datetime.datetime(2026, 3, 1, 13, 0, tzinfo=AMSTERDAM)}
RULE = {"per_day": 0.1, "free_days": 2}


def of_course(**settings) -> Lateness:
    return Lateness(App(config=config(Proctor={"deadlines": ZONED, **settings})))


def test_an_extension_is_granted_in_the_gradebook_and_taken_back(graded):
    with graded.gradebook() as gradebook:
        ada, ben = (gradebook.find_submission(ASSIGNMENT, name) for name in ("ada", "ben"))
        usual = ada.assignment.duedate
        gradebook.grant_extension(ASSIGNMENT, "ada", hours=5)
        given = of_course(extensions={ASSIGNMENT: {"ben": 30}})
        for rule in (given, given, of_course(extensions={ASSIGNMENT: {"ben": datetime.date(2026, 3, 31)}})):
            rule.refresh(gradebook, ASSIGNMENT)
            # An hour less, because the clocks went forward; nbgrader's own functions see the same.
            assert rule.due_for(ben) == usual + datetime.timedelta(days=30, hours=-1)
            assert 0 <= (ben.duedate - rule.due_for(ben)).total_seconds() < 0.001
        # Without the line it is over at once, and in the gradebook with the next grading.
        none = of_course()
        assert none.due_for(ben) == usual
        none.refresh(gradebook, ASSIGNMENT)
        assert ben.extension is None
        # What somebody has granted in the gradebook stays.
        assert none.due_for(ada) == ada.duedate == usual + datetime.timedelta(hours=5)


def test_late_days_cost_their_share_of_points_that_are_typed_later_too(graded):
    with graded.gradebook() as gradebook:
        ben = gradebook.find_submission(ASSIGNMENT, "ben")
        usual = ben.assignment.duedate
        rule = of_course(late_penalty=RULE)
        found = {}
        for days in (0, 1, 2, 3, 12, 40):
            ben.timestamp = usual + datetime.timedelta(days=days)
            found[days] = rule.penalties(ben)[NOTEBOOK]
        # The last is after the change of the clocks: the hour that is missing makes it a day and an hour more.
        assert found == pytest.approx({0: None, 1: 0, 2: 0, 3: 0.3, 12: 3, 40: 3})
        ben.timestamp = usual + datetime.timedelta(days=3)
        assert rule.said(ben) == "3 late days, 2 of them free"
        grade = gradebook.find_grade("essay", NOTEBOOK, ASSIGNMENT, "ben")
        grade.manual_score = 5
        gradebook.db.commit()
        assert rule.penalties(ben)[NOTEBOOK] == pytest.approx(0.8)
        rule.refresh(gradebook, ASSIGNMENT)
        assert ben.late_submission_penalty == pytest.approx(0.8)
        # Days count from the student's own deadline.
        assert (
            of_course(late_penalty=RULE, extensions={ASSIGNMENT: {"ben": 2}}).said(ben) == "1 late day, which is free"
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"late_penalty": "zeros"}, "LATE_PENALTY is 'zeros'; write 'none' or 'zero', or a rule by days"),
        ({"late_penalty": {"per_dya": 0.1}}, "there is no 'per_dya'; is 'per_day' meant"),
        ({"late_penalty": {"per_day": 10}}, "per_day is 10; write the share of the points that a day costs"),
        ({"late_penalty": {"per_day": 0.1, "free_days": 1.5}}, "free_days is 1.5; write a whole number"),
        ({"deadlines": {"hw": datetime.datetime(2026, 3, 1)}}, "the deadline of hw is .*: write a time with its zone"),
        ({"extensions": {"hw": {"ben": 0}}}, "write how many days more, 1 to 3650, or remove it"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_what_to_write(settings, said):
    with pytest.raises(ProctorError, match=said):
        of_course(**settings)


def test_there_is_one_late_rule():
    class Own(LateSubmissionPlugin.__base__):
        """Of a course."""

    own = {"AssignLatePenalties": {"plugin_class": Own}}
    with pytest.raises(ProctorError, match="there are two late rules"):
        Lateness(App(config=config(Proctor={"late_penalty": RULE}, **own)))
    assert Lateness(App(config=config(Proctor={"late_penalty": "none"}, **own))) is not None


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        (
            {ASSIGNMENT: {"bne": 3}},
            "names bne for hw, who is no student here .is ben meant.*nbgrader db student add bne",
        ),
        ({"hww": {"ben": ZONED[ASSIGNMENT]}}, "names the assignment hww, which there is not .is hw meant"),
        (
            {ASSIGNMENT: {"ben": datetime.date(2025, 3, 5)}},
            "of ben for hw is not after the deadline, 2026-03-01 12:00 UTC",
        ),
        ({ASSIGNMENT: {"cyd": 3}}, "names cyd for hw, who is no student here"),
    ],
)
def test_what_was_mistyped_is_refused_with_the_nearest(graded, extensions, said):
    with pytest.raises(ProctorError, match=said):
        of_course(extensions=extensions).check(graded.directory())


def test_who_has_handed_in_or_is_in_the_roster_is_no_mistake(graded):
    (graded.root / "submitted" / "cyd" / ASSIGNMENT).mkdir(parents=True)
    (graded.root / "source" / "later").mkdir()
    given = {ASSIGNMENT: {"ben": 3, "cyd": 1, "dan": 1}, "later": {"ada": 1}}
    of_course(extensions=given).check(graded.directory(), ["dan"])
