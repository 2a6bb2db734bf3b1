"""Messages: the same job and the same results at the other end, nothing of the secret in them, nothing that runs."""

import base64
import dataclasses
import errno
import json
import os
import pickle
import tarfile

import pytest

from proctor.checking.verdict import Record, Verdict
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer
from proctor.errors import ProctorError
from proctor.jobs import message
from proctor.jobs.job import Accident, Done, Graded, Job, Task, packed
from proctor.pages.limits import PageLimits
from proctor.sandbox.bubblewrap import SandboxUnavailable
from proctor.sandbox.limits import Limits
from proctor.sandbox.mounts import Mount
from proctor.secret import Secret
from proctor.submission import Submission, Surroundings, keys_of

SECRET = Secret(bytes(range(65, 97)))
# Half of a pair, as a submission can print it; numbers that no other language has.
ODD = {"cells": [{"outputs": ["\ud800 \x00 é", float("inf"), 10**40]}], "metadata": {}}


@pytest.fixture
def job(tmp_path) -> Job:
    files = tmp_path / "files"
    (files / "runs.handed-in").mkdir(parents=True)
    (files / "runs.handed-in" / "x.pt.handed-in").write_bytes(b"\x80\x04 weights")
    tasks = []
    for name in ("1a", "2a"):
        submission = Submission("ps1", "ada", name, "00" * 32, files, tmp_path / "results", ["a note"])
        keys = keys_of(SECRET, submission)
        tasks.append(Task(name, ODD, submission.digest, keys, ("a note",), judged=name == "2a"))
    return Job("ps1", "ada", tuple(tasks), files, frozenset({"figures/map.txt"}))


def verdict(name: str) -> Verdict:
    return Verdict(name, False, "wrong value", "its \ud800", True, "text", "more", ["a note"])


def done(**changes) -> Done:
    about = {"assignment": "ps1", "student": "ada", "notebook": "2a", "digest": "00" * 32} | changes
    record = Record(**about, engine="1", sandbox="bwrap", points={"q1": 2.0}, verdicts={"q1": verdict("q1")})
    return Done({"2a": Graded(ODD, record)}, None, 3.5, "the time of the notebook", ("a line",))


def test_a_job_is_the_same_at_the_other_end(job):
    assert message.to_job(message.of_job(job)) == packed(job)


def test_what_came_of_a_job_is_the_same_at_the_other_end(job):
    assert message.to_done(message.of_done(done()), job) == done()
    for error in (OSError(errno.ENOSPC, "no room", "/tmp/x"), SandboxUnavailable("install it"), ValueError("odd")):
        try:
            raise error
        except Exception as raised:
            accident = Accident.of(raised)
        found = message.to_done(message.of_done(Done({"2a": accident}, accident)), job)
        assert (found.accident.said, found.accident.details) == (accident.said, accident.details)
        again = found.accident.again()
        assert isinstance(again, type(error) if isinstance(error, OSError) else ProctorError)
        assert str(again) == str(accident.again())
        assert found.found["2a"].said == accident.said


def test_nothing_of_the_secret_is_in_a_job(job):
    text = message.of_job(job)
    for form in (SECRET.value, SECRET.value.hex().encode(), base64.b64encode(SECRET.value)[:40]):
        assert form not in text
    # What was looked for would have been found: the keys are there.
    assert job.tasks[0].keys.checks.hex().encode() in text


@pytest.mark.parametrize(
    "changes",
    [{"student": "eve"}, {"assignment": "ps2"}, {"notebook": "1a"}, {"digest": "11" * 32}, {"student": "../eve"}],
)
def test_a_record_of_something_else_is_refused(job, changes):
    with pytest.raises(ProctorError, match="not what was asked for"):
        message.to_done(message.of_done(done(**changes)), job)


def test_a_name_that_nobody_asked_for_is_refused(job):
    for name in ("1a", "3b", "../2a", "/tmp/2a"):
        other = done()
        other.found[name] = other.found["2a"]
        with pytest.raises(ProctorError, match="not what was asked for"):
            message.to_done(message.of_done(other), job)


def test_what_is_no_answer_is_refused_and_never_run(job, tmp_path, monkeypatch):
    class Bad:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    good, deep = message.of_done(done()), b"[" * 200_000
    head = {"found": {}, "accident": None, "for_staff": [], "seconds": "no", "used_up": ""}
    odd = [b"", b"x", pickle.dumps(Bad()), good[:-20], good[8:], len(deep).to_bytes(8, "big") + deep]
    odd += [message._message(head), message._message({**head, "seconds": 1, "used_up": 1}), message._message({})]
    for text in odd:
        with pytest.raises(ProctorError, match="not what was asked for"):
            message.to_done(text, job)
    assert not (tmp_path / "made").exists()
    monkeypatch.setattr(message, "MOST_DONE", len(good) - 1)
    with pytest.raises(ProctorError, match="are more than"):
        message.to_done(good, job)


def test_surroundings_bring_the_data_along(tmp_path):
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "set.txt").write_text("data")
    (data / "sub" / "set.txt").chmod(0o600)
    (data / "near").symlink_to("sub/set.txt")
    (data / "far").symlink_to("/etc/passwd")
    (data / "out").symlink_to("../secret")
    (tmp_path / "secret").write_text("not to be sent")
    limits, pages = Limits(cell_cpu_seconds=3.0), PageLimits(cpu_seconds=7)
    wrong = WrongAnswer("squares", "a square", "q1", "x * x", ("q1_test",))
    known = {"exercise": KnownAnswers((("q1", "2 * x"), ("q1_test", "")), (wrong,))}
    around = Surroundings(
        "bwrap", limits, (Mount(data, "/opt/data"),), {"D": "/opt/data"}, pages, ("torch",), ("csv",), True, known
    )
    for field in dataclasses.fields(Surroundings):
        # Of each machine's own are the processes alone; a new field has to be sent, too.
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        assert (getattr(around, field.name) != default) == (field.name != "pool"), field.name
    text = message.of_surroundings(around)
    assert b"not to be sent" not in text
    before = os.umask(0o077)
    try:
        found = message.to_surroundings(text, tmp_path / "there")
    finally:
        os.umask(before)
    assert found.data == (Mount(tmp_path / "there" / "0", "/opt/data"),)
    assert found == dataclasses.replace(around, data=found.data)
    there = found.data[0].source
    assert sorted(path.name for path in there.iterdir()) == ["near", "sub"]
    assert (there / "near").read_text() == "data"
    assert {oct(path.stat().st_mode & 0o777) for path in (there, there / "sub")} == {"0o755"}
    assert (there / "sub" / "set.txt").stat().st_mode & 0o777 == 0o644


def test_too_much_data_is_said_before_anything_is_sent(tmp_path, monkeypatch):
    (tmp_path / "set.txt").write_text("data of the course")
    monkeypatch.setattr(message, "MOST_DATA", 10)
    with pytest.raises(ProctorError, match="too much to be sent"):
        message.of_surroundings(Surroundings("bwrap", Limits(), (Mount(tmp_path, "/opt/data"),)))


def test_a_job_s_files_lie_nowhere_else(job, tmp_path):
    text = message.of_job(job)
    length = int.from_bytes(text[:8], "big")
    head = json.loads(text[8 : 8 + length])
    place = tmp_path / "bad.tar"
    with tarfile.open(place, "w") as archive:
        archive.add(tmp_path / "files" / "runs.handed-in" / "x.pt.handed-in", "../escaped")
    bad = message.to_job(message._message(head, place.read_bytes()))
    from proctor.jobs.job import unpack

    with pytest.raises(tarfile.FilterError):
        unpack(bad.files, tmp_path / "unpacked")
    assert not (tmp_path / "escaped").exists()
