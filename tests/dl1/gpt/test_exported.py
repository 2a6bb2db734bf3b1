"""The student's own gpt.py, found beside the notebook."""

import pytest

from dl1 import told_if_unfinished
from dl1.errors import CourseError
from dl1.gpt.exported import student_gpt


def test_it_is_imported_anew_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt.py").write_text("VALUE = 1\n")
    assert student_gpt().VALUE == 1
    (tmp_path / "gpt.py").write_text("VALUE = 22\n")
    assert student_gpt().VALUE == 22


def test_where_there_is_none_it_says_which_cell_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with told_if_unfinished():
        student_gpt()
    assert "run 2a_gpt_components to its last cell" in capsys.readouterr().out


def test_a_module_that_does_not_import_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt.py").write_text("1 / 0\n")
    with pytest.raises(CourseError, match="ZeroDivisionError"):
        student_gpt()
