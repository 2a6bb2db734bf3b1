"""Which items of a marking scheme were given for which answer: a file for each question, beside the records.

Points and comments stand in nbgrader's gradebook; here stands only what they were made of, so that they can be made
again when the price of an item changes, and so that what somebody typed over them is known as typed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder

# No student can have a name that begins with a dot.
FOLDER = ".marks"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Choice(NamedTuple):
    """An item that was given, by the key and the place of it and of the line under it (empty and -1: the whole).

    Args:
        lines: keys of all lines that stood under the item then.
    """

    item: str
    place: int
    line: str = ""
    line_place: int = -1
    lines: tuple[str, ...] = ()


class Mark(NamedTuple):
    """What one answer was given.

    Args:
        keys: of all items that the scheme had then.
        score: what was written into the gradebook.
        said: what was written into the comment.
    """

    choices: tuple[Choice, ...]
    keys: tuple[str, ...]
    score: float
    said: str


class MarksFile:
    """The marks of one question.

    Args:
        root: of the course.

    Raises:
        ProctorError: one of the names would lead somewhere else.
    """

    def __init__(self, root: Path, assignment: str, notebook: str, cell: str) -> None:
        verdict.record_path(root, assignment, notebook, cell)
        self._top = root / verdict.FOLDER
        self._path = self._top / assignment / FOLDER / notebook / f"{cell}.json"

    def load(self) -> dict[str, Mark]:
        """Marks by student.

        Raises:
            ProctorError: the file can't be read.
        """
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {student: _mark(one) for student, one in found["marks"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProctorError(
                f"{self._path}: can't be read ({error}); put it back from a backup, or move it away: points and "
                "comments stay, and count as typed"
            ) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Mark]]:
        """Marks to be changed, which are written at the end; meanwhile nobody else changes them.

        Raises:
            ProctorError: the file can't be read or written.
        """
        with self.locked():
            marks = self.load()
            yield marks
            self._write(marks)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Meanwhile nobody else changes marks of this question.

        Raises:
            ProctorError: there is no place for the lock.
        """
        try:
            make_folder(self._path.parent, self._top)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, file_mode(self._path.parent))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise self._unwritable(error) from error
            yield
        finally:
            os.close(lock)

    def _write(self, marks: dict[str, Mark]) -> None:
        content = {"schema": 1, "marks": {student: mark._asdict() for student, mark in sorted(marks.items())}}
        try:
            draft = self._path.with_name(f".{self._path.name}.draft")
            draft.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            draft.chmod(file_mode(self._path.parent))
            os.replace(draft, self._path)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ProctorError:
        return ProctorError(f"{self._path}: can't be written ({error.strerror}); make room or correct its owner")


def _mark(found: dict[str, Any]) -> Mark:
    choices = tuple(Choice(*rest, tuple(lines)) for *rest, lines in found["choices"])
    return Mark(choices, tuple(found["keys"]), float(found["score"]), str(found["said"]))
