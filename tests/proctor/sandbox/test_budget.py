"""Budgets of time: one within another, on any clock."""

import pytest

from proctor.sandbox.budget import Budget


class Clock:
    """Stands still until it is turned."""

    def __init__(self):
        self.time = 50.0

    def __call__(self):
        return self.time


def test_it_is_up_when_its_seconds_are_over():
    clock = Clock()
    budget = Budget("the notebook", 30.0, clock=clock)
    assert (budget.left(), budget.used(), budget.up()) == (30.0, 0.0, False)
    clock.time += 29.5
    assert (budget.left(), budget.used(), budget.up()) == (0.5, 29.5, False)
    clock.time += 0.5
    assert (budget.left(), budget.up()) == (0.0, True)
    clock.time += 100
    assert budget.left() == 0.0
    assert budget.why == "the time for the notebook was used up (30 seconds)"


def test_a_part_never_ends_after_what_it_lies_in_and_says_whose_time_it_was():
    clock = Clock()
    whole = Budget("the submission", 300.0, clock=clock)
    clock.time += 100
    short, long = whole.part("the notebook", 150.0), whole.part("the notebook", 900.0)
    assert short.ends == 300.0
    assert "the notebook" in short.why
    assert "2.5 minutes" in short.why
    assert long.ends == whole.ends
    assert long.why == whole.why == "the time for the submission was used up (5 minutes)"
    assert long.part("this answer", 1e9).ends == whole.ends
    clock.time = whole.ends
    assert short.up()
    assert long.up()
    assert whole.part("the next notebook", 900.0).up()


def test_what_is_left_of_a_time_is_called_by_the_whole_of_it():
    assert "(20 seconds)" in Budget("answers", 5.0, of=20.0).why


@pytest.mark.parametrize("seconds", [0.0, -3.0])
def test_without_a_second_it_is_up_at_once(seconds):
    assert Budget("the notebook", seconds).up()
