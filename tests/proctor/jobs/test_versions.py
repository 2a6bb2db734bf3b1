"""What is compared between machines, and in which words a difference is said."""

import subprocess
import sys

from proctor.jobs import versions


def test_all_that_points_depend_on_is_compared():
    found = versions.versions(["torch.nn", "no_such_module.part"])
    assert {"Python", "proctor", "dl1", "torch", "numpy", "distributed", "no_such_module"} <= set(found)
    assert found["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["no_such_module"] == versions.MISSING
    # A build for some kind of machine is no other version.
    assert "+" not in found["torch"]
    assert len({found["proctor"], found["dl1"]}) == 2


def test_any_changed_module_is_another_version(tmp_path):
    package = tmp_path / "one"
    (package / "room").mkdir(parents=True)
    (package / "room" / "part.py").write_text("x = 1")
    before = versions._digest(package)
    (package / "notes.txt").write_text("no module")
    assert versions._digest(package) == before
    (package / "room" / "part.py").write_text("x = 2")
    changed = versions._digest(package)
    (package / "room" / "part.py").rename(package / "part.py")
    assert len({before, changed, versions._digest(package)}) == 3


def test_differences_are_said_from_both_sides():
    here, there = (
        {"Python": "3.11.7", "torch": "2.14.1", "dl1": "a"},
        {"Python": "3.11.7", "torch": "2.13.0", "old": "1"},
    )
    assert versions.differences(here, dict(here)) == []
    assert versions.differences(here, there) == [
        "dl1 not installed instead of a",
        "old 1 instead of not installed",
        "torch 2.13.0 instead of 2.14.1",
    ]


def test_a_process_that_grades_nothing_doesn_t_import_what_notebooks_use():
    program = "import sys, proctor.jobs.at_worker as w; w.versions.versions([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
