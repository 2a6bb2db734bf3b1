"""A submission between the moment that a run takes it up and the moment that it is done with."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.intake.rebuild import Rebuilt
from proctor.intake.staging import Staged
from proctor.jobs.doing import DONE, JOB, JUDGED
from proctor.jobs.job import Accident, Done, Graded, Job, Task, load, save
from proctor.plugin import reading
from proctor.plugin.prepare import Prepared
from proctor.secret import Secret
from proctor.submission import Submission, keys_of


@dataclass(eq=False)
class InWork:
    """What a run knows of one submission.

    Attributes:
        folder: of its own, for its files, its job and what comes of that.
        before: state of the submission that was graded to its end before; None if none was.
        same_as: state with which it was graded, or begun, before, if it is the same now.
        prepared: the submission made ready, from then on.
        notebooks: where nbgrader reads those that are graded.
        accidents: what went wrong before the job, by notebook.
        done: what came of the job, from then on.
        holding: locks, which are let go at the end.
    """

    assignment: str
    student: str
    folder: Path
    before: str | None = None
    same_as: str | None = None
    prepared: Prepared | None = None
    notebooks: list[str] = field(default_factory=list)
    accidents: dict[str, Accident] = field(default_factory=dict)
    done: Done | None = None
    holding: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def staged(self) -> Staged:
        return self.prepared.staged

    @property
    def rebuilt(self) -> dict[str, Rebuilt]:
        return self.prepared.rebuilt

    def give(self, job: Job) -> None:
        """Put its job into its folder."""
        self.folder.mkdir(exist_ok=True)
        save(self.folder / JOB, job)

    def take(self) -> Done:
        """Read what came of the job."""
        self.done = load(self.folder / DONE)
        return self.done

    def judged(self) -> int:
        """How many of its notebooks are judged so far, as far as is known here."""
        try:
            return len((self.folder / JUDGED).read_text(encoding="utf-8").splitlines())
        except OSError:
            return 0

    def submission(self, notebook: str) -> Submission:
        """What the engine knows of the submission."""
        return Submission(
            assignment=self.assignment,
            student=self.student,
            notebook=notebook,
            digest=self.staged.digest(notebook),
            files=self.staged.files,
            results=self.folder / "results",
            notes=self.rebuilt[notebook].notes,
        )

    def task(self, name: str, notebook: dict[str, Any], secret: Secret, judged: bool = True) -> Task:
        """The part of the job that one notebook is."""
        submission = self.submission(name)
        keys = keys_of(secret, submission)
        return Task(name, notebook, submission.digest, keys, tuple(submission.notes), judged)

    def accident(self, notebook: str) -> Accident | None:
        """Why there is no result of a notebook; None if there is one."""
        found = self.accidents.get(notebook) or (self.done.found.get(notebook) if self.done else None)
        if found is None:
            return Accident("it was not graded", "it was not graded", ProctorError("it was not graded"))
        return found if isinstance(found, Accident) else None

    def resources(self, root: Path, notebook: str) -> dict[str, Any]:
        """What the steps after the run need."""
        found = self.done.found.get(notebook) if self.done else None
        answers = reading.digests(self.rebuilt[notebook].notebook, self.staged.pictures)
        graded = found if isinstance(found, Graded) else None
        if graded is not None:
            # Whatever the process that did the job says of it: the file lies here.
            file = self.staged.matched.digests.get(notebook, "")
            graded = replace(graded, record=replace(graded.record, file=file))
        return {"root": root, "answers": answers, "graded": graded}

    def close(self) -> None:
        """It is done with: others may work on it, and nothing of it lies anywhere but in the course."""
        self.holding.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def files_in(graded: Path) -> frozenset[str]:
    """Paths of what lies in the folder of a graded submission: nothing of the student's but the notebooks."""
    return frozenset(path.relative_to(graded).as_posix() for path in graded.rglob("*") if path.is_file())
