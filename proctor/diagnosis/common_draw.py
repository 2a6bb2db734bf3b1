"""Asks failed answers once more, on inputs that are the same for the whole class, so that equal ones can be counted.

The inputs of a check are drawn for each submission by itself, so equal code gives different values in two students'
records. No point and no word to a student depends on what comes of this: it begins when all verdicts of the notebook
are given, has little time, and whatever goes wrong, a failure is just not compared.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from proctor.checking.checker_process import Checker
from proctor.checking.questions import GradedCell, Times, run_checks
from proctor.checking.verdict import Verdict
from proctor.diagnosis.exchanges import Recording
from proctor.diagnosis.naming import NOT_LOOKED_AT
from proctor.errors import ProctorError
from proctor.sandbox.budget import Budget
from proctor.stations import timed

PROGRAM = "proctor.diagnosis.likeness"
# On the clock, of a notebook: for all answers, and for their digests.
SECONDS, DIGEST_SECONDS = 20.0, 20.0
# What has to be left of a notebook's time after it: nothing that is worth a point waits for this.
_TO_SPARE = 10 * SECONDS
_MOST_CELLS = 12

Start = Callable[[], Checker]


@timed("answers in common")
def ask_again(
    verdicts: Mapping[str, Verdict],
    cells: Sequence[GradedCell],
    ask: Callable,
    key: bytes,
    start: Start,
    times: Times,
    budget: Budget,
) -> Recording | None:
    """What failed answers say to the inputs of `key`; None if nothing is asked.

    Args:
        verdicts: of all test cells.
        cells: the test cells, in order.
        ask: `proctor.running.session.StudentSession.ask`.
        key: from which inputs are drawn, the same for all submissions.
        start: starts a checker.
        budget: what is left of the notebook's time.
    """
    failed = [one for one in cells if _is_looked_at(verdicts[one.grade_id])][:_MOST_CELLS]
    if not failed or budget.left() < _TO_SPARE:
        return None
    part = budget.part("answers that are compared", SECONDS)
    recording = Recording(functools.partial(ask, within=part))
    # Nothing of it is shown to anybody, like all that is asked after hidden questions.
    run_checks(failed, recording.ask, key, start, times, part, concealed=True)
    return recording


@timed("answers in common")
def with_answers(
    verdicts: Mapping[str, Verdict], recording: Recording, start: Start, budget: Budget
) -> dict[str, Verdict]:
    """The verdicts of a notebook, failed ones without a name with the digests of their answers.

    Args:
        recording: from `ask_again`.
        start: starts `PROGRAM` in a sandbox.
    """
    wanted = {
        name: recording.of(name)
        for name, one in verdicts.items()
        if _is_looked_at(one) and not one.mistakes and recording.of(name)
    }
    if not wanted or budget.up():
        return dict(verdicts)
    part = budget.part("digests of answers", DIGEST_SECONDS)
    try:
        return dict(verdicts) | _digested(verdicts, wanted, start, part)
    except (ProctorError, OSError, ValueError):
        return dict(verdicts)


def _is_looked_at(one: Verdict) -> bool:
    return not one.passed and one.kind not in NOT_LOOKED_AT


def _digested(verdicts: Mapping[str, Verdict], wanted: Mapping[str, list], start: Start, budget: Budget) -> dict:
    """The verdicts that have a digest now; raises ValueError if what is said to be one is none."""
    process = start()
    deadline = time.monotonic() + budget.left()

    def watch() -> None:
        if process.trouble():
            raise ProctorError("the program needed too much")

    try:
        process.channel.send({"answers": sum(map(len, wanted.values()))}, deadline=deadline)
        for name, exchanges in wanted.items():
            for one in exchanges:
                process.channel.send({"test": name, "answer": one.answer}, one.value, deadline=deadline)
        said, _ = process.channel.receive(deadline, watch=watch)
    finally:
        process.end()
    return {name: replace(verdicts[name], answer=digest) for name, digest in said.items() if name in wanted}
