"""Downloads of learning management systems, through nbgrader's own command, and what becomes of them."""

import datetime
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import exercise
import pytest
from course_folder import ROOT, Course
from nbgrader.api import Gradebook

from proctor.intake.inert import handed_in_name

pytestmark = pytest.mark.slow
NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
WHOLE = {"assignment2/exercise.ipynb": NOTEBOOK, "assignment2/runs/a/m.bin": "weights", "assignment2/gpt.py": "x = 1"}
DUE = datetime.datetime(2026, 1, 10, 12)
STUDENTS = {
    "ada": ("Ada", "Lovelace", ""),
    "bob": ("Bob", "O'Brien", ""),
    "cyd": ("Cyd", "Charisse", ""),
    "dan": ("Dan", "Dare", ""),
    "eve": ("Eve", "Adams", "83023"),
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Course:
    made = Course(tmp_path_factory.mktemp("zips"))
    with Gradebook(f"sqlite:///{made.folder / 'gradebook.db'}", "test") as gradebook:
        gradebook.update_or_create_assignment(exercise.ASSIGNMENT, duedate=DUE)
        for name, (first, last, number) in STUDENTS.items():
            gradebook.add_student(name, first_name=first, last_name=last, lms_user_id=number or None)
    return made


class Downloads:
    """The archive folder, and what the command makes of it."""

    def __init__(self, course: Course, place: Path) -> None:
        self.course, self.submitted = course, place / "submitted"
        self.folder = place / "downloaded" / exercise.ASSIGNMENT / "archive"
        self.folder.mkdir(parents=True)
        self.options = [
            f"--ZipCollectApp.collect_directory_structure={place}/{{downloaded}}/{{assignment_id}}/{{collect_step}}",
            f"--CourseDirectory.submitted_directory={self.submitted}",
        ]

    def collect(self, *options: str) -> tuple[int, str]:
        """Exit status and all that was said."""
        run = subprocess.run(
            [sys.executable, "-m", "nbgrader", "zip_collect", exercise.ASSIGNMENT, *self.options, *options],
            cwd=self.course.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TZ": "UTC"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert "Traceback" not in run.stdout, run.stdout
        return run.returncode, run.stdout

    def of(self, student: str) -> dict[str, str]:
        """Files by the names that they were handed in with."""
        folder, found = self.submitted / student / exercise.ASSIGNMENT, {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                assert path.name.endswith((".ipynb", ".handed-in")) or path.name == "timestamp.txt"
                found["/".join(map(handed_in_name, path.relative_to(folder).parts))] = path.read_text()
        return found


@pytest.fixture
def downloads(generated, tmp_path) -> Downloads:
    return Downloads(generated, tmp_path)


def zipped(files: dict[str, str | bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, **options)
    return buffer.getvalue()


GATHERED = {"exercise.ipynb": NOTEBOOK, "runs/a/m.bin": "weights", "gpt.py": "x = 1"}


def test_canvas(downloads):
    folder = downloads.folder
    (folder / "lovelaceada_83020_5512330_exercise-1.ipynb").write_text(NOTEBOOK)
    (folder / "lovelaceada_83020_5512329_exercise.ipynb").write_text("an older upload")
    (folder / "lovelaceada_83020_5512331_gpt.py").write_text("x = 1")
    (folder / "lovelaceada_83020_5512332_runs.zip").write_bytes(zipped({"runs/a/m.bin": "weights"}))
    (folder / "obrienbob_LATE_83022_5512340_assignment2.zip").write_bytes(zipped(WHOLE))
    inner = zipped({"deep/down/exercise.ipynb": NOTEBOOK})
    (folder / "charissecyd_83024_5512350_all.zip").write_bytes(zipped({"x/all.zip": inner, "x/read.txt": "me"}))
    status, said = downloads.collect()
    assert status == 0, said
    ada = {"exercise-1.ipynb": NOTEBOOK, "runs/a/m.bin": "weights", "gpt.py": "x = 1"}
    assert downloads.of("ada") == ada
    assert downloads.of("bob") == {**GATHERED, "timestamp.txt": "2026-01-10 12:00:01.000000 UTC"}
    assert downloads.of("cyd") == {"exercise.ipynb": NOTEBOOK, "read.txt": "me"}
    lines = {line.split()[0]: line for line in said.splitlines() if "  collected" in line}
    assert lines["ada"].endswith("collected: 3 files; the last upload counts, 1 older not; no known time")
    assert "marked as late, at no known time: counts as handed in a second after the deadline" in lines["bob"]


def test_late_on_canvas_is_not_late_with_an_extension(downloads):
    for number, name in enumerate(("lovelaceada", "obrienbob")):
        (downloads.folder / f"{name}_LATE_8302{number}_551234{number}_exercise.ipynb").write_text(NOTEBOOK)
    extensions = "{'homework': {'ada': __import__('datetime').datetime(2026, 2, 1, tzinfo=__import__('datetime').UTC)}}"
    config = downloads.course.folder / "nbgrader_config.py"
    before = config.read_text()
    config.write_text(f"{before}\nc.Proctor.extensions = {extensions}\n")
    try:
        status, said = downloads.collect()
    finally:
        config.write_text(before)
    assert status == 0, said
    assert "timestamp.txt" not in downloads.of("ada")
    assert "marked as late, at no known time; has an extension, and counts as in time" in said
    assert downloads.of("bob")["timestamp.txt"] == "2026-01-10 12:00:01.000000 UTC"


def test_a_tar_archive_is_unpacked_like_any_other(downloads):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in WHOLE.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    (downloads.folder / "ada.tar.gz").write_bytes(buffer.getvalue())
    (downloads.folder / "bob.zip").write_bytes(zipped({"homework.tgz": buffer.getvalue()}))
    status, said = downloads.collect()
    assert status == 0, said
    assert downloads.of("ada") == downloads.of("bob") == GATHERED


def test_brightspace_as_one_download(downloads):
    attempts = {
        "index.html": "<html>",
        "7-1 - Ada Lovelace - Jan 3, 2026 1201 PM/exercise.ipynb": "the first attempt",
        "7-2 - Ada Lovelace - Jan 4, 2026 901 AM/work.zip": zipped(WHOLE),
        "8-3 - Bob O'Brien - 5 Jan 2026 1159 PM/sub/exercise.ipynb": NOTEBOOK,
        "9-4 - Nobody Known - 5 Jan 2026 1159 PM/exercise.ipynb": NOTEBOOK,
    }
    (downloads.folder / "Assignment 2 Download.zip").write_bytes(zipped(attempts))
    status, said = downloads.collect("--ZipCollect.timezone=Europe/Amsterdam")
    assert downloads.of("ada") == {**GATHERED, "timestamp.txt": "2026-01-04 08:01:00.000000 UTC"}, said
    assert downloads.of("bob")["timestamp.txt"] == "2026-01-05 22:59:00.000000 UTC"
    assert set(downloads.of("bob")) == {"sub/exercise.ipynb", "timestamp.txt"}
    assert status == 1
    assert "nobody in the roster is called Nobody Known" in said
    assert "the last upload counts, 1 older not; handed in at 2026-01-04 08:01 UTC" in said


def test_moodle_in_folders_and_without(downloads):
    made = downloads.folder / "Ada Lovelace_4711_assignsubmission_file_"
    made.mkdir()
    (made / "assignment2.zip").write_bytes(zipped(WHOLE))
    (downloads.folder / "Bob O'Brien_4712_assignsubmission_file_exercise.ipynb").write_text(NOTEBOOK)
    (downloads.folder / "cyd.zip").write_bytes(zipped(WHOLE))
    status, said = downloads.collect()
    assert (status, downloads.of("ada"), downloads.of("cyd")) == (0, GATHERED, GATHERED), said
    assert downloads.of("bob") == {"exercise.ipynb": NOTEBOOK}


def test_a_bad_archive_costs_only_itself(downloads):
    folder, whole = downloads.folder, zipped(WHOLE)
    (folder / "lovelaceada_1_1_a.zip").write_bytes(b"Rar!\x1a\x07\x01\x00" + b"x" * 99)
    (folder / "adamseve_83023_1_e.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    (folder / "obrienbob_2_2_b.zip").write_bytes(whole[: len(whole) // 2])
    locked = bytearray(whole)
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := locked.find(mark, start)) >= 0:
            locked[start + offset] |= 1
            start += 4
    (folder / "charissecyd_3_3_c.zip").write_bytes(bytes(locked))
    evil = {"../../../escaped.ipynb": "x", "/etc/escaped": "x", "C:\\escaped": "x", **WHOLE}
    (folder / "daredan_4_4_d.zip").write_bytes(zipped(evil))
    status, said = downloads.collect()
    assert status == 1
    assert sorted(path.name for path in downloads.submitted.iterdir() if downloads.of(path.name)) == ["dan"]
    assert downloads.of("dan") == GATHERED
    assert "a.zip: it is no zip archive but a RAR archive" in said
    assert "e.7z: it is no zip archive" in said
    assert "b.zip: it is a damaged or incomplete zip archive" in said
    assert "c.zip: the zip archive has a password" in said
    assert "3 left out, the first: d.zip: left out ../../../escaped.ipynb: its path leads out of the archive" in said
    assert not list(folder.parents[3].rglob("*escaped*"))
    assert not list(downloads.submitted.rglob(".*"))


def test_names_in_an_archive_choose_nobody_and_two_accounts_are_left_to_staff(downloads):
    folder = downloads.folder
    (folder / "obrienbob_83022_5512340_exercise.ipynb").write_text(NOTEBOOK)
    inside = {"obrienbob_83022_9999999_exercise.ipynb": "eve's", "bob/exercise.ipynb": "eve's"}
    (folder / "adamseve_83023_5512341_all.zip").write_bytes(zipped(inside))
    (folder / "homework.zip").write_bytes(zipped(inside))
    # Somebody who calls himself Ada there.
    (folder / "lovelaceada_83020_1_exercise.ipynb").write_text(NOTEBOOK)
    (folder / "lovelaceada_99999_2_exercise.ipynb").write_text("another account's")
    # And somebody who calls himself Eve, whose number is known.
    (folder / "adamseve_99998_3_exercise.ipynb").write_text("another account's")
    status, said = downloads.collect("--force")
    assert status == 1
    assert downloads.of("bob") == {"exercise.ipynb": NOTEBOOK}
    assert set(downloads.of("eve")) == set(inside)
    assert downloads.of("ada") == {}
    assert "several accounts of the LMS claim to be this student" in said
    assert "homework.zip" in said.partition("of nobody known")[2]
    assert "adamseve_99998_3_exercise.ipynb" in said.partition("of nobody known")[2]


def test_what_can_not_be_a_submission_is_said(downloads):
    (downloads.folder / "lovelaceada_1_1_notes.txt").write_text("I forgot")
    status, said = downloads.collect()
    assert (status, downloads.of("ada")) == (0, {"notes.txt": "I forgot"})
    assert "collected: 1 files, no notebook among them; no known time" in said


def test_bombs_end_at_the_caps(downloads):
    # 300 MB of zeros in 300 kB, a notebook behind them.
    bomb = {f"assignment2/a{number}.bin": bytes(30 * 2**20) for number in range(10)}
    (downloads.folder / "lovelaceada_1_1_a.zip").write_bytes(zipped({**bomb, **WHOLE}))
    status, said = downloads.collect()
    assert status == 0, said
    # All that is larger than a small archive may become, but no answer.
    assert set(downloads.of("ada")) == set(GATHERED)
    assert "10 left out, the first: a.zip: left out a0.bin: unpacked it is more than may be taken" in said


def test_what_is_there_already_stays_without_force(downloads):
    made = downloads.folder / "lovelaceada_1_1_exercise.ipynb"
    made.write_text(NOTEBOOK)
    assert downloads.collect()[0] == 0
    status, said = downloads.collect()
    assert (status, "collected before" in said) == (0, True)
    made.write_text("newer")
    status, said = downloads.collect()
    assert (status, downloads.of("ada")) == (1, {"exercise.ipynb": NOTEBOOK})
    assert "--force puts this one in its place" in said
    assert downloads.collect("--force")[0] == 0
    assert downloads.of("ada") == {"exercise.ipynb": "newer"}


def test_the_courses_own_pattern_and_an_empty_folder(downloads):
    status, said = downloads.collect()
    assert (status, "there is nothing in" in said) == (0, True)
    (downloads.folder / "ps1_ada_attempt_2026-01-03-15-00-00_exercise.ipynb").write_text(NOTEBOOK)
    pattern = r".*_(?P<student_id>\w+)_attempt_(?P<timestamp>[0-9\-]+)_(?P<file_id>\w+)"
    status, said = downloads.collect(f"--FileNameCollectorPlugin.named_regexp={pattern}")
    assert status == 0, said
    assert downloads.of("ada")["exercise.ipynb"] == NOTEBOOK
