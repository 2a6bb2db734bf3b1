"""`python -m proctor backup FOLDER` and `restore FILE`: what can't be made again, as one file.

That is the gradebook, in which alone stand the points and comments that people typed, the records that vouch for it,
what was sealed, and the course's settings. The course secret is not in it: a backup may lie where a secret may not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import busy, gradebook_file
from proctor.plugin.gradebook_copy import check_whole, snapshot
from proctor.plugin.sealed import FOLDER as SEALED
from proctor.settings import Proctor
from proctor.staff_files import share, staff_only

_MANIFEST, _GRADEBOOK, _SETTINGS = "manifest.json", "gradebook.db", "nbgrader_config.py"
_FOLDERS = (verdict.FOLDER, SEALED)
_FORMAT = 1
# What SQLite keeps beside a gradebook that it has open.
_BESIDE = ("", "-journal", "-wal", "-shm")


class _CourseApp(NbGrader):
    """A command with one word, which finds the course as nbgrader's own commands do."""

    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = nbgrader_flags
    word = ""

    def start(self) -> None:
        """Do it, and print what was done; exit status 1 with a line if it was not."""
        super().start()
        if len(self.extra_args) != 1:
            self.fail(f"name one: python -m {self.name.replace('-', ' ')} {self.word}")
        try:
            for line in self.done(Course(self), Path(self.extra_args[0])):
                print(line, flush=True)
        except ProctorError as error:
            self.fail(str(error))
        except sqlite3.Error as error:
            self.fail(f"nothing was saved: {gradebook_file.said(error, self.coursedir.db_url)}")
        except (OSError, tarfile.TarError) as error:
            self.fail(f"{printable(self.extra_args[0])}: {error}; make room, or correct its rights")

    def done(self, course: Course, place: Path) -> Iterator[str]:
        """Lines about what was done."""
        raise NotImplementedError


class BackupApp(_CourseApp):
    """The command that saves."""

    name = "proctor-backup"
    description = "Write gradebook, records, seals and settings of this course into one file in a folder"
    word = "FOLDER"

    def done(self, course: Course, place: Path) -> Iterator[str]:
        return course.save(place)


class RestoreApp(_CourseApp):
    """The command that puts back."""

    name = "proctor-restore"
    description = "Put gradebook, records and seals of this course back from a file that proctor backup has written"
    word = "FILE"

    def done(self, course: Course, place: Path) -> Iterator[str]:
        return course.put_back(place)


class Course:
    """What of a course is saved, and where it lies."""

    def __init__(self, app: NbGrader) -> None:
        settings, directory = Proctor(parent=app), app.coursedir
        self._root = Path(directory.root).resolve()
        self._name, self._shared = directory.course_id, directory.groupshared
        self._gradebook = gradebook_file.path_of(directory.db_url)
        key = settings.course_secret(self._root).key("backup", "", "")
        self._secret = hashlib.sha256(key).hexdigest()

    def save(self, folder: Path) -> Iterator[str]:
        """Write a backup, all or nothing.

        Raises:
            ProctorError: there is no such folder, or no gradebook.
        """
        if not folder.is_dir():
            raise ProctorError(f"{folder}: there is no such folder; make it first, on another disk if you can")
        if self._gradebook is not None and not self._gradebook.is_file():
            raise ProctorError(f"{self._gradebook}: there is no gradebook to save")
        target = folder / f"{self._name or 'course'}-{time.strftime('%Y-%m-%d-%H%M%S')}.tar.gz"
        manifest = {"format": _FORMAT, "course": self._name, "secret": self._secret}
        with staff_only(self._shared), tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as draft:
            made = Path(draft) / target.name
            with tarfile.open(made, "w:gz") as archive:
                _add(archive, _MANIFEST, json.dumps(manifest).encode())
                if self._gradebook is not None:
                    snapshot(self._gradebook, Path(draft) / _GRADEBOOK)
                    # A backup of a damaged one would take the place of those that are good.
                    check_whole(Path(draft) / _GRADEBOOK)
                    archive.add(Path(draft) / _GRADEBOOK, _GRADEBOOK)
                for path in self._files():
                    archive.add(path, path.relative_to(self._root).as_posix(), recursive=False)
            os.replace(made, target)
        yield f"{target}: {target.stat().st_size / 2**20:.1f} MiB"
        if self._gradebook is None:
            yield "the gradebook lies on a server: save it with pg_dump"
        yield "the course secret is not in it: keep a copy of that apart"

    def put_back(self, file: Path) -> Iterator[str]:
        """Put a backup in the place of what is there, which is kept beside it.

        Raises:
            ProctorError: the file is no backup of this course, or somebody is at work; nothing was changed.
        """
        if working := busy.all_held(self._root):
            raise ProctorError(f"somebody is at work on this course: {working[0]}")
        if not file.is_file():
            raise ProctorError(f"{file}: there is no such file")
        with staff_only(self._shared), tempfile.TemporaryDirectory(prefix=".restoring-", dir=self._root) as place:
            draft = Path(place)
            try:
                _unpack(file, draft)
                manifest = json.loads((draft / _MANIFEST).read_text(encoding="utf-8"))
                self._check(manifest, draft)
            except (OSError, EOFError, ValueError, tarfile.TarError, sqlite3.Error) as error:
                raise ProctorError(f"{file}: is no whole backup ({error}); nothing was changed") from error
            if self._shared:
                share(draft)
            yield from self._swap(draft)

    def _check(self, manifest: dict[str, Any], draft: Path) -> None:
        if manifest["format"] != _FORMAT or manifest["course"] != self._name:
            raise ValueError(f"it is of the course {printable(str(manifest['course']))}")
        if manifest["secret"] != self._secret:
            raise ProctorError(
                "the backup was made with another course secret; put that one back first (c.Proctor.secret), or all "
                "submissions would be graded again with other inputs. Nothing was changed"
            )
        if self._gradebook is None:
            return
        check_whole(draft / _GRADEBOOK)

    def _swap(self, draft: Path) -> Iterator[str]:
        old = Path(tempfile.mkdtemp(prefix=time.strftime("before-restore-%Y-%m-%d-%H%M%S-"), dir=self._root))
        for name in _FOLDERS:
            if (self._root / name).exists():
                os.rename(self._root / name, old / name)
            if (draft / name).exists():
                os.rename(draft / name, self._root / name)
        if self._gradebook is not None:
            for ending in _BESIDE:
                beside = self._gradebook.with_name(f"{self._gradebook.name}{ending}")
                if beside.exists():
                    shutil.move(beside, old / f"{_GRADEBOOK}{ending}")
            shutil.move(draft / _GRADEBOOK, self._gradebook)
        if not (self._root / _SETTINGS).exists() and (draft / _SETTINGS).exists():
            os.rename(draft / _SETTINGS, self._root / _SETTINGS)
        yield f"put back; what was there before lies in {old}"
        yield "run nbgrader autograde: it grades again what was handed in or changed since"
        if self._gradebook is None:
            yield "the gradebook lies on a server: put it back with pg_restore"

    def _files(self) -> Iterator[Path]:
        """Regular files of the staff's folders but those of a run and drafts, and the settings."""
        for name in _FOLDERS:
            for path in sorted((self._root / name).rglob("*")):
                # What was read and given, and former records, lie in hidden folders beside those of students; those of
                # a run lie on top.
                parts = path.relative_to(self._root / name).parts
                hidden = parts[0].startswith(".") or parts[-1].startswith(".") or path.suffix == ".lock"
                if not hidden and path.is_file() and not path.is_symlink():
                    yield path
        if (self._root / _SETTINGS).is_file():
            yield self._root / _SETTINGS


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))


def _unpack(file: Path, target: Path) -> None:
    with tarfile.open(file, "r:gz") as archive:
        for entry in archive:
            parts = PurePosixPath(entry.name).parts
            known = entry.name in (_MANIFEST, _GRADEBOOK, _SETTINGS) or parts[0] in _FOLDERS
            content = archive.extractfile(entry) if known and entry.isreg() and ".." not in parts else None
            if content is None:
                raise ValueError(f"it holds {printable(entry.name)}")
            place = target.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "xb") as made:
                shutil.copyfileobj(content, made)
