"""The one number that bounds what a submission can cost, and settings that would pass it."""

import math
from dataclasses import fields, replace

import pytest

from proctor.errors import ProctorError
from proctor.sandbox.limits import ENDING_SECONDS, Limits, fitted, submission_budget_seconds, worst_seconds

TIMES = [one.name for one in fields(Limits) if one.name.endswith("_seconds")]


def test_the_worst_time_of_a_submission_is_half_an_hour():
    assert worst_seconds(Limits()) == 1800.0
    assert worst_seconds(Limits(), notebooks=6) == 1800.0


def test_one_notebook_costs_its_own_time_at_most():
    assert worst_seconds(Limits(), notebooks=1) == 900.0 + ENDING_SECONDS
    assert worst_seconds(Limits(submission_seconds=600.0), notebooks=1) == 600.0


def test_restarts_are_no_factor():
    assert worst_seconds(replace(Limits(), restarts=1000, asking_wall_seconds=9e9)) == 1800.0


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, True, "60"])
def test_what_is_no_time_is_refused(name, value):
    with pytest.raises(ProctorError, match=f"{name} is .*; give a number of seconds above 0"):
        fitted(replace(Limits(), **{name: value}), {name})


@pytest.mark.parametrize(
    "name",
    ["notebook_wall_seconds", "startup_seconds", "cell_wall_seconds", "asking_wall_seconds", "probe_wall_seconds"],
)
def test_a_chosen_time_that_is_longer_than_the_one_around_it_is_refused_and_another_is_cut(name):
    limits = replace(Limits(), **{name: 1741.0})
    with pytest.raises(ProctorError, match=f"{name} is 1741, and .* raise"):
        fitted(limits, {name})
    assert getattr(fitted(limits, set()), name) <= submission_budget_seconds(limits)


def test_a_submission_needs_more_time_than_its_ending():
    with pytest.raises(ProctorError, match="submission_seconds is 60; give more than the 60 seconds"):
        fitted(Limits(submission_seconds=ENDING_SECONDS), {"submission_seconds"})


def test_the_defaults_fit():
    assert fitted(Limits(), {one.name for one in fields(Limits)}) == Limits()
