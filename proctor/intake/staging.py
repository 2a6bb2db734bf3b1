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
from types import MappingProxyType
from typing import Any

from dl1.merging.matching import AS_CHECKPOINT, MISSING, UNREADABLE, Matched, match_files
from dl1.merging.notebook_file import MAX_FILE, may_be_notebook
from proctor.intake.archives import is_archive, is_other_archive
from proctor.intake.copier import Caps, Taken, copy_tree, look, printable, read_file
from proctor.intake.inert import OF_NBGRADER, SUBMISSION_SECRET, TIMESTAMP, handed_in_name, run_by_tools, stored_path
from proctor.intake.unpacked import Unpacked, lay_up

# As `nbgrader submit` writes it: 64 random bytes.
_SECRET = re.compile(rb"[0-9a-f]{128}")
_PICTURES = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
}
_FOLDER = re.compile(r"[^\W_][\w -]*")
# What is handed in for a notebook by mistake, under any name: pages made of it, links to it, downloads that broke off.
_INSTEAD = re.compile(r"x?html?|mht|webarchive|gdoc|lnk|url|webloc|icloud|crdownload|part", re.IGNORECASE)
_CHECKPOINTS = ".ipynb_checkpoints"


@dataclass
class Staged:
    """A submission that is about to be graded.

    Attributes:
        files: folder of its files but the notebooks, under stored names (`proctor.intake.inert`); those of the
            assignment lie in it in place of the student's of the same path.
        matched: what was found of the assignment's notebooks.
        unreadable: archives in it that could not be opened.
        pictures: places of the student's pictures, by path: all that staff need beside a notebook to read it.
        notes: plain lines for student and staff.
        for_staff: plain lines for staff.
        state: SHA-256 over names and contents of the whole submission, in hexadecimal.
        content: the same without the time of handing in.
    """

    files: Path
    matched: Matched = field(default_factory=Matched)
    unreadable: list[str] = field(default_factory=list)
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


def stage(
    submitted: Path,
    files: Path,
    assignment: Mapping[str, Path],
    notebooks: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Staged:
    """Copy a submission for its grading, and find the assignment's notebooks in it.

    Args:
        submitted: the student's folder in `submitted/`.
        files: folder to make, in place of an older one.
        assignment: the instructor's own files beside the notebooks, by path in the assignment.
        notebooks: the instructor's, all of the assignment, by name; one that can't be read is empty.

    Raises:
        ProctorError: the folder can't be read or copied.
        OSError: a file of the assignment can't be copied.
    """
    taken = copy_tree(submitted, files, Caps(), stored=True)
    staged = Staged(files, notes=list(taken.lines), state=taken.digest(), content=taken.digest({TIMESTAMP}))
    staged.for_staff += _for_staff(taken)
    _find_notebooks(staged, taken, notebooks)
    secret = files / SUBMISSION_SECRET
    if secret.is_file() and not _SECRET.fullmatch(read_file(secret, 1_000) or b""):
        secret.unlink()
        staged.notes.append(
            f"left out {SUBMISSION_SECRET}: it is not what `nbgrader submit` writes, so that feedback can't be "
            "released to this submission"
        )
    _set_aside(staged, assignment)
    staged.pictures = {path: files / stored_path(path) for path in _paths(files) if _is_picture(files, path)}
    _lay_assignment(files, assignment)
    return staged


def state_of(submitted: Path) -> str:
    """The state that a submission would be staged with now.

    Raises:
        ProctorError: the folder can't be read.
    """
    return look(submitted, Caps(), stored=True).digest()


def _find_notebooks(staged: Staged, taken: Taken, notebooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Find the notebooks, and bring to the top what lies beside those that were not handed in there."""
    files = staged.files
    paths = [path for path in taken.digests if not path.endswith("/")]
    places = {path: files / stored_path(path) for path in paths}
    with Unpacked(files.with_name(f"{files.name}-unpacked"), {path: places[path] for path in paths}) as unpacked:
        places |= unpacked.places
        candidates = [path for path in places if may_be_notebook(path) and path not in unpacked.opened]
        staged.matched = match_files(notebooks, candidates, lambda path: read_file(places[path], MAX_FILE))
        folders = [places[path].parent for path in staged.matched.paths.values() if path.count("/")]
        for folder in [*dict.fromkeys(folders), *unpacked.beside_notebooks()]:
            lay_up(folder, files)
        for name in staged.matched.lost:
            if any(f"{name}.ipynb:" in line for line in taken.lines):
                staged.matched.lost[name] = UNREADABLE
        missing = [name for name, why in staged.matched.lost.items() if why == MISSING]
        if missing and (instead := _instead(missing, sorted(places))):
            staged.notes.append(f"what counts is the file that ends in .ipynb; handed in was {_listed(instead)}")
        if missing and (kept := _checkpoints([*taken.dotted, *unpacked.dotted])):
            staged.matched.lost |= dict.fromkeys(missing, AS_CHECKPOINT)
            staged.notes.append(
                f"{_listed(kept)} holds what Jupyter has kept of a notebook, which may be older than what was worked "
                "on, and is not taken: what counts is the notebook itself"
            )
        staged.unreadable = unpacked.failed(bool(staged.matched.lost))
        staged.notes += unpacked.lines
    counted = set(staged.matched.paths.values())
    for path in sorted(taken.digests):
        if path.endswith(".ipynb/") and path.count("/") == 1 and not any(one.startswith(path) for one in counted):
            staged.notes.append(f"left out {printable(path[:-1])}: it is a folder, not a notebook")
        elif path.endswith(".ipynb") and "/" not in path:
            places[path].unlink()


def _instead(missing: list[str], paths: list[str]) -> list[str]:
    """Files that seem to be made of notebooks that are missing, or to stand for them."""
    found = []
    for path in paths:
        stem, _, ending = path.rpartition("/")[2].casefold().rpartition(".")
        named = any(name.casefold() in stem for name in missing) and not is_archive(path) and not is_other_archive(path)
        if named or _INSTEAD.fullmatch(ending):
            found.append(path)
    return found


def _checkpoints(dotted: list[str]) -> list[str]:
    """Folders of Jupyter's checkpoints among what is left out for its dot."""
    parts = [path.split("/") for path in dotted]
    ends = [(one, one.index(_CHECKPOINTS) + 1) for one in parts if _CHECKPOINTS in one]
    return sorted({"/".join(one[:end]) for one, end in ends})


def _paths(files: Path) -> list[str]:
    """Of all files in a folder of stored ones, as handed in."""
    found = [path.relative_to(files).parts for path in sorted(files.rglob("*")) if path.is_file()]
    return ["/".join(handed_in_name(part) for part in parts) for parts in found]


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
