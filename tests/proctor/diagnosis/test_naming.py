"""From answers to names, through the real program in a process of its own, and through programs that fail."""

import os
import signal
import socket
import sys
import threading
import time

import pytest
import torch

from dl1.contract import protocol
from proctor.checking import verdict
from proctor.checking.checker_process import Checker, checker_sandbox
from proctor.checking.questions import question
from proctor.checking.verdict import Verdict
from proctor.diagnosis import naming, variant_host
from proctor.diagnosis.exchanges import Recording
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer
from proctor.diagnosis.variant_host import Host
from proctor.errors import ProctorError
from proctor.notebooks.checked_cells import read_cell
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import Channel
from proctor.sandbox.limits import Limits

TESTS = {
    "t_double": "@probe\ndef doubled(x):\n    return double(x)\n",
    "t_unit": "@probe\ndef lengths(x):\n    return unit(x).norm()\n",
    "t_both": "def ten(x):\n    return 10 * x\n\n@probe(given={'double': ten})\ndef combined(x):\n    return both(x)\n",
}
CELLS = (
    ("cell 1", "import torch\nfirst = 1"),
    ("double", "def double(x):\n    return 2 * x"),
    ("t_double", ""),
    ("cell 4", "def helper(x):\n    return x.square().sum().sqrt()"),
    ("unit", "def unit(x):\n    return x / helper(x)"),
    ("t_unit", ""),
    ("both", "def both(x):\n    return double(unit(x))"),
    ("t_both", ""),
)
WRONG = (
    WrongAnswer("squares", "your double squares", "double", "def double(x):\n    return x * x", ("t_double",)),
    WrongAnswer("triples", "your double triples", "double", "def double(x):\n    return 3 * x", ("t_double",)),
    WrongAnswer("adds", "your double adds two", "double", "def double(x):\n    return x + 2", ("t_double",)),
    WrongAnswer("dies", "yours ends Python", "double", "import os\nos._exit(0)", ("t_double",)),
    WrongAnswer(
        "no-root", "your length lacks its root", "unit", "def unit(x):\n    return x / (x * x).sum()", ("t_unit",)
    ),
    WrongAnswer("noise", "yours draws", "unit", "def unit(x):\n    return x * torch.rand(()) + 3", ("t_unit",)),
    WrongAnswer("zeros", "yours is 0", "unit", "def unit(x):\n    return x - x", ("t_unit",)),
    WrongAnswer("fails", "yours fails", "unit", "def unit(x):\n    raise ValueError('no length')", ("t_unit",)),
    WrongAnswer("not-unit", "you leave unit out", "both", "def both(x):\n    return double(x)", ("t_both",)),
)
KNOWN = KnownAnswers(CELLS, WRONG)
X = torch.tensor([3.0, 4.0])
# Its time begins when this file is read, long before the tests of a whole run.
PATIENT = Budget("the notebook", 1e9)


def student(**changed):
    """A recording of what a student with these cells answers to all tests."""
    host = Host(CELLS)
    for label, text in CELLS:
        host.run(label, changed.get(label, text))

    recording = Recording(lambda _, header, given: host.ask(header, given))
    given = {"t_double": [(3,), (4,)], "t_unit": [(X,)], "t_both": [(X,)]}
    for test, inputs in given.items():
        (probe,) = read_cell(TESTS[test]).probes.values()
        for arguments in inputs:
            names = list(probe.source.partition("(")[2].partition(")")[0].replace("*, ", "").split(", "))
            body = protocol.encode(((), dict(zip(names, arguments, strict=True))))
            recording.ask(test, question(probe, 7), body)
    return recording


@pytest.fixture
def main_module():
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


def failed(*names, kind="wrong value"):
    return {test: Verdict(test, test not in names, kind if test in names else "", "", False, "", "") for test in TESTS}


def mistakes(verdicts):
    return {name: sorted(one.mistakes) for name, one in verdicts.items() if one.mistakes}


class Forked:
    """The real program in a fork of this process, which has its libraries."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                variant_host.main([str(os.dup(theirs.fileno()))])
            finally:
                os._exit(0)
        theirs.close()
        self.channel = Channel(ours)

    def cpu_seconds(self):
        return 0.0

    def trouble(self):
        return None

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()


@pytest.fixture
def named(main_module):
    def names(*tests, kind="wrong value", **changed):
        return mistakes(naming.with_mistakes(failed(*tests, kind=kind), student(**changed), KNOWN, Forked, PATIENT))

    return names


def test_each_mistake_has_its_name_also_where_it_is_written_in_another_way(named):
    answers = {"double": "def double(x):\n    return 2 + x", "unit": "def unit(x):\n    return x / torch.dot(x, x)"}
    assert named("t_double", "t_unit", **answers) == {"t_double": ["adds"], "t_unit": ["no-root"]}


def test_the_program_of_its_own_says_the_same(main_module):
    def start():
        return Checker(checker_sandbox("none", Limits()), program=naming.PROGRAM)

    recording = student(double="def double(x):\n    return 2 + x")
    assert mistakes(naming.with_mistakes(failed("t_double"), recording, KNOWN, start, PATIENT)) == {
        "t_double": ["adds"]
    }


def test_random_numbers_and_exceptions_are_compared_too(named):
    assert named("t_unit", unit="def unit(x):\n    y = torch.rand(())\n    return y * x + 3") == {"t_unit": ["noise"]}
    assert named("t_unit", unit="def unit(x):\n    raise ValueError('no length')") == {"t_unit": ["fails"]}
    assert named("t_unit", unit="def unit(x):\n    raise ValueError('something else')") == {}


def test_a_mistake_beside_a_wrong_earlier_answer_has_its_name_where_a_double_stands_for_that(named):
    answers = {"double": "def double(x):\n    return 5", "both": "def both(x):\n    return double(1 * x)"}
    assert named("t_double", "t_both", **answers) == {"t_both": ["not-unit"]}


def test_nothing_is_named_without_a_match_and_where_the_reference_answers_alike(named):
    assert named("t_double", double="def double(x):\n    return x - 1") == {}
    assert named("t_double") == {}
    assert named("t_unit", unit="def unit(x):\n    return x * 0") == {}
    assert named("t_double", kind=verdict.TIME_OUT, double="def double(x):\n    return x + 2") == {}


def test_all_that_answer_alike_are_named_and_passed_verdicts_are_left_alone(main_module):
    alike = KnownAnswers(CELLS, (*WRONG, WrongAnswer("adds-1-1", "twice one", "double", WRONG[2].text, ("t_double",))))
    recording = student(double=WRONG[2].text)
    found = naming.with_mistakes(failed("t_double"), recording, alike, Forked, PATIENT)
    assert found["t_double"].mistakes == {"adds": "your double adds two", "adds-1-1": "twice one"}
    assert all(not one.mistakes for one in found.values() if one.passed)


def test_a_mistake_that_loses_a_cell_which_was_passed_is_not_named(main_module):
    more = WrongAnswer("adds-and-more", "more than that", "double", WRONG[2].text, ("t_double", "t_unit"))
    found = naming.with_mistakes(
        failed("t_double"), student(double=WRONG[2].text), KnownAnswers(CELLS, (*WRONG, more)), Forked, PATIENT
    )
    assert mistakes(found) == {"t_double": ["adds"]}


class Playing:
    """In the place of the program: `script` gets its end of the channel."""

    def __init__(self, script, cpu=0.0):
        ours, theirs = socket.socketpair()
        self.channel, self.cpu, self.used = Channel(ours), cpu, 0.0
        self.ended = False

        def play():
            channel = Channel(theirs)
            job, _ = channel.receive(time.monotonic() + 20)
            for _ in range(2 * job["exchanges"]):
                channel.receive(time.monotonic() + 20)
            script(channel)

        threading.Thread(target=play, daemon=True).start()

    def cpu_seconds(self):
        self.used += self.cpu
        return self.used

    def trouble(self):
        return None

    def end(self):
        self.ended = True
        self.channel.close()
        return ""


ADDS = {"alike": "t_double", "who": "", "name": "adds"}


def silent(channel):
    time.sleep(0.5)
    channel.close()


def endless(channel):
    channel.send(ADDS)
    time.sleep(20)
    # It is ended long before that; otherwise its names would count now.
    channel.send({"finished": True})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([ADDS, {"finished": True}], {"t_double": ["adds"]}),
        # Without its last word it may have looked at half of them.
        ([ADDS], {}),
        ([{"alike": 3}, {"finished": True}], {}),
        # Words that are no name of this catalogue reach nobody.
        ([{"alike": "t_double", "name": "<b>you fail</b>"}, {"finished": True}], {}),
        ([{"alike": "t_unit", "name": "adds"}, {"alike": "t_both", "name": "adds"}, {"finished": True}], {}),
    ],
)
def test_only_names_of_the_catalogue_and_only_after_the_last_word(main_module, words, expected):
    def script(channel):
        for word in words:
            channel.send(word)
        channel.close()

    program = Playing(script)
    found = naming.with_mistakes(failed("t_double"), student(), KNOWN, lambda: program, PATIENT)
    assert mistakes(found) == expected
    assert program.ended
    assert {name: one.passed for name, one in found.items()} == {"t_double": False, "t_unit": True, "t_both": True}


def test_it_is_given_up_when_it_computes_for_too_long(main_module):
    program = Playing(endless, cpu=naming.CPU_SECONDS)
    assert mistakes(naming.with_mistakes(failed("t_double"), student(), KNOWN, lambda: program, PATIENT)) == {}
    assert program.ended


def test_nothing_is_started_without_a_failure_without_time_or_for_what_is_not_finished(main_module):
    def never():
        raise AssertionError

    used_up = Budget("the notebook", 0.0)
    for verdicts, budget in [
        (failed(), PATIENT),
        (failed("t_double"), used_up),
        (failed("t_double", kind=verdict.NOT_FINISHED), PATIENT),
    ]:
        assert naming.with_mistakes(verdicts, student(), KNOWN, never, budget) == verdicts


def test_a_program_that_can_not_be_started_costs_the_names_only(main_module):
    def broken():
        raise ProctorError("no sandbox")

    verdicts = failed("t_double")
    assert naming.with_mistakes(verdicts, student(), KNOWN, broken, PATIENT) == verdicts


def test_an_answer_that_never_ends_is_ended(main_module):
    host = Host((), seconds=1)
    host.run("double", "def double(x):\n    while True:\n        pass")
    (probe,) = read_cell(TESTS["t_double"]).probes.values()
    header, value = host.ask(question(probe, 7), protocol.encode(((), {"_0": 3})))
    assert (header["ok"], header["kind"], value) == (False, "time-out", b"")


def test_too_much_and_what_is_no_answer_is_not_kept():
    recording = Recording(lambda *_: ({"ok": True}, os.urandom(9 * 2**20)))
    recording.ask("t", {"seed": 1}, b"")
    assert len(recording.of("t")) == 1
    recording.ask("t", {"seed": 1}, b"")
    assert recording.of("t") == []
    assert recording.of("other") == []
    for name in "abcde":
        recording.ask(name, {"seed": 1}, b"")
    assert [len(recording.of(name)) for name in "abcdef"] == [1, 1, 1, 1, 1, 0]
    for name in "fgh":
        recording.ask(name, {"seed": 1}, b"")
    assert [len(recording.of(name)) for name in "fgh"] == [1, 0, 0]
    late = Recording(lambda *_: ({"ok": False, "kind": "time-out", "text": "late"}, b""))
    assert late.ask("t", {}, b"")[0]["kind"] == "time-out"
    assert late.of("t") == []
