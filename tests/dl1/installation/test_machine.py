"""A full disk, rights, data sets and GPUs, each with what a student does about it."""

import subprocess
from types import SimpleNamespace

import pytest

from dl1.installation import interpreter, machine
from dl1.installation.seen import KNOW, MEND, OK


def levels(found) -> list[str]:
    return [one.level for one in found]


def test_a_full_disk_is_named_by_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: SimpleNamespace(free=2**29))
    found = list(machine.disk(tmp_path, installed=True))
    assert levels(found) == [MEND] * 3
    assert "the disk is full: 0.5 GiB free for notebooks" in found[0].line
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: SimpleNamespace(free=3 * 2**30))
    assert levels(machine.disk(tmp_path, installed=True)) == [OK]
    assert levels(machine.disk(tmp_path, installed=False)) == [MEND]


def test_a_folder_that_can_not_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "access", lambda place, mode: place != tmp_path)
    (one,) = machine.rights(tmp_path)
    assert (one.level, str(tmp_path) in one.line) == (MEND, True)


def test_data_sets_are_missing_or_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("DL1_DATA", str(tmp_path / "nowhere"))
    found = list(machine.data_sets())
    assert (found[0].level, "is no folder" in found[0].line) == (MEND, True)
    monkeypatch.setenv("DL1_DATA", str(tmp_path))
    (one,) = machine.data_sets()
    assert (one.level, one.mend.endswith("-m dl1.download")) == (KNOW, True)
    (tmp_path / "Cora" / "raw").mkdir(parents=True)
    (tmp_path / "Cora" / "raw" / "ind.cora.x").write_bytes(b"half")
    found = list(machine.data_sets())
    assert levels(found) == [MEND, KNOW]
    assert found[0].mend.endswith("-m dl1.download cora")


@pytest.mark.parametrize(
    ("said", "there", "level", "word"),
    [
        ("12.4 True", True, OK, "uses the GPU"),
        ("cpu False", True, KNOW, "build for CPUs"),
        ("12.4 False", True, KNOW, "can't use it"),
        ("cpu False", False, OK, "no GPU"),
    ],
)
def test_a_gpu_is_used_or_it_is_said_why_not(said, there, level, word, monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi" if there else None)
    monkeypatch.setattr(machine.subprocess, "run", lambda *a, **o: subprocess.CompletedProcess(a, 0, f"{said}\n", ""))
    (one,) = machine.gpu()
    assert (one.level, word in one.line) == (level, True)


def test_an_old_python_and_a_file_that_hides_a_package_are_said(tmp_path):
    (old,) = interpreter.python((3, 9, 7))
    assert (old.level, "Python 3.9 is too old" in old.line) == (MEND, True)
    assert levels(interpreter.python()) == [OK]
    assert levels(interpreter.hidden_modules(tmp_path)) == []
    (tmp_path / "torch.py").touch()
    (one,) = interpreter.hidden_modules(tmp_path)
    assert (one.level, "in place of the package torch" in one.line) == (MEND, True)
