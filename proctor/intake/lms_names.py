"""What the names say under which a learning management system (LMS) gives submissions out, and whose they are.

Such a name is made by the LMS, from its own list of accounts. Names of what lies inside a student's folder or archive
are the student's, and say nothing here. Whoever changes a display name in the LMS gains nothing: a number that is known
decides, and two accounts that claim one student are both left for staff to look at.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

CANVAS, BRIGHTSPACE, MOODLE, BY_ID = "Canvas", "Brightspace", "Moodle", "id"

_CANVAS = re.compile(r"(?P<who>.+?)_(?P<late>LATE_)?(?P<number>\d+)_(?P<order>\d+)_(?P<rest>.+)", re.DOTALL)
_MOODLE = re.compile(r"(?P<who>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?", re.DOTALL)
_BRIGHTSPACE = re.compile(r"(?P<number>\d+)-(?P<order>\d+) - (?P<parts>.+? - .+)", re.DOTALL)
_MONTH, _DAY = r"(?P<month>[^\W\d_]{3,12})\.?", r"(?P<day>\d{1,2})"
_CLOCK = r"(?P<year>\d{4}),?\s+(?P<hour>\d{1,2})[:.]?(?P<minute>\d{2})(?:\s*(?P<half>[AP])\.?M\.?)?"
_TIMES = [
    re.compile(rf"{_DAY}\.?\s+{_MONTH},?\s+{_CLOCK}", re.IGNORECASE),
    re.compile(rf"{_MONTH}\s+{_DAY},?\s+{_CLOCK}", re.IGNORECASE),
]
# English, Dutch and German, by their first three letters.
_MONTHS = {
    **{"jan": 1, "feb": 2, "mar": 3, "mrt": 3, "maa": 3, "mär": 3, "apr": 4, "may": 5, "mei": 5, "mai": 5, "jun": 6},
    **{"jul": 7, "aug": 8, "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12},
}


@dataclass(frozen=True)
class Claim:
    """What a name says.

    Attributes:
        system: that has made the name.
        who: a person, as this system writes it.
        number: of the person's account; empty if the name has none, or one of another kind.
        account: what is the same for all that this account has handed in.
        rest: the file's own name; empty if the name is that of a folder.
        order: of uploads; the larger was later.
        time: when it was handed in, by the clock of the LMS; None if the name doesn't say.
        late: the LMS has marked it as late.
    """

    system: str
    who: str
    number: str
    account: str
    rest: str = ""
    order: int = 0
    time: datetime.datetime | None = None
    late: bool = False


@dataclass(frozen=True)
class Student:
    """Of the course's roster; what it doesn't know is empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""


def claim(name: str) -> Claim | None:
    """What a name says that an LMS has made; None if it is none of theirs."""
    if match := _MOODLE.fullmatch(name):
        # The number is that of a participation, which no roster knows.
        return Claim(MOODLE, match["who"], "", match["number"], match["rest"] or "")
    if match := _BRIGHTSPACE.fullmatch(name):
        parts = match["parts"].split(" - ")
        times = {number: time for number, part in enumerate(parts) if number and (time := _time(part))}
        # A student's own name, or a file's, may hold a time as well: then the latest counts.
        place, time = (min(times), max(times.values())) if times else (1, None)
        who, rest = " - ".join(parts[:place]), " - ".join(parts[place + 1 :])
        return Claim(BRIGHTSPACE, who, match["number"], match["number"], rest, int(match["order"]), time)
    if match := _CANVAS.fullmatch(name):
        late, order = bool(match["late"]), int(match["order"])
        return Claim(CANVAS, match["who"], match["number"], match["number"], match["rest"], order, late=late)
    return None


def whose(one: Claim, roster: Iterable[Student]) -> tuple[str | None, str]:
    """The id of the student whom a claim is about, or None and why nobody can be meant."""
    roster = list(roster)
    known = [student.id for student in roster if one.number and one.number == student.lms_id]
    if len(known) == 1:
        return known[0], ""
    # Whose number is known and another one is nobody of this name.
    others = [student for student in roster if not (one.number and student.lms_id)]
    named = [student.id for student in others if _squeezed(one.who) in _names(student)]
    if not named and one.system == MOODLE:
        # Where groups hand in, their name and a hyphen stand before the student's; both may have more hyphens.
        parts = one.who.split("-")
        ends = {_squeezed("-".join(parts[number:])) for number in range(1, len(parts))}
        named = [student.id for student in others if _full_names(student) & ends]
    numbered = [student.id for student in roster if one.number and one.number == student.id]
    if numbered and (not named or numbered[0] in named):
        return numbered[0], ""
    if numbered:
        return None, f"its number is that of {numbered[0]}, and its name that of {', '.join(named)}"
    if len(named) == 1:
        return named[0], ""
    if named:
        return None, f"{one.who} may be {', '.join(sorted(named))}; give their numbers (lms_user_id) in the roster"
    if other := next((student for student in roster if _squeezed(one.who) in _names(student)), None):
        return None, (
            f"{other.id} has this name, and another number in the roster ({other.lms_id}; here it is {one.number}); if "
            "the roster's number is none of this system's files, leave lms_user_id out of it"
        )
    return None, f"nobody in the roster is called {one.who}"


def _names(student: Student) -> set[str]:
    found = {_squeezed(student.id), _squeezed(student.email), _squeezed(student.email.partition("@")[0])}
    return (found | _full_names(student)) - {""}


def _full_names(student: Student) -> set[str]:
    first, last = _squeezed(student.first_name), _squeezed(student.last_name)
    return {first + last, last + first} if first and last else set()


def _squeezed(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if c.isalnum())


def _time(text: str) -> datetime.datetime | None:
    for pattern in _TIMES:
        match = pattern.fullmatch(text.strip())
        month = _MONTHS.get(unicodedata.normalize("NFC", match["month"]).casefold()[:3]) if match else None
        if not month:
            continue
        hour, half = int(match["hour"]), (match["half"] or "").upper()
        if half:
            hour = hour % 12 + (12 if half == "P" else 0)
        try:
            return datetime.datetime(int(match["year"]), month, int(match["day"]), hour, int(match["minute"]))
        except ValueError:
            continue
    return None
