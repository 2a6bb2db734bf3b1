"""Does a job: grades the notebooks of one student's submission, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from proctor.grading import grade, name_mistakes, run_for_results
from proctor.jobs.job import Accident, Done, Graded, Job, Task, load, save, unpack
from proctor.sandbox.bubblewrap import SandboxUnavailable
from proctor.sandbox.budget import Budget
from proctor.sandbox.folders import OwnFolder
from proctor.submission import Submission, Surroundings, submission_budget

JOB, DONE = "job", "done"
# Names of the notebooks that are judged so far, a line each.
JUDGED = "judged"


def run(job: Job, around: Surroundings, judged: Callable[[str], None] = lambda name: None) -> Done:
    """Grade a submission, on one budget of time; what a notebook makes, later ones use.

    An accident in a notebook costs this notebook. One in a notebook that is only run, or a sandbox that can't be had,
    ends the job.

    Args:
        judged: told the name of each notebook as soon as it is judged.
    """
    done, budget = Done(), submission_budget(around.limits)
    try:
        with _folders(job) as (files, results):
            submissions = {task.name: _submission(job, task, files, results) for task in job.tasks}
            for task in job.tasks:
                _do(task, submissions[task.name], around, budget, done)
                if task.judged:
                    judged(task.name)
            for name, found in done.found.items():
                if isinstance(found, Graded):
                    _name_mistakes(found, submissions[name], around, budget, done)
    except Exception as error:
        done.accident = Accident.of(error)
    done.seconds, done.used_up = budget.used(), budget.why if budget.up() else ""
    done.for_staff += tuple(around.pool.notes) if around.pool is not None else ()
    return done


def run_in(folder: Path, around: Surroundings, judged: Callable[[], None] = lambda: None) -> None:
    """Do the job that lies in a folder, and put beside it what came of it, and before that how far it is.

    Args:
        judged: called when another notebook is judged.
    """

    def note(name: str) -> None:
        with (folder / JUDGED).open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        judged()

    (folder / JUDGED).unlink(missing_ok=True)
    save(folder / DONE, run(load(folder / JOB), around, note))


@contextlib.contextmanager
def _folders(job: Job) -> Iterator[tuple[Path, Path]]:
    own = OwnFolder("results-")
    try:
        files = job.files
        if isinstance(files, bytes):
            unpack(files, own.path / "files")
            files = own.path / "files"
        yield files, own.path / "results"
    finally:
        own.remove()


def _submission(job: Job, task: Task, files: Path, results: Path) -> Submission:
    return Submission(
        assignment=job.assignment,
        student=job.student,
        notebook=task.name,
        digest=task.digest,
        files=files,
        results=results,
        notes=list(task.notes),
        course_files=job.course_files,
    )


def _do(task: Task, submission: Submission, around: Surroundings, budget: Budget, done: Done) -> None:
    if not task.judged:
        run_for_results(task.notebook, submission, around, task.keys, budget)
        return
    try:
        record = grade(task.notebook, submission, around, task.keys, budget)
        done.found[task.name] = Graded(task.notebook, record)
    except SandboxUnavailable:
        raise
    except Exception as error:
        done.found[task.name] = Accident.of(error)


def _name_mistakes(graded: Graded, submission: Submission, around: Surroundings, budget: Budget, done: Done) -> None:
    try:
        name_mistakes(graded.notebook, graded.record, submission, around, budget)
    # All points are given, and whatever happens here takes none of them back.
    except Exception as error:
        said = Accident.of(error).said
        done.for_staff += (f"mistakes in {submission.notebook} have no names: {said}",)
