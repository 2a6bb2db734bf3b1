"""What is written down once a submission was graded to its end: `complete.json` beside its records of verdicts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder

_NAME = "complete.json"


class Finished:
    """That a submission was graded to its end, and in which state.

    Args:
        root: of the course.
    """

    def __init__(self, root: Path, assignment: str, student: str) -> None:
        self.folder = verdict.record_path(root, assignment, student, "x").parent
        self._path = self.folder / _NAME

    def exists(self) -> bool:
        """Whether it was graded to its end."""
        return self._path.is_file()

    def state(self) -> str | None:
        """State of the submission that was graded; None if it was not, or only in part."""
        try:
            return json.loads(self._path.read_text())["state"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def differences(self) -> list[str]:
        """How gradebook and verdicts differed right after grading; nothing if it was not graded to its end.

        Raises:
            ProctorError: the file can't be read.
        """
        try:
            return [str(line) for line in json.loads(self._path.read_text())["differences"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProctorError(f"{self._path} can't be read") from error

    def made_with(self) -> dict[str, Any] | None:
        """What it was graded with (`proctor.plugin.stale`); None if that was not written down."""
        try:
            found = json.loads(self._path.read_text())["with"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    def not_found(self) -> tuple[dict[str, str], list[str]]:
        """Why notebooks have no answers, by notebook, and files in which more may lie (`proctor.intake.staging`)."""
        try:
            found = json.loads(self._path.read_text())
            lost, unopened = found.get("lost", {}), found.get("unreadable", [])
            return {str(name): str(why) for name, why in lost.items()}, [str(path) for path in unopened]
        except (OSError, ValueError, AttributeError, TypeError):
            return {}, []

    def forget(self) -> None:
        """It is about to be graded again."""
        self._path.unlink(missing_ok=True)

    def write(
        self,
        state: str | None,
        differences: Sequence[str],
        made_with: Mapping[str, Any] | None = None,
        not_found: tuple[Mapping[str, str], Sequence[str]] = ({}, ()),
    ) -> None:
        """Write it down.

        Args:
            state: of the submission; None, and the next start takes it up again.
            made_with: what it was graded with.
            not_found: what the method of this name gives back.
        """
        make_folder(self.folder, self.folder.parents[1])
        draft = self._path.with_suffix(".draft")
        content = {"state": state, "differences": list(differences), "with": made_with}
        content |= {"lost": dict(not_found[0]), "unreadable": list(not_found[1])}
        draft.write_text(json.dumps(content))
        draft.chmod(file_mode(self.folder))
        os.replace(draft, self._path)


class Begun:
    """That a submission which was graded to its end is being graded again, the same as it was.

    As long as this stands, all its points come from this submission, some of them perhaps from the earlier grading: a
    run that was killed has taken none away, and the next one needn't either.
    """

    def __init__(self, root: Path, assignment: str, student: str) -> None:
        self._path = verdict.record_path(root, assignment, student, "x").with_name("begun.json")

    def state(self) -> str | None:
        """Of the submission, as in `Finished`; None if this doesn't stand."""
        try:
            return json.loads(self._path.read_text())["state"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, state: str) -> None:
        """It is about to be graded again."""
        make_folder(self._path.parent, self._path.parents[2])
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"state": state}))
        draft.chmod(file_mode(self._path.parent))
        os.replace(draft, self._path)

    def forget(self) -> None:
        """It is finished again, or its points are gone."""
        self._path.unlink(missing_ok=True)
