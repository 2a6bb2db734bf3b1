"""The child in which pages are drawn: it lives for many jobs, and no job is lost with it."""

import os
import signal
import threading

import pytest

from proctor.errors import ProctorError
from proctor.pages import drawer as module
from proctor.pages.drawer import Drawer, drawer
from proctor.pages.limits import PageLimits


@pytest.fixture
def one():
    made = Drawer(PageLimits())
    yield made
    made.end()


def clean(one: Drawer, text: str = "<b>") -> list:
    return one.do("clean", parts=[text])


def test_jobs_are_done_in_another_process_one_after_the_other(one):
    assert clean(one) == ["&lt;b&gt;"]
    first = one._process.pid
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(clean(one, f"text {n}"))) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [[f"text {n}"] for n in range(5)]
    assert one._process.pid == first != os.getpid()


def test_one_that_was_killed_is_started_again(one):
    clean(one)
    os.kill(one._process.pid, signal.SIGKILL)
    assert clean(one, "a") == ["a"]


def test_no_answer_is_an_error_that_says_what_to_do_and_the_next_job_is_done(one, monkeypatch):
    clean(one)
    os.kill(one._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(module, "_MARGIN", 0.2 - one.limits.wall_seconds)
    with pytest.raises(ProctorError, match="memory left, and try again"):
        clean(one)
    monkeypatch.undo()
    assert clean(one, "a") == ["a"]


def test_a_child_that_does_not_start_is_an_error(one, monkeypatch):
    monkeypatch.setattr(module, "_PROGRAM", "raise SystemExit(1)")
    with pytest.raises(ProctorError, match="gave no answer"):
        clean(one)


def test_the_child_ends_with_who_asked(one):
    clean(one)
    process = one._process
    process.stdin.close()
    assert process.wait(30) == 0


def test_a_process_has_one_for_each_set_of_limits():
    assert drawer(PageLimits()) is drawer(PageLimits())
    assert drawer(PageLimits()) is not drawer(PageLimits(cpu_seconds=1.0))


def test_memory_of_what_draws_is_limited():
    limits = PageLimits(memory_bytes=2**27)
    one = Drawer(limits)
    try:
        # As much as text, and again while it is worked on.
        assert one.do("clean", parts=[["x"], "a"]) == [None, "a"]
        text = [{"output_type": "stream", "text": "x" * 2**27}]
        assert one.do("clean", parts=[text, "a"]) == [None, "a"]
    finally:
        one.end()
