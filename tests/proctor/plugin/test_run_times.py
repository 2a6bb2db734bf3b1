"""Whose time it is in a run, on a clock that is turned by hand."""

import pytest

from proctor.plugin.run_times import RunTimes, graded, unfinished


class Clock:
    def __init__(self):
        self.time = 7.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def test_whose_time_was_used_up_stands_in_the_table(clock):
    times = RunTimes(clock)
    times.begin("ada")
    times.begin("bob")
    clock.time += 5
    assert times.running() == [("ada", 5.0), ("bob", 5.0)]
    times.end("ada", 1740.0, "the time for the submission was used up (29 minutes)")
    times.end("bob", 3.0)
    assert times.running() == []
    lines = times.table({"bob": "graded", "ada": "graded, 1 notes", "nobody": "graded before"}, "!").splitlines()
    assert lines == [
        "ada     graded, 1 notes; the time for the submission was used up (29 minutes)!",
        "bob     graded!",
        "nobody  graded before!",
        "slowest: ada 1740 s, bob 3 s",
    ]


def test_who_was_being_graded_when_a_run_was_stopped_has_taken_time_too(clock):
    times = RunTimes(clock)
    times.begin("ada")
    clock.time += 2
    # Begun again after the death of a worker.
    times.begin("ada")
    clock.time += 4
    assert times.table({"ada": "stopped"}).splitlines() == ["ada  stopped", "slowest: ada 4 s"]


def test_a_name_has_no_line_or_direction_of_its_own_in_the_table(clock):
    times = RunTimes(clock)
    name = "eve\nada  graded\u202e\x1b[2K"
    times.begin(name)
    times.end(name)
    table = times.table({name: "not graded"})
    assert len(table.splitlines()) == 2
    assert all(line.isprintable() for line in table.splitlines())
    assert table.startswith("eve?ada  graded??[2K  not graded")


def test_the_slowest_are_named_at_most_ten(clock):
    times = RunTimes(clock)
    assert times.table({"ada": "graded before"}) == "ada  graded before"
    for number in range(12):
        times.begin(f"student{number:02}")
        clock.time += number
        times.end(f"student{number:02}")
    (line,) = times.table({}).splitlines()
    assert line.startswith("slowest: student11 11 s, student10 10 s, ")
    assert line.endswith("student02 2 s")


def test_what_was_not_found_stands_in_the_table_before_harmless_notes():
    assert (graded(0, {}), graded(1, {}), graded(2, {})) == ("graded", "graded, 1 note", "graded, 2 notes")
    lost = {"1b": "not handed in", "2a": "not readable", "1a": "not handed in"}
    assert graded(7, lost, ["all.rar"]) == (
        "graded, but 2 notebooks were not handed in: 1a, 1b; 1 notebook was not readable: 2a; "
        "not opened: all.rar; 7 notes"
    )
    assert graded(0, {"1a": "not handed in"}) == "graded, but 1 notebook was not handed in: 1a"
    # Such a submission was graded to its end all the same.
    assert unfinished({"ada": graded(0, lost)}) == ""
