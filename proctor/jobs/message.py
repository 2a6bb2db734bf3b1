"""Jobs, what came of them, and what is the same for all of them, as bytes: nothing in them runs when they are read.

A message is a head in JSON and, behind it, files as an archive. Who reads what came of a job believes the machine that
did it, but no name in it: everything has to be about the submission that was asked for.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proctor.checking.verdict import Record, from_content, to_content
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer
from proctor.errors import ProctorError
from proctor.jobs.job import Accident, Done, Graded, Job, Task, packed, unpack
from proctor.pages.limits import PageLimits
from proctor.sandbox.limits import Limits
from proctor.sandbox.mounts import Mount
from proctor.submission import Keys, Surroundings

MOST_DATA = 2**30
MOST_DONE = 2**28
_HEAD = 8


def of_job(job: Job) -> bytes:
    """A job with its files; of the course's secret there are only the keys of this submission."""
    job = packed(job)
    tasks = [
        {**_fields(task, "name", "notebook", "digest", "judged"), "notes": list(task.notes), "keys": _hex(task.keys)}
        for task in job.tasks
    ]
    head = {**_fields(job, "assignment", "student"), "tasks": tasks, "course_files": sorted(job.course_files)}
    return _message(head, job.files)


def to_job(message: bytes) -> Job:
    """What `of_job` has made."""
    head, files = _parts(message)
    tasks = []
    for one in head["tasks"]:
        keys = Keys(*(bytes.fromhex(key) for key in one["keys"]))
        tasks.append(Task(one["name"], one["notebook"], one["digest"], keys, tuple(one["notes"]), one["judged"]))
    return Job(head["assignment"], head["student"], tuple(tasks), files, frozenset(head["course_files"]))


def of_surroundings(around: Surroundings) -> bytes:
    """What is the same for all jobs of a run, with the data that students' code reads.

    Raises:
        ProctorError: there is too much data to be sent.
    """
    head = {
        **_fields(around, "kind", "run_demos"),
        "limits": asdict(around.limits),
        "pages": asdict(around.pages),
        "warm": list(around.warm),
        "warm_later": list(around.warm_later),
        "variables": dict(around.variables),
        "data": [mount.target for mount in around.data],
        "known": {name: asdict(known) for name, known in around.known.items()},
    }
    return _message(head, _archive([mount.source for mount in around.data]))


def to_surroundings(message: bytes, folder: Path) -> Surroundings:
    """What `of_surroundings` has made.

    Args:
        folder: for the data; it is made.
    """
    head, files = _parts(message)
    unpack(files, folder)
    folder.chmod(0o755)
    for place, folders, names in os.walk(folder):
        # Readable for the accounts in sandboxes, whatever this account's mask says.
        for name in [*folders, *names]:
            if not os.path.islink(path := os.path.join(place, name)):
                os.chmod(path, 0o755 if name in folders else 0o644)
    return Surroundings(
        head["kind"],
        Limits(**head["limits"]),
        tuple(Mount(folder / str(number), target) for number, target in enumerate(head["data"])),
        head["variables"],
        PageLimits(**head["pages"]),
        tuple(head["warm"]),
        tuple(head["warm_later"]),
        head["run_demos"],
        {name: _to_known(known) for name, known in head["known"].items()},
    )


def _to_known(known: dict[str, Any]) -> KnownAnswers:
    wrong = (WrongAnswer(**{**one, "loses": tuple(one["loses"])}) for one in known["wrong"])
    return KnownAnswers(tuple((label, text) for label, text in known["cells"]), tuple(wrong))


def of_done(done: Done) -> bytes:
    """What came of a job."""
    found = {
        name: _accident(one)
        if isinstance(one, Accident)
        else {"notebook": one.notebook, "record": to_content(one.record)}
        for name, one in done.found.items()
    }
    accident = _accident(done.accident) if done.accident else None
    parts = {**_fields(done, "seconds", "used_up"), "for_staff": list(done.for_staff)}
    return _message({**parts, "found": found, "accident": accident})


def to_done(message: bytes, job: Job) -> Done:
    """What `of_done` has made.

    Args:
        job: of which it has to be.

    Raises:
        ProctorError: it is of something else, or of no known form.
    """
    try:
        if len(message) > MOST_DONE:
            raise ValueError(f"{len(message) // 2**20} MiB are more than {MOST_DONE // 2**20}")
        head, _ = _parts(message)
        judged = {task.name: task for task in job.tasks if task.judged}
        found = {name: _to_found(one, job, judged[name]) for name, one in head["found"].items()}
        accident = head["accident"] and _to_accident(head["accident"])
        texts = tuple(map(_text, head["for_staff"]))
        return Done(found, accident, float(head["seconds"]), _text(head["used_up"]), texts)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, ProctorError) as error:
        raise ProctorError(
            f"what the worker sent back is not what was asked for ({type(error).__name__}: {error}); look at its log, "
            "and run this command again"
        ) from error


def _to_found(one: dict[str, Any], job: Job, task: Task) -> Graded | Accident:
    if "record" not in one:
        return _to_accident(one)
    record: Record = from_content(one["record"], "no record")
    about = (record.assignment, record.student, record.notebook, record.digest)
    if about != (job.assignment, job.student, task.name, task.digest):
        raise ValueError(f"a record of {about}")
    if not isinstance(one["notebook"]["cells"], list):
        raise ValueError("no notebook")
    return Graded(one["notebook"], record)


def _accident(one: Accident) -> dict[str, Any]:
    made: dict[str, Any] = _fields(one, "said", "details")
    if isinstance(one.error, OSError):
        return {**made, "os": [one.error.errno, one.error.strerror, one.error.filename and str(one.error.filename)]}
    return {**made, "foreseen": str(one.error)} if one.error else made


def _to_accident(one: dict[str, Any]) -> Accident:
    error: ProctorError | OSError | None = None
    if "os" in one:
        number, words, name = one["os"]
        error = OSError(number, words, name)
    elif "foreseen" in one:
        error = ProctorError(_text(one["foreseen"]))
    return Accident(_text(one["said"]), _text(one["details"]), error)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"no text: {type(value).__name__}")
    return value


def _fields(one: Any, *names: str) -> dict[str, Any]:
    assert dataclasses.is_dataclass(one)
    return {name: getattr(one, name) for name in names}


def _hex(keys: Keys) -> list[str]:
    return [key.hex() for key in keys]


def _message(head: dict[str, Any], files: bytes = b"") -> bytes:
    text = json.dumps(head).encode("ascii")
    return b"".join((len(text).to_bytes(_HEAD, "big"), text, files))


def _parts(message: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(message[:_HEAD], "big")
    return json.loads(message[_HEAD : _HEAD + length]), message[_HEAD + length :]


def _archive(folders: Sequence[Path]) -> bytes:
    """Folders, each under its number; without what leads out of them, which a sandbox would not see either."""
    content, size = io.BytesIO(), 0
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number, folder in enumerate(folders):
            for path in [folder, *sorted(folder.rglob("*"))]:
                if not (path.is_dir() or path.is_file()) or (path != folder and _leads_out(path, folder)):
                    continue
                size += path.lstat().st_size
                if size > MOST_DATA:
                    raise ProctorError(
                        f"{folder}: c.Proctor.data holds more than {MOST_DATA // 2**20} MiB, which is too much to be "
                        "sent to each worker; take out what grading doesn't need, or grade without c.Proctor.scheduler"
                    )
                source = path.resolve() if path == folder else path
                archive.add(source, f"{number}/{path.relative_to(folder).as_posix()}", recursive=False)
    return content.getvalue()


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and (
        os.path.isabs(os.readlink(path)) or not path.resolve().is_relative_to(folder.resolve())
    )
