"""How far the runs of a course are, in a file of each that other commands can read."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proctor.checking import verdict
from proctor.intake.copier import printable
from proctor.plugin.busy import Holder
from proctor.staff_files import file_mode, make_folder

# No assignment can have a name that begins with a dot.
_FOLDER = ".running"
_MAX_FILE = 2**20
_MAX_TROUBLE = 50


@dataclass
class RunState:
    """How far a run is.

    Attributes:
        holder: who grades.
        workers: how many submissions are graded at a time.
        total: submissions that the run looks at; those that were graded before count as done.
        running: who is being graded, and for how many seconds.
        trouble: what became of those who were not graded to their end, by student.
        left: seconds until the end, as far as can be told; None if it can't.
        written: seconds since 1970.
        judged: of those who are being graded, how many notebooks are judged and how many there are.
    """

    holder: Holder
    assignment: str
    workers: int
    total: int
    done: int = 0
    running: list[tuple[str, float]] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)
    left: float | None = None
    written: float = 0.0
    judged: dict[str, list[int]] = field(default_factory=dict)

    def lines(self, now: float) -> list[str]:
        """All of it in plain words.

        Args:
            now: seconds since 1970.
        """
        so_far = f"{self.assignment}: {self.done} of {self.total} done"
        if self.holder.is_here() and not self.holder.lives():
            return [f"{so_far} when the run was killed: it was being {self.holder.text()}; run it again for the rest"]
        where = "" if self.holder.is_here() else f"; last heard of {_words(now - self.written)} ago"
        lines = [f"{so_far}, {self.left_words()}; {self.workers} at a time; being {self.holder.text()}{where}"]
        for name, seconds in self.running:
            judged = self.judged_words(name, " notebooks judged")
            lines.append(f"  {printable(name)}  for {_words(seconds + now - self.written)}{judged}")
        lines += [f"  trouble: {printable(name)}  {printable(said, 300)}" for name, said in self.trouble.items()]
        return lines

    def judged_words(self, student: str, what: str) -> str:
        """How far a student's submission is: ", 2 of 6"; empty if nothing is judged."""
        done, of = self.judged.get(student, (0, 0))
        return f", {int(done)} of {int(of)}{what}" if done else ""

    def left_words(self) -> str:
        """How long it still takes: "about 3 minutes left"."""
        return "time left not known yet" if self.left is None else f"about {_words(self.left)} left"


class StateFile:
    """The file of one run; that it can't be written stops no grading.

    Args:
        root: of the course.
    """

    def __init__(self, root: Path, holder: Holder) -> None:
        self._folder = root / verdict.FOLDER / _FOLDER
        self._path = self._folder / f"{holder.host}-{holder.pid}.json".replace("/", "_")

    def write(self, state: RunState) -> None:
        """Write it in place of the one before, all or nothing."""
        state.written = time.time()
        content = asdict(state) | {"trouble": dict(list(state.trouble.items())[-_MAX_TROUBLE:])}
        with contextlib.suppress(OSError):
            make_folder(self._folder, self._folder.parent)
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(content), encoding="ascii")
            draft.chmod(file_mode(self._folder))
            os.replace(draft, self._path)

    def remove(self) -> None:
        """The run has ended."""
        for path in (self._path, self._path.with_suffix(".draft")):
            with contextlib.suppress(OSError):
                path.unlink()


def states(root: Path, assignment: str | None = None) -> list[RunState]:
    """Runs of a course, living or killed, of one assignment or of all."""
    found = [_read(path) for path in sorted((root / verdict.FOLDER / _FOLDER).glob("*.json"))]
    return [one for one in found if one is not None and assignment in (None, one.assignment)]


def forget_killed(root: Path) -> None:
    """Remove files of runs that were killed on this machine."""
    for state in states(root):
        if state.holder.is_here() and not state.holder.lives():
            StateFile(root, state.holder).remove()


def _read(path: Path) -> RunState | None:
    try:
        with open(path, encoding="ascii") as file:
            content: Mapping[str, Any] = json.loads(file.read(_MAX_FILE))
        running: Sequence[Any] = content["running"]
        parts = {"holder": Holder(**content["holder"]), "running": [(str(a), float(b)) for a, b in running]}
        state = RunState(**{**content, **parts})
        state.lines(0.0)
        return state
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
