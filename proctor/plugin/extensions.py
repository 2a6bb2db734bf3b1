"""Later deadlines of single students, as the course's configuration gives them: a number of days, a date or a time."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin.late_days import later
from proctor.settings import Proctor

_EXAMPLE = 'datetime(2026, 12, 7, 23, 59, tzinfo=ZoneInfo("Europe/Amsterdam"))'
_MOST_DAYS = 3650


class Extensions:
    """What is given in EXTENSIONS, with the time zones of DEADLINES.

    Raises:
        ProctorError: something in them is no time that can be used; the message says what to write.
    """

    def __init__(self, settings: Proctor) -> None:
        self._zones = {name: _zone_of(name, time) for name, time in settings.deadlines.items()}
        self._given: dict[str, dict[str, Any]] = {}
        for assignment, students in settings.extensions.items():
            if not isinstance(students, Mapping):
                raise ProctorError(
                    f'EXTENSIONS[{assignment!r}] has to name students and times: {{"student": 3}} for three days more, '
                    f'or {{"student": {_EXAMPLE}}}'
                )
            self._given[assignment] = {str(name): self._read(assignment, name, one) for name, one in students.items()}

    def zone(self, assignment: str) -> datetime.tzinfo | None:
        """Where a day of an assignment begins and ends; None if no deadline says it."""
        if assignment in self._zones:
            return self._zones[assignment]
        several = {str(zone): zone for zone in self._zones.values()}
        return next(iter(several.values())) if len(several) == 1 else None

    def has(self, assignment: str, student: str) -> bool:
        """Whether a student has one."""
        return student in self._given.get(assignment, {})

    def students(self, assignment: str) -> list[str]:
        """Who has one."""
        return list(self._given.get(assignment, {}))

    def due(self, assignment: str, student: str, usual: datetime.datetime | None) -> datetime.datetime | None:
        """When it is due for a student, never before the others; times in UTC without a zone.

        Args:
            usual: for all others; None if never.
        """
        if usual is None or not self.has(assignment, student):
            return usual
        return max(usual, self._until(assignment, student, usual))

    def check(self, coursedir: CourseDirectory, also: Iterable[str] = ()) -> None:
        """Refuse what was mistyped.

        Args:
            also: students of whom the gradebook need not know yet.

        Raises:
            ProctorError: there is no such student or assignment, or the time is not after the deadline.
        """
        if not any(self._given.values()):
            return
        submitted = Path(coursedir.format_path(coursedir.submitted_directory, "*", "*")).parents[1]
        source = Path(coursedir.format_path(coursedir.source_directory, ".", "*")).parent
        with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
            due = {one.name: one.duedate for one in gradebook.assignments}
            students = {one.id for one in gradebook.students} | {*also, *_folders(submitted)}
        assignments = {*due, *self._zones, *_folders(source)}
        for assignment, given in self._given.items():
            if assignment not in assignments:
                raise ProctorError(
                    f"EXTENSIONS names the assignment {printable(assignment)}, which there is not"
                    f"{_nearest(assignment, assignments)}; correct it in nbgrader_config.py"
                )
            for student in given:
                if student not in students:
                    raise ProctorError(
                        f"EXTENSIONS names {printable(student)} for {assignment}, who is no student here"
                        f"{_nearest(student, students)}; correct it in nbgrader_config.py, or, if the name is right: "
                        f"nbgrader db student add {printable(student)}"
                    )
                usual = due.get(assignment)
                if usual is not None and self._until(assignment, student, usual) <= usual:
                    raise ProctorError(
                        f"the extension of {printable(student)} for {assignment} is not after the deadline, "
                        f"{usual:%Y-%m-%d %H:%M} UTC; correct it in nbgrader_config.py or remove it"
                    )

    def _read(self, assignment: str, student: Any, given: Any) -> Any:
        whose = f"the extension of {student} for {assignment} is {given!r}"
        if isinstance(given, datetime.datetime):
            if given.utcoffset() is None:
                raise ProctorError(f"{whose}: write a time with its zone, {_EXAMPLE}")
            return given.astimezone(datetime.UTC).replace(tzinfo=None)
        if isinstance(given, bool) or not isinstance(given, int | datetime.date):
            raise ProctorError(
                f"{whose}: write a number of days, a date(2026, 12, 7), or a time with its zone, {_EXAMPLE}"
            )
        if isinstance(given, int) and not 0 < given <= _MOST_DAYS:
            raise ProctorError(f"{whose}: write how many days more, 1 to {_MOST_DAYS}, or remove it")
        if self.zone(assignment) is None:
            raise ProctorError(
                f"{whose}: no time zone is known in which a day of {assignment} ends; give its deadline in DEADLINES, "
                f"or write a time with its zone, {_EXAMPLE}"
            )
        return given

    def _until(self, assignment: str, student: str, usual: datetime.datetime) -> datetime.datetime:
        given, zone = self._given[assignment][student], self.zone(assignment)
        if isinstance(given, datetime.datetime):
            return given
        if isinstance(given, datetime.date):
            # That day, at the time of day of the deadline.
            there = usual.replace(tzinfo=datetime.UTC).astimezone(zone)
            given = (given - there.date()).days
        return later(usual, given, zone)


def _zone_of(assignment: str, time: Any) -> datetime.tzinfo:
    if not isinstance(time, datetime.datetime) or time.utcoffset() is None:
        raise ProctorError(f"the deadline of {assignment} is {time!r}: write a time with its zone, {_EXAMPLE}")
    return time.tzinfo


def _folders(place: Path) -> list[str]:
    return [one.name for one in place.iterdir() if one.is_dir() and one.name[0] != "."] if place.is_dir() else []


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), 1)
    return f" (is {printable(nearest[0])} meant?)" if nearest else ""
