"""Packages that are missing, old or broken are told apart, each with the line that mends it."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from dl1.installation import versions
from dl1.installation.seen import KNOW, MEND, OK

ROOT = Path(versions.__file__).resolve().parents[2]
PINS = versions.read_pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def installed(monkeypatch, **changed):
    """Stands for what is installed: as it is, but for some packages; None for one that is missing."""
    real = metadata.version

    def version(name):
        found = changed.get(name.replace("-", "_"), "")
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found or real(name)

    monkeypatch.setattr(metadata, "version", version)


def told(pins=PINS) -> list[tuple[str, str, str]]:
    return [tuple(one) for one in versions.packages(pins)]


def test_this_environment_is_the_one_of_the_course():
    ((level, line, _),) = told()
    assert (level, line.partition(" ")[2]) == (OK, "packages are installed")


def test_a_missing_package_is_named_with_its_version(monkeypatch):
    installed(monkeypatch, ipywidgets=None)
    ((level, line, mend),) = told()
    assert (level, line) == (MEND, "ipywidgets isn't installed")
    assert mend.endswith(f"-m pip install ipywidgets=={PINS['ipywidgets']}")
    installed(monkeypatch, ipywidgets=None)
    assert re.search(r'-m pip install "ipywidgets>=[\d.]+"$', told({})[0][2])


def test_old_and_other_versions_are_told_apart(monkeypatch):
    installed(monkeypatch, torch="1.13.1+cpu", numpy="99.0", pandas=f"{PINS['pandas']}.0")
    found = told()
    assert [one[0] for one in found] == [MEND, KNOW, OK]
    assert found[0][1].startswith("torch 1.13.1+cpu is too old: ")
    assert f"numpy 99.0 ({PINS['numpy']})" in found[1][1]
    assert "pandas" not in found[1][1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.5.1+cpu", (2, 5, 1)), ("2.10", (2, 10)), ("1.0.0", (1,)), ("3.0rc1", (3,)), ("2.5.0.dev1", (2, 5))],
)
def test_versions_are_compared_by_their_numbers(text, expected):
    assert versions.numbers(text) == expected


def test_pins_are_found_near_the_notebooks(tmp_path):
    (tmp_path / "course" / "assignment2").mkdir(parents=True)
    (tmp_path / "course" / "requirements.txt").write_text("# pinned\ntorch==2.5.1 ; x\nPillow == 11.0\nother>=3\n")
    assert versions.find_pins(tmp_path / "course" / "assignment2") == {"torch": "2.5.1", "pillow": "11.0"}


def test_modules_that_fail_or_end_python_are_named_and_the_others_tried(tmp_path, monkeypatch):
    (tmp_path / "fails.py").write_text("raise OSError('libfoo.so: no such file')\n")
    (tmp_path / "crashes.py").write_text("import os\nos._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "follows.py").write_text("import fails\n")
    (tmp_path / "lacks.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = ("json", "fails", "follows", "crashes", "lacks", "no_such_module", "ast")
    found = list(versions.imports(names))
    assert [one.level for one in found] == [MEND] * 3
    assert [one.line for one in found] == [
        "fails can't be imported: OSError libfoo.so: no such file",
        "crashes can't be imported: Python ended while it was imported (exit status 7)",
        "lacks can't be imported: no_such_module is missing",
    ]
    assert list(versions.imports(("json",)))[0].level == OK
