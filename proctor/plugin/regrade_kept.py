"""A preview of grading again, kept for `--apply` outside of the course, in a folder of the account that made it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proctor.checking.verdict import from_content, to_content
from proctor.errors import ProctorError
from proctor.jobs.job import Graded
from proctor.sandbox.folders import OwnFolder, sweep

_INDEX, _DRAFT = "preview.json", "draft-"
_FORMAT = 1


@dataclass
class Looked:
    """What a preview has found out about one submission.

    Attributes:
        state: of the submission that it has graded.
        made_with: what it has graded it with (`proctor.plugin.stale`).
        former: digest of what there was of a former grading.
        job: digest of what was graded.
        same: whether it is the submission that was graded before.
        reasons: why it is graded again, in plain words; `about`: those that are not about tests.
        file: what came of it, a name in the preview's folder; empty if nothing differs.
        trouble: why it could not be graded; empty if it was.
    """

    state: str = ""
    made_with: dict[str, Any] = field(default_factory=dict)
    former: str = ""
    job: str = ""
    same: bool = True
    reasons: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    file: str = ""
    trouble: str = ""


@dataclass
class Preview:
    """Of one assignment of one course.

    Attributes:
        folder: where it lies.
        notebook: that was graded; "*" for all.
        made: seconds since 1970.
        students: by id.
        skipped: whom it has not looked at, with the reason.
        chosen: checks that it has shown, by notebook and name; None for all.
        never_lower: whether it has shown no losses.
    """

    folder: Path
    notebook: str
    made: float
    students: dict[str, Looked]
    skipped: dict[str, str]
    chosen: list[list[str]] | None = None
    never_lower: bool = False

    def shows(self, chosen: Collection[tuple[str, str]] | None, never_lower: bool) -> bool:
        """Whether everything that would be stored by these rules was shown."""
        if self.never_lower and not never_lower:
            return False
        if self.chosen is None:
            return True
        return chosen is not None and {*chosen} <= {(notebook, cell) for notebook, cell in self.chosen}

    def graded(self, student: str) -> dict[str, Graded]:
        """What came of a submission, by notebook; nothing if it is as it was.

        Raises:
            ProctorError: it can't be read.
        """
        name = self.students[student].file
        if not name:
            return {}
        again = f"{self.folder}: the preview can't be read; make it again (without --apply)"
        try:
            content = json.loads((self.folder / name).read_text(encoding="utf-8"))
            return {
                notebook: Graded(one["notebook"], from_content(one["record"], again))
                for notebook, one in content.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProctorError(again) from error

    def forget(self, students: set[str]) -> None:
        """These are stored, or as they should be; what is left of the preview stays, or nothing if all are."""
        self.students = {name: one for name, one in self.students.items() if name not in students}
        if self.students:
            write_index(self.folder, self)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def write_graded(folder: Path, name: str, graded: Mapping[str, Graded]) -> None:
    """Write what came of a submission."""
    content = {
        notebook: {"notebook": one.notebook, "record": to_content(one.record)} for notebook, one in graded.items()
    }
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def write_index(folder: Path, preview: Preview) -> None:
    """Write all else, all or nothing."""
    content = {"format": _FORMAT, **asdict(preview)}
    del content["folder"]
    draft = folder / f"{_INDEX}.draft"
    draft.write_text(json.dumps(content), encoding="utf-8")
    os.replace(draft, folder / _INDEX)


def place_of(root: Path, assignment: str) -> Path:
    """Where the preview of an assignment lies; the folder that it is in is made.

    Args:
        root: of the course.

    Raises:
        ProctorError: it can't be made, or others could write there.
    """
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(home) / "proctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise ProctorError(f"{folder}: is not a folder of this account's own; move it away")
        folder.chmod(0o700)
    except (OSError, RuntimeError) as error:
        raise ProctorError(
            f"{folder}: a preview can't be kept there ({error}); set XDG_STATE_HOME to a folder of yours"
        ) from error
    name = hashlib.sha256(json.dumps([str(root), assignment]).encode()).hexdigest()[:24]
    return folder / f"regrade-{name}"


def draft(place: Path) -> OwnFolder:
    """A folder for a preview that is being made; those of processes that were killed go."""
    prefix = f"{place.name}-"
    sweep(place.parent, prefix)
    return OwnFolder(_DRAFT, place.parent, prefix)


def keep(made: OwnFolder, preview: Preview) -> None:
    """Put a preview that is complete in the place of an older one; one that has nothing to store leaves no folder."""
    shutil.rmtree(preview.folder, ignore_errors=True)
    if preview.students:
        write_index(made.path, preview)
        os.rename(made.path, preview.folder)
    made.remove()


def load(place: Path, command: str) -> Preview:
    """The preview of an assignment.

    Args:
        command: that makes it.

    Raises:
        ProctorError: there is none that can be used.
    """
    try:
        content = json.loads((place / _INDEX).read_text(encoding="utf-8"))
        if content.pop("format") != _FORMAT:
            raise ValueError("it is of another version")
        students = {str(name): Looked(**one) for name, one in content.pop("students").items()}
        return Preview(folder=place, students=students, **content)
    except FileNotFoundError:
        raise ProctorError(f"this account has no preview of it; make one first: {command}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProctorError(f"{place}: the preview can't be read; make it again: {command}") from error
