"""A student's folder of an assignment: where it is, which file is which notebook, and what is handed in of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dl1.errors import CourseError
from dl1.merging import given_out, notebook_file
from dl1.merging.answers import Answers
from dl1.merging.expected import Expected
from dl1.merging.labels import label, with_own_parts
from dl1.merging.matching import Matched, match_files
from dl1.merging.places import Submitted
from dl1.merging.submitted import cells_of

# As nbgrader's exchange leaves them out, and what begins with a dot, which grading leaves out.
_NOT_HANDED_IN = ("__pycache__", "feedback")
_MOST_LISTED = 20_000
# In the name of a folder as it was before a new release was taken into it.
KEPT = "-before-"


@dataclass
class Notebook:
    """A notebook of the assignment as it lies in the folder.

    Attributes:
        path: of the file that counts, in the folder.
        cells: as they stand in the file.
        answers: where each answer is, as grading finds it.
    """

    name: str
    path: str
    cells: list[Submitted]
    expected: list[Expected]
    answers: Answers


@dataclass
class Folder:
    """A student's folder.

    Attributes:
        given: what was given out; None if the folder doesn't say.
        matched: which of its files is which notebook; empty where nobody knows what was given out.
        notebooks: those that can be read, by name.
    """

    path: Path
    given: given_out.GivenOut | None
    files: list[str]
    matched: Matched = field(default_factory=Matched)
    notebooks: dict[str, Notebook] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.given.name if self.given else self.path.name


def find_folder(named: str | None) -> Path:
    """The folder that is meant: the one that is named, or this one, or the only one in it that is an assignment.

    Raises:
        CourseError: there is none, or it is not clear which.
    """
    here = Path(named or ".").expanduser()
    if not here.is_dir():
        raise CourseError(f"{here}: there is no such folder; name the one with your notebooks")
    here = here.resolve()
    if (here / given_out.NAME).is_file() or (not _inside(here) and any(here.glob("*.ipynb"))):
        return here
    inside = _inside(here)
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(folder.name for folder in inside)
        raise CourseError(f"{here} has several assignments ({names}): name the folder of one")
    raise CourseError(f"{here} has no notebooks of an assignment: name their folder")


def _inside(here: Path) -> list[Path]:
    return sorted(path.parent for path in here.glob(f"*/{given_out.NAME}") if KEPT not in path.parent.name)


def look_into(path: Path) -> Folder:
    """Read a folder.

    Raises:
        CourseError: what was given out can't be read, or the folder can't.
    """
    given = given_out.load(path)
    try:
        files = sorted(_files(path))
    except OSError as error:
        raise CourseError(f"{path}: can't be read ({error.strerror}); correct its rights") from None
    folder = Folder(path, given, files)
    if given is None:
        return folder
    candidates = [name for name in files if name != given_out.NAME and notebook_file.may_be_notebook(name)]
    folder.matched = match_files(given.notebooks, candidates, lambda name: content_of(path / name))
    for name, content in folder.matched.content.items():
        parsed, _ = notebook_file.parsed(content) if content else (None, "")
        if parsed is not None:
            folder.notebooks[name] = read_notebook(name, folder.matched.paths[name], parsed, given.notebooks[name])
    return folder


def read_notebook(name: str, path: str, content: dict[str, Any], given: dict[str, Any]) -> Notebook:
    """A file's cells and answers, found as grading finds them.

    Args:
        content: of the student's file.
        given: the notebook as it was given out.
    """
    expected = given_out.expected_cells(given)
    cells = list(cells_of(content))
    for number, cell in enumerate(cells, start=1):
        cell.number = number
    lost = label(cells, expected)
    answers = Answers(expected, with_own_parts(cells, {one.name: one for one in expected}), lost)
    return Notebook(name, path, cells, expected, answers)


def content_of(path: Path) -> bytes | None:
    """Content of a file; None if it can't be read, or is larger than any notebook may be."""
    try:
        return path.read_bytes() if path.stat().st_size <= notebook_file.MAX_FILE else None
    except OSError:
        return None


def _files(root: Path) -> Iterator[str]:
    """Paths of what is handed in, relative and with /."""
    number = 0
    for place, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_HANDED_IN)
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                number += 1
                if number > _MOST_LISTED:
                    return
                yield path.relative_to(root).as_posix()


def _raise(error: OSError) -> None:
    raise error
