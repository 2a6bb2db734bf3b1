"""nbgrader's collecting with the engine's copier: regular files only, owners checked, times from the file system."""

from __future__ import annotations

import contextlib
import datetime
import fnmatch
import functools
import itertools
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import parse_utc

from proctor.errors import ProctorError
from proctor.intake.copier import Caps, Taken, copy_tree, look, printable
from proctor.intake.inert import TIMESTAMP, run_by_tools
from proctor.plugin import busy
from proctor.plugin.lateness import Lateness
from proctor.plugin.sealed import Seal, Sealed, as_text, as_time, now
from proctor.staff_files import staff_only

try:
    import pwd
except ImportError:  # only where there are no Unix accounts
    pwd = None

# A submission in which there is more than can be looked at is not taken; a forgotten environment has fewer.
_MAX_ENTRIES = 200_000
_MAX_NAME = 100
# Names that a shell pattern, a list or a path of nbgrader's would read as something else.
_NO_NAME = frozenset("/\\*?[],{}")


class Collect(ExchangeCollect):
    """Collects the last submission of each student; a bad one is reported in a line, and the others are collected."""

    def init_src(self) -> None:
        """Find the newest acceptable submission of each student."""
        by_student = self.find()
        self.duedate = self._due_date()
        claimed = [name.rsplit("+", count)[0] for name in os.listdir(self.inbound_path) for count in (2, 3)]
        try:
            self.lateness.check(self.coursedir, claimed)
        except ProctorError as error:
            self.fail(str(error))
        if self.duedate is not None and self.duedate < now() and not self.sealed.listed:
            self.log.info(
                "%s was not sealed at its deadline: a change that left no trace in the times of files can't be seen",
                self.coursedir.assignment_id,
            )
        self.src_records = [self._chosen(records) for records in by_student.values()]

    def find(self) -> dict[str, list[dict[str, Any]]]:
        """All acceptable submissions by student; of each its folder, and when it was handed in."""
        if not self.coursedir.course_id:
            self.fail("No course id specified. Re-run with --course flag.")
        self.course_path = os.path.join(self.root, self.coursedir.course_id)
        self.inbound_path = os.path.join(self.course_path, "inbound")
        if not os.path.isdir(self.inbound_path) or not os.access(self.inbound_path, os.R_OK | os.X_OK):
            self.fail(f"{self.inbound_path} can't be read; release the assignment first, or correct its rights")
        try:
            kept = {name for name, seal in self.sealed.seals.items() if seal.kept}
        except ProctorError as error:
            self.fail(str(error))
        self.refused: list[str] = []
        by_student: dict[str, list[dict[str, Any]]] = {}
        for name in sorted({*os.listdir(self.inbound_path), *kept}):
            student = self._student(name)
            if student is None:
                continue
            try:
                record = self._record(student, name)
            except (ProctorError, OSError) as error:
                self.refused.append(f"{printable(name)}: {reason(error)}")
            else:
                by_student.setdefault(student, []).append(record)
        return by_student

    @functools.cached_property
    def sealed(self) -> Sealed:
        """What was sealed of the assignment."""
        return Sealed.load(Path(self.coursedir.root).resolve(), self.coursedir.assignment_id)

    @functools.cached_property
    def lateness(self) -> Lateness:
        """The deadlines of single students."""
        try:
            return Lateness(self)
        except ProctorError as error:
            self.fail(str(error))

    def copy_files(self) -> None:
        """Copy what is new; an older copy stays until the new one is complete.

        Raises:
            ExchangeError: the submission of some student could not be copied; those of the others were.
        """
        with staff_only(self.coursedir.groupshared):
            self._copy_files()

    def _copy_files(self) -> None:
        assignment, collected, trimmed, failed = self.coursedir.assignment_id, 0, [], []
        for record in self.src_records:
            student = record["username"]
            target = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
            if not self._wanted(target, record):
                continue
            self.log.info("Collecting submission: %s %s", printable(student), assignment)
            try:
                taken, odd = self._collect(record, target)
            except (ProctorError, OSError) as error:
                failed.append(printable(student))
                self.refused.append(f"{printable(record['filename'])}: {reason(error)}")
                continue
            collected += 1
            for line in odd:
                self.log.warning("%s: %s", printable(student), line)
            for line in [*taken.lines, *(f"left out {name}: it begins with a dot" for name in taken.dotted)]:
                self.log.info("%s: %s", printable(student), line)
            if taken.lines:
                trimmed.append(f"{printable(student)}: {len(taken.lines)} left out, the first: {taken.lines[0]}")
        for line in trimmed:
            self.log.warning("collected in part: %s", line)
        for line in self.refused:
            self.log.warning("not collected: %s", line)
        self.log.info("Collected %d submissions of %s, refused %d", collected, assignment, len(self.refused))
        if failed:
            self.fail(f"submissions of {', '.join(failed[:10])} could not be collected; the lines above say why")

    def _student(self, name: str) -> str | None:
        """Whose submission of this assignment an inbound folder claims to be; None if it claims something else.

        nbgrader names them student+assignment+time+random, or without the last part; students' names may have a +.
        """
        assignment = self.coursedir.assignment_id
        for parts in (name.rsplit("+", 3), name.rsplit("+", 2)):
            if len(parts) > 2 and parts[1] == assignment:
                pattern = self.coursedir.student_id or "*"
                return parts[0] if parts[0] == pattern or fnmatch.fnmatchcase(parts[0], pattern) else None
        return None

    def _record(self, student: str, name: str) -> dict[str, Any]:
        path, seal = os.path.join(self.inbound_path, name), self.sealed.seals.get(name)
        record = {"username": student, "filename": name}
        if seal is not None and seal.kept:
            # Whatever has become of the student's folder: what counts is the copy.
            return record | {"timestamp": seal.timestamp, "inode": None}
        status = os.lstat(path)
        self._refuse_odd(student, status)
        if seal is not None and seal.digest:
            return record | {"timestamp": seal.timestamp, "inode": status.st_ino}
        return record | {"timestamp": self._since_seal(changed(path)), "inode": status.st_ino}

    def _since_seal(self, moment: datetime.datetime) -> datetime.datetime:
        """The time of what has no seal, which was not there yet when the inbound folder was sealed."""
        return max(moment, as_time(self.sealed.listed)) if self.sealed.listed else moment

    def _refuse_odd(self, student: str, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode):
            raise ProctorError("it is a link or a file, not a folder")
        odd = student != student.strip() or student.startswith(".") or not student.isprintable()
        if odd or not 0 < len(student) <= _MAX_NAME or _NO_NAME & set(student):
            raise ProctorError("its name is not that of a student")
        if not self.check_owner or pwd is None:
            return
        try:
            owner = pwd.getpwuid(status.st_uid).pw_name
        except KeyError:
            owner = f"the unknown user {status.st_uid}"
        if owner != student:
            raise ProctorError(
                f"it claims to be from {printable(student)} and belongs to {printable(owner)}; if accounts are not "
                "named as students are, set c.ExchangeCollect.check_owner = False"
            )

    def _collect(self, record: dict[str, Any], target: Path) -> tuple[Taken, list[str]]:
        """Copy a submission beside its place, add its time, and only then put it there.

        Returns:
            What was taken, and lines about what staff should look at.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".collecting-", dir=target.parent))
        try:
            draft = beside / "copy"
            taken, moment, odd = self._copy(record, draft)
            (draft / TIMESTAMP).unlink(missing_ok=True)
            (draft / TIMESTAMP).write_text(f"{as_text(moment)} UTC")
            busy.put(draft, target, self.coursedir, record["username"])
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        known = run_by_tools([path for path in taken.digests if not path.endswith("/")])
        if known:
            names = ", ".join(printable(path) for path in known[:8])
            odd.append(f"{len(known)} files that a tool would run or load were renamed: {names}")
        return taken, odd

    def _copy(self, record: dict[str, Any], draft: Path) -> tuple[Taken, datetime.datetime, list[str]]:
        path, seal = os.path.join(self.inbound_path, record["filename"]), self.sealed.seals.get(record["filename"])
        if record["inode"] is None:
            return self._kept(record, draft), seal.timestamp, self._changes(path, seal)
        taken = copy_tree(Path(path), draft, Caps())
        # The folder is the student's all the while: what was copied is no older than what the clock says now.
        status = os.lstat(path)
        self._refuse_odd(record["username"], status)
        if status.st_ino != record["inode"]:
            raise ProctorError("it was exchanged while it was collected; collect again")
        if seal is None or not seal.digest:
            return taken, self._since_seal(changed(path)), []
        if taken.digest() == seal.digest:
            return taken, seal.timestamp, []
        return taken, now(), ["was changed after it was sealed; it counts as handed in now"]

    def _changes(self, path: str, seal: Seal) -> list[str]:
        """What a student did to a submission of which there is a sealed copy, in a line."""
        if not os.path.lexists(path):
            return ["is gone since it was sealed; the copy was collected"]
        with contextlib.suppress(ProctorError):
            if look(Path(path), Caps()).digest() == seal.digest:
                return []
        return ["was changed after it was sealed; the copy from then was collected"]

    def _kept(self, record: dict[str, Any], draft: Path) -> Taken:
        name = record["filename"]
        taken = copy_tree(self.sealed.copy_of(name), draft, Caps(), stored=True)
        if taken.digest() != self.sealed.seals[name].digest:
            raise ProctorError(f"its sealed copy {self.sealed.copy_of(name)} was changed; restore it from your backup")
        return taken

    def _due_date(self) -> datetime.datetime | None:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                return gradebook.find_assignment(self.coursedir.assignment_id).duedate
            except MissingEntry:
                return None

    def _chosen(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        newest_first = self._sort_by_timestamp(records)
        if not self.before_duedate:
            return newest_first[0]
        due = self.lateness.due(self.coursedir.assignment_id, records[0]["username"], self.duedate)
        if due is not None:
            in_time = [record for record in newest_first if record["timestamp"] <= due]
            return (in_time or newest_first)[0]
        return newest_first[0]

    def _wanted(self, target: Path, record: dict[str, Any]) -> bool:
        if not target.is_dir():
            return True
        existing = None
        with contextlib.suppress(OSError, ValueError, OverflowError):
            existing = parse_utc((target / TIMESTAMP).read_text().strip())
        if self.update and (existing is None or record["timestamp"] > existing):
            return True
        if self.before_duedate and existing != record["timestamp"]:
            return True
        again = "no newer one to collect" if self.update else "already collected; --update takes a newer one"
        self.log.info("%s: %s", printable(record["username"]), again)
        return False


def changed(path: str) -> datetime.datetime:
    """When a submission was last changed, in UTC without a zone, as nbgrader stores it.

    By ctime, not mtime: the owner of a file sets its mtime to what he likes (utime), but its ctime is the kernel's
    alone. Of folder and files the newest, so that a file exchanged later makes the whole later. The price: staff who
    change rights or owners in the inbound folder, or restore it from a backup, make everything in it as new as that.

    Raises:
        ProctorError: there are more entries than can be looked at.
        OSError: the submission is gone.
    """
    newest, seen = os.lstat(path).st_ctime, 0
    folders = [path]
    # Not os.walk, which recurses: a thousand folders inside each other would end the whole collecting.
    while folders:
        entries = []
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as found:
            entries = list(itertools.islice(found, _MAX_ENTRIES + 1))
        seen += len(entries)
        if seen > _MAX_ENTRIES:
            raise ProctorError(f"it has more than {_MAX_ENTRIES:,} files and folders")
        for entry in entries:
            with contextlib.suppress(OSError):
                newest = max(newest, entry.stat(follow_symlinks=False).st_ctime)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return datetime.datetime.fromtimestamp(newest, datetime.UTC).replace(tzinfo=None)


def reason(error: ProctorError | OSError) -> str:
    return str(error) if isinstance(error, ProctorError) else f"could not be copied ({error.strerror or error})"


def is_time(path: Path) -> bool:
    """Whether nbgrader, which stops at anything else, can read the time in a file, or finds none."""
    if not path.is_file():
        return not path.exists()
    try:
        return parse_utc(path.read_text().strip()) is not None
    except (OSError, ValueError, OverflowError):
        return False
