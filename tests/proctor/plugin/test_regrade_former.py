"""Former records and kept verdicts are the staff's: for their owner alone, or for the group that grades."""

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK

from proctor.checking.verdict import Verdict
from proctor.plugin import regrade_floor, regrade_former
from proctor.plugin.regrade_changes import Change
from proctor.staff_files import make_folder, make_top


@pytest.mark.parametrize(("shared", "folder", "file"), [(False, 0o700, 0o600), (True, 0o2770, 0o660)])
def test_they_have_the_rights_of_the_records_beside_them(tmp_path, shared, folder, file):
    make_top(tmp_path / "proctor_records", shared)
    record_path = tmp_path / "proctor_records" / ASSIGNMENT / "ada" / f"{NOTEBOOK}.json"
    make_folder(record_path.parent, tmp_path / "proctor_records")
    for name in (record_path, record_path.with_name("complete.json")):
        name.write_text("{}")
    change = Change(NOTEBOOK, "q2", "q2", 0.0, 2.0, 2.0, None, "its test changed")
    for number in (1, 2):
        made = regrade_former.keep(tmp_path, ASSIGNMENT, "ada", ["the tests of 2a changed"], [change])
        assert made.name == f"000{number}"
    held = {"notebook": NOTEBOOK, "verdicts": {"q2": Verdict("q2", True, "", "", False, "", "")}}
    regrade_floor.write(tmp_path, ASSIGNMENT, "ada", "state", [held])
    hidden = record_path.parents[1]
    found = [path for top in (".former", ".held") for path in [hidden / top, *(hidden / top).rglob("*")]]
    assert len(found) == 12
    assert {path.stat().st_mode & 0o7777 for path in found if path.is_dir()} == {folder}
    assert {path.stat().st_mode & 0o7777 for path in found if path.is_file()} == {file}
    assert [one["changes"] for one in regrade_former.kept(tmp_path, ASSIGNMENT, "ada")] == [[change], [change]]
    # Of another submission nothing stands.
    assert regrade_floor.read(tmp_path, ASSIGNMENT, "ada", "another") == []
    assert regrade_floor.read(tmp_path, ASSIGNMENT, "ada", "state") == [(NOTEBOOK, held["verdicts"])]
