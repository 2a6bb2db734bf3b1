"""Failed answers are asked once more, on common inputs and in little time; nothing but their digests changes."""

import functools
import os
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest

from dl1.contract import protocol
from proctor.checking import verdict
from proctor.checking.questions import GradedCell, Times
from proctor.checking.verdict import Verdict
from proctor.diagnosis import common_draw, likeness
from proctor.diagnosis.common_draw import SECONDS, ask_again, with_answers
from proctor.diagnosis.exchanges import Recording
from proctor.errors import ProctorError
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import Channel

CELLS = [GradedCell(name, "") for name in ("t_right", "t_wrong", "t_late", "t_open", "t_ours", "t_raises")]
KINDS = ("", "wrong value", verdict.TIME_OUT, verdict.NOT_FINISHED, verdict.NO_VERDICT, "exception: KeyError")
VERDICTS = {
    cell.grade_id: Verdict(cell.grade_id, not kind, kind, "", True, "text", "more")
    for cell, kind in zip(CELLS, KINDS, strict=True)
}


def budget(seconds=1e9):
    return Budget("the notebook", seconds)


class Started:
    """A program in a fork or a thread, at the other end of a channel."""

    def __init__(self, play):
        ours, theirs = socket.socketpair()
        self.channel, self.pid = Channel(ours), None
        if play is likeness.main:
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    play([str(os.dup(theirs.fileno()))])
                finally:
                    os._exit(0)
            theirs.close()
        else:
            threading.Thread(target=play, args=(Channel(theirs),), daemon=True).start()

    def trouble(self):
        return None

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.channel.close()


def recorded(**answers):
    def ask(grade_id, question, given):
        return {"ok": True}, protocol.encode(answers[grade_id])

    recording = Recording(ask)
    for name in answers:
        recording.ask(name, {}, b"")
    return recording


def test_only_failures_that_have_an_answer_are_asked_again(monkeypatch):
    seen = {}

    def run_checks(cells, ask, key, start, times, budget, concealed):
        seen.update(cells=[one.grade_id for one in cells], key=key, seconds=budget.left(), concealed=concealed)
        ask("t_wrong", {"source": "text"}, b"given")

    def ask(grade_id, question, given, within):
        seen["within"] = within.left()
        return {"ok": True}, b"value"

    monkeypatch.setattr(common_draw, "run_checks", run_checks)
    recording = ask_again(VERDICTS, CELLS, ask, b"common", None, Times(), budget())
    assert seen["cells"] == ["t_wrong", "t_raises"]
    assert (seen["key"], seen["concealed"]) == (b"common", True)
    # An answer may not take longer than all of them may.
    assert 0 < seen["within"] <= seen["seconds"] <= SECONDS
    assert [one.value for one in recording.of("t_wrong")] == [b"value"]


def test_nothing_is_asked_where_nothing_has_failed_or_an_answer_may_need_the_time(monkeypatch):
    monkeypatch.setattr(common_draw, "run_checks", lambda *_, **more: pytest.fail("asked"))
    right = VERDICTS | dict.fromkeys(("t_wrong", "t_raises"), VERDICTS["t_right"])
    assert ask_again(right, CELLS, None, b"common", None, Times(), budget()) is None
    assert ask_again(VERDICTS, CELLS, None, b"common", None, Times(), budget(3 * SECONDS)) is None


def test_failures_without_a_name_get_digests_and_nothing_else_changes():
    named = VERDICTS | {"t_raises": replace(VERDICTS["t_raises"], mistakes={"halves": "you turn halves"})}
    recording = recorded(t_wrong=1.0, t_raises=2.0, t_right=3.0)
    found = with_answers(named, recording, functools.partial(Started, likeness.main), budget())
    assert found["t_wrong"].answer == likeness.digest([({"ok": True}, protocol.encode(1.0))])
    assert replace(found["t_wrong"], answer="") == named["t_wrong"]
    assert {name: one for name, one in found.items() if name != "t_wrong"} == {
        name: one for name, one in named.items() if name != "t_wrong"
    }


def refuses():
    raise ProctorError("no sandbox")


def says(word):
    def play(channel):
        for _ in range(2):
            channel.receive(time.monotonic() + 20)
        channel.send(word)

    return functools.partial(Started, play)


@pytest.mark.parametrize(
    "start",
    [
        refuses,
        functools.partial(Started, lambda channel: channel.close()),
        says({"t_wrong": "<b>no digest</b>"}),
        says({"t_wrong": ["0" * 16]}),
        says({"t_right": "0" * 16, "other": "1" * 16}),
    ],
)
def test_whatever_the_program_says_a_record_holds_digests_of_what_was_asked_or_none(start):
    assert with_answers(VERDICTS, recorded(t_wrong=1.0), start, budget()) == VERDICTS


def test_an_answer_that_has_passed_has_no_digest():
    with pytest.raises(ValueError, match="t_right"):
        replace(VERDICTS["t_right"], answer="0" * 16)
