"""`nbgrader zip_collect`: what was downloaded from a learning management system (LMS), through the engine's copier.

Who has handed something in says the name of a file or folder that the LMS has made, and the roster in the gradebook; a
name inside a student's own folder or archive never does. One that can't be read or matched is told in a line.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.zipcollectapp import ZipCollectApp
from nbgrader.plugins import FileNameCollectorPlugin
from nbgrader.utils import parse_utc
from traitlets import List, Unicode
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.intake.archives import Archive, is_archive, top_folder, without_ending
from proctor.intake.copier import Caps, look, printable
from proctor.intake.gathered import MAX_DOWNLOAD_TABLE, Piece, gather
from proctor.intake.inert import TIMESTAMP
from proctor.intake.lms_names import BY_ID, Claim, Student, claim, whose
from proctor.plugin import busy
from proctor.plugin.lateness import Lateness
from proctor.plugin.sealed import as_text

# What an LMS adds to its downloads.
_NOT_HANDED_IN = ("index.html", "manifest.xml")


class ZipCollect(Configurable):
    """Settings of `nbgrader zip_collect`."""

    downloads = List(
        Unicode(),
        help="Archives or folders in the archive folder that an LMS has made, each with submissions of many students: "
        '["section1.zip", "section2.zip"]. One that lies there alone needs not be named.',
    ).tag(config=True)

    timezone = Unicode(
        "", help='Of the times in names, "Europe/Amsterdam", as the LMS shows them to you. Empty: that of this machine.'
    ).tag(config=True)


@dataclasses.dataclass
class _Moment:
    """When a submission was handed in, in UTC without a zone, if that is known, and in words."""

    time: datetime.datetime | None
    said: str


class Collecting:
    """One run of the command.

    Args:
        app: nbgrader's, with its settings.
    """

    def __init__(self, app: ZipCollectApp) -> None:
        self._app, self._coursedir = app, app.coursedir
        self._settings = ZipCollect(parent=app)
        self._pattern = FileNameCollectorPlugin(parent=app).named_regexp
        self._said: dict[str, str] = {}
        self._unmatched: dict[str, str] = {}
        self._failed: set[str] = set()
        with Gradebook(self._coursedir.db_url, self._coursedir.course_id) as gradebook:
            self._roster = [
                Student(one.id, one.first_name or "", one.last_name or "", one.email or "", one.lms_user_id or "")
                for one in gradebook.students
            ]
            try:
                self._usual = gradebook.find_assignment(self._coursedir.assignment_id).duedate
            except MissingEntry:
                self._usual = None
        try:
            self._lateness = Lateness(app)
            self._lateness.check(app.coursedir)
        except ProctorError as error:
            app.fail(str(error))

    def run(self) -> None:
        """Collect everything that can be; ends with a table, and with exit status 1 if something could not be."""
        folder = Path(self._app._format_collect_path(self._app.archive_directory))
        if not folder.is_dir():
            self._app.fail(f"{folder}: there is no such folder; put into it what you have downloaded from the LMS")
        if not self._roster:
            self._app.fail("the gradebook has no students; run: nbgrader db student import students.csv")
        pieces: dict[str, list[Piece]] = {}
        for piece in self._pieces(folder):
            student, why = self._whose(piece)
            if student is None:
                self._unmatched[piece.shown] = why
            else:
                pieces.setdefault(student, []).append(piece)
        for student, found in sorted(pieces.items()):
            try:
                self._said[student] = self._collect(student, found)
            except (ProctorError, OSError) as error:
                said = str(error) if isinstance(error, ProctorError) else f"can't be written ({error.strerror})"
                self._said[student] = f"not collected: {printable(said, 300)}"
                self._failed.add(student)
        self._print(folder)
        if self._failed or self._unmatched:
            what = f"{len(self._failed)} submissions, and {len(self._unmatched)} files or folders of nobody known"
            self._app.fail(f"not collected: {what}; the table says why")

    def _pieces(self, folder: Path) -> Iterator[Piece]:
        """All files and folders that name a student, or should."""
        found = [path for path in sorted(folder.iterdir()) if path.name[0] != "." and path.name not in _NOT_HANDED_IN]
        for path in found:
            one = self._claim(path.name, path)
            is_download = path.name in self._settings.downloads or (one is None and len(found) == 1)
            if is_download and path.is_dir() and not path.is_symlink():
                for inner in sorted(path.iterdir()):
                    if inner.name[0] != "." and inner.name not in _NOT_HANDED_IN:
                        yield Piece(inner.name, self._claim(inner.name, inner) or _nobody(inner.name), inner)
            elif is_download and is_archive(path.name):
                yield from self._in_download(path)
            else:
                yield Piece(path.name, one or _nobody(path.name), path)

    def _in_download(self, path: Path) -> Iterator[Piece]:
        self._app.log.info("%s is taken for a download of an LMS: its names say whose what is", printable(path.name))
        try:
            with Archive(path, MAX_DOWNLOAD_TABLE) as archive:
                paths = archive.paths
        except ProctorError as error:
            self._unmatched[path.name] = str(error)
            return
        # Some LMS put all into one folder.
        above = top_folder(paths)
        while above and any(self._claim(part, path) for part in above.split("/")):
            above = above[: above.rstrip("/").rfind("/") + 1]
        entries: dict[str, dict[str, str]] = {}
        for inner in paths:
            name, _, rest = inner.removeprefix(above).partition("/")
            entries.setdefault(name, {})[inner] = rest
        for name, inside in sorted(entries.items()):
            if name in _NOT_HANDED_IN:
                continue
            one = self._claim(name, path / name) or _nobody(name)
            yield Piece(name, one, path, {inner: rest or one.rest or name for inner, rest in inside.items()})

    def _claim(self, name: str, path: Path) -> Claim | None:
        """What the name of a file or folder says, by the course's own pattern, an LMS's, or the roster's ids."""
        match = re.match(self._pattern, str(path)) if self._pattern else None
        groups = match.groupdict() if match else {}
        if groups.get("student_id"):
            rest = f"{Path(groups['file_id']).stem}{path.suffix}" if groups.get("file_id") else name
            return Claim(BY_ID, groups["student_id"], "", groups["student_id"], rest, time=_time_of(groups))
        if one := claim(name):
            return dataclasses.replace(one, time=self._utc(one.time))
        for own in (name, without_ending(name)):
            if any(student.id == own for student in self._roster):
                return Claim(BY_ID, own, "", own, name)
        return None

    def _whose(self, piece: Piece) -> tuple[str | None, str]:
        if piece.claim.system == BY_ID:
            if any(student.id == piece.claim.who for student in self._roster):
                return piece.claim.who, ""
            return None, f"the roster has no student {piece.claim.who}" if piece.claim.who else (
                "its name is none that an LMS gives, and no student's id; rename it to ID.zip, or, if it is a download "
                "with many students, put it there alone or name it in c.ZipCollect.downloads"
            )
        return whose(piece.claim, self._roster)

    def _collect(self, student: str, found: list[Piece]) -> str:
        accounts = sorted({(piece.claim.system, piece.claim.account) for piece in found})
        if len(accounts) > 1:
            names = ", ".join(printable(piece.shown, 60) for piece in found[:4])
            raise ProctorError(f"several accounts of the LMS claim to be this student ({names}); keep the right one")
        pieces, remark = _last_attempt(found)
        moment = self._moment(student, pieces)
        place = Path(
            self._coursedir.format_path(self._coursedir.submitted_directory, student, self._coursedir.assignment_id)
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".collecting-", dir=place.parent))
        try:
            draft = beside / "copy"
            gathered = gather(pieces, draft)
            (draft / TIMESTAMP).unlink(missing_ok=True)
            if moment.time is not None:
                (draft / TIMESTAMP).write_text(f"{as_text(moment.time)} UTC")
            if place.is_dir() and any(place.iterdir()):
                if look(place, Caps(), stored=True).digest() == look(draft, Caps(), stored=True).digest():
                    return "collected before"
                if not self._app.force:
                    raise ProctorError("there is another submission already; --force puts this one in its place")
            busy.put(draft, place, self._coursedir, student)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        lines = gathered.lines
        for line in lines:
            self._app.log.warning("%s: %s", printable(student), printable(line, 300))
        in_part = f"; {len(lines)} left out, the first: {printable(lines[0], 160)}" if lines else ""
        without = "" if gathered.notebooks else ", no notebook among them"
        return f"collected: {gathered.files} files{without}{remark}; {moment.said}{in_part}"

    def _moment(self, student: str, pieces: list[Piece]) -> _Moment:
        times = [piece.claim.time for piece in pieces if piece.claim.time is not None]
        if times:
            return _Moment(max(times), f"handed in at {max(times):%Y-%m-%d %H:%M} UTC")
        if any(piece.claim.late for piece in pieces):
            # The LMS knows of no extension that the course's configuration gives: what is late there may be in time.
            usual, due = self._usual, self._lateness.due(self._coursedir.assignment_id, student, self._usual)
            if usual is not None and due > usual:
                return _Moment(None, "marked as late, at no known time; has an extension, and counts as in time")
            if due is None:
                return _Moment(None, "marked as late, at no known time; the assignment has no deadline to be late for")
            return _Moment(
                due + datetime.timedelta(seconds=1),
                "marked as late, at no known time: counts as handed in a second after the deadline",
            )
        return _Moment(None, "no known time")

    def _utc(self, time: datetime.datetime | None) -> datetime.datetime | None:
        """The time of a clock as the LMS shows it, in UTC without a zone."""
        if time is None:
            return None
        zone = ZoneInfo(self._settings.timezone) if self._settings.timezone else None
        # Without a zone the machine's own is meant.
        time = time.replace(tzinfo=zone) if zone else time.astimezone()
        return time.astimezone(datetime.UTC).replace(tzinfo=None)

    def _print(self, folder: Path) -> None:
        width = max([len(printable(name, 60)) for name in [*self._said, *self._unmatched]], default=0)
        lines = [f"{printable(name, 60):{width}}  {said}" for name, said in self._said.items()]
        if self._unmatched:
            lines += ["", f"Not collected of {folder}, because it is of nobody known:"]
            lines += [f"{printable(name, 60):{width}}  {printable(why, 300)}" for name, why in self._unmatched.items()]
        print("\n".join(lines) or f"there is nothing in {folder}", flush=True)


def _nobody(name: str) -> Claim:
    return Claim(BY_ID, "", "", name)


def _time_of(groups: dict[str, str | None]) -> datetime.datetime | None:
    try:
        return parse_utc(groups["timestamp"]) if groups.get("timestamp") else None
    except (ValueError, OverflowError):
        return None


def _last_attempt(found: list[Piece]) -> tuple[list[Piece], str]:
    """The pieces of the last attempt in their order, and a remark if there were others.

    An attempt is a folder, or all loose files of one time; of loose files the later upload of one name counts.
    """
    attempts: dict[tuple, list[Piece]] = {}
    for piece in found:
        key = (piece.claim.time is not None, piece.claim.time or datetime.datetime.min)
        attempts.setdefault(key, []).append(piece)
    last = sorted(attempts[max(attempts)], key=lambda piece: (piece.claim.order, piece.shown))
    newest = {_stem(piece.claim.rest): piece for piece in last}
    kept = [piece for piece in last if not piece.claim.rest or newest[_stem(piece.claim.rest)] is piece]
    older = len(attempts) - 1 + (len(last) - len(kept))
    return kept, f"; the last upload counts, {older} older not" if older else ""


def _stem(name: str) -> str:
    """A file's name without the number that Canvas puts behind a name that was uploaded again."""
    stem, ending = os.path.splitext(name)
    return re.sub(r"-\d+$", "", stem) + ending


def start(app: ZipCollectApp) -> None:
    """Takes the place of what nbgrader's command does once it has its settings."""
    super(ZipCollectApp, app).start()
    Collecting(app).run()
