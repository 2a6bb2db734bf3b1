"""The engine's side of the checker: carries its questions to student code, and takes its verdicts.

Every test cell begins as an explicit zero and is raised only by the checker's explicit word on it. The checker is
trusted less than the engine, because what it decodes comes from students: it names the probe that it wants to call, and
what is sent to the student's process is cut from the instructor's text here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from proctor.checking import verdict
from proctor.checking.checker_process import Checker
from proctor.checking.verdict import Verdict, no_verdict, plain
from proctor.errors import ProctorError
from proctor.notebooks.checked_cells import CheckedCell, TravellingProbe, read_cell
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import BadFrame, ChannelClosed, ChannelTimeout
from proctor.sandbox.limits import Limits
from proctor.stations import timed

# As in the probe contract; not imported from there, because that would load torch into the engine.
MAX_ANSWER = 64 * 2**20
MAX_ERROR_TEXT = 2_000
_MAX_NAMES = 20
# Fresh checkers after one that died over a cell, so that the other cells are still judged.
_RESTARTS = 3
# How often a checker's memory and processes are looked at while it works, in seconds.
_LOOK_EVERY = 0.5
_TOO_LONG = "no answer within the time"
_NO_PROPER_ANSWER = "what came back is no answer of a probe"

Ask = Callable[[str, dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
Ends = Callable[[list[str], str], bool]


@dataclass(frozen=True)
class GradedCell:
    """A test cell of the instructor's notebook."""

    grade_id: str
    source: str


@dataclass(frozen=True)
class Times:
    """Wall seconds: `start` until the checker's first word, `cell` for its own work on one test cell, `asking` for all
    answers of the submission to one test cell. None of them goes beyond the budget of the notebook."""

    start: float = 120.0
    cell: float = 120.0
    asking: float = 300.0


class _Broken(Exception):
    """The checker can't go on; `trusted` tells whether a fresh one may take over the cells that are left."""

    def __init__(self, why: str, trusted: bool) -> None:
        super().__init__(why)
        self.trusted = trusted


class Stopped(Exception):
    """An answer has ended the checking; `concealed` tells whether anything hidden had been asked by then."""

    def __init__(self, concealed: bool) -> None:
        super().__init__("an answer has ended the checking")
        self.concealed = concealed


@dataclass
class _Cell:
    """A test cell on its way.

    Attributes:
        asked: number of questions that went to the submission.
        working, asking: seconds that the checker worked on it, and that it waited for the submission.
    """

    cell: CheckedCell
    asked: int = 0
    working: float = 0.0
    asking: float = 0.0


@dataclass
class _Checking:
    ask: Ask
    key: bytes
    times: Times
    budget: Budget
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    waiting: dict[str, _Cell] = field(default_factory=dict)
    current: str | None = None
    # From the first hidden question on, whatever a student's process says may carry something of it.
    concealed: bool = False
    # When the checker's use of the machine was looked at last.
    looked: float = 0.0
    # Seconds that went into checkers and not into the submission.
    own: float = 0.0
    ends: Ends | None = None


def run_checks(
    cells: Sequence[GradedCell],
    ask: Ask,
    key: bytes,
    start: Callable[[], Checker],
    times: Times = Times(),  # noqa: B008 (it can't change)
    budget: Budget | None = None,
    ends: Ends | None = None,
    concealed: bool = False,
) -> dict[str, Verdict]:
    """Judge the test cells of one notebook, in a fresh checker.

    Args:
        ask: carries a question to the snapshot of a test cell: (grade_id, header, encoded arguments) -> (header, body).
            The answer's header is `{"ok": True}`, `{"ok": False, "names": [...], "text": ...}` for an exception, or
            `{"ok": False, "kind": "time-out", "text": ...}`; the body and all texts may be anything.
        key: from which the inputs are drawn.
        start: starts a checker; called again if one dies.
        budget: when it is up, what was judged stands, and nothing more is asked or waited for; None for the time that
            a notebook has by default.
        ends: whether an exception of an answer, by the names of its classes and its text, makes all further ones
            useless.
        concealed: whether nothing of the submission may be shown from the first question on, as it is from the first
            hidden one.

    Returns:
        A verdict for every cell, in the order of `cells`.

    Raises:
        Stopped: `ends` has said so of an answer.
    """
    budget = budget or Budget("the notebook", Limits().notebook_wall_seconds)
    state = _Checking(ask, key, times, budget, concealed=concealed, ends=ends)
    for cell in cells:
        try:
            read = read_cell(cell.source)
        except ProctorError as error:
            state.verdicts[cell.grade_id] = no_verdict(cell.grade_id, str(error))
            continue
        if read.checks:
            state.verdicts[cell.grade_id] = no_verdict(cell.grade_id, "it was never judged")
            state.waiting[cell.grade_id] = _Cell(read)
        else:
            state.verdicts[cell.grade_id] = no_verdict(cell.grade_id, "the test cell checks nothing")
    for _ in range(1 + _RESTARTS):
        if not state.waiting or state.budget.up() or not _one_checker(state, start):
            break
    for grade_id in list(state.waiting):
        _give_up(state, grade_id, "the checkers of this notebook died too often")
    return state.verdicts


def _one_checker(state: _Checking, start: Callable[[], Checker]) -> bool:
    """Let a fresh checker judge what is waiting; true if another one may go on with what is left after its death."""
    state.current = None
    try:
        process = start()
    except (ProctorError, OSError) as error:
        _give_up_all(state, f"the checker could not be started: {error}")
        return False
    trusted, why = False, ""
    try:
        _converse(state, process)
    except _Broken as error:
        trusted, why = error.trusted and state.current is not None, str(error)
    except ChannelClosed:
        trusted, why = state.current is not None, "the checker died"
    except ChannelTimeout:
        trusted, why = state.current is not None, "the checker was silent for too long and was stopped"
    except BadFrame as error:
        why = f"the checker said something that is no message ({error})"
    finally:
        last_words = process.end()
    if not why:
        _give_up_all(state, "the checker finished without a word on it", last_words)
        return False
    if trusted and not state.budget.up():
        _give_up(state, state.current, f"{why} while it judged this cell", last_words)
        return True
    _give_up_all(state, why, last_words)
    return False


def _converse(state: _Checking, process: Checker) -> None:
    """Until the checker has finished; raises _Broken, or what the channel raises, if it does not come to that."""
    cells = [{"grade_id": grade_id, "source": one.cell.source} for grade_id, one in state.waiting.items()]
    job = {"cells": cells, "key": state.key.hex(), "concealed": state.concealed}
    process.channel.send(job, deadline=_deadline(state, state.times.start))
    while True:
        cell = state.waiting.get(state.current) if state.current else None
        left = state.times.cell - cell.working if cell else state.times.start
        before = state.budget.clock()
        word, body = _next(state, process, _deadline(state, left))
        state.own += state.budget.clock() - before
        if cell:
            cell.working += state.budget.clock() - before
        if word == {"finished": True}:
            return
        if "begin" in word:
            _begin(state, word)
        elif "ask" in word:
            answer, body = _asked(state, word, body)
            process.channel.send(answer, body, deadline=_deadline(state, state.times.cell))
        elif "verdict" in word:
            _judged(state, word["verdict"])
        else:
            raise _Broken("the checker said something that is no message", trusted=False)


def _deadline(state: _Checking, seconds: float) -> float:
    return time.monotonic() + min(seconds, state.budget.left())


@timed(lambda state, *_: "checks" if state.current else "imports of the checker")
def _next(state: _Checking, process: Checker, deadline: float) -> tuple[dict[str, Any], bytes]:
    """The checker's next word, while its use of the machine is watched."""

    def watch() -> None:
        if time.monotonic() - state.looked < _LOOK_EVERY:
            return
        state.looked = time.monotonic()
        trouble = process.trouble()
        if trouble:
            raise _Broken(f"the checker was stopped because {trouble}", trusted=True)

    # Also while a word comes in, which may be slow or long, and between words that come fast.
    return process.channel.receive(deadline, watch=watch)


def _begin(state: _Checking, word: dict[str, Any]) -> None:
    if (
        type(word["begin"]) is not str
        or word["begin"] not in state.waiting
        or word.get("part") not in ("public", "hidden")
    ):
        raise _Broken("the checker began a cell that is not waiting", trusted=False)
    state.current = word["begin"]
    state.concealed = state.concealed or word["part"] == "hidden"


def _asked(state: _Checking, word: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    cell = state.waiting.get(state.current) if state.current else None
    name, line, seed = word.get("probe"), word.get("line"), word.get("seed")
    if cell is None or word["ask"] != state.current or type(seed) is not int or not 0 <= seed < 2**63:
        raise _Broken("the checker asked for a cell that it had not begun", trusted=False)
    probe = cell.cell.probes.get((name, line)) if type(name) is str and type(line) is int else None
    if probe is None:
        note = f"the probe {plain(str(name), 100)} is not a function at top level of the test cell; move it there"
        return {"ok": False, "kind": verdict.NO_VERDICT, "text": "", "note": note}, b""
    if state.budget.up():
        raise _Broken(state.budget.why, trusted=False)
    now = state.budget.clock()
    if cell.asking >= state.times.asking:
        note = "the time for the submission's answers was used up"
        return {"ok": False, "kind": verdict.TIME_OUT, "text": _TOO_LONG, "note": note}, b""
    cell.asked += 1
    try:
        answer, result = state.ask(state.current, question(probe, seed), body)
    # Whatever goes wrong in carrying it costs this cell and is told to staff; the class's other notebooks go on.
    except Exception as error:
        note = f"the question could not be carried: {type(error).__name__}: {plain(str(error), 300)}"
        return {"ok": False, "kind": verdict.NO_VERDICT, "text": "", "note": note}, b""
    finally:
        cell.asking += state.budget.clock() - now
    checked = checked_answer(answer, result)
    if state.ends is not None and "names" in checked[0] and state.ends(checked[0]["names"], checked[0]["text"]):
        raise Stopped(state.concealed)
    return checked


def question(probe: TravellingProbe, seed: int) -> dict[str, Any]:
    """Header of a question to student code: all that travels with a call of this probe but its arguments.

    It may be read by student code, and says nothing but what is to be computed: public and hidden questions are alike.
    """
    return {"source": probe.source, "imports": list(probe.imports), "doubles": dict(probe.doubles), "seed": seed}


def checked_answer(answer: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer in the form that the checker expects, whatever came."""
    wrong = {"ok": False, "kind": "wrong type", "text": _NO_PROPER_ANSWER}
    if answer.get("ok") is True:
        return ({"ok": True}, body) if len(body) <= MAX_ANSWER else (wrong, b"")
    text = answer.get("text")
    text = plain(text, MAX_ERROR_TEXT) if type(text) is str else ""
    if answer.get("kind") == verdict.TIME_OUT:
        return {"ok": False, "kind": verdict.TIME_OUT, "text": text or _TOO_LONG}, b""
    names = answer.get("names")
    names = names[:_MAX_NAMES] if type(names) is list else []
    names = [plain(name, 100) for name in names if type(name) is str and name.isidentifier()]
    return ({"ok": False, "names": names, "text": text} if names else wrong), b""


def _judged(state: _Checking, word: Any) -> None:
    grade_id = word.get("grade_id") if type(word) is dict else None
    if grade_id is None or grade_id != state.current or grade_id not in state.waiting:
        if type(grade_id) is str and grade_id in state.verdicts:
            _give_up(state, grade_id, "the checker's verdict on it came out of turn")
        raise _Broken("the checker gave a verdict out of turn", trusted=False)
    given = verdict.from_word(word)
    if given is None:
        raise _Broken("the checker gave a verdict of another form", trusted=False)
    if given.passed and not state.waiting[grade_id].asked:
        given = no_verdict(grade_id, "the test cell passed without asking the submission anything", given.staff_text)
    state.verdicts[grade_id] = given
    del state.waiting[grade_id]
    state.current = None


def _give_up(state: _Checking, grade_id: str, why: str, last_words: str = "") -> None:
    late = state.budget.up()
    if late and state.own >= max(state.times.start, state.budget.used() / 2):
        # More than a slow start, and the larger part of it: no submission has to pay for that.
        late, why = False, f"{state.budget.why}, {state.own:.0f} seconds of it by the checker itself"
    state.verdicts[grade_id] = (
        verdict.out_of_time(grade_id, state.budget.why) if late else no_verdict(grade_id, why, last_words)
    )
    state.waiting.pop(grade_id, None)


def _give_up_all(state: _Checking, why: str, last_words: str = "") -> None:
    for grade_id in list(state.waiting):
        _give_up(state, grade_id, why, last_words)
