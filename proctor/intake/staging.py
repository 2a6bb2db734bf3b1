"""A submission as it is graded: one copy, from which come its notebooks, its other files, and its state.

Everything is taken from the same copy, made before the first cell runs, so that what is written down as graded is what
was graded, whatever is collected meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from proctor.intake.copier import Caps, Taken, copy_tree, look, printable, read_file
from proctor.intake.inert import OF_NBGRADER, SUBMISSION_SECRET, TIMESTAMP, run_by_tools, stored_path
from proctor.intake.rebuild import MAX_BYTES

# As `nbgrader submit` writes it: 64 random bytes.
_SECRET = re.compile(rb"[0-9a-f]{128}")
_PICTURES = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
}
_FOLDER = re.compile(r"[^\W_][\w -]*")


@dataclass
class Staged:
    """A submission that is about to be graded.

    Attributes:
        files: folder of its files but the notebooks, under stored names (`proctor.intake.inert`); those of the
            assignment lie in it in place of the student's of the same path.
        notebooks: content of the notebook files on the top level, by name without ending.
        pictures: places of the student's pictures, by path: all that staff need beside a notebook to read it.
        notes: plain lines for student and staff.
        for_staff: plain lines for staff.
        state: SHA-256 over names and contents of the whole submission, in hexadecimal.
        content: the same without the time of handing in.
    """

    files: Path
    notebooks: dict[str, bytes] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    for_staff: list[str] = field(default_factory=list)
    state: str = ""
    content: str = ""

    def digest(self, notebook: str) -> str:
        """SHA-256 from which the inputs of a notebook's checks are drawn: of all files of the submission.

        The time of handing in is no part of it; student code can't read it either.
        """
        return hashlib.sha256(json.dumps([notebook, self.content]).encode()).hexdigest()


def stage(submitted: Path, files: Path, assignment: Mapping[str, Path]) -> Staged:
    """Copy a submission for its grading.

    Args:
        submitted: the student's folder in `submitted/`.
        files: folder to make, in place of an older one.
        assignment: the instructor's own files beside the notebooks, by path in the assignment.

    Raises:
        ProctorError: the folder can't be read or copied.
        OSError: a file of the assignment can't be copied.
    """
    taken = copy_tree(submitted, files, Caps(), stored=True)
    staged = Staged(files, notes=list(taken.lines), state=taken.digest(), content=taken.digest({TIMESTAMP}))
    staged.for_staff += _for_staff(taken)
    for path in sorted(taken.digests):
        if path.endswith(".ipynb/") and path.count("/") == 1:
            staged.notes.append(f"left out {printable(path[:-1])}: it is a folder, not a notebook")
        elif path.endswith(".ipynb") and "/" not in path:
            place = files / stored_path(path)
            staged.notebooks[path.removesuffix(".ipynb")] = read_file(place, MAX_BYTES) or b""
            place.unlink()
    secret = files / SUBMISSION_SECRET
    if secret.is_file() and not _SECRET.fullmatch(read_file(secret, 1_000) or b""):
        secret.unlink()
        staged.notes.append(
            f"left out {SUBMISSION_SECRET}: it is not what `nbgrader submit` writes, so that feedback can't be "
            "released to this submission"
        )
    _set_aside(staged, assignment)
    staged.pictures = {path: files / stored_path(path) for path in taken.digests if _is_picture(files, path)}
    _lay_assignment(files, assignment)
    return staged


def state_of(submitted: Path) -> str:
    """The state that a submission would be staged with now.

    Raises:
        ProctorError: the folder can't be read.
    """
    return look(submitted, Caps(), stored=True).digest()


def _for_staff(taken: Taken) -> list[str]:
    lines = []
    if taken.dotted:
        lines.append(f"left out what begins with a dot: {_listed(taken.dotted)}")
    known = run_by_tools([path for path in taken.digests if not path.endswith("/")])
    if known:
        lines.append(f"holds files that a tool would run or load, were they not renamed: {_listed(known)}")
    return lines


def _listed(paths: list[str], most: int = 8) -> str:
    shown = ", ".join(printable(path) for path in paths[:most])
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown


def _set_aside(staged: Staged, assignment: Mapping[str, Path]) -> None:
    """Take out of the copy what is a file where the assignment has a folder, or the other way round."""
    for path in assignment:
        for number in range(1, len(PurePosixPath(path).parts)):
            above = PurePosixPath(*PurePosixPath(path).parts[:number]).as_posix()
            # A file and a folder of one name can't both be there, but their stored names are alike.
            place = _place_of_folder(staged.files, above)
            if place.is_file():
                place.unlink()
                staged.notes.append(f"left out {printable(above)}: the assignment has a folder of this name")
        place = _place_of_folder(staged.files, path)
        if place.is_dir():
            shutil.rmtree(place)
            staged.notes.append(f"left out the folder {printable(path)}: the assignment has a file of this name")


def _place_of_folder(files: Path, path: str) -> Path:
    return files / stored_path(f"{path}/x").parent


def _is_picture(files: Path, path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    ending = PurePosixPath(name).suffix.lower()
    # Folders have no dot in their names, so that none stands where nbgrader puts a notebook or a page.
    if path.endswith("/") or ending not in _PICTURES or not all(_FOLDER.fullmatch(folder) for folder in folders):
        return False
    start = read_file(files / stored_path(path), 16)
    return name[0].isalnum() and start is not None and start.startswith(_PICTURES[ending])


def _lay_assignment(files: Path, assignment: Mapping[str, Path]) -> None:
    for path, source in assignment.items():
        place = files / stored_path(path)
        if path in OF_NBGRADER:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
