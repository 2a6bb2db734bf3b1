"""Whose time it is in a run, on a clock that is turned by hand."""

import pytest

from proctor.plugin.run_times import RunTimes
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
