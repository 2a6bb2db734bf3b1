"""What the checker found: one verdict per test cell, in a closed vocabulary, and the record of a notebook's verdicts.

The record is the second account beside nbgrader's gradebook: written by the engine, compared with the scores in the
gradebook before grades are released. It names hidden checks and shows values, so it is for staff only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.staff_files import file_mode, make_folder

SCHEMA = 1
FOLDER = "proctor_records"
MAX_TEXT = 20_000
MAX_NAME = 200
_MAX_FILE = 64 * 2**20

NO_VERDICT = "no verdict"
NOT_FINISHED = "not finished"
TIME_OUT = "time-out"
FAILED = "failed"
OTHER_EXCEPTION = "exception"
CHECK_KINDS = (
    *("wrong value", "wrong shape", "wrong dtype", "wrong type", "not finite"),
    *("no gradient", OTHER_EXCEPTION, "no exception"),
)
# A submission chooses what it raises, so each name here is something that it can say; these are the ones that help.
EXCEPTION_NAMES = (
    *("AssertionError", "AttributeError", "FileNotFoundError", "ImportError", "IndexError", "KeyError", "MemoryError"),
    *("ModuleNotFoundError", "NameError", "OverflowError", "RecursionError", "RuntimeError", "TypeError"),
    *("UnboundLocalError", "ValueError", "ZeroDivisionError"),
)
KINDS = (
    *(*CHECK_KINDS, NOT_FINISHED, TIME_OUT, FAILED, NO_VERDICT),
    *(f"{OTHER_EXCEPTION}: {name}" for name in EXCEPTION_NAMES),
)
_DIGEST = re.compile("(?:[0-9a-f]{16})?")
# Before what the hidden part of a test cell printed, in a verdict's text for staff.
HIDDEN_OUTPUT = "hidden output:\n"
# What a student reads of a question that we could not judge.
OUR_FAULT = "Not judged: the grading stopped at this question. The course staff has been told, and a TA will look."


@dataclass(frozen=True)
class Verdict:
    """The checker's word on one test cell.

    Attributes:
        passed: True only if the checker said so explicitly.
        kind: one of `KINDS`; empty if passed.
        name: what was checked, in the words of the test cell.
        hidden: whether the failure lies in the hidden part, or nothing of the failure may be shown.
        student_text: all that a student may read about it.
        staff_text: everything: output of the hidden part, values, traceback.
        notes: plain lines for staff about the grading itself.
        mistakes: what the answer looks like: by the names of catalogued mistakes their hints, for the student.
        answer: digest of a failed answer without a name, on inputs that are the same for all; those of equal answers
            are equal. Empty if it isn't known. For staff.
    """

    grade_id: str
    passed: bool
    kind: str
    name: str
    hidden: bool
    student_text: str
    staff_text: str
    notes: list[str] = field(default_factory=list)
    mistakes: dict[str, str] = field(default_factory=dict)
    answer: str = ""

    def __post_init__(self) -> None:
        if type(self.mistakes) is not dict or not _all((*self.mistakes, *self.mistakes.values()), str):
            raise ValueError(f"not the mistakes of a verdict: {self.grade_id}")
        if self.passed and (self.mistakes or self.answer):
            raise ValueError(f"a mistake in an answer that has passed: {self.grade_id}")
        if type(self.answer) is not str or not _DIGEST.fullmatch(self.answer):
            raise ValueError(f"not the digest of an answer: {self.grade_id}")
        if type(self.passed) is not bool or self.passed != (self.kind == "") or not (self.passed or self.kind in KINDS):
            raise ValueError(f"not a verdict: {self.grade_id}, {self.passed!r}, {self.kind!r}")


def mistakes_text(mistakes: Mapping[str, str]) -> str:
    """What a student reads about the catalogued mistakes that answer as their answer did; empty if there is none."""
    said = [
        f"{' '.join(plain(hint, MAX_NAME * 3).split())} ({plain(name, MAX_NAME)})" for name, hint in mistakes.items()
    ]
    if len(said) < 2:
        return f"What went wrong looks like this: {said[0]}" if said else ""
    return "\n".join(["What went wrong looks like one of these:", *(f"- {one}" for one in said)])


def no_verdict(grade_id: str, why: str, staff_text: str = "") -> Verdict:
    """Zero for a test cell that was not judged, with a note that says why."""
    note = f"no verdict for {grade_id}: {' '.join(plain(why, MAX_NAME * 2).split())}"
    return Verdict(grade_id, False, NO_VERDICT, "", True, OUR_FAULT, plain(staff_text), [note])


def out_of_time(grade_id: str, why: str) -> Verdict:
    """Zero for a test cell that was not judged because a time was used up; `why` says whose."""
    return Verdict(
        grade_id, False, TIME_OUT, "", False, f"This question was not checked: {why}.", "", [f"{grade_id}: {why}"]
    )


def from_word(word: dict[str, Any]) -> Verdict | None:
    """The verdict in what a checker said, with texts in the closed vocabulary; None if it is no verdict.

    Args:
        word: `Verdict`'s grade_id, passed, kind, name, hidden and staff_text; `message` of a public failure, `printed`
            by the public part, and `note` for staff.
    """
    texts = ("grade_id", "kind", "name", "message", "printed", "staff_text", "note")
    if not (_all((word.get(key) for key in texts), str) and _all((word.get("passed"), word.get("hidden")), bool)):
        return None
    grade_id, kind, hidden, note = word["grade_id"], word["kind"], word["hidden"], word["note"]
    staff_text, printed = plain(word["staff_text"]), plain(word["printed"])
    if word["passed"]:
        return None if kind else Verdict(grade_id, True, "", "", False, printed, staff_text)
    if kind not in KINDS:
        return None
    if kind == NO_VERDICT:
        return no_verdict(grade_id, note or "the checker gave none", staff_text)
    name = plain(word["name"], MAX_NAME)
    failure = hidden_text(name, kind) if hidden else plain(word["message"])
    student_text = printed + ("\n" if printed and not printed.endswith("\n") else "") + failure
    notes = [f"{grade_id}: {plain(note, MAX_NAME * 2)}"] if note else []
    return Verdict(grade_id, False, kind, name, hidden, student_text, staff_text, notes)


def hidden_text(name: str, kind: str) -> str:
    """All that a student reads about a failed hidden check: its name in the words of the test cell, and its kind."""
    words = " ".join(plain(name, MAX_NAME).split())
    return f"A hidden check failed: {words} — {kind}" if words else f"A hidden check failed — {kind}"


def exception_kind(names: Sequence[str]) -> str:
    """Kind for an exception whose classes have these names, most special first: the first that may be shown."""
    return next((f"{OTHER_EXCEPTION}: {name}" for name in names if name in EXCEPTION_NAMES), OTHER_EXCEPTION)


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Text that every file and terminal can hold: no control characters, no lone surrogates, at most `limit` long."""
    if len(text) > limit:
        text = text[:limit] + " …"
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


@dataclass(frozen=True)
class Record:
    """All verdicts on one student's notebook.

    Attributes:
        digest: SHA-256 that stands for the submission and the notebook, in hexadecimal.
        engine: version of this package.
        sandbox: kind of sandbox that it ran in, "bwrap" or "none".
        points: by grade_id of every test cell, what it is worth.
        notes: plain lines for staff about the notebook.
        file: SHA-256 of the notebook's file as it was handed in, in hexadecimal; empty if there was none, None in a
            record that is older than this. Set where the file is, by whoever has given the job away.
    """

    assignment: str
    student: str
    notebook: str
    digest: str
    engine: str
    sandbox: str
    points: dict[str, float]
    verdicts: dict[str, Verdict]
    notes: list[str] = field(default_factory=list)
    file: str | None = None

    def __post_init__(self) -> None:
        if set(self.points) != set(self.verdicts):
            raise ValueError("a record needs a verdict and points for each test cell")

    def scores(self) -> dict[str, float]:
        """Points earned by grade_id."""
        return {name: self.points[name] if verdict.passed else 0.0 for name, verdict in self.verdicts.items()}

    def save(self, path: Path) -> None:
        """Write the record in place of an older one, all or nothing, readable by staff only."""
        text = json.dumps(to_content(self), ensure_ascii=True, indent=1, allow_nan=False) + "\n"
        make_folder(path.parent, path.parents[2])
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            os.fchmod(descriptor, file_mode(path.parent))
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError as error:
            raise ProctorError(
                f"{path}: can't be written ({error.strerror}); make room or correct its owner"
            ) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)


def record_path(course_root: Path, assignment: str, student: str, notebook: str) -> Path:
    """Place of a record under the course root.

    Raises:
        ProctorError: one of the names would lead somewhere else.
    """
    for part in (assignment, student, notebook):
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            raise ProctorError(f"{part!r} can't name a folder of records; rename it")
    return course_root / FOLDER / assignment / student / f"{notebook}.json"


def load(path: Path) -> Record:
    """Read a record.

    Raises:
        ProctorError: it is missing, is no regular file, or has another form.
    """
    again = "grade this notebook again"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE:
                raise ProctorError(f"{path}: is not a verdict record; {again}")
            content = json.loads(file.read(_MAX_FILE + 1))
    except OSError as error:
        raise ProctorError(f"{path}: there is no readable verdict record ({error.strerror}); {again}") from error
    except (ValueError, RecursionError) as error:
        raise ProctorError(f"{path}: the verdict record is damaged; {again}") from error
    return from_content(content, f"{path}: the verdict record has another form; {again}")


def compare(record: Record, scores: Mapping[str, float | None]) -> list[str]:
    """Differences between a record and the scores that the gradebook has for its test cells, one plain line each.

    Args:
        scores: by grade_id of every autograded cell of the notebook; None where the gradebook has no score.
    """
    earned = record.scores()
    lines = []
    for name in sorted(earned.keys() | scores.keys()):
        score = scores.get(name)
        if name not in earned:
            # nbgrader itself gives 0 to a code cell for hand grading that a student left untouched.
            if score:
                lines.append(f"{name}: {score:g} in the gradebook, and no verdict")
        elif score is None:
            lines.append(f"{name}: no score in the gradebook, {earned[name]:g} by the verdict")
        elif score != earned[name]:
            lines.append(f"{name}: {score:g} in the gradebook, {earned[name]:g} by the verdict")
    return lines


def to_content(record: Record) -> dict[str, Any]:
    """A record as plain data, for JSON."""
    return {"schema": SCHEMA, **asdict(record)}


def from_content(content: Any, problem: str) -> Record:
    """What `to_content` has made.

    Args:
        problem: what is said if it is none.

    Raises:
        ProctorError: it has another form.
    """
    try:
        if content.pop("schema") != SCHEMA:
            raise ProctorError(problem)
        verdicts = {name: Verdict(**verdict) for name, verdict in content.pop("verdicts").items()}
        record = Record(verdicts=verdicts, **content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProctorError(problem) from error
    texts = (record.assignment, record.student, record.notebook, record.digest, record.engine, record.sandbox)
    texts += () if record.file is None else (record.file,)
    if not (_all(texts, str) and _all(record.notes, str) and _all(record.points.values(), int, float)):
        raise ProctorError(problem)
    return record


def _all(values: Iterable[Any], *types: type) -> bool:
    return all(type(value) in types for value in values)
