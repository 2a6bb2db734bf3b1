"""Deadlines with extensions, in time zones that change their clocks."""

import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from traitlets.config import Config

from proctor.errors import ProctorError
from proctor.plugin.lateness import Lateness
from proctor.settings import Proctor

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DUE = datetime.datetime(2026, 3, 20, 22, 59)


def lateness(extensions: dict) -> Lateness:
    return Lateness(Proctor(config=Config({"Proctor": {"extensions": extensions}})))


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
    assert rule.unknown("hw", {"ada"}) == ["ben"]


def test_without_a_time_or_a_deadline_nobody_is_late():
    rule = lateness({})
    assert rule.seconds(submission("ben", None)) == 0
    assert rule.seconds(submission("ben", DUE, None)) == 0


@pytest.mark.parametrize(
    "given", [{"hw": {"ben": datetime.datetime(2026, 4, 1)}}, {"hw": {"ben": "tomorrow"}}, {"hw": DUE}]
)
def test_what_is_no_time_with_a_zone_is_refused_with_an_example(given):
    with pytest.raises(ProctorError, match=r"datetime\(2026, 12, 7, 23, 59, tzinfo=ZoneInfo"):
        lateness(given)
