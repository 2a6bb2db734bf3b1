"""A day is what a clock on the wall says, also where that clock is changed."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from proctor.plugin.late_days import DailyRule, days_late, later

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("due", "hours"),
    [
        # 23:59 in winter; before the clocks go forward, and before they go back.
        (datetime.datetime(2026, 1, 10, 22, 59), 72),
        (datetime.datetime(2026, 3, 27, 22, 59), 71),
        (datetime.datetime(2026, 10, 23, 21, 59), 73),
    ],
)
def test_three_days_later_is_the_same_time_of_day(due, hours):
    end = later(due, 3, AMSTERDAM)
    assert end - due == datetime.timedelta(hours=hours)
    there = [one.replace(tzinfo=datetime.UTC).astimezone(AMSTERDAM) for one in (due, end)]
    assert {(one.hour, one.minute) for one in there} == {(23, 59)}
    assert [days_late(end + one, due, AMSTERDAM) for one in (-SECOND, 0 * SECOND, SECOND)] == [3, 3, 4]
    assert [days_late(due + one, due, AMSTERDAM) for one in (-SECOND, 0 * SECOND, SECOND)] == [0, 0, 1]


def test_days_of_years_are_counted_at_once():
    due = datetime.datetime(2026, 1, 10, 22, 59)
    assert days_late(due.replace(year=2056), due, AMSTERDAM) == (due.replace(year=2056) - due).days


def test_free_days_come_first_and_no_more_than_all_is_taken():
    rule = DailyRule(0.1, 2)
    assert [rule.share(days) for days in (0, 1, 2, 3, 7, 12, 99)] == pytest.approx([0, 0, 0, 0.1, 0.5, 1, 1])
    assert [rule.said(days) for days in (1, 2, 5)] == [
        "1 late day, which is free",
        "2 late days, which is free",
        "5 late days, 2 of them free",
    ]
    assert DailyRule(0.5).said(2) == "2 late days"
