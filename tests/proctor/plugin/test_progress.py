"""How far a run is, on a terminal and elsewhere."""

import io
import logging

import pytest

from proctor.plugin.progress import Progress
from proctor.plugin.run_state import states
from proctor.plugin.run_times import RunTimes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    time = 5.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(folder, clock, file=None, total: int = 4):
    times = RunTimes(clock)
    return times, Progress(folder, "ps1", 2, total, times, logging.getLogger("of the run"), file, clock)


def test_a_terminal_has_a_line_with_who_is_graded_and_who_had_trouble(tmp_path, clock):
    terminal = Terminal()
    times, progress = shown(tmp_path, clock, terminal)
    with progress.shown():
        times.begin("ada\x1b[2J")
        clock.time += 3
        progress.look()
        progress.ended("ben", "not graded: no luck", graded=True)
        last = terminal.getvalue().split("\r")[-1]
        assert "ps1: 1 of 4 |" in last
        assert "ada" in last
        assert "3 s" in last
        assert "trouble: 1 (ben)" in last
    assert "\x1b[2J" not in terminal.getvalue()


def test_without_a_terminal_there_is_a_line_in_the_log_for_each_that_was_graded(tmp_path, clock, caplog):
    caplog.set_level(logging.INFO)
    other = io.StringIO()
    times, progress = shown(tmp_path, clock, other)
    with progress.shown():
        progress.ended("ada", "graded before", graded=False)
        clock.time += 30
        progress.ended("ben", "graded", graded=True)
        (state,) = states(tmp_path)
        assert (state.done, state.total, state.left, state.trouble) == (2, 4, 60.0, {})
    assert [record.getMessage() for record in caplog.records] == ["2 of 4, about 60 seconds left: ben  graded"]
    assert other.getvalue() == ""
    assert states(tmp_path) == []


def test_for_one_submission_there_is_no_line_that_changes(tmp_path, clock):
    terminal = Terminal()
    _, progress = shown(tmp_path, clock, terminal, total=1)
    with progress.shown():
        progress.ended("ada", "graded", graded=True)
    assert terminal.getvalue() == ""


def test_the_file_is_written_now_and_then(tmp_path, clock):
    times, progress = shown(tmp_path, clock)
    with progress.shown():
        times.begin("ada")
        progress.look()
        assert states(tmp_path)[0].running == []
        clock.time += 2
        progress.look()
        assert states(tmp_path)[0].running == [("ada", 2.0)]


def test_each_notebook_that_is_judged_is_shown_at_once(tmp_path, clock):
    terminal = Terminal()
    times, progress = shown(tmp_path, clock, terminal)
    with progress.shown():
        times.begin("ada")
        times.begin("ben")
        clock.time += 2
        for judged in ({"ada": (0, 6), "ben": (0, 6)}, {"ada": (1, 6), "ben": (0, 6)}):
            progress.look(judged)
        (state,) = states(tmp_path)
        assert state.judged == {"ada": [1, 6]}
        assert [line.split(", ")[1:] for line in state.lines(state.written)[1:]] == [["1 of 6 notebooks judged"], []]
        assert "ada 2 s, 1 of 6, ben 2 s" in terminal.getvalue().split("\r")[-1]


def test_lines_of_the_log_stand_above_it_and_no_others_than_without_it(tmp_path, clock, monkeypatch):
    terminal, log = Terminal(), logging.getLogger("of a run on a terminal")
    monkeypatch.setattr("sys.stderr", terminal)
    handler = logging.StreamHandler(terminal)
    handler.setLevel(logging.INFO)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    progress = Progress(tmp_path, "ps1", 2, 4, RunTimes(clock), log, terminal, clock)
    with progress.shown():
        assert handler not in log.handlers
        log.info("said")
        log.debug("not said")
    assert log.handlers == [handler]
    assert "said\n" in terminal.getvalue()
    assert "not said" not in terminal.getvalue()
