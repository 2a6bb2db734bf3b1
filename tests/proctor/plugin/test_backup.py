"""A backup holds what can't be made again; it is put back whole, or nothing is changed."""

import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing

import pytest
from course_folder import ROOT
from graded_course import ASSIGNMENT, config
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.plugin import backup, busy
from proctor.plugin.backup import Course
from proctor.plugin.points import changed_since

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


class App(Configurable):
    """Stands for the command."""


@pytest.fixture
def place(graded, tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    (graded.root / "proctor_sealed").mkdir()
    (graded.root / "proctor_sealed" / "seals.json").write_text("sealed")
    (graded.root / "nbgrader_config.py").write_text("# settings")
    return folder


def course(graded, secret: str = "secret", name: str = "test") -> Course:
    app = App(config=config(Proctor={"secret": str(graded.root.parent / secret)}))
    app.coursedir = graded.directory()
    app.coursedir.course_id = name
    return Course(app)


def saved(graded, place):
    list(course(graded).save(place))
    (file,) = place.iterdir()
    return file


def typed(graded) -> tuple[float | None, ...]:
    with graded.gradebook() as gradebook:
        return tuple(gradebook.find_grade("essay", "2a", ASSIGNMENT, name).manual_score for name in ("ada", "ben"))


def test_points_records_and_seals_come_back_and_what_was_there_is_kept(graded, place):
    graded.read_essay("ada", 4)
    file = saved(graded, place)
    assert file.stat().st_mode & 0o077 == 0
    graded.read_essay("ada", 1)
    graded.grade("ben", {"q1": "wrong value", "q2": ""})
    (graded.root / "proctor_sealed" / "seals.json").write_text("newer")
    first, *_ = course(graded).put_back(file)
    assert typed(graded) == (4, None)
    assert changed_since(graded.directory(), ASSIGNMENT, "ben", ["2a"]) == ""
    assert (graded.root / "proctor_sealed" / "seals.json").read_text() == "sealed"
    for name in ("gradebook.db", "proctor_records", "proctor_sealed"):
        assert (graded.root / name).stat().st_mode & 0o077 == 0, name
    (old,) = graded.root.glob("before-restore-*")
    assert str(old) in first
    assert (old.stat().st_mode & 0o077, sorted(path.name for path in old.iterdir())) == (
        0,
        ["gradebook.db", "proctor_records", "proctor_sealed"],
    )
    assert (old / "proctor_sealed" / "seals.json").read_text() == "newer"
    # The other way round: back to what was there.
    (graded.root / "gradebook.db").write_bytes((old / "gradebook.db").read_bytes())
    assert typed(graded) == (1, None)


def test_a_lost_gradebook_and_settings_come_back(graded, place):
    graded.read_essay("ben", 3)
    file = saved(graded, place)
    for name in ("gradebook.db", "nbgrader_config.py"):
        (graded.root / name).unlink()
    list(course(graded).put_back(file))
    assert typed(graded) == (None, 3)
    assert (graded.root / "nbgrader_config.py").read_text() == "# settings"


def test_no_secret_and_nothing_of_students_is_in_it(graded, place):
    # What was read, and records of former gradings, lie in hidden folders; locks are nobody's to keep.
    hidden = {"hw/.read/ada.json", "hw/.former/ada/0001/2a.json", "hw/ada/.2a.json.draft", ".busy/1"}
    for name in hidden:
        path = graded.root / "proctor_records" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    file = saved(graded, place)
    with tarfile.open(file) as archive:
        tops = {name.split("/")[0] for name in archive.getnames()}
        kept = {name.removeprefix("proctor_records/") for name in archive.getnames()} & hidden
    assert kept == {"hw/.read/ada.json", "hw/.former/ada/0001/2a.json"}
    with tarfile.open(file) as archive:
        text = b"".join(archive.extractfile(one).read() for one in archive)
    assert tops == {"manifest.json", "gradebook.db", "proctor_records", "proctor_sealed", "nbgrader_config.py"}
    assert (graded.root.parent / "secret").read_text().strip().encode() not in text


def made(path, **files: bytes):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("_up_", "../").replace("_json", ".json").replace("_db", ".db"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_what_is_no_whole_backup_of_this_course_changes_nothing(graded, place, tmp_path):
    file = saved(graded, place)
    graded.read_essay("ada", 2)
    (tmp_path / "cut.tar.gz").write_bytes(file.read_bytes()[:3000])
    (tmp_path / "text.tar.gz").write_text("no archive")
    with tarfile.open(file) as archive:
        manifest = archive.extractfile("manifest.json").read()
    other = json.dumps(json.loads(manifest) | {"course": "another"}).encode()
    refused = {
        "no whole backup": [
            tmp_path / "cut.tar.gz",
            tmp_path / "text.tar.gz",
            made(tmp_path / "out.tar.gz", manifest_json=manifest, proctor_records_up__up_out=b"x"),
            made(tmp_path / "up.tar.gz", _up_out=b"x"),
            made(tmp_path / "without.tar.gz", manifest_json=manifest),
            made(tmp_path / "damaged.tar.gz", manifest_json=manifest, gradebook_db=b"SQLite format 3\0 and no more"),
            made(tmp_path / "other.tar.gz", manifest_json=other),
        ],
        "there is no such file": [tmp_path / "nothing.tar.gz"],
    }
    for words, files in refused.items():
        for one in files:
            with pytest.raises(ProctorError, match=words):
                list(course(graded).put_back(one))
    with pytest.raises(ProctorError, match="another course secret"):
        list(course(graded, "second secret").put_back(file))
    with busy.held(graded.root, ASSIGNMENT, "ada", "graded"), pytest.raises(ProctorError, match="somebody is at work"):
        list(course(graded).put_back(file))
    assert typed(graded) == (2, None)
    assert list(graded.root.glob("before-restore-*")) == []
    assert list(graded.root.glob(".restoring-*")) == []
    assert not (tmp_path / "out").exists()


def test_a_damaged_gradebook_takes_no_good_backups_place(graded, place, monkeypatch, capsys):
    saved(graded, place)
    path = graded.root / "gradebook.db"
    # One page, without which points can still be read.
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'comment'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(range(256)) * (size // 256))
    (graded.root / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(graded.root)!r}\nc.CourseDirectory.course_id = 'test'\n"
        f"c.Proctor.secret = {str(graded.root.parent / 'secret')!r}\n"
    )
    monkeypatch.chdir(graded.root)
    backup.BackupApp.clear_instance()
    with pytest.raises(SystemExit):
        backup.BackupApp.launch_instance([str(place)])
    backup.BackupApp.clear_instance()
    said = capsys.readouterr().err
    assert "nothing was saved: " in said
    assert "the gradebook is damaged; move it away and restore it from your backup (python -m proctor restore" in said
    assert len(list(place.iterdir())) == 1


def test_nothing_half_is_left_of_a_backup_that_could_not_be_written(graded, place, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "snapshot", full)
    with pytest.raises(OSError, match="No space"):
        list(course(graded).save(place))
    assert list(place.iterdir()) == []
    (graded.root / "gradebook.db").unlink()
    with pytest.raises(ProctorError, match="no gradebook to save"):
        list(course(graded).save(place))
    with pytest.raises(ProctorError, match="make it first"):
        list(course(graded).save(place / "nowhere"))


@pytest.mark.parametrize(("word", "said"), [("backup", "make it first"), ("restore", "there is no such file")])
def test_the_commands_end_in_a_line(graded, word, said):
    (graded.root / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(graded.root)!r}\nc.CourseDirectory.course_id = 'test'\n"
        f"c.Proctor.secret = {str(graded.root.parent / 'secret')!r}\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "proctor", word, "nowhere"],
        cwd=graded.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert said in run.stdout
    assert "Traceback" not in run.stdout
