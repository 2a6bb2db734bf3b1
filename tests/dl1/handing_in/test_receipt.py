"""How long until a deadline, and how late after it, in words."""

import datetime

import pytest

from dl1.handing_in.receipt import deadline, span

DUE = datetime.datetime(2026, 11, 30, 22, 59, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (147_700, "1 day 17 hours"),
        (7_260, "2 hours 1 minute"),
        (86_400, "1 day"),
        (59, "less than a minute"),
        (0, "less than a minute"),
    ],
)
def test_a_time_is_said_in_its_two_largest_units(seconds, said):
    assert span(seconds) == said


def test_before_and_after_the_deadline():
    minute = datetime.timedelta(minutes=1)
    assert deadline(DUE - 3 * minute, DUE).endswith(": 3 minutes left")
    assert deadline(DUE, DUE).endswith(" left")
    assert deadline(DUE + 61 * minute, DUE).endswith(": late by 1 hour 1 minute, unless you have an extension")
    assert "not known here" in deadline(DUE, None)
