"""What lay in the inbound folder at the deadline is what is collected, whatever is done to it afterwards."""

import datetime
import json
import logging
import mmap
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError

from proctor.plugin import busy
from proctor.plugin import seal as sealing
from proctor.plugin.collect import Collect
from proctor.plugin.sealed import Sealed, as_time, now

ROOT = Path(__file__).resolve().parents[3]
ME = pwd.getpwuid(os.geteuid()).pw_name
NAME = "2020-01-01 00:00:00.000000 UTC+abc"


class Exchange:
    """A course with an inbound folder, in which this account may hand in for anybody."""

    def __init__(self, root: Path) -> None:
        self.course = root / "course"
        self.course.mkdir()
        self.inbound = root / "exchange" / "test" / "inbound"
        self.inbound.mkdir(parents=True)
        (root / "exchange").chmod(0o777)
        self.said: list[str] = []
        self.log = logging.Logger("of this test")
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        self.log.addHandler(handler)

    def _start(self, kind: type, **options):
        directory = CourseDirectory(root=str(self.course), course_id="test", assignment_id="hw")
        step = kind(coursedir=directory, check_owner=False, **options)
        step.root = str(self.inbound.parents[1])
        step.log = self.log
        step.start()

    def seal(self, **options) -> None:
        self._start(sealing.SealInbound, **{"settle_seconds": 0, **options})

    def collect(self, **options) -> None:
        self._start(Collect, **options)

    def hand_in(self, student: str, text: str, name: str = NAME) -> Path:
        folder = self.inbound / f"{student}+hw+{name}"
        folder.mkdir()
        (folder / "one.ipynb").write_text(text)
        return folder

    def taken(self, student: str) -> str:
        return (self.course / "submitted" / student / "hw" / "one.ipynb").read_text()

    def time_of(self, student: str) -> datetime.datetime:
        text = (self.course / "submitted" / student / "hw" / "timestamp.txt").read_text()
        return as_time(text.removesuffix(" UTC"))

    def warned(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def exchange(tmp_path, monkeypatch):
    # Of the gradebook only the due date is asked.
    monkeypatch.setattr(Collect, "_due_date", lambda self: None)
    return Exchange(tmp_path)


def test_what_was_not_changed_is_collected_with_the_time_of_the_seal(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.seal()
    sealed_at = now()
    # Staff who change rights make everything newer by its ctime, and nothing by its seal.
    folder.chmod(0o700)
    exchange.collect()
    assert exchange.taken("ada") == "in time"
    assert exchange.time_of("ada") < sealed_at
    assert not exchange.warned("after it was sealed")


def test_what_was_changed_without_a_trace_in_its_times_is_collected_as_it_was(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.hand_in("ben", "in time")
    with open(folder / "one.ipynb", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        # A page that is dirty already is written to without the file system being told.
        mapped[:7] = b"in time"
        exchange.seal()
        mapped[:7] = b"TOOLATE"
        exchange.collect()
    assert (folder / "one.ipynb").read_text() == "TOOLATE"
    assert exchange.taken("ada") == exchange.taken("ben") == "in time"
    assert exchange.warned("ada: was changed after it was sealed; the copy from then was collected")
    assert not exchange.warned("ben: was changed")


@pytest.mark.parametrize("change", ["content", "another file", "a file less", "a folder", "a name"])
def test_every_kind_of_change_is_seen(exchange, change):
    folder = exchange.hand_in("ada", "in time")
    (folder / "helper.py").write_text("x")
    exchange.seal()
    if change == "content":
        (folder / "helper.py").write_text("y")
    elif change == "another file":
        (folder / "new.py").write_text("x")
    elif change == "a file less":
        (folder / "helper.py").unlink()
    elif change == "a folder":
        (folder / "new").mkdir()
    else:
        (folder / "helper.py").rename(folder / "helpers.py")
    exchange.collect()
    assert exchange.warned("was changed after it was sealed")
    stored = exchange.course / "submitted" / "ada" / "hw"
    assert {path.name for path in stored.iterdir()} == {"one.ipynb", "helper.py.handed-in", "timestamp.txt"}
    assert (stored / "helper.py.handed-in").read_text() == "x"


def test_without_copies_what_was_changed_counts_as_handed_in_now(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.seal(keep=False)
    assert [path.name for path in (exchange.course / "proctor_sealed" / "hw").iterdir()] == ["seals.json"]
    (folder / "one.ipynb").write_text("too late")
    os.utime(folder / "one.ipynb", (0, 0))
    before = now()
    exchange.collect()
    assert exchange.taken("ada") == "too late"
    assert exchange.time_of("ada") >= before
    assert exchange.warned("it counts as handed in now")


def test_what_is_handed_in_after_the_seal_is_no_older_than_it(exchange, monkeypatch):
    exchange.hand_in("ada", "in time")
    exchange.seal()
    sealed_at = now()
    exchange.hand_in("ben", "later")
    # As where the file system keeps an old ctime, for instance of a folder that was moved to here.
    monkeypatch.setattr("proctor.plugin.collect.changed", lambda path: datetime.datetime(2020, 1, 1))
    exchange.collect()
    assert exchange.time_of("ben") > sealed_at - datetime.timedelta(minutes=1)
    assert exchange.time_of("ada") < sealed_at


def test_a_later_one_is_still_collected_and_before_duedate_takes_the_sealed_one(exchange, monkeypatch):
    exchange.hand_in("ada", "in time")
    exchange.seal()
    due = now()
    exchange.hand_in("ada", "later", "2020-01-02 00:00:00.000000 UTC+abc")
    exchange.collect()
    assert exchange.taken("ada") == "later"
    monkeypatch.setattr(Collect, "_due_date", lambda self: due)
    exchange.collect(before_duedate=True)
    assert exchange.taken("ada") == "in time"


def test_what_was_taken_away_after_the_seal_is_collected_from_its_copy(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.seal()
    folder.rename(folder.with_name(f"ada+other+{NAME}"))
    exchange.collect()
    assert exchange.taken("ada") == "in time"
    assert exchange.warned("ada: is gone since it was sealed")


def test_what_was_made_unreadable_or_something_else_is_collected_from_its_copy(exchange):
    for student in ("ada", "ben"):
        exchange.hand_in(student, "in time")
    exchange.seal()
    for path in list(exchange.inbound.iterdir()):
        shutil.rmtree(path)
        path.write_text("a file") if "ada" in path.name else path.symlink_to("/nowhere")
    exchange.collect()
    for student in ("ada", "ben"):
        assert exchange.taken(student) == "in time"
        assert exchange.warned(f"{student}: was changed after it was sealed")


def test_of_each_student_the_newest_are_copied_and_all_are_written_down(exchange):
    for number in range(5):
        # Times of files come in steps of some milliseconds.
        time.sleep(0.05)
        exchange.hand_in("ada", f"version {number}", f"2020-01-0{number + 1} 00:00:00.000000 UTC+abc")
    exchange.hand_in("ben", "only one")
    exchange.seal()
    copies = sorted(path.read_text() for path in (exchange.course / "proctor_sealed" / "hw").rglob("one.ipynb"))
    assert copies == ["only one", "version 2", "version 3", "version 4"]
    assert exchange.warned("Sealed 6 submissions")


def test_a_second_seal_changes_no_first_one(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.seal()
    (folder / "one.ipynb").write_text("too late")
    exchange.hand_in("ben", "second")
    exchange.seal()
    assert exchange.warned("Sealed 1 submissions of hw with copies; 1 had a seal before")
    exchange.collect()
    assert exchange.taken("ada") == "in time"
    assert exchange.taken("ben") == "second"


def test_what_is_still_being_copied_is_looked_at_until_it_is_whole(exchange, monkeypatch):
    folder = exchange.hand_in("ada", "half")
    pauses = []

    def copying_goes_on(seconds):
        pauses.append(seconds)
        if len(pauses) == 1:
            (folder / "one.ipynb").write_text("whole")
            monkeypatch.setattr(sealing.SealInbound, "_is_fresh", lambda self, record: False)

    monkeypatch.setattr(sealing.time, "sleep", copying_goes_on)
    exchange.seal(settle_seconds=30)
    exchange.collect()
    assert exchange.taken("ada") == "whole"
    assert not exchange.warned("was changed after")
    assert pauses == [30]


def test_one_that_never_comes_to_rest_does_not_hold_up_the_seal(exchange, monkeypatch):
    exchange.hand_in("ada", "in time")
    pauses = []
    monkeypatch.setattr(sealing.time, "sleep", pauses.append)
    exchange.seal(settle_seconds=10**6)
    assert len(pauses) == 5
    assert exchange.warned("Sealed 1 submissions")


def test_one_that_can_not_be_read_is_named_and_counts_as_later_and_the_others_are_sealed(exchange, monkeypatch):
    bad = exchange.hand_in("ada", "hidden away")
    exchange.hand_in("ben", "in time")
    real = sealing.copy_tree

    def copy_tree(source, *rest):
        if source == bad:
            raise OSError(13, "Permission denied")
        return real(source, *rest)

    monkeypatch.setattr(sealing, "copy_tree", copy_tree)
    with pytest.raises(ExchangeError, match="1 submissions could not be sealed"):
        exchange.seal()
    assert exchange.warned("not sealed: ada+hw")
    sealed_at = as_time(json.loads((exchange.course / "proctor_sealed/hw/seals.json").read_text())["listed"])
    monkeypatch.setattr("proctor.plugin.collect.changed", lambda path: datetime.datetime(2020, 1, 1))
    exchange.collect()
    assert exchange.taken("ben") == "in time"
    assert exchange.time_of("ada") == sealed_at


def test_only_staff_can_read_the_seals_and_the_copies(exchange):
    exchange.hand_in("ada", "in time")
    old = os.umask(0)
    try:
        exchange.seal()
    finally:
        os.umask(old)
    top = exchange.course / "proctor_sealed"
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    assert stat.S_IMODE((top / "hw" / "seals.json").stat().st_mode) == 0o600
    assert not [path for path in (top / "hw").iterdir() if "ada" in path.name]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"listed": "x", "seals": {}}', '{"listed": "", "seals": {"a": {}}}'])
def test_damaged_seals_stop_collecting_instead_of_being_passed_over(exchange, text):
    exchange.hand_in("ada", "in time")
    exchange.seal()
    (exchange.course / "proctor_sealed" / "hw" / "seals.json").write_text(text)
    with pytest.raises(ExchangeError, match="seals can't be read"):
        exchange.collect()


def test_a_copy_that_was_changed_is_not_collected(exchange):
    folder = exchange.hand_in("ada", "in time")
    exchange.hand_in("ben", "in time")
    exchange.seal()
    shutil.rmtree(folder)
    copy = Sealed.load(exchange.course, "hw").copy_of(folder.name)
    (copy / "one.ipynb").write_text("changed by whoever")
    with pytest.raises(ExchangeError, match="submissions of ada could not be collected"):
        exchange.collect()
    assert not (exchange.course / "submitted" / "ada" / "hw").exists()
    assert exchange.warned("not collected: ada+hw")
    assert exchange.taken("ben") == "in time"


@pytest.mark.slow
def test_the_command_finds_course_and_exchange_by_the_configuration(tmp_path):
    exchange = Exchange(tmp_path)
    exchange.hand_in(ME, "in time")
    (exchange.course / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'test'\n"
        f"c.CourseDirectory.root = {str(exchange.course)!r}\nc.Exchange.root = {str(exchange.inbound.parents[1])!r}\n"
    )

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "proctor", *words],
            cwd=exchange.course,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    sealed = run("seal", "hw", "--settle=0")
    assert sealed.returncode == 0, sealed.stderr
    assert "Sealed 1 submissions of hw with copies" in sealed.stderr
    assert run("seal", "--settle=0").returncode == 1
    assert run("unseal").returncode == 2
    again = run("seal", "hw", "--no-keep", "--settle=0")
    assert "Sealed 0 submissions of hw without copies; 1 had a seal before" in again.stderr


def test_nothing_is_put_in_place_while_it_is_copied_for_grading(exchange, monkeypatch):
    monkeypatch.setattr(busy, "SECONDS_TO_COPY", 0.0)
    exchange.hand_in(ME, "[1]")
    with busy.held(exchange.course, "hw", ME, "copied", part=busy.FILES), pytest.raises(ExchangeError):
        exchange.collect()
    assert exchange.warned(f"not collected: {ME}+hw")
    assert exchange.warned("it is being copied by")
    # Graded it may be; then the older copy is what is graded.
    with busy.held(exchange.course, "hw", ME, "graded"):
        exchange.collect()
    assert exchange.taken(ME) == "[1]"


def test_two_do_not_seal_at_once(exchange, monkeypatch):
    monkeypatch.setattr(busy, "SECONDS_TO_COPY", 0.0)
    exchange.hand_in(ME, "[1]")
    with busy.held(exchange.course, "hw", "", "sealed", part="seal"), pytest.raises(ExchangeError):
        exchange.seal()
    assert exchange.warned("it is being sealed by")
    assert Sealed.load(exchange.course, "hw").seals == {}
    exchange.seal()
    assert len(Sealed.load(exchange.course, "hw").seals) == 1
