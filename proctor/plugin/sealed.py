"""What lay in the inbound folder at the deadline: digests of all submissions, and copies of them.

Times of files can be had by: a file that is mapped into memory is changed without its ctime until the kernel writes it
back, and where nothing is written back, on tmpfs, at all. A digest that was taken at the deadline can't.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder

FOLDER = "proctor_sealed"
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True)
class Seal:
    """A submission as it was sealed.

    Attributes:
        student: whose it is.
        digest: SHA-256 over names and contents, in hexadecimal; "" if it could not be read.
        time: when it had been handed in, in UTC; the format is that of `as_text`.
        kept: there is a copy.
    """

    student: str
    digest: str
    time: str
    kept: bool

    @property
    def timestamp(self) -> datetime.datetime:
        return as_time(self.time)


@dataclass
class Sealed:
    """All seals of an assignment; `save` keeps them for staff only.

    Attributes:
        listed: when the inbound folder was last listed for sealing, in UTC; "" if never.
        seals: by the name of the folder in the inbound folder.
    """

    root: Path
    assignment: str
    listed: str = ""
    seals: dict[str, Seal] = field(default_factory=dict)

    @classmethod
    def load(cls, course_root: Path, assignment: str) -> Sealed:
        """Seals of an assignment, none if it was never sealed.

        Raises:
            ProctorError: the file can't be read.
        """
        made = cls(course_root / FOLDER / assignment, assignment)
        try:
            content = json.loads(made.index.read_text(encoding="utf-8"))
            made.listed = content["listed"]
            made.seals = {name: Seal(**one) for name, one in content["seals"].items()}
            for text in (made.listed, *(seal.time for seal in made.seals.values())):
                as_time(text)
        except FileNotFoundError:
            return made
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProctorError(
                f"{made.index}: the seals can't be read ({type(error).__name__}); restore the file from your backup, "
                "or move it away to collect without them"
            ) from error
        return made

    @property
    def index(self) -> Path:
        return self.root / "seals.json"

    def copy_of(self, name: str) -> Path:
        """Where the copy of an inbound folder lies; students choose the name of theirs, so it stands in no path."""
        return self.root / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()

    def make_folder(self) -> None:
        """Make the folder for the copies, for staff only."""
        make_folder(self.root, self.root.parent)

    def save(self) -> None:
        """Write the file, complete before it has its name.

        Raises:
            OSError: it can't be written.
        """
        self.make_folder()
        content = {"listed": self.listed, "seals": {name: asdict(seal) for name, seal in self.seals.items()}}
        # Made with mode 0600.
        descriptor, draft = tempfile.mkstemp(dir=self.root, prefix=".seals-")
        try:
            os.fchmod(descriptor, file_mode(self.root))
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.index)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise


def as_text(moment: datetime.datetime) -> str:
    """A time in UTC without a zone as text, to the microsecond."""
    return moment.strftime(_FORMAT)


def as_time(text: str) -> datetime.datetime:
    """The time that `as_text` wrote.

    Raises:
        ValueError: the text is none.
    """
    return datetime.datetime.strptime(text, _FORMAT)


def now() -> datetime.datetime:
    """The time in UTC without a zone, as nbgrader stores it."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
