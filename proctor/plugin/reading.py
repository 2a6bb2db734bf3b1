"""Which answers a TA has read: an answer that is the same when it is graded again needs no second look.

Kept beside the records of verdicts, which go when a submission is graded again; these stay.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.staff_files import file_mode, make_folder

# No student can have a name that begins with a dot, and no notebook's record lies on this level.
_FOLDER = ".read"


class Reading:
    """Of one student's submission, the digest of what each answer was when it was last graded.

    Args:
        root: of the course.
    """

    def __init__(self, root: Path, assignment: str, student: str) -> None:
        # The name is that of a folder of records, which is checked there.
        folder = verdict.record_path(root, assignment, student, "x").parent
        self._path = folder.parent / _FOLDER / f"{folder.name}.json"

    def known(self, notebook: str) -> dict[str, str]:
        """Digests of a notebook by grade_id; empty if nothing is known, and then everything is to be read."""
        try:
            found = json.loads(self._path.read_text(encoding="ascii"))[notebook]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {str(name): str(one) for name, one in found.items()} if isinstance(found, dict) else {}

    def write(self, notebook: str, digests: Mapping[str, str]) -> None:
        """Write down what the answers of a notebook are now.

        Raises:
            ProctorError: it can't be written.
        """
        try:
            found = json.loads(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            found = {}
        found = (found if isinstance(found, dict) else {}) | {notebook: dict(digests)}
        try:
            make_folder(self._path.parent, self._path.parents[2])
            draft = self._path.with_name(f"{self._path.name}.draft")
            draft.write_text(json.dumps(found), encoding="ascii")
            draft.chmod(file_mode(self._path.parent))
            os.replace(draft, self._path)
        except OSError as error:
            raise ProctorError(
                f"{self._path}: can't be written ({error.strerror}); make room or correct its owner"
            ) from error


def digests(notebook: Mapping[str, Any], pictures: Mapping[str, Path]) -> dict[str, str]:
    """What the answers for a TA in a rebuilt notebook are: text, attachments and pictures, as a digest by grade_id.

    Args:
        pictures: files of the submission that a text can show, by path.
    """
    found = {}
    for cell in notebook["cells"]:
        name = notebook_cells.grade_id(cell)
        if name and notebook_cells.role(cell) == "manual":
            text = notebook_cells.source(cell)
            shown = sorted(path for path in pictures if PurePosixPath(path).name in unquote(text))
            files = [[path, hashlib.sha256(pictures[path].read_bytes()).hexdigest()] for path in shown]
            content = json.dumps([text, cell.get("attachments"), files], sort_keys=True)
            found[name] = hashlib.sha256(content.encode()).hexdigest()
    return found
