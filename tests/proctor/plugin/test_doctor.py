"""Each finding of the doctor, by making its fault; a course that is in order has none."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from proctor.plugin import busy, doctor, doctor_places, strict_config
from proctor.plugin.findings import Finding, open_to_all, worst

ROOT = Path(__file__).resolve().parents[3]
STAFF = ("source", "submitted", "autograded", "feedback", "proctor_records", "proctor_sealed")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course that is in order, in a place that all accounts reach."""
    place = Path(tempfile.mkdtemp(prefix="doctored-", dir="/tmp"))
    place.chmod(0o755)
    root = place / "course"
    root.mkdir()
    for name in STAFF:
        (root / name).mkdir(mode=0o700)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    with sqlite3.connect(root / "gradebook.db") as database:
        for table in ("assignment", "grade", "submitted_assignment", "student"):
            database.execute(f"CREATE TABLE {table} (id)")
    database.close()
    (root / "gradebook.db").chmod(0o600)
    (place / "exchange").mkdir()
    (place / "exchange").chmod(0o1777)
    (root / "data").mkdir()
    (root / "data" / "set.txt").write_text("data")
    monkeypatch.setattr(doctor, "availability", lambda: None)
    monkeypatch.setattr(doctor, "unbound", lambda: None)
    monkeypatch.setattr(strict_config, "installed", lambda: True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    yield root
    shutil.rmtree(place)


def found(root: Path, **sections) -> list[Finding]:
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "test"
    config.Exchange.root = str(root.parent / "exchange")
    config.Proctor.data = "data"
    config.Proctor.secret = str(root.parent / "secret")
    for name, values in sections.items():
        config[name].update(values)
    app = doctor.DoctorApp(config=config)
    app.coursedir = CourseDirectory(parent=app)
    return list(app.findings())


def bad(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.level != "ok"]


def test_an_environment_that_goes_on_with_broken_settings(course, monkeypatch):
    monkeypatch.setattr(strict_config, "installed", lambda: False)
    (one,) = bad(found(course))
    assert one.level == "fail"
    assert "nbgrader grades by itself, in no sandbox, when there is a mistake in nbgrader_config.py" in one.text
    kit, _, place = one.cure.partition("; cp ")[2].partition("/deploy/")
    assert Path(kit) == ROOT
    assert place == f"jupyter_config.py {sys.prefix}/etc/jupyter"


def test_a_course_that_is_in_order(course):
    assert bad(found(course)) == []
    assert worst(found(course)) == "ok"


@pytest.mark.parametrize("name", STAFF)
@pytest.mark.parametrize("mode", [0o755, 0o711, 0o702])
def test_folders_that_others_can_enter(course, name, mode):
    (course / name).chmod(mode)
    (one,) = bad(found(course))
    assert (one.level, one.cure) == ("fail", f"chmod 700 {course / name}")
    subprocess.run(one.cure, shell=True, check=True)
    assert bad(found(course)) == []


def test_a_gradebook_that_others_can_read(course):
    (course / "gradebook.db").chmod(0o644)
    (one,) = bad(found(course))
    assert (one.level, one.cure) == ("fail", f"chmod 600 {course / 'gradebook.db'}")


def test_what_lies_in_a_closed_folder_is_closed(course):
    (course / "source").chmod(0o755)
    assert open_to_all(course / "source")
    course.chmod(0o700)
    assert not open_to_all(course / "source")
    assert bad(found(course)) == []


def test_a_secret_that_others_can_read(course):
    secret = course.parent / "secret"
    secret.write_text("ab" * 32)
    secret.chmod(0o644)
    (one,) = bad(found(course))
    assert "others may read the course secret; run `chmod 600" in one.text
    secret.chmod(0o600)
    assert bad(found(course)) == []


def test_the_doctor_makes_no_secret(course):
    found(course)
    assert not (course.parent / "secret").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the gradebook is empty"), (b"text" * 99, "is no gradebook"), (None, "there is no gradebook yet")],
)
def test_a_gradebook_that_can_not_be_used(course, content, said):
    (course / "gradebook.db").unlink()
    if content is not None:
        (course / "gradebook.db").write_bytes(content)
        (course / "gradebook.db").chmod(0o600)
    (one,) = bad(found(course))
    assert said in one.text


def test_a_driver_that_is_not_installed(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (one,) = bad(found(course, CourseDirectory={"db_url": "postgresql://anna:mine@host/name"}))
    assert "the driver psycopg is not installed; run: pip install -c constraints.txt 'psycopg[binary]'" in one.text
    assert "mine" not in one.text


def test_no_sandbox_and_a_sandbox_that_was_switched_off(course, monkeypatch):
    (one,) = bad(found(course, Proctor={"sandbox": "none"}))
    assert (one.level, "rights of whoever grades" in one.text) == ("fail", True)
    monkeypatch.setattr(doctor, "availability", lambda: "apt install bubblewrap")
    assert [str(one) for one in bad(found(course))] == ["fail  apt install bubblewrap"]
    monkeypatch.setattr(doctor, "availability", lambda: None)
    monkeypatch.setattr(doctor, "unbound", lambda: "no control group")
    assert [str(one) for one in bad(found(course))] == ["warn  no control group"]


def test_an_exchange_that_is_missing_closed_or_out_of_reach(course):
    exchange = course.parent / "exchange"
    exchange.chmod(0o755)
    (one,) = bad(found(course))
    assert (one.level, one.cure) == ("fail", f"chmod 1777 {exchange}")
    exchange.rmdir()
    (one,) = bad(found(course))
    assert one.cure == f"mkdir -p {exchange} && chmod 1777 {exchange}"
    subprocess.run(one.cure, shell=True, check=True)
    assert bad(found(course)) == []
    course.parent.chmod(0o700)
    (one,) = bad(found(course))
    assert (one.level, f"because of {course.parent}" in one.text) == ("warn", True)


def test_an_exchange_in_which_anybody_can_put_a_folder_in_place_of_the_courses(course):
    exchange = course.parent / "exchange"
    exchange.chmod(0o777)
    (one,) = bad(found(course))
    assert (one.level, "in place of the course's" in one.text) == ("fail", True)
    subprocess.run(one.cure, shell=True, check=True)
    assert bad(found(course)) == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [(0o2777, "others can list"), (0o2730, "students can't hand in"), (0o2733, "can take it away")],
)
def test_an_inbound_folder_with_another_mode(course, mode, said):
    inbound = course.parent / "exchange" / "test" / "inbound"
    inbound.mkdir(parents=True)
    inbound.chmod(mode)
    (one,) = bad(found(course))
    assert said in one.text
    subprocess.run(one.cure, shell=True, check=True)
    assert stat.S_IMODE(inbound.stat().st_mode) == 0o3733
    assert bad(found(course)) == []


def test_too_little_room(course, monkeypatch):
    monkeypatch.setattr(doctor.room, "BYTES", 2**60)
    assert {one.level for one in bad(found(course))} == {"fail"}
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "_PLENTY", 2**60)
    assert [one.cure.split()[0] for one in bad(found(course)) if "GiB are free" in one.text] == ["df", "df"]


def test_no_data(course):
    (course / "data" / "set.txt").unlink()
    (one,) = bad(found(course))
    assert (one.level, "c.Proctor.data names it" in one.text) == ("warn", True)


def test_alembic_that_is_not_on_the_path(course, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (one,) = bad(found(course))
    assert one.text.startswith("alembic")
    assert str(Path(sys.executable).parent) in one.cure


def test_other_versions_than_those_of_the_constraints(course):
    (course / "constraints.txt").write_text("# staff\nnbgrader==0.0.1\nno-such-package==1\n")
    (one,) = bad(found(course))
    assert (one.level, " for 0.0.1" in one.text) == ("warn", True)
    assert one.cure == f"pip install -c {course / 'constraints.txt'} nbgrader"


def test_a_folder_that_is_no_course_and_a_configuration_that_others_write(course):
    (course / "nbgrader_config.py").chmod(0o666)
    (one,) = bad(found(course))
    assert one.cure == f"chmod go-w {course / 'nbgrader_config.py'}"
    (course / "nbgrader_config.py").unlink()
    (one,) = bad(found(course))
    assert "is no course" in one.text


def test_who_is_at_work_and_what_others_left(course):
    (course / "proctor_staged-of-another").mkdir(mode=0o700)
    (course / "proctor_staged-of-another" / "lock").write_text("elsewhere")
    with busy.held(course, "ps1", "ada", "graded"):
        lines = [str(one) for one in bad(found(course))]
    assert len(lines) == 2
    assert "it is being graded by" in lines[0]
    assert "was made on elsewhere" in lines[1]


def test_a_course_of_a_group(course, monkeypatch):
    group = os.getegid()
    monkeypatch.setattr(doctor_places, "members", lambda number: {"anna", "bob"})
    shared = {"CourseDirectory": {"groupshared": True}}
    before = [one for one in bad(found(course, **shared)) if one.level == "fail"]
    # The course, six folders and the gradebook are their owner's alone.
    assert len(before) == 8
    for _ in range(2):
        for one in bad(found(course, **shared)):
            subprocess.run(one.cure, shell=True, check=True)
    assert bad(found(course, **shared)) == []
    for name in STAFF:
        status = (course / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o2770, group)
    (course / "submitted" / "bob").mkdir()
    (one,) = bad(found(course, **shared))
    assert "are students: bob" in one.text


def test_the_command_prints_lines_and_says_by_its_status_whether_there_is_something_to_mend(course):
    (course / "source").chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-m", "proctor", "doctor"],
        cwd=course,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert f"mend: chmod 700 {course / 'source'}" in run.stdout
    assert "Traceback" not in run.stderr
    assert run.stdout.splitlines()[-1].endswith("looked at")


@pytest.mark.parametrize(
    ("address", "level"),
    [
        *(("tcp://127.0.0.1:8786", "ok"), ("tcp://localhost:8786", "ok"), ("tcp://[::1]:8786", "ok")),
        *(("tls://graders.example.org:8786", "ok"), ("tls://10.0.0.7:8786", "ok")),
        *(("tcp://10.0.0.7:8786", "warn"), ("tcp://graders.example.org:8786", "warn"), ("tcp://0.0.0.0:8786", "warn")),
        *(("tcp://localhost.example.org:1", "warn"), ("tcp://[fe80::1]:8786", "warn"), ("graders:8786", "warn")),
    ],
)
def test_a_scheduler_that_others_reach(course, address, level):
    words = [one for one in found(course, Proctor={"scheduler": address}) if address in one.text]
    assert [one.level for one in words] == [level]
    assert level == "ok" or ("runs programs on its workers" in words[0].text and "tls://" in words[0].cure)


def test_a_scheduler_without_dask_or_without_a_sandbox(course, monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    said = bad(found(course, Proctor={"scheduler": "tcp://127.0.0.1:1", "sandbox": "none"}))
    assert [one.text for one in said if "c.Proctor.scheduler" in one.text and one.level == "fail"] == [
        "c.Proctor.scheduler needs Dask, which is not installed",
        "c.Proctor.scheduler grades in a sandbox only",
    ]
