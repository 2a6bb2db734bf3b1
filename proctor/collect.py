"""nbgrader's collecting with the engine's copier: regular files only, owners checked, times from the file system."""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import parse_utc

from proctor.copier import Caps, copy_tree, printable
from proctor.errors import ProctorError

try:
    import pwd
except ImportError:  # only where there are no Unix accounts
    pwd = None

TIMESTAMP = "timestamp.txt"


class Collect(ExchangeCollect):
    """Collects the last submission of each student; a bad one is reported in a line, and the others are collected."""

    def init_src(self) -> None:
        """Find the newest acceptable submission of each student."""
        if not self.coursedir.course_id:
            self.fail("No course id specified. Re-run with --course flag.")
        self.course_path = os.path.join(self.root, self.coursedir.course_id)
        self.inbound_path = os.path.join(self.course_path, "inbound")
        if not os.path.isdir(self.inbound_path) or not os.access(self.inbound_path, os.R_OK | os.X_OK):
            self.fail(f"{self.inbound_path} can't be read; release the assignment first, or correct its rights")
        self.refused: list[str] = []
        by_student: dict[str, list[dict[str, Any]]] = {}
        for name in sorted(os.listdir(self.inbound_path)):
            record = self._record(name)
            if record is not None:
                by_student.setdefault(record["username"], []).append(record)
        self.duedate = self._due_date()
        self.src_records = [self._chosen(records) for records in by_student.values()]

    def copy_files(self) -> None:
        """Copy what is new; an older copy stays until the new one is complete."""
        assignment, collected = self.coursedir.assignment_id, 0
        for record in self.src_records:
            student = record["username"]
            target = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
            if not self._wanted(target, record):
                continue
            self.log.info("Collecting submission: %s %s", printable(student), assignment)
            try:
                lines = copy_tree(Path(self.inbound_path) / record["filename"], target, Caps())
                stamp = target / TIMESTAMP
                # The student's own is no evidence; nor may it be something else than a file.
                stamp.unlink(missing_ok=True)
                stamp.write_text(f"{record['timestamp']:%Y-%m-%d %H:%M:%S.%f} UTC")
            except (ProctorError, OSError) as error:
                self.refused.append(f"{printable(student)}: could not be copied ({error})")
                continue
            collected += 1
            for line in lines:
                self.log.warning("%s: %s", printable(student), line)
        for line in self.refused:
            self.log.warning("not collected: %s", line)
        self.log.info("Collected %d submissions of %s, refused %d", collected, assignment, len(self.refused))

    def _record(self, name: str) -> dict[str, Any] | None:
        """What an inbound folder claims, with the time at which it was last changed; None if it is not taken."""
        parts = name.rsplit("+", 3)
        if len(parts) < 3 or parts[1] != self.coursedir.assignment_id:
            return None
        student = parts[0]
        if self.coursedir.student_id not in ("", "*", student):
            return None
        path = os.path.join(self.inbound_path, name)
        try:
            status = os.lstat(path)
        except OSError:
            return None
        problem = self._problem(student, status)
        if problem:
            self.refused.append(f"{printable(name)}: {problem}")
            return None
        return {"username": student, "filename": name, "timestamp": _changed(path, status)}

    def _problem(self, student: str, status: os.stat_result) -> str | None:
        if not stat.S_ISDIR(status.st_mode):
            return "it is a link or a file, not a folder"
        if not student or student.startswith(".") or not student.isprintable() or "/" in student or len(student) > 100:
            return "its name is not that of a student"
        if self.check_owner and pwd is not None:
            try:
                owner = pwd.getpwuid(status.st_uid).pw_name
            except KeyError:
                owner = f"the unknown user {status.st_uid}"
            if owner != student:
                return f"it claims to be from {printable(student)} and belongs to {printable(owner)}"
        return None

    def _due_date(self) -> datetime.datetime | None:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                return gradebook.find_assignment(self.coursedir.assignment_id).duedate
            except MissingEntry:
                return None

    def _chosen(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        newest_first = self._sort_by_timestamp(records)
        if self.before_duedate and self.duedate is not None:
            in_time = [record for record in newest_first if record["timestamp"] <= self.duedate]
            return (in_time or newest_first)[0]
        return newest_first[0]

    def _wanted(self, target: Path, record: dict[str, Any]) -> bool:
        if not target.is_dir():
            return True
        try:
            existing = parse_utc((target / TIMESTAMP).read_text().strip())
        except (OSError, ValueError):
            existing = None
        if self.update and (existing is None or record["timestamp"] > existing):
            return True
        if self.before_duedate and existing != record["timestamp"]:
            return True
        again = "no newer one to collect" if self.update else "already collected; --update takes a newer one"
        self.log.info("%s: %s", printable(record["username"]), again)
        return False


def _changed(path: str, status: os.stat_result) -> datetime.datetime:
    """When a submission was last changed, in UTC without a zone, as nbgrader stores it.

    By ctime: a student owns the files and can set every other time of them (utime), but the kernel sets this one. The
    newest of folder and files, so that a file exchanged later makes the whole later.
    """
    newest = status.st_ctime
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            try:
                newest = max(newest, os.lstat(os.path.join(folder, name)).st_ctime)
            except OSError:
                continue
    return datetime.datetime.fromtimestamp(newest, datetime.UTC).replace(tzinfo=None)
