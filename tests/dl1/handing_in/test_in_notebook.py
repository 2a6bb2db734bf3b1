"""The last cell of a notebook looks, hands in only if it is told to, and does nothing where nbgrader runs it."""

from types import SimpleNamespace

import pytest

import dl1
from dl1.handing_in import in_notebook
from tests.dl1.handing_in.small_assignment import change, finished


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What the kernel has run, the cell itself last; it works in a finished folder."""
    texts = ["", "h = 3", "hand_in()"]
    monkeypatch.chdir(finished(tmp_path / "ps1"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    shell = SimpleNamespace(history_manager=SimpleNamespace(input_hist_raw=texts))
    monkeypatch.setattr(in_notebook, "get_ipython", lambda: shell)
    monkeypatch.setattr("dl1.handing_in.exchange.why_not", lambda folder: "there is none")
    return texts


def test_it_looks_and_hands_nothing_in(ran, tmp_path, capsys):
    assert dl1.hand_in() is None
    told = capsys.readouterr().out
    assert "nothing to say about them" in told
    assert "hand_in(submit=True)" in told
    assert "does not stand in the files" not in told
    assert not list(tmp_path.glob("*.zip"))


def test_what_ran_last_and_was_not_saved_is_said_and_handed_in_all_the_same(ran, tmp_path, capsys):
    ran[1] = "h = 4"
    dl1.hand_in(submit=True)
    told = capsys.readouterr().out
    assert "What you ran last does not stand in the files" in told
    assert "Receipt: ps1" in told
    assert told.endswith("make this cell hand_in() again: as it is, Run All Cells would hand in anew.\n")
    assert len(list(tmp_path.glob("*.zip"))) == 1


@pytest.mark.parametrize("execution", ["validate", "autograde"])
def test_nbgrader_runs_it_for_nothing(ran, tmp_path, monkeypatch, capsys, execution):
    monkeypatch.setenv("NBGRADER_EXECUTION", execution)
    dl1.hand_in(submit=True)
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize("submit", [False, True])
def test_in_the_staffs_folder_it_says_so_and_hands_nothing_in(ran, tmp_path, capsys, submit):
    change(tmp_path / "ps1" / "2_two.ipynb", "q2_1_h", "### BEGIN SOLUTION\nh = 3\n### END SOLUTION")
    # Beside a description it is a student's own comment.
    dl1.hand_in()
    assert "2 notebooks of the assignment" in capsys.readouterr().out
    (tmp_path / "ps1" / "assignment.json").unlink()
    dl1.hand_in(submit=submit)
    told = capsys.readouterr().out
    assert told.startswith(f"{tmp_path / 'ps1'} is the staff's: its notebooks have solutions in them")
    assert "python -m dl1.handin" not in told
    assert not list(tmp_path.glob("*.zip"))


def test_a_folder_that_nobody_can_place_is_looked_at_all_the_same(ran, tmp_path, capsys):
    (tmp_path / "ps1" / "assignment.json").unlink()
    (tmp_path / "ps1" / "3_broken.ipynb").write_text("{")
    dl1.hand_in()
    assert "put assignment.json of the course's release beside the notebooks" in capsys.readouterr().out
