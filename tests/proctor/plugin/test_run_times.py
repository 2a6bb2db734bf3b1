"""Whose time it is in a run, on a clock that is turned by hand."""

import pytest

from proctor.plugin.run_times import RunTimes, graded
from proctor.sandbox.limits import Limits


class Clock:
    def __init__(self):
        self.time = 7.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def test_all_notebooks_of_a_student_share_one_budget_and_the_next_student_has_a_new_one(clock):
    times = RunTimes(Limits(), clock)
    times.begin("ada")
    first = times.budget("ada").part("the notebook", 900.0)
    clock.time += 1700
    second = times.budget("ada").part("the notebook", 900.0)
    assert (first.up(), second.left()) == (True, 40.0)
    clock.time += 40
    assert times.budget("ada").part("the notebook", 900.0).up()
    times.begin("bob")
    assert times.budget("bob").left() == 1740.0
    lines = times.table({"bob": "graded", "ada": "graded, 1 notes", "nobody": "graded before"}, "!").splitlines()
    assert lines[:3] == [
        "ada     graded, 1 notes; the time for the submission was used up (29 minutes)!",
        "bob     graded!",
        "nobody  graded before!",
    ]


def test_the_slowest_are_named_at_most_ten(clock):
    times = RunTimes(Limits(), clock)
    assert times.table({"ada": "graded before"}) == "ada  graded before"
    for number in range(12):
        times.begin(f"student{number:02}")
        clock.time += number
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
    assert RunTimes.unfinished({"ada": graded(0, lost)}) == ""
