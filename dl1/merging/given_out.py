"""What an assignment was when it was given out: the file `assignment.json` beside its notebooks.

Made from the released notebooks, in which no solution and no hidden test is any more, and read by a student's commands
alone: whatever somebody writes into theirs changes nothing but what these say to them.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dl1.errors import CourseError
from dl1.merging import cells as notebook_cells
from dl1.merging.expected import Expected, given_out
from dl1.merging.hint_lines import without_lines

NAME = "assignment.json"
_FORM = 1
_KEPT = ("grade_id", "grade", "solution", "locked", "task", "points", "cell_type")
_MOST = 20 * 2**20


@dataclass(frozen=True)
class GivenOut:
    """An assignment as it was given out.

    Attributes:
        name: of the assignment, which is also its folder's.
        course: its name in the exchange; empty if it has none.
        due: the deadline as it was then, with a time zone; None if there was none.
        made: when it was made, with a time zone; None if that is not known.
        limits: the most that is handed in, by what is limited: "files", "bytes", "file_bytes", "folder_bytes".
        notebooks: by name without ending: cells with their ids, types, sources and nbgrader's part of the metadata.
    """

    name: str
    course: str = ""
    due: datetime.datetime | None = None
    made: datetime.datetime | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    notebooks: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def described(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """A released notebook with what its cells are known by, and without all else."""
    made = []
    for cell in notebook["cells"]:
        about = notebook_cells.nbgrader_metadata(cell)
        made.append(
            {
                "id": notebook_cells.grade_id(cell) or cell.get("id") or "",
                "cell_type": cell["cell_type"],
                "source": without_lines(notebook_cells.source(cell)),
                "metadata": {"nbgrader": {key: about[key] for key in _KEPT if key in about}} if about else {},
            }
        )
    return {"cells": made}


def as_text(assignment: GivenOut) -> str:
    """The content of the file."""
    content = {
        "form": _FORM,
        "assignment": assignment.name,
        "course": assignment.course,
        "due": _said(assignment.due),
        "made": _said(assignment.made),
        "limits": dict(assignment.limits),
        "notebooks": dict(assignment.notebooks),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def load(folder: Path) -> GivenOut | None:
    """What the file in an assignment's folder says; None if there is none.

    Raises:
        CourseError: it is damaged.
    """
    path = folder / NAME
    try:
        if path.stat().st_size > _MOST:
            raise ValueError("it is too large")
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
        if content["form"] != _FORM:
            raise ValueError("it is of another version of the course's kit")
        for notebook in content["notebooks"].values():
            expected_cells(notebook)
        return GivenOut(
            str(content["assignment"]),
            str(content["course"]),
            _moment(content["due"]),
            _moment(content["made"]),
            {str(key): int(value) for key, value in content["limits"].items()},
            content["notebooks"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CourseError(
            f"{path} can't be read ({error}): put the one of your course's release in its place, or remove it"
        ) from None


def expected_cells(notebook: Mapping[str, Any]) -> list[Expected]:
    """The cells of a notebook as it was given out, or as `described` has made it."""
    return [
        given_out(
            notebook_cells.grade_id(cell) or cell.get("id") or f"cell {index + 1}",
            notebook_cells.role(cell),
            cell["cell_type"] == "code",
            notebook_cells.source(cell),
            index,
        )
        for index, cell in enumerate(notebook["cells"])
    ]


def _said(moment: datetime.datetime | None) -> str | None:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds") if moment else None


def _moment(text: str | None) -> datetime.datetime | None:
    moment = datetime.datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
