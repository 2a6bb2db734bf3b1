"""A job: all that the grading of one student's submission needs, and nothing else; and what comes of it.

Both are plain data. Whoever does a job needs no gradebook, no course folder and no course secret.
"""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.submission import Keys


@dataclass(frozen=True)
class Task:
    """One notebook of a job.

    Attributes:
        name: without ending.
        notebook: the rebuilt notebook, as nbgrader's steps before the run leave it.
        digest: from which the inputs of its checks are drawn.
        notes: plain lines about the submission, for the student too.
        judged: whether its checks are asked; otherwise it is run for what later notebooks use.
    """

    name: str
    notebook: dict[str, Any]
    digest: str
    keys: Keys
    notes: tuple[str, ...] = ()
    judged: bool = True


@dataclass(frozen=True)
class Job:
    """One student's submission.

    Attributes:
        tasks: in the order in which they are run.
        files: folder of the submission's other files, under stored names (`proctor.intake.inert`); or, for a machine
            that doesn't see it, its content, see `packed`.
        course_files: paths of the assignment's own files beside the notebooks.
    """

    assignment: str
    student: str
    tasks: tuple[Task, ...]
    files: Path | bytes
    course_files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Graded:
    """A notebook that was graded.

    Attributes:
        notebook: with all outputs.
    """

    notebook: dict[str, Any]
    record: Record


@dataclass(frozen=True)
class Accident:
    """What went wrong.

    Attributes:
        said: in a line.
        details: for the log.
        error: the exception itself, if it was one that is foreseen.
    """

    said: str
    details: str
    error: ProctorError | OSError | None = None

    @classmethod
    def of(cls, error: Exception) -> Accident:
        """An exception that is being handled, in a form that can be sent to another process."""
        said, details = f"{type(error).__name__}: {error}", traceback.format_exc()
        if isinstance(error, ProctorError):
            return cls(said, str(error), type(error)(str(error)))
        if isinstance(error, OSError):
            # Not of its own class, which may want more than these to be made again.
            return cls(said, details, OSError(error.errno, error.strerror or str(error), error.filename))
        return cls(said, details)

    def again(self) -> Exception:
        """The exception, to be raised in the process that has asked for the job."""
        return self.error or ProctorError(self.said)


@dataclass
class Done:
    """What came of a job.

    Attributes:
        found: by notebook; those that were only run are not in it.
        accident: what has ended the job as a whole.
        seconds: on the clock.
        for_staff: plain lines about the process that did it.
        used_up: whose time was used up and how long that was, in plain words; empty if none was.
    """

    found: dict[str, Graded | Accident] = field(default_factory=dict)
    accident: Accident | None = None
    seconds: float = 0.0
    used_up: str = ""
    for_staff: tuple[str, ...] = ()


def packed(job: Job) -> Job:
    """A job that carries the submission's files with it."""
    if isinstance(job.files, bytes):
        return job
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(job.files, arcname=".")
    return replace(job, files=content.getvalue())


def unpack(files: bytes, folder: Path) -> None:
    """Lay the files that a job carries into a folder, which is made."""
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
        archive.extractall(folder, filter="data")


def save(path: Path, one: Job | Done | Mapping[str, Any]) -> None:
    """Write it, all or nothing, into a folder that is the staff's alone."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(pickle.dumps(one))
    os.replace(draft, path)


def load(path: Path) -> Any:
    """Read what `save` has written."""
    return pickle.loads(path.read_bytes())
