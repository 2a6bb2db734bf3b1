"""Guesses before an experiment: kept, changed, shown beside the result."""

import math
from pathlib import Path

import pytest

from dl1.errors import CourseError
from dl1.notebook.predictions import beside_predictions, predict, predictions


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_guess_is_kept_and_can_be_changed(capsys):
    predict("1a", "accuracy", {"valid": 10, "fconv": None})
    assert "no guess yet for fconv" in capsys.readouterr().out
    assert predictions("1a", "accuracy") == {"valid": 10.0}
    predict("1a", "accuracy", {"valid": 20, "fconv": 30.5})
    predict("1a", "another", {"x": 1})
    assert predictions("1a", "accuracy") == {"valid": 20.0, "fconv": 30.5}
    assert "kept" in capsys.readouterr().out


def test_it_stands_beside_the_result():
    predict("1a", "accuracy", {"valid": 20})
    table = beside_predictions("1a", "accuracy", {"valid": 0.5, "fconv": 84.5})
    assert table.loc["valid"].tolist() == [20.0, 0.5, -19.5]
    assert math.isnan(table.loc["fconv", "your guess"])
    assert table.loc["fconv", "measured"] == 84.5


@pytest.mark.parametrize("guess", ["10", True, [1], float("inf"), 10**400])
def test_what_is_no_number_is_no_guess(guess):
    with pytest.raises(CourseError, match="correct valid"):
        predict("1a", "accuracy", {"valid": guess})


@pytest.mark.parametrize("content", ["{", '{"accuracy": 3}', '{"accuracy": {"valid": "x"}}', "[]"])
def test_a_damaged_file_shows_no_guesses(content):
    Path("runs/1a").mkdir(parents=True)
    Path("runs/1a/predictions.json").write_text(content)
    assert predictions("1a", "accuracy") == {}
