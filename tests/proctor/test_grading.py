"""How a notebook goes through the engine's rooms."""

from pathlib import Path

import pytest

from proctor import grading
from proctor.running.needed import Plan
from proctor.sandbox.limits import Limits
from proctor.submission import Keys, Submission, Surroundings, submission_budget

KEYS = Keys(b"checks", b"kernel")


class Asked(Exception):
    """A checker was asked for."""


def test_student_code_and_checker_come_from_the_pool(tmp_path, monkeypatch):
    pool, seen = object(), []

    def checker(sandbox, pool, seconds, program):
        seen.append((pool, 0 < seconds <= Limits().startup_seconds))
        raise Asked

    monkeypatch.setattr(grading, "Checker", checker)
    submission = Submission("hw", "ada", "one", "digest", Path("nowhere"), tmp_path / "results")
    around = Surroundings("bwrap", Limits(), pool=pool)
    budget = submission_budget(around.limits)
    with grading._session([], submission, around, KEYS, budget) as session:
        assert session._pool is pool
        with pytest.raises(Asked):
            grading._run_and_check(session, [], tmp_path, KEYS, around, budget, Plan(), False)
    assert seen == [(pool, True)]


def test_the_checkers_libraries_are_begun_with_after_a_pause_and_a_failure_ends_the_others(monkeypatch):
    seen = []

    class Pool:
        def __init__(self, *modules) -> None:
            seen.append(modules)

        def prepare(self, sandbox, *words) -> None:
            seen.append("checker" if words else "student code")

        def close(self) -> None:
            seen.append("closed")

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "Pool", Pool)
    around = Surroundings("bwrap", Limits(), warm=("torch",), warm_later=("csv",))
    assert isinstance(grading.warmed(around, lambda: seen.append("pause")).pool, Pool)
    assert seen == [(("torch",), ("csv",)), "student code", "pause", "checker"]
    with pytest.raises(KeyboardInterrupt):
        grading.warmed(around, interrupt)
    assert seen[-2:] == ["student code", "closed"]
