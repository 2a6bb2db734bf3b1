"""Attempts end, whatever they do, and those beside them count."""

import ctypes
import faulthandler
import os
import re
import time
from pathlib import Path

import pytest

from proctor.pages import attempts
from proctor.pages.attempts import DONE, ERROR, MARKUP, MEMORY, SIZE, TIME, UnsafeMarkup, attempt, attempt_each

# Beyond what this process has mapped already.
MEMORY_BYTES = 2**29


def endless():
    while True:
        pass


def in_a_regular_expression():
    # One call into C that needs hours and looks at no signal.
    return re.match(r"(a|aa)+$", "a" * 200 + "b") is None


def asleep():
    time.sleep(10_000)


def deep():
    return deep()


def unsafe():
    raise UnsafeMarkup("script")


def crash():
    # pytest's own word on it would look like one on pytest.
    faulthandler.disable()
    ctypes.string_at(0)


WAYS = [
    (lambda: [1, "a"], DONE),
    (endless, TIME),
    (in_a_regular_expression, TIME),
    (lambda: len(bytearray(2**30)), MEMORY),
    (lambda: "x" * 100_000, SIZE),
    (unsafe, MARKUP),
    (deep, ERROR),
    (crash, ERROR),
    (lambda: os._exit(0), ERROR),
    (lambda: {1, 2}, ERROR),
]


@pytest.mark.parametrize(("work", "how"), WAYS)
def test_each_way_to_end_is_told(work, how):
    found = attempt(work, 0.3, MEMORY_BYTES, 50_000, time.monotonic() + 60)
    assert found.how == how
    assert (found.value == [1, "a"]) == (how == DONE)


def test_one_that_only_waits_ends_at_the_deadline():
    assert attempt(asleep, 0.3, MEMORY_BYTES, 1_000, time.monotonic() + 0.3).how == TIME


def test_what_stands_beside_a_bad_one_is_done():
    works = [work for work, _ in WAYS for work in (work, lambda: "beside")]
    found = attempt_each(works, 0.3, 60, MEMORY_BYTES, 50_000, time.monotonic() + 60)
    assert [one.how for one in found[::2]] == [how for _, how in WAYS]
    assert [one.value for one in found[1::2]] == ["beside"] * len(WAYS)


def test_all_together_have_a_limit():
    found = attempt_each([endless] * 50, 0.2, 0.5, MEMORY_BYTES, 1_000, time.monotonic() + 60)
    assert [one.how for one in found] == [TIME] * 50
    assert sum(one.seconds for one in found) < 1


def children():
    """Processes of this one, ended or not; those of tests that ran before in this process are none of ours."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def test_an_attempt_leaves_nothing_behind():
    descriptors = set(os.listdir("/proc/self/fd"))
    before = children()
    for work, _ in WAYS:
        attempt(work, 0.1, MEMORY_BYTES, 50_000, time.monotonic() + 60)
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert children() <= before


def test_a_signal_handler_can_not_put_the_end_off():
    def stubborn():
        import signal

        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        endless()

    assert attempt(stubborn, 0.2, MEMORY_BYTES, 1_000, time.monotonic() + 60) == attempts.Attempt(TIME, None, 0.2)
