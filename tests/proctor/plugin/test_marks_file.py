"""The file of a question's marks: whole or not at all, closed to others, and saved with the course."""

import contextlib
import stat

import pytest

from proctor.errors import ProctorError
from proctor.plugin.marks_file import Choice, Mark, MarksFile

MARK = Mark((Choice("k1", 0), Choice("k2", 1, "l1", 0)), ("k1", "k2"), 1.5, "- **1 of 1**: ½ und ß")


def test_marks_are_read_as_they_were_written(tmp_path):
    file = MarksFile(tmp_path, "hw", "2a", "q1")
    assert file.load() == {}
    with file.changing() as marks:
        marks["ada"] = MARK
    assert MarksFile(tmp_path, "hw", "2a", "q1").load() == {"ada": MARK}
    (path,) = (tmp_path / "proctor_records").rglob("*.json")
    assert path.relative_to(tmp_path).as_posix() == "proctor_records/hw/.marks/2a/q1.json"
    for one in (path, *path.parents):
        if one != tmp_path and one.is_relative_to(tmp_path):
            assert stat.S_IMODE(one.stat().st_mode) & 0o077 == 0, one


def test_what_fails_while_marks_are_changed_changes_nothing(tmp_path):
    file = MarksFile(tmp_path, "hw", "2a", "q1")
    with contextlib.suppress(ZeroDivisionError), file.changing() as marks:
        marks["ada"] = MARK
        1 / 0  # noqa: B018
    assert file.load() == {}


@pytest.mark.parametrize("content", ["", "[]", '{"marks": {"ada": 1}}', '{"marks": {"ada": {"choices": [[]]}}}'])
def test_a_broken_file_says_what_to_do_and_is_not_written_over(tmp_path, content):
    file = MarksFile(tmp_path, "hw", "2a", "q1")
    with file.changing():
        pass
    (path,) = (tmp_path / "proctor_records").rglob("*.json")
    path.write_text(content)
    with pytest.raises(ProctorError, match="from a backup"), file.changing():
        pass
    assert path.read_text() == content


@pytest.mark.parametrize("names", [("..", "2a", "q1"), ("hw", "..", "q1"), ("hw", "2a", "../x"), ("hw", "2a", "")])
def test_no_name_leads_elsewhere(tmp_path, names):
    with pytest.raises(ProctorError, match="rename it"):
        MarksFile(tmp_path, *names)
