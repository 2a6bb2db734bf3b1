"""The engine's side of the checker, against checkers that lie, fall silent, die or talk nonsense."""

import socket
import struct
import threading
import time

import pytest

from dl1.contract import protocol
from proctor.checking import questions as checking
from proctor.checking.questions import GradedCell, Stopped, Times, run_checks, verdict
from proctor.errors import ProctorError
from proctor.sandbox.budget import Budget
from proctor.sandbox.frames import Channel, ChannelClosed

SOURCE = """\
from dl1 import check_equal, probe
import math

class Double: ...

@probe(given={"Norm": Double})
def answer(x):
    return f(x, math.pi)

check_equal(answer(1), 1)
### BEGIN HIDDEN TESTS
import itertools
check_equal(answer(2), 2)
### END HIDDEN TESTS
"""
SENT = """\
def _(*, _0):
    try:
        return f(_0, math.pi)
    except BaseException as _1:
        return _1
"""
PATIENT = Times(start=30.0, cell=30.0, asking=30.0)
HASTY = Times(start=1.0, cell=1.0, asking=30.0)


def cells(*names, source=SOURCE):
    return [GradedCell(name, source) for name in names]


class FakeChecker:
    """Plays the checker in a thread: `script` gets the other end of the channel and the job."""

    engines_end = Channel

    def __init__(self, script, jobs):
        ours, theirs = socket.socketpair()
        self.channel, self.other, self.script, self.jobs = self.engines_end(ours), Channel(theirs), script, jobs
        self.sockets = ours, theirs
        self.troubles = iter(())
        self.thread = threading.Thread(target=self.play, daemon=True)
        self.thread.start()

    def play(self):
        try:
            job, _ = self.other.receive(time.monotonic() + 30, 2**24)
            self.jobs.append(job)
            self.script(self, [cell["grade_id"] for cell in job["cells"]])
        except ProctorError:
            pass  # the engine has hung up
        finally:
            self.sockets[1].close()

    def trouble(self):
        return next(self.troubles, None)

    def end(self):
        # Wakes a script that still waits for the engine.
        self.sockets[0].shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.sockets[0].close()
        return "its last words"

    def say(self, **word):
        self.other.send(word)

    def begin(self, name, part="public"):
        self.say(begin=name, part=part)

    def ask(self, name, probe="answer", line=6, seed=7, body=b"arguments"):
        self.other.send({"ask": name, "probe": probe, "line": line, "seed": seed}, body)
        return self.other.receive(time.monotonic() + 30, 2**24)

    def judge(self, grade_id, passed=True, **changes):
        word = {"grade_id": grade_id, "passed": passed, "kind": "" if passed else "wrong value", "name": "values"}
        word |= {"hidden": False, "message": "", "printed": "", "staff_text": "", "note": ""}
        self.say(verdict=word | changes)

    def properly(self, grade_id, **changes):
        self.begin(grade_id)
        self.ask(grade_id)
        self.judge(grade_id, **changes)


def checked(script, names=("q1", "q2", "q3"), times=PATIENT, ask=None, source=SOURCE, budget=None):
    """Verdicts, the jobs that checkers were given, and the questions that were carried."""
    jobs, questions = [], []

    def carry(grade_id, header, body):
        questions.append((grade_id, header, body))
        return ask(grade_id, header, body) if ask else ({"ok": True}, b"answer")

    verdicts = run_checks(cells(*names, source=source), carry, b"key", lambda: FakeChecker(script, jobs), times, budget)
    assert list(verdicts) == list(names)
    return verdicts, jobs, questions


def points(verdicts):
    return [one.passed for one in verdicts.values()]


def all_properly(checker, names):
    for name in names:
        checker.properly(name)
    checker.say(finished=True)


def test_what_the_checker_passes_is_passed():
    verdicts, jobs, _ = checked(all_properly)
    assert points(verdicts) == [True] * 3
    assert [one.notes for one in verdicts.values()] == [[]] * 3
    assert len(jobs) == 1
    assert jobs[0]["key"] == b"key".hex()
    assert jobs[0]["concealed"] is False


def test_a_question_is_made_from_the_instructors_text():
    answers = []

    def script(checker, names):
        checker.begin("q1")
        answers.append(checker.ask("q1"))
        checker.say(finished=True)

    _, _, questions = checked(script, ["q1"])
    assert questions == [
        (
            "q1",
            {
                "source": SENT,
                "imports": ["import math"],
                "doubles": {"Norm": "class Double:\n    ...\n"},
                "seed": 7,
            },
            b"arguments",
        )
    ]
    assert answers == [({"ok": True}, b"answer")]


def die(checker, name):
    checker.sockets[1].close()
    raise ProctorError("gone")


def be_silent(checker, name):
    checker.other.receive(time.monotonic() + 30, 2**24)


def talk_bytes(checker, name):
    checker.sockets[1].sendall(b"All checks pass.\n" * 10)


def talk_nonsense(checker, name):
    checker.say(passed=True)


def finish_early(checker, name):
    checker.say(finished=True)


def judge_unknown(checker, name):
    checker.judge("q9")


def judge_again(checker, name):
    checker.judge("q1")


def judge_another(checker, name):
    checker.judge("q3")


def judge_almost(checker, name):
    checker.judge(name, passed=1)


def judge_both_ways(checker, name):
    checker.judge(name, passed=True, kind="wrong value")


def judge_outside_of_the_vocabulary(checker, name):
    checker.judge(name, passed=False, kind="leaked: 42")


def judge_with_a_list(checker, name):
    checker.say(verdict=[name, True])


def begin_unknown(checker, name):
    checker.begin("q9")


def begin_a_list(checker, name):
    checker.begin([name])


def ask_for_another(checker, name):
    checker.ask("q3")


def ask_with_another_seed(checker, name):
    checker.ask(name, seed="7")


@pytest.mark.parametrize(
    ("accident", "note"),
    [
        (talk_bytes, "no message"),
        (talk_nonsense, "no message"),
        (finish_early, "without a word"),
        (judge_unknown, "out of turn"),
        (judge_again, "out of turn"),
        (judge_another, "out of turn"),
        (judge_almost, "another form"),
        (judge_both_ways, "another form"),
        (judge_outside_of_the_vocabulary, "another form"),
        (judge_with_a_list, "out of turn"),
        (begin_unknown, "not waiting"),
        (begin_a_list, "not waiting"),
        (ask_for_another, "not begun"),
        (ask_with_another_seed, "not begun"),
    ],
)
def test_a_checker_out_of_its_mind_is_not_believed_any_more(accident, note):
    def script(checker, names):
        checker.properly("q1")
        checker.begin("q2")
        accident(checker, "q2")
        # Passes that come too late.
        checker.properly("q2")
        checker.properly("q3")

    verdicts, jobs, _ = checked(script)
    assert points(verdicts) == [accident is not judge_again, False, False]
    assert len(jobs) == 1
    for one in list(verdicts.values())[1:]:
        assert one.kind == "no verdict"
        assert one.notes[0].startswith(f"no verdict for {one.grade_id}: ")
        assert note in one.notes[0]
        assert "staff has been told" in one.student_text
    assert verdicts["q2"].staff_text == "its last words"
    if accident is judge_again:
        assert "out of turn" in verdicts["q1"].notes[0]


@pytest.mark.parametrize(("accident", "note", "times"), [(die, "died", PATIENT), (be_silent, "silent", HASTY)])
def test_a_checker_that_ends_over_a_cell_costs_that_cell(accident, note, times):
    def script(checker, names):
        for name in names:
            checker.begin(name)
            checker.ask(name)
            if name == "q2":
                accident(checker, name)
            checker.judge(name)
        checker.say(finished=True)

    verdicts, jobs, _ = checked(script, times=times)
    assert points(verdicts) == [True, False, True]
    assert f"{note}" in verdicts["q2"].notes[0]
    assert "while it judged this cell" in verdicts["q2"].notes[0]
    assert [[cell["grade_id"] for cell in job["cells"]] for job in jobs] == [["q1", "q2", "q3"], ["q3"]]


@pytest.mark.parametrize(("by_checker", "kind"), [(True, "no verdict"), (False, "time-out")])
def test_whoever_used_up_the_time_pays_for_it(by_checker, kind, monkeypatch):
    clock, received = Clock(), checking._next

    def next_word(*args):
        word = received(*args)
        clock.time += 100.0 if by_checker and "verdict" in word[0] else 0.0
        return word

    monkeypatch.setattr(checking, "_next", next_word)

    def script(checker, names):
        checker.begin("q1")
        checker.ask("q1")
        checker.judge("q1")
        checker.begin("q2")
        checker.ask("q2")

    def ask(*_):
        clock.time += 0.0 if by_checker else 100.0
        return {"ok": True}, b"answer"

    verdicts, _, _ = checked(script, ["q1", "q2"], ask=ask, budget=Budget("the notebook", 90.0, clock=clock))
    assert verdicts["q2"].kind == kind
    assert "the time for the notebook was used up (90 seconds)" in verdicts["q2"].notes[0]
    assert ("a TA will look" in verdicts["q2"].student_text) is by_checker


def test_a_checker_that_takes_too_much_is_stopped_and_costs_that_cell():
    def script(checker, names):
        checker.begin(names[0])
        checker.ask(names[0])
        if names[0] == "q1":
            checker.troubles = iter(["it used more than 6 GiB of memory"])
            be_silent(checker, "q1")
        checker.judge(names[0])
        checker.say(finished=True)

    verdicts, _, _ = checked(script, ["q1", "q2"])
    assert points(verdicts) == [False, True]
    assert "stopped because it used more than 6 GiB of memory while it judged this cell" in verdicts["q1"].notes[0]


def test_checkers_that_die_over_every_cell_end_with_zero():
    def script(checker, names):
        checker.begin(names[0])
        die(checker, names[0])

    names = [f"q{i}" for i in range(8)]
    verdicts, jobs, _ = checked(script, names)
    assert points(verdicts) == [False] * 8
    assert len(jobs) == 4
    assert "died too often" in verdicts["q7"].notes[0]


@pytest.mark.parametrize(("accident", "times"), [(die, PATIENT), (be_silent, HASTY), (talk_bytes, PATIENT)])
def test_a_checker_without_a_first_word_is_zero_for_all(accident, times):
    verdicts, jobs, _ = checked(lambda checker, names: accident(checker, None), times=times)
    assert points(verdicts) == [False] * 3
    assert len(jobs) == 1
    assert all(one.kind == "no verdict" and len(one.notes) == 1 for one in verdicts.values())


def test_a_checker_that_can_not_start_is_zero_for_all():
    def start():
        raise ProctorError("bwrap is missing; install bubblewrap")

    verdicts = run_checks(cells("q1", "q2"), None, b"key", start, PATIENT)
    assert points(verdicts) == [False, False]
    assert "install bubblewrap" in verdicts["q2"].notes[0]


@pytest.mark.parametrize("source", ["", "# only a comment\n", "print('all pass')\n", "assert True\n", "x = (\n"])
def test_a_test_cell_that_checks_nothing_is_zero_and_never_run(source):
    verdicts, jobs, _ = checked(all_properly, source=source)
    assert points(verdicts) == [False] * 3
    assert jobs == []
    assert all(one.notes[0].startswith("no verdict for q") for one in verdicts.values())


def test_a_pass_without_a_question_is_none():
    def script(checker, names):
        checker.begin("q1")
        checker.judge("q1")
        checker.say(finished=True)

    verdicts, _, _ = checked(script, ["q1"])
    assert points(verdicts) == [False]
    assert "without asking" in verdicts["q1"].notes[0]


def test_after_something_hidden_a_fresh_checker_conceals():
    def script(checker, names):
        if len(names) == 2:
            checker.begin("q1", "hidden")
            die(checker, "q1")
        all_properly(checker, names)

    verdicts, jobs, _ = checked(script, ["q1", "q2"])
    assert points(verdicts) == [False, True]
    assert [job["concealed"] for job in jobs] == [False, True]


@pytest.mark.parametrize("part", ["public", "hidden"])
def test_an_answer_can_make_all_others_useless(part):
    ended = []

    def script(checker, names):
        checker.begin("q1", part)
        checker.ask("q1")
        ended.append("went on")

    def ends(names, text):
        return names == ["KeyError"] and text == "it is gone"

    answer = {"ok": False, "names": ["KeyError"], "text": "it is gone"}
    jobs = []
    with pytest.raises(Stopped) as stopped:
        run_checks(cells("q1"), lambda *_: (answer, b""), b"key", lambda: FakeChecker(script, jobs), PATIENT, ends=ends)
    assert stopped.value.concealed is (part == "hidden")
    assert ended == []
    # Of the answers that another one gives nothing is shown from its first question on.
    run_checks(
        cells("q1"), lambda *_: ({"ok": True}, b""), b"key", lambda: FakeChecker(all_properly, jobs), concealed=True
    )
    assert [job["concealed"] for job in jobs] == [False, True]


def one_answer(ask, times=PATIENT, **question):
    """What the checker gets for one question."""
    answers = []

    def script(checker, names):
        checker.begin("q1")
        answers.append(checker.ask("q1", **question))
        checker.say(finished=True)

    checked(script, ["q1"], ask=ask, times=times)
    return answers[0]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({}, "wrong type"),
        ({"ok": 1}, "wrong type"),
        ({"ok": "true"}, "wrong type"),
        ({"ok": False}, "wrong type"),
        ({"ok": False, "names": "ValueError"}, "wrong type"),
        ({"ok": False, "names": [1, None, ["x"], "not a name"]}, "wrong type"),
        ({"ok": False, "kind": "time-out"}, "time-out"),
        ({"ok": False, "kind": "passed", "names": []}, "wrong type"),
    ],
)
def test_an_answer_without_proper_form_is_a_failure(header, kind):
    answer, body = one_answer(lambda *_: (header, b"leftover"))
    assert (answer["ok"], answer["kind"], body) == (False, kind, b"")


def test_an_exception_is_passed_on_within_bounds():
    header = {"ok": False, "names": ["E" * 500, "ValueError", 3] + ["X"] * 100, "text": "\ud800\x1b" + "t" * 10_000}
    answer, _ = one_answer(lambda *_: (header, b""))
    assert answer["names"][1] == "ValueError"
    assert len(answer["names"]) <= 20
    assert max(map(len, answer["names"])) < 110
    assert len(answer["text"]) <= protocol.MAX_ERROR_TEXT + 2
    answer["text"].encode()


def test_the_longest_answer_is_the_one_of_the_contract():
    assert checking.MAX_ANSWER == protocol.MAX_BYTES
    assert checking.MAX_ERROR_TEXT == protocol.MAX_ERROR_TEXT
    answer, body = one_answer(lambda *_: ({"ok": True}, bytes(checking.MAX_ANSWER + 1)))
    assert (answer["kind"], body) == ("wrong type", b"")


def test_an_accident_while_asking_costs_the_cell_and_is_told():
    def ask(*_):
        raise ZeroDivisionError("in the session")

    answer, _ = one_answer(ask)
    assert answer["kind"] == "no verdict"
    assert "ZeroDivisionError: in the session" in answer["note"]


@pytest.mark.parametrize("question", [{"probe": "other"}, {"line": 1}, {"probe": ["answer"]}, {"line": None}])
def test_a_probe_that_is_not_in_the_text_is_not_carried(question):
    def ask(*_):
        raise AssertionError("carried")

    answer, _ = one_answer(ask, **question)
    assert answer["kind"] == "no verdict"
    assert "top level" in answer["note"]


def test_when_the_time_for_answers_is_up_nothing_more_is_asked():
    def ask(*_):
        raise AssertionError("carried")

    answer, _ = one_answer(ask, times=Times(asking=0.0))
    assert answer["kind"] == "time-out"


class Clock:
    """Stands still until it is turned."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


LATE = "the time for the submission was used up (10 seconds)"


def late(verdicts, *names):
    for one in (verdicts[name] for name in names):
        assert (one.passed, one.kind, one.notes) == (False, "time-out", [f"{one.grade_id}: {LATE}"])
        assert one.student_text == f"This question was not checked: {LATE}."


def test_when_the_submissions_time_is_up_what_was_judged_stands_and_the_rest_gets_a_clear_verdict():
    clock = Clock()
    asked = []

    def ask(grade_id, *_):
        asked.append(grade_id)
        # An answer that takes longer than all the time that is left.
        clock.time += 11 if grade_id == "q2" else 0
        return {"ok": True}, b"answer"

    verdicts, jobs, _ = checked(all_properly, ask=ask, budget=Budget("the submission", 10.0, clock=clock))
    assert verdicts["q1"].passed
    late(verdicts, "q2", "q3")
    assert asked == ["q1", "q2"]
    assert len(jobs) == 1


def test_when_the_time_is_up_no_checker_is_started():
    def start():
        raise AssertionError("started")

    clock = Clock()
    budget = Budget("the submission", 10.0, clock=clock)
    clock.time += 10
    late(run_checks(cells("q1", "q2", "q3"), None, b"key", start, PATIENT, budget), "q1", "q2", "q3")


def test_a_question_that_comes_when_the_time_is_up_is_not_carried():
    clock = Clock()

    def script(checker, names):
        checker.begin("q1")
        clock.time += 10
        checker.ask("q1")

    verdicts, jobs, questions = checked(script, budget=Budget("the submission", 10.0, clock=clock))
    late(verdicts, "q1", "q2", "q3")
    assert (len(jobs), questions) == (1, [])


def test_a_checker_that_dies_when_the_time_is_up_is_not_replaced():
    clock = Clock()

    def script(checker, names):
        checker.begin("q1")
        clock.time += 10
        die(checker, "q1")

    verdicts, jobs, _ = checked(script, budget=Budget("the submission", 10.0, clock=clock))
    late(verdicts, "q1", "q2", "q3")
    assert len(jobs) == 1


def test_a_silent_checker_is_waited_for_no_longer_than_the_time_that_is_left():
    # Its own time would be half a minute, and the script is silent for as long.
    ends = []

    def script(checker, names):
        checker.begin("q1")
        try:
            be_silent(checker, "q1")
        except ProctorError as error:
            ends.append(type(error))
            raise

    verdicts, _, _ = checked(script, budget=Budget("the submission", 0.5))
    assert [one.kind for one in verdicts.values()] == ["time-out"] * 3
    # The engine has hung up.
    assert ends == [ChannelClosed]


def test_nothing_is_waited_for_longer_than_the_time_that_is_left(monkeypatch):
    """The clock of the budget stands still with a second left; a checker's own time would be half a minute."""
    waits = []

    class Noting(Channel):
        def send(self, *args, deadline):
            waits.append(("send", deadline - time.monotonic()))
            super().send(*args, deadline=deadline)

        def receive(self, deadline, **more):
            waits.append(("receive", deadline - time.monotonic()))
            return super().receive(deadline, **more)

    monkeypatch.setattr(FakeChecker, "engines_end", Noting)
    verdicts, _, _ = checked(all_properly, ["q1"], budget=Budget("the submission", 1.0, clock=Clock()))
    assert points(verdicts) == [True]
    # The job, and the answer to each question; each word of the checker's.
    assert {name for name, _ in waits} == {"send", "receive"}
    assert max(seconds for _, seconds in waits) <= 1.0


@pytest.mark.parametrize("word", [b"", b"PRF1", struct.pack(">4sII", b"PRF1", 99, 0) + b"{"])
def test_a_checker_is_watched_also_while_a_word_comes_in(word):
    def script(checker, names):
        checker.begin("q1")
        checker.troubles = iter(["it filled the memory"])
        checker.sockets[1].sendall(word)
        be_silent(checker, "q1")

    # The time for a cell is over before the script ends, and longer than two looks.
    verdicts, _, _ = checked(script, ["q1"], times=Times(start=5.0, cell=5.0, asking=5.0))
    assert "because it filled the memory" in verdicts["q1"].notes[0]


def test_waiting_for_the_submission_does_not_count_as_the_checkers_time():
    def ask(*_):
        time.sleep(1.2 * HASTY.cell)
        return {"ok": True}, b""

    verdicts, _, _ = checked(all_properly, ["q1"], times=HASTY, ask=ask)
    assert points(verdicts) == [True]


def judged(**changes):
    verdicts, _, _ = checked(lambda checker, names: checker.properly("q1", **changes), ["q1"])
    return verdicts["q1"]


def test_student_reads_the_public_message():
    one = judged(passed=False, message="values: wrong value\n  expected: 1", printed="so far", staff_text="trace")
    assert one.student_text == "so far\nvalues: wrong value\n  expected: 1"
    assert (one.kind, one.name, one.hidden, one.staff_text) == ("wrong value", "values", False, "trace")


def test_student_reads_name_and_kind_only_of_a_hidden_check():
    one = judged(passed=False, hidden=True, message="expected 42", staff_text="42", note="line 4 raised")
    assert one.student_text == "A hidden check failed: values — wrong value"
    assert one.notes == ["q1: line 4 raised"]


def test_every_kind_of_failure_gives_a_verdict():
    for kind in verdict.KINDS:
        one = judged(passed=False, kind=kind, hidden=True)
        assert (one.passed, one.kind) == (False, kind)


def test_texts_are_made_harmless_for_files_and_terminals():
    one = judged(passed=False, message="\x1b[2J" + "\ud800" + "x" * 10**5, printed="\x00", name="\x07n")
    for text in (one.student_text, one.name):
        text.encode()
        assert not set(text) & {"\x1b", "\x00", "\x07"}
    assert len(one.student_text) < 50_000
