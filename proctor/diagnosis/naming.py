"""Names the mistakes behind failed checks: starts the program that runs the catalogued answers, and reads its words.

Points never depend on it: it begins when all verdicts are given. Whatever goes wrong, and whatever takes too long,
there are no names then. What it says is looked up in the catalogue, so that nothing else can get on a student's page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from proctor.checking import verdict
from proctor.checking.checker_process import Checker
from proctor.checking.verdict import Verdict
from proctor.diagnosis.exchanges import Recording
from proctor.diagnosis.known_answers import KnownAnswers
from proctor.errors import ProctorError
from proctor.sandbox.budget import Budget
from proctor.stations import timed

PROGRAM = "proctor.diagnosis.variant_host"
# Of one notebook: computing time of the program with all that it starts, and time on the clock.
CPU_SECONDS, WALL_SECONDS = 30.0, 90.0
# Nobody has answered yet, or nobody has judged: there is no answer to be compared.
NOT_LOOKED_AT = (verdict.NOT_FINISHED, verdict.TIME_OUT, verdict.NO_VERDICT)
_LOOK_EVERY = 0.25

Start = Callable[[], Checker]


class _GivenUp(Exception):
    pass


@timed("names of mistakes")
def with_mistakes(
    verdicts: Mapping[str, Verdict], recording: Recording, known: KnownAnswers, start: Start, budget: Budget
) -> dict[str, Verdict]:
    """The verdicts of a notebook, failed ones with the catalogued mistakes that answer as the student did.

    Args:
        recording: what the test cells asked, and what the answers were.
        start: starts `PROGRAM` in a sandbox.
    """
    passed = {name for name, one in verdicts.items() if one.passed}
    asked = {
        name: recording.of(name)
        for name, one in verdicts.items()
        if not one.passed and one.kind not in NOT_LOOKED_AT and recording.of(name) and known.candidates(name, passed)
    }
    if not asked or budget.up():
        return dict(verdicts)
    tests = {name: known.candidates(name, passed) for name in asked}
    wanted = {one.name: one for candidates in tests.values() for one in candidates}
    job = {
        "cells": known.cells[: max(number for number, (label, _) in enumerate(known.cells) if label in asked) + 1],
        "wrong": [
            {"name": name, "cell": one.cell, "text": one.text, "tests": [t for t in tests if one in tests[t]]}
            for name, one in wanted.items()
        ],
        "exchanges": sum(map(len, asked.values())),
    }
    try:
        alike = _alike(job, asked, start, min(WALL_SECONDS, budget.left()))
    except (_GivenUp, ProctorError, OSError):
        return dict(verdicts)
    named = known.named(asked, passed, alike)
    return {
        name: replace(one, mistakes={wrong.name: wrong.hint for wrong in named[name]}) if name in named else one
        for name, one in verdicts.items()
    }


def _alike(job: dict, asked: Mapping[str, list], start: Start, seconds: float) -> set[tuple[str, str]]:
    """Pairs of test cell and variant that answer as the student did; raises unless all of them were looked at."""
    deadline = time.monotonic() + seconds
    process = start()
    before = process.cpu_seconds()
    try:
        process.channel.send(job, deadline=deadline)
        for test, exchanges in asked.items():
            for one in exchanges:
                process.channel.send({"test": test, "question": one.question}, one.given, deadline=deadline)
                process.channel.send(one.answer, one.value, deadline=deadline)
        looked = [time.monotonic()]

        def watch() -> None:
            if time.monotonic() - looked[0] >= _LOOK_EVERY:
                looked[0] = time.monotonic()
                if process.cpu_seconds() - before > CPU_SECONDS or process.trouble():
                    raise _GivenUp

        found = set()
        while True:
            word, _ = process.channel.receive(deadline, watch=watch)
            if word == {"finished": True}:
                return found
            if type(word.get("alike")) is not str or type(word.get("name")) is not str:
                raise _GivenUp
            found.add((word["alike"], word["name"]))
    finally:
        process.end()
