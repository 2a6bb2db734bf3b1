"""Questions that lose no points by a correction of ours: their former verdicts also stand when all is graded again.

`proctor regrade --never-lower` writes them down, for the submission that they were given to and for no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proctor.checking import verdict
from proctor.jobs.job import Done, Graded
from proctor.plugin.regrade_changes import with_verdicts
from proctor.staff_files import file_mode, make_folder

# No student can have a name that begins with a dot.
_FOLDER = ".held"


def write(root: Path, assignment: str, student: str, state: str, held: Sequence[Mapping[str, Any]]) -> None:
    """Write down what stands from now on; an older list goes.

    Args:
        root: of the course.
        state: of the submission.
        held: of each question its ``notebook``, and its ``verdicts`` by cell.

    Raises:
        OSError: it can't be written.
    """
    path = _path(root, assignment, student)
    if not held:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent, root / verdict.FOLDER)
    draft = path.with_suffix(".draft")
    content = [{**one, "verdicts": {name: asdict(said) for name, said in one["verdicts"].items()}} for one in held]
    draft.write_text(json.dumps({"state": state, "held": content}), encoding="ascii")
    draft.chmod(file_mode(path.parent))
    os.replace(draft, path)


def hold(root: Path, assignment: str, student: str, state: str, done: Done) -> None:
    """Put former verdicts into what came of a job, where the new ones give fewer points.

    Args:
        state: of the submission that was graded.
    """
    for notebook, former in read(root, assignment, student, state):
        found = done.found.get(notebook)
        if not isinstance(found, Graded) or not former.keys() <= found.record.points.keys():
            continue
        scores, points = found.record.scores(), found.record.points
        held = sum(points[name] for name, one in former.items() if one.passed)
        if held > sum(scores[name] for name in former):
            done.found[notebook] = with_verdicts(found, former)


def read(root: Path, assignment: str, student: str, state: str) -> list[tuple[str, dict[str, verdict.Verdict]]]:
    """What stands for a submission: of each question its notebook and its verdicts by cell."""
    try:
        content = json.loads(_path(root, assignment, student).read_text(encoding="ascii"))
        if content["state"] != state:
            return []
        return [
            (str(one["notebook"]), {name: verdict.Verdict(**said) for name, said in one["verdicts"].items()})
            for one in content["held"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _path(root: Path, assignment: str, student: str) -> Path:
    # The name is that of a folder of records, which is checked there.
    folder = verdict.record_path(root, assignment, student, "x").parent
    return folder.parent / _FOLDER / f"{folder.name}.json"
