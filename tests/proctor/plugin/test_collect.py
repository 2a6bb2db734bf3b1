"""Collecting from an inbound folder that students write into."""

import datetime
import json
import os
import pwd
import subprocess
import time
import zoneinfo
from pathlib import Path

import exercise
import pytest
from course_folder import Course
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.plugin import collect as collecting

pytestmark = pytest.mark.slow
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("collect"))


@pytest.fixture
def inbound(generated, tmp_path):
    """An empty inbound folder, and what `collect` said and took from it."""
    exchange = tmp_path / "exchange"
    folder = exchange / "test" / "inbound"
    folder.mkdir(parents=True)
    for path in (exchange, exchange / "test", folder):
        path.chmod(0o777)
    config = generated.folder / "nbgrader_config.py"
    text = config.read_text()
    collected = tmp_path / "submitted"
    config.write_text(
        f"{text}\nc.Exchange.root = {str(exchange)!r}\nc.CourseDirectory.submitted_directory = {str(collected)!r}\n"
    )

    def collect(*options: str) -> str:
        return generated.nbgrader("collect", exercise.ASSIGNMENT, *options)

    yield folder, collected, collect
    config.write_text(text)


def hand_in(
    folder: Path, student: str, text: str = "{}", stamp: str = "2020-01-01 00:00:00.000000 UTC", owner=None
) -> Path:
    made = folder / f"{student}+{exercise.ASSIGNMENT}+{stamp}+abc"
    made.mkdir()
    (made / "exercise.ipynb").write_text(text)
    (made / "timestamp.txt").write_text(stamp)
    if owner is not None:
        os.chown(made, owner, owner)
    return made


def in_process(folder: Path) -> collecting.Collect:
    engine = collecting.Collect(coursedir=CourseDirectory(assignment_id=exercise.ASSIGNMENT))
    engine.inbound_path = str(folder)
    return engine


def taken(collected: Path) -> dict[str, str]:
    return {p.parent.parent.name: p.read_text() for p in collected.glob(f"*/{exercise.ASSIGNMENT}/exercise.ipynb")}


def test_time_comes_from_the_file_system(inbound):
    folder, collected, collect = inbound
    made = hand_in(folder, ME)
    os.utime(made, (0, 0))
    os.utime(made / "exercise.ipynb", (0, 0))
    collect()
    assert taken(collected) == {ME: "{}"}
    stamp = (collected / ME / exercise.ASSIGNMENT / "timestamp.txt").read_text()
    found = datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=datetime.UTC)
    assert abs(found.timestamp() - time.time()) < 3600


def test_the_last_submission_counts_whatever_its_name_says(inbound):
    folder, collected, collect = inbound
    hand_in(folder, ME, '{"first": 1}', "2030-01-01 00:00:00.000000 UTC")
    time.sleep(0.05)
    hand_in(folder, ME, '{"second": 1}', "2020-01-01 00:00:00.000000 UTC")
    collect()
    assert json.loads(taken(collected)[ME]) == {"second": 1}


def test_update_takes_a_newer_one_and_nothing_else(inbound):
    folder, collected, collect = inbound
    hand_in(folder, ME, "[1]")
    collect()
    assert "already collected" in collect()
    assert "no newer one" in collect("--update")
    time.sleep(0.05)
    hand_in(folder, ME, "[2]", "2020-01-02 00:00:00.000000 UTC")
    assert "already collected" in collect()
    assert taken(collected)[ME] == "[1]"
    collect("--update")
    assert taken(collected)[ME] == "[2]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other owners")
def test_a_folder_of_another_owner_is_refused_and_the_others_are_collected(inbound):
    folder, collected, collect = inbound
    hand_in(folder, ME)
    hand_in(folder, "daemon", owner=pwd.getpwnam("bin").pw_uid)
    hand_in(folder, "nobody", owner=pwd.getpwnam("nobody").pw_uid)
    said = collect()
    assert set(taken(collected)) == {ME, "nobody"}
    assert "it claims to be from daemon and belongs to bin" in said
    assert "Collected 2 submissions" in said
    assert "refused 1" in said


def test_links_odd_names_and_other_assignments(inbound, tmp_path):
    folder, collected, collect = inbound
    hand_in(folder, ME)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "exercise.ipynb").write_text("solution")
    os.symlink(secret, folder / f"linked+{exercise.ASSIGNMENT}+2020-01-01 00:00:00.000000 UTC+abc")
    for name in ("..", ".hidden", "a\nb"):
        hand_in(folder, name)
    hand_in(folder, f"{ME}+other")
    (folder / "noise").mkdir()
    said = collect("--Collect.check_owner=False")
    assert {ME} <= set(taken(collected)) <= {ME, f"{ME}+other"}
    assert "it is a link or a file" in said
    assert said.count("its name is not that of a student") == 3
    assert "solution" not in "".join(taken(collected).values())


def test_files_get_names_that_nothing_runs_and_staff_are_told(inbound):
    folder, collected, collect = inbound
    made = hand_in(folder, ME)
    (made / ".git").mkdir()
    (made / ".git" / "config").write_text("[core]")
    (made / "runs").mkdir()
    (made / "runs" / "a.json").write_text("{}")
    (made / "torch.py").write_text("x")
    (made / "page.html").write_text("x")
    said = collect()
    stored = collected / ME / exercise.ASSIGNMENT
    assert {path.relative_to(stored).as_posix() for path in stored.rglob("*") if path.is_file()} == {
        "exercise.ipynb",
        "timestamp.txt",
        "torch.py.handed-in",
        "page.html.handed-in",
        "runs.handed-in/a.json.handed-in",
    }
    assert "1 files that a tool would run or load were renamed: torch.py" in said
    assert "left out .git: it begins with a dot" in said


def test_links_inside_are_left_out_and_named(inbound):
    folder, collected, collect = inbound
    made = hand_in(folder, ME)
    os.symlink("/etc/passwd", made / "passwd.txt")
    os.unlink(made / "timestamp.txt")
    os.symlink("/etc/hostname", made / "timestamp.txt")
    said = collect()
    assert "left out passwd.txt" in said
    assert not (collected / ME / exercise.ASSIGNMENT / "passwd.txt").exists()
    stamp = collected / ME / exercise.ASSIGNMENT / "timestamp.txt"
    assert stamp.read_text().endswith("UTC")
    assert not stamp.is_symlink()


def test_a_timestamp_that_is_a_folder_does_not_stop_it(inbound):
    folder, collected, collect = inbound
    made = hand_in(folder, ME)
    (made / "timestamp.txt").unlink()
    (made / "timestamp.txt").mkdir()
    (made / "timestamp.txt" / "inside").write_text("2001-01-01 00:00:00 UTC")
    assert "Collected 1 submissions" in collect()
    assert (collected / ME / exercise.ASSIGNMENT / "timestamp.txt").read_text().endswith("UTC")


def test_what_was_collected_stays_until_the_new_one_is_complete(inbound, monkeypatch):
    folder, collected, collect = inbound
    hand_in(folder, ME, "[1]")
    collect()
    before = (collected / ME / exercise.ASSIGNMENT / "timestamp.txt").read_text()
    time.sleep(0.05)
    made = hand_in(folder, ME, "[2]", "2020-01-02 00:00:00.000000 UTC")
    engine = in_process(folder)

    def full_disk(path):
        raise OSError(28, "No space left on device")

    record = engine._record(ME, made.name)
    monkeypatch.setattr(collecting, "changed", full_disk)
    with pytest.raises(OSError, match="No space"):
        engine._collect(record, collected / ME / exercise.ASSIGNMENT)
    assert taken(collected)[ME] == "[1]"
    assert (collected / ME / exercise.ASSIGNMENT / "timestamp.txt").read_text() == before
    assert [path.name for path in (collected / ME).iterdir()] == [exercise.ASSIGNMENT]


def test_a_submission_that_is_changed_while_it_is_copied_gets_the_later_time(inbound, monkeypatch):
    folder, collected, _ = inbound
    made = hand_in(folder, ME, "[1]")
    engine = in_process(folder)
    record = engine._record(ME, made.name)
    copy_tree = collecting.copy_tree

    def slow_copy(source, target, caps):
        time.sleep(0.05)
        (made / "exercise.ipynb").write_text("[2]")
        return copy_tree(source, target, caps)

    monkeypatch.setattr(collecting, "copy_tree", slow_copy)
    engine._collect(record, collected / ME / exercise.ASSIGNMENT)
    stamp = (collected / ME / exercise.ASSIGNMENT / "timestamp.txt").read_text()
    assert taken(collected)[ME] == "[2]"
    assert datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f UTC") > record["timestamp"]


def test_a_folder_that_was_exchanged_for_another_is_refused(inbound):
    folder, collected, _ = inbound
    made = hand_in(folder, ME, "[1]")
    engine = in_process(folder)
    record = engine._record(ME, made.name)
    made.rename(folder / "aside")
    hand_in(folder, ME, "[2]")
    with pytest.raises(ProctorError, match="exchanged"):
        engine._collect(record, collected / ME / exercise.ASSIGNMENT)
    assert taken(collected) == {}


def test_one_with_a_thousand_folders_inside_each_other_and_the_others_are_collected(inbound):
    folder, collected, collect = inbound
    made = hand_in(folder, ME)
    hand_in(folder, "nobody", owner=pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None)
    deep = os.open(made, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    said = collect()
    # pytest's own cleaning would recurse, and fail.
    subprocess.run(["rm", "-rf", str(made)], check=True)
    assert "Traceback" not in said
    assert f"collected in part: {ME}: 1 left out" in said
    assert ME in taken(collected)
    assert os.geteuid() != 0 or "nobody" in taken(collected)


def test_names_with_a_plus_with_and_without_the_random_part(inbound):
    folder, _, _ = inbound
    engine = in_process(folder)
    time_of_it = "2020-01-01 00:00:00.000000 UTC"
    assert engine._student(f"ada+{exercise.ASSIGNMENT}+{time_of_it}+abc") == "ada"
    assert engine._student(f"ada+{exercise.ASSIGNMENT}+{time_of_it}") == "ada"
    assert engine._student(f"a+b+{exercise.ASSIGNMENT}+{time_of_it}") == "a+b"
    assert engine._student(f"a+b+{exercise.ASSIGNMENT}+{time_of_it}+abc") == "a+b"
    assert engine._student(f"ada+other+{time_of_it}+abc") is None
    assert engine._student("noise") is None


@pytest.mark.parametrize("name", ["*", "a[b]", "a,b", " ada", "..", "", "x" * 101, "a\u202eb", "a\x1b[31m"])
def test_names_that_nbgrader_would_read_as_something_else_are_refused(inbound, name):
    folder, _, _ = inbound
    made = folder / "made"
    made.mkdir()
    engine = in_process(folder)
    engine.check_owner = False
    with pytest.raises(ProctorError, match="not that of a student"):
        engine._refuse_odd(name, made.lstat())


def test_of_several_the_last_before_the_due_date_is_chosen(inbound):
    folder, _, _ = inbound
    engine = in_process(folder)
    day = datetime.datetime(2026, 1, 1)
    records = [{"username": "ada", "timestamp": day + datetime.timedelta(days=days)} for days in (0, 2, 1)]
    engine.duedate = day + datetime.timedelta(days=1)
    assert engine._chosen(records) is records[1]
    engine.before_duedate = True
    assert engine._chosen(records) is records[2]
    engine.duedate = day - datetime.timedelta(days=1)
    assert engine._chosen(records) is records[1]
    # Who has an extension has one here, too.
    engine.config.Proctor.extensions = {
        engine.coursedir.assignment_id: {"ada": (day + datetime.timedelta(days=1)).replace(tzinfo=datetime.UTC)}
    }
    del engine.lateness
    assert engine._chosen(records) is records[2]


def test_three_days_more_are_three_days_where_the_clocks_change(inbound):
    folder, _, _ = inbound
    engine = in_process(folder)
    zone = zoneinfo.ZoneInfo("Europe/Amsterdam")
    due = datetime.datetime(2026, 3, 27, 23, 59, tzinfo=zone)
    name = engine.coursedir.assignment_id
    engine.config.Proctor.deadlines = {name: due}
    engine.config.Proctor.extensions = {name: {"ada": 3}}
    engine.duedate, engine.before_duedate = due.astimezone(datetime.UTC).replace(tzinfo=None), True
    # In UTC 71 hours later, because one is left out.
    last = datetime.datetime(2026, 3, 30, 21, 59)
    records = [
        {"username": "ada", "timestamp": last + datetime.timedelta(seconds=seconds)} for seconds in (-9, 0, 1, 3600)
    ]
    assert engine._chosen(records) is records[1]
    assert engine._chosen([record | {"username": "ben"} for record in records])["timestamp"] == records[3]["timestamp"]
