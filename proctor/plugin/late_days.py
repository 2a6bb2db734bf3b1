"""Days as a clock on the wall counts them, and a late rule that takes a share of the points for each."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proctor.errors import ProctorError

_EXAMPLE = '{"per_day": 0.1, "free_days": 2}'


def later(moment: datetime.datetime, days: int, zone: datetime.tzinfo) -> datetime.datetime:
    """The same time of the day some days later, where the clocks may have been changed in between.

    Args:
        moment: in UTC without a zone, as the result is.
    """
    there = moment.replace(tzinfo=datetime.UTC).astimezone(zone)
    return (there + datetime.timedelta(days=days)).astimezone(datetime.UTC).replace(tzinfo=None)


def days_late(handed_in: datetime.datetime, due: datetime.datetime, zone: datetime.tzinfo) -> int:
    """How many days are begun between two times in UTC without a zone; 0 if it was in time."""
    days = max(0, (handed_in - due).days - 1)
    while handed_in > later(due, days, zone):
        days += 1
    return days


@dataclass(frozen=True)
class DailyRule:
    """What lateness costs by days.

    Attributes:
        per_day: share of the points for each begun day: 0.1 is a tenth of what was earned.
        free_days: how many days of each submission cost nothing.
    """

    per_day: float
    free_days: int = 0

    def share(self, days: int) -> float:
        """The share of the points that so many late days cost, between 0 and 1."""
        return min(1.0, self.per_day * max(0, days - self.free_days))

    def said(self, days: int) -> str:
        """So many late days in words."""
        free = f", {self.free_days} of them free" if 0 < self.free_days < days else ""
        free = ", which is free" if 0 < days <= self.free_days else free
        return f"{days} late {'day' if days == 1 else 'days'}{free}"


def daily_rule(given: Mapping[str, Any]) -> DailyRule:
    """The rule that a course has set.

    Raises:
        ProctorError: it is none; the message says what to write.
    """
    known = ("per_day", "free_days")
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(str(name), known, 1)
            said = f"is {nearest[0]!r} meant? " if nearest else ""
            raise ProctorError(f"LATE_PENALTY: there is no {name!r}; {said}Write {_EXAMPLE}")
    per_day, free = given.get("per_day"), given.get("free_days", 0)
    if isinstance(per_day, bool) or not isinstance(per_day, int | float) or not 0 < per_day <= 1:
        raise ProctorError(
            f"LATE_PENALTY: per_day is {per_day!r}; write the share of the points that a day costs, 0.1 for a tenth"
        )
    if isinstance(free, bool) or not isinstance(free, int) or free < 0:
        raise ProctorError(f"LATE_PENALTY: free_days is {free!r}; write a whole number of days, 0 for none")
    return DailyRule(float(per_day), free)
