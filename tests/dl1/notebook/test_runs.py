"""Results beside the notebook: written whole, read with care; profiles."""

import json

import pytest

from dl1.errors import CourseError
from dl1.notebook import runs

PROFILES = ["quick", "standard", "full"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(runs.PROFILE_VARIABLE, raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def test_a_result_comes_back(tmp_path):
    path = runs.run_folder("experiment") / "a.json"
    runs.save_result(path, {"losses": [1.5, 2.0]})
    assert runs.load_result(path) == {"losses": [1.5, 2.0]}
    assert path.parent == tmp_path.resolve() / "runs" / "experiment"
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_what_cannot_be_written_leaves_the_older_result():
    path = runs.run_folder("experiment") / "a.json"
    runs.save_result(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        runs.save_result(path, {"loss": float("nan")})
    assert runs.load_result(path) == {"loss": 1.0}
    assert len(list(path.parent.iterdir())) == 1


def test_no_result():
    assert runs.load_result(runs.run_folder("experiment") / "none.json") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_result_is_named(content):
    path = runs.run_folder("experiment") / "a.json"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"a\.json can't be read .* delete this file, then run the cell again"):
        runs.load_result(path)


def test_a_huge_file_is_not_read():
    path = runs.run_folder("experiment") / "a.json"
    path.write_text(json.dumps({"x": "y" * 5_000_000}))
    with pytest.raises(CourseError, match="more than 4 MiB"):
        runs.load_result(path)


def test_profiles(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert runs.choose_profile(None, PROFILES) == "quick"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert runs.choose_profile(None, PROFILES) == "full"
    monkeypatch.setenv(runs.PROFILE_VARIABLE, "standard")
    assert runs.choose_profile(None, PROFILES) == "standard"
    assert runs.choose_profile("quick", PROFILES) == "quick"
    with pytest.raises(CourseError, match="no profile 'fast': choose one of quick, standard, full"):
        runs.choose_profile("fast", PROFILES)
    monkeypatch.setenv(runs.PROFILE_VARIABLE, "long")
    with pytest.raises(CourseError, match="environment variable DL1_PROFILE"):
        runs.choose_profile(None, PROFILES)


def test_nbgrader_says_when_it_runs_a_notebook(monkeypatch):
    assert not runs.is_rerun()
    for word in ("validate", "autograde"):
        monkeypatch.setenv("NBGRADER_EXECUTION", word)
        assert runs.is_rerun()


def test_curves_replace_older_ones():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs.log_curves("experiment", "run", {"loss": [3.0, 2.0, 1.0]})
    runs.log_curves("experiment", "run", {"loss": [0.5, 0.25]})
    events = EventAccumulator(str(runs.run_folder("experiment") / "events" / "run"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
