"""Whatever is found, a folder is handed in; who hands it in has a receipt with the digests that grading will show."""

import hashlib
import re
import subprocess
import zipfile

import pytest

from dl1.handing_in import exchange, handin_command
from dl1.handing_in.folder import look_into
from proctor.intake.copier import copy_tree
from proctor.intake.staging import stage
from tests.dl1.handing_in.small_assignment import finished, one, release, two


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(handin_command, "opened_notebooks", list)
    return finished(tmp_path / "ps1")


def digests(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\S.*\.ipynb) +([0-9a-f]{64})$", text, re.MULTILINE))


@pytest.mark.parametrize("packed", ["zip", "unpacked", "copied"])
def test_the_receipt_has_the_digests_that_the_feedback_page_shows(folder, packed, tmp_path, capsys):
    (folder / "2_two.ipynb").rename(folder / "Kopie von 2_two.ipynb")
    (folder / ".ipynb_checkpoints").mkdir()
    assert handin_command.main([str(folder), "--archive", "--to", str(tmp_path)]) == 0
    found = digests(capsys.readouterr().out)
    (archive,) = tmp_path.glob("ps1-*.zip")
    handed_in = tmp_path / "handed in"
    handed_in.mkdir()
    if packed == "zip":
        (handed_in / archive.name).write_bytes(archive.read_bytes())
    elif packed == "unpacked":
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(handed_in)
    else:
        copy_tree(folder, handed_in / "ps1")
    submitted = tmp_path / "submitted"
    copy_tree(handed_in, submitted)
    staged = stage(submitted, tmp_path / "files", {}, {"1_one": one(), "2_two": two()})
    graded = staged.matched.digests
    assert graded == {"1_one": found["1_one.ipynb"], "2_two": found["Kopie von 2_two.ipynb"]}
    # And those that anybody's sha256sum prints.
    assert graded["1_one"] == hashlib.sha256((folder / "1_one.ipynb").read_bytes()).hexdigest()


def test_an_unfinished_folder_is_handed_in_all_the_same_and_the_receipt_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(handin_command, "opened_notebooks", list)
    folder = release(tmp_path / "ps1")
    monkeypatch.chdir(tmp_path)
    assert handin_command.main(["--archive"]) == 0
    told = capsys.readouterr().out
    assert "3 of 3 answers are as they were given out" in told
    (receipt,) = tmp_path.glob("*.receipt.txt")
    assert receipt.read_text(encoding="utf-8").strip() in told
    assert len(digests(told)) == 2
    assert handin_command.main([str(folder), "--check"]) == 1
    assert len(list(tmp_path.glob("*.zip"))) == 1


def test_the_exchange_takes_it_where_there_is_one(folder, monkeypatch, capsys):
    ran = []

    def run(command, **options):
        ran.append((command[1:], options["cwd"]))
        said = "[SubmitApp | INFO] Submitted as: dl1 ps1 2026-11-30 21:00:00.5 UTC\n"
        return subprocess.CompletedProcess(command, 0, "", said)

    monkeypatch.setattr(exchange.subprocess, "run", run)
    assert handin_command.main([str(folder)]) == 0
    assert ran == [(["-m", "nbgrader", "submit", "ps1", "--course", "dl1"], folder.parent)]
    told = capsys.readouterr().out
    assert "handed in as: dl1 ps1 2026-11-30 21:00:00.5 UTC" in told
    assert not list(folder.parent.glob("*.zip"))


def test_where_the_exchange_fails_its_reason_is_said_and_an_archive_made(folder, monkeypatch, capsys):
    said = "[SubmitApp | CRITICAL] Unwritable directory: /x\n[SubmitApp | ERROR] nbgrader submit failed\n"
    failed = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(exchange.subprocess, "run", lambda *given, **options: failed)
    assert handin_command.main([str(folder), "--exchange"]) == 1
    assert "nothing was handed in: nbgrader did not hand it in: Unwritable directory: /x" in capsys.readouterr().err
    assert not list(folder.parent.glob("*.zip"))
    assert handin_command.main([str(folder)]) == 0
    assert "No exchange: nbgrader did not hand it in: Unwritable directory: /x." in capsys.readouterr().out
    assert len(list(folder.parent.glob("*.zip"))) == 1


def test_what_the_exchange_would_refuse_is_known_before(folder):
    (folder / "large.bin").write_bytes(b"0" * 260_000)
    assert "nbgrader takes 0 MiB" in exchange.why_not(look_into(folder))
    (folder / "large.bin").unlink()
    renamed = folder.rename(folder.with_name("ps1 (2)"))
    assert "is called ps1 (2)" in exchange.why_not(look_into(renamed))


def test_a_place_that_can_not_be_written_is_said(folder, tmp_path, capsys):
    assert handin_command.main([str(folder), "--archive", "--to", str(tmp_path / "no" / "where")]) == 1
    assert "can't be written" in capsys.readouterr().err


def test_a_folder_without_notebooks_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert handin_command.main([]) == 1
    assert "has no notebooks of an assignment: name their folder" in capsys.readouterr().err
    finished(tmp_path / "ps1")
    finished(tmp_path / "ps2")
    assert handin_command.main([]) == 1
    assert "several assignments (ps1, ps2): name the folder of one" in capsys.readouterr().err


def test_a_notebook_that_was_used_after_it_was_saved_is_named(folder, monkeypatch, capsys):
    used = (folder / "1_one.ipynb").stat().st_mtime + 100
    opened = [
        {"path": folder / "1_one.ipynb", "busy": False, "used": used},
        {"path": folder / "2_two.ipynb", "busy": True, "used": 0.0},
        {"path": folder.parent / "another.ipynb", "busy": True, "used": used},
    ]
    monkeypatch.setattr(handin_command, "opened_notebooks", lambda: opened)
    handin_command.main([str(folder), "--check"])
    told = capsys.readouterr().out
    assert re.search(r"1_one\.ipynb: was used at \S+ and saved at \S+: save it if you have not", told)
    assert "2_two.ipynb: is still computing" in told
    assert "another" not in told


def test_a_notebook_that_is_saved_meanwhile_is_named(folder, capsys):
    looked_at = look_into(folder)
    handin_command.hand_in_folder(looked_at, archive=True)
    assert "was saved while" not in capsys.readouterr().out
    with (folder / "2_two.ipynb").open("a") as file:
        file.write(" ")
    handin_command.hand_in_folder(looked_at, archive=True)
    assert "2_two.ipynb was saved while it was handed in: hand it in again" in capsys.readouterr().out
