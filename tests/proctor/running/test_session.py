"""Accidents and attacks in a student's notebook: each costs its own cell."""

import ast
import contextlib
import random
import time
from dataclasses import replace

import psutil
import pytest

from dl1.contract import protocol
from proctor.notebooks.neutral import neutral_probe
from proctor.running.host_process import Accident, HostProcess, NotStarted, OutOfTime
from proctor.running.session import Cell, StudentSession
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.budget import Budget
from proctor.sandbox.ended import has_ended
from proctor.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
SMALL = Limits(
    memory_bytes=600 * 2**20,
    processes=60,
    cell_cpu_seconds=1.5,
    cell_wall_seconds=12,
    output_bytes=20_000,
    # The first answer of a snapshot imports torch, which takes some seconds where other things run as well.
    probe_cpu_seconds=20,
    probe_wall_seconds=90,
    restarts=4,
)


@pytest.fixture
def session():
    """Makes a session from sources; "?name" is a test cell of that name."""
    made = []

    def make(*sources: str, limits: Limits = SMALL, kind: str = "bwrap", work=None) -> StudentSession:
        cells = [
            Cell(source, source[1:], "test", "") if source.startswith("?") else Cell(f"cell {i}", None, "run", source)
            for i, source in enumerate(sources)
        ]
        environment = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        made.append(
            StudentSession(
                cells, lambda mounts: Sandbox(kind, limits, mounts, work=work, environment=environment), limits, seed=1
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def text(outcome) -> str:
    return "".join(o.get("text", "") + o.get("evalue", "") for o in outcome.outputs)


def question(source: str) -> dict:
    (probe,) = ast.parse(source).body
    return {"source": neutral_probe(probe), "imports": [], "doubles": {}, "seed": 3}


def answer(one: StudentSession, grade_id: str, source: str, *args):
    arguments = {f"_{position}": value for position, value in enumerate(args)}
    header, body = one.ask(grade_id, question(source), protocol.encode(((), arguments)))
    return protocol.decode(body) if header["ok"] else header


@pytest.mark.parametrize("kind", ["bwrap", "none"])
def test_cells_run_in_order_and_snapshots_keep_their_place(session, tmp_path, kind):
    one = session("x = 1", "?early", "x = 2\nprint(x)", "?late", "x = 3\nx", kind=kind)
    outcomes = one.run()
    assert [o.ok for o in outcomes] == [True] * 5
    assert text(outcomes[2]) == "2\n"
    assert outcomes[4].outputs[0]["data"] == {"text/plain": "3"}
    one.seal(tmp_path / "results")
    read = "def read(y):\n    return x + y"
    assert answer(one, "early", read, 10) == 11
    assert answer(one, "late", read, 10) == 12
    assert answer(one, "early", read, 20) == 21


def test_questions_in_a_row_find_what_the_last_answer_left_and_the_next_row_does_not(session):
    one = session("x = [1]", "?a", "y = 2", "?b")
    one.run()
    change = "def change():\n    x.append(2)\n    return x"
    assert [answer(one, "a", change) for _ in range(3)] == [[1, 2], [1, 2, 2], [1, 2, 2, 2]]
    assert answer(one, "b", change) == [1, 2]
    assert answer(one, "a", change) == [1, 2]
    # What went wrong may have left anything: the next answer begins anew.
    assert answer(one, "a", "def fail():\n    x.append(3)\n    raise ValueError(str(x))")["text"] == "[1, 2, 3]"
    assert answer(one, "a", change) == [1, 2]


def test_tests_between_which_nothing_is_run_have_one_snapshot(session):
    one = session("x = [1]", "?a", "?b", "x = [5]", "?c", "?d")
    assert [text(outcome) for outcome in one.run()] == [""] * 6
    assert len(one._host.snapshots) == 2
    change = "def change():\n    x.append(2)\n    return x"
    found = [answer(one, name, change) for name in ("a", "b", "c", "d", "a")]
    assert found == [[1, 2], [1, 2, 2], [5, 2], [5, 2, 2], [1, 2]]
    # What ends it costs the one that was asked.
    assert answer(one, "b", "def end():\n    os._exit(3)\n    return x")["names"] == [
        "NameError",
        "Exception",
        "BaseException",
        "object",
    ]
    assert answer(one, "b", "def end():\n    import os\n    os._exit(3)")["names"] == ["SystemExit"]
    assert answer(one, "a", change) == [1, 2]


STATE = """
import os, random
import numpy, torch

def used():
    drawn = [random.random(), float(numpy.random.rand()), float(torch.rand(()))]
    where = [os.getcwd(), "math" in globals(), str(torch.get_default_dtype()), torch.is_grad_enabled()]
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return drawn + where

def single(): return 1
"""


def test_an_answer_begins_with_names_settings_folder_and_chance_of_the_notebook(session):
    one = session(STATE, "?a", limits=replace(SMALL, cell_cpu_seconds=30, cell_wall_seconds=60))
    one.run()
    ask = {"source": "def ask():\n    return used(), single()", "imports": ["import math"], "doubles": {}, "seed": 3}
    doubled = {**ask, "doubles": {"single": "def single():\n    return 2"}}
    found = []
    for question in (ask, doubled, ask):
        header, body = one.ask("a", question, protocol.encode(((), {})))
        assert header == {"ok": True}
        found.append(protocol.decode(body))
    first, second, third = found
    assert first[0][4:] == [True, "torch.float32", True]
    assert second == (first[0], 2)
    assert third == first
    # Also for one that asks for other modules.
    assert answer(one, "a", "def ask():\n    return 'math' in globals()") is False


def test_what_ends_between_two_answers_costs_neither(session):
    gone = "def gone():\n    threading.Timer(0.3, os._exit, [0]).start()\n    return 1"
    one = session("import os, threading, time", "?a", limits=replace(SMALL, memory_bytes=2**31))
    one.run()
    for _ in range(2):
        assert answer(one, "a", gone) == 1
        time.sleep(1)
    # The line to it is held open by what it has started.
    held = "def held():\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)"
    began = time.monotonic()
    assert answer(one, "a", held)["names"] == ["SystemExit"]
    assert answer(one, "a", "def after():\n    return 1") == 1
    assert time.monotonic() - began < 30
    assert one.staff_notes == []


@pytest.mark.parametrize(
    "busy",
    ["while True: pass", "import signal\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass"],
)
def test_each_answer_of_a_row_has_computing_time_of_its_own(session, busy):
    limits = replace(SMALL, probe_cpu_seconds=2, cell_cpu_seconds=30, cell_wall_seconds=60)
    one = session("import time, torch", "?a", limits=limits)
    one.run()
    work = "def work():\n    ends = time.process_time() + 1.2\n    while time.process_time() < ends: pass\n    return 1"
    assert [answer(one, "a", work) for _ in range(3)] == [1, 1, 1]
    began = time.monotonic()
    assert answer(one, "a", f"def work():\n    {busy}")["kind"] == "time-out"
    assert time.monotonic() - began < 30
    assert answer(one, "a", work) == 1
    assert one.staff_notes == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("while True: pass", "computed for more than 1.5 seconds"),
        ("import time; time.sleep(60)", "took more than 12 seconds"),
        ("import os; os._exit(0)", "kernel died"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "kernel died"),
        ("import os\nos.kill(os.getppid(), 9)\nos.kill(1, 9)\nos.closerange(0, 100)\nwhile True: pass", ""),
        ("kept = bytearray(900 << 20)\nimport time; time.sleep(30)", "memory"),
        ("import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass", ""),
        ("while True: print('x' * 1000)", "printed without end"),
        (
            "import signal as s\nfor n in (s.SIGINT, s.SIGTERM):\n    s.signal(n, s.SIG_IGN)\nwhile True: pass",
            "computed for more",
        ),
        (
            "import socket, gc\nfor s in gc.get_objects():\n    if isinstance(s, socket.socket):\n"
            "        s.sendall(b'junk' * 9)",
            "",
        ),
    ],
)  # fmt: skip
def test_an_accident_costs_its_cell_only(session, bad, words):
    one = session("x = 5", "?before", bad, "print(x)", "?after")
    outcomes = one.run()
    assert [o.ok for o in outcomes] == [True, True, False, True, True], outcomes
    assert words in outcomes[2].note
    assert "the other cells were run without it" in outcomes[2].note
    assert text(outcomes[3]) == "5\n"
    for place in ("before", "after"):
        assert answer(one, place, "def read():\n    return x") == 5


def test_an_error_is_no_accident(session):
    one = session("1 / 0", "import sys\nsys.exit(1)", "x = 1\nx")
    outcomes = one.run()
    assert [o.note for o in outcomes] == [None] * 3
    assert [o.ok for o in outcomes] == [False, False, True]
    assert outcomes[0].outputs[0]["ename"] == "ZeroDivisionError"
    assert outcomes[1].outputs[0]["ename"] == "SystemExit"


def test_an_error_about_the_grading_machine_is_told_beside_it(session):
    one = session("raise RuntimeError('Found no NVIDIA driver on your system.')")
    (outcome,) = one.run()
    assert "graded on a CPU" in outcome.note
    assert "NVIDIA" in text(outcome)


def test_too_much_output_is_cut_and_said(session):
    one = session("for _ in range(1000): print('x' * 100)", "print('fine')")
    outcomes = one.run()
    assert len(text(outcomes[0])) <= SMALL.output_bytes
    assert "only the first" in outcomes[0].note
    assert outcomes[0].ok
    assert text(outcomes[1]) == "fine\n"


@pytest.mark.slow
def test_a_kernel_that_dies_again_and_again_ends_the_notebook(session):
    one = session(*["import os; os._exit(0)"] * 7, "print('never')")
    outcomes = one.run()
    assert "died too often" in outcomes[-1].note
    assert text(outcomes[-1]) == ""


def test_threads_and_signal_masks_do_not_stop_snapshots(session):
    one = session(
        "import threading, time\nx = 4\nthreading.Thread(target=lambda: time.sleep(100), daemon=True).start()",
        "?a",
    )
    one.run()
    assert answer(one, "a", "def read():\n    return x") == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probe", "kind"),
    [
        ("def p():\n    while True: pass", "time-out"),
        ("def p():\n    import time\n    time.sleep(60)", "time-out"),
    ],
)
def test_a_probe_that_does_not_end_is_a_time_out_and_the_snapshot_lives(session, probe, kind):
    one = session(
        "import torch\nx = 6",
        "?a",
        limits=replace(SMALL, cell_cpu_seconds=30, probe_cpu_seconds=8, probe_wall_seconds=12),
    )
    one.run()
    assert answer(one, "a", probe)["kind"] == kind
    assert answer(one, "a", "def read():\n    return x") == 6


def test_errors_of_probes_come_back_as_names(session):
    one = session("def f():\n    raise NotImplementedError()", "?a")
    one.run()
    found = answer(one, "a", "def p():\n    return f()")
    assert found["names"][0] == "NotImplementedError"
    assert "finish `f` above first" in found["text"]
    assert answer(one, "a", "def p():\n    import os\n    os._exit(0)")["ok"] is False
    assert answer(one, "a", "def p():\n    return object()")["names"][0] == "ProtocolError"


def test_a_probe_has_its_own_imports_and_built_in_names_and_the_answer_those_of_the_notebook(session):
    one = session("math = sum = 3\ndef f():\n    return [math, sum]\ndef g():\n    return json.dumps(1)", "?a")
    one.run()
    asked = question("def p():\n    return [f(), sum([math.floor(2.5)]), g()]") | {
        "imports": ["import math", "import json"]
    }
    header, body = one.ask("a", asked, protocol.encode(((), {})))
    # As a test cell gives the notebook what it has not imported itself.
    assert (header, protocol.decode(body)) == ({"ok": True}, [[3, 3], 2, "1"])


def test_a_probe_has_the_first_settings(session):
    changed = "import torch\ntorch.set_default_dtype(torch.float64)\ndef f():\n    return torch.ones(1)"
    one = session(changed, "?a", limits=replace(SMALL, cell_cpu_seconds=30, cell_wall_seconds=90, memory_bytes=2**31))
    one.run()
    assert answer(one, "a", "def p():\n    return str(f().dtype)") == "torch.float32"


def test_a_dead_snapshot_is_replaced_by_a_replay(session):
    one = session("import os\nx = 7\npid = os.getpid()", "?a", "x = 8")
    one.run()
    for child in psutil.Process(one._host.running.pid).children(recursive=True)[2:]:
        child.kill()
    assert answer(one, "a", "def read():\n    return x") == 7


def test_unknown_places_are_not_answered(session):
    one = session("x = 1")
    one.run()
    assert answer(one, "nowhere", "def read():\n    return x")["kind"] == "time-out"


def test_results_are_taken_and_nothing_else(session, tmp_path):
    one = session(
        "import os, json\nos.makedirs('runs/a/b')\nopen('runs/a/b/run.json', 'w').write('{}')\n"
        "open('gpt.py', 'w').write('x')\nopen('notes.txt', 'w').write('no')\n"
        "os.symlink('/etc/passwd', 'link.py')\nos.mkfifo('pipe.py')\nos.makedirs('runs/.hidden')\n"
        "open('runs/.hidden/x', 'w').write('no')",
    )
    assert one.run()[0].ok
    one.seal(tmp_path / "results")
    found = sorted(
        p.relative_to(tmp_path / "results").as_posix() for p in (tmp_path / "results").rglob("*") if p.is_file()
    )
    assert found == ["gpt.py", "runs/a/b/run.json"]


def test_after_the_seal_the_notebooks_process_is_gone_and_answers_still_come(session, tmp_path):
    one = session("x = 1", "?a")
    one.run()
    one.seal(tmp_path / "results")
    time.sleep(0.3)
    assert answer(one, "a", "def read():\n    return x") == 1
    assert not one._host.control.ready(0) or one._host.control._socket.recv(1) == b""


def test_close_leaves_no_process(session):
    one = session("import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(100)", "?a")
    one.run()
    tree = psutil.Process(one._host.running.pid).children(recursive=True)
    assert len(tree) >= 3
    one.close()
    assert all(map(has_ended, tree))


def test_pictures_and_displays(session):
    one = session(
        "from IPython.display import display, Markdown\ndisplay(Markdown('*x*'))",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        limits=Limits(),
    )
    outcomes = one.run()
    assert outcomes[0].outputs[0]["data"]["text/markdown"] == "*x*"
    (picture,) = [o for o in outcomes[1].outputs if "image/png" in o.get("data", {})]
    assert picture["data"]["image/png"].startswith("iVBOR")


class Machine:
    """Kernels on a clock that stands still but for what they take.

    Args:
        takes: seconds that a cell, "start", "files", "snapshot" or "answer" takes in the kernel of this number; None if
            the kernel dies of it.
    """

    def __init__(self, takes):
        self.takes = takes
        self.time = 1000.0
        self.starts = 0
        self.living = set()
        self.asked = []

    def __call__(self):
        return self.time


class FakeHost:
    """As `HostProcess` behaves, without a process."""

    def __init__(self, machine, tests, limits, budget):
        self.machine, self.limits, self.budget = machine, limits, budget
        if budget.up():
            raise OutOfTime(budget.why)
        machine.starts += 1
        self.number = machine.starts
        self.indices = {number: index for index, number in enumerate(tests)}
        self.runs = True
        self.snapshots = set()
        machine.living.add(self)
        try:
            self.spend("start", limits.startup_seconds)
        except Accident as error:
            machine.living.discard(self)
            raise error if isinstance(error, OutOfTime) else NotStarted(str(error)) from error

    def alive(self):
        return self in self.machine.living

    def begin(self, request):
        if not self.runs:
            raise Accident("the kernel is gone")
        self.request = request

    def next(self, cpu_seconds, wall_seconds):
        self.spend(self.request.get("source", self.request["do"]), wall_seconds)
        if self.request["do"] == "snapshot":
            self.snapshots.add(self.request["index"])
        return {"done": 1, "ok": True}, b""

    def ask(self, place, header, body):
        if self.indices[place] not in self.snapshots:
            raise Accident("the snapshot is gone")
        self.spend("answer", 1.2 * self.limits.probe_wall_seconds)
        self.machine.asked.append(place)
        return {"ok": True}, b"answer"

    def end(self):
        self.runs = False

    def cut_off(self):
        self.runs = False
        return True

    def close(self):
        self.machine.living.discard(self)

    def spend(self, what, wall_seconds):
        if self.budget.up():
            raise OutOfTime(self.budget.why)
        seconds = self.machine.takes(self.number, what)
        allowed = min(wall_seconds, self.budget.left())
        self.machine.time += min(seconds or 0, allowed)
        if self.budget.up():
            raise OutOfTime(self.budget.why)
        if seconds is None or seconds > allowed:
            self.machine.living.discard(self)
            raise Accident("its kernel died" if seconds is None else f"it took more than {wall_seconds:g} seconds")


TIMED = Limits(notebook_wall_seconds=300, cell_wall_seconds=60, asking_wall_seconds=60, probe_wall_seconds=20)


@pytest.fixture
def timed(session, monkeypatch, tmp_path):
    """Runs, seals and asks a notebook on a machine; returns session, outcomes and the answers' headers."""

    def go(takes, *sources, limits=TIMED):
        machine = Machine(takes)
        monkeypatch.setattr(
            "proctor.running.session.HostProcess", lambda _, tests, *more: FakeHost(machine, tests, more[0], more[2])
        )
        one = session(*sources, limits=limits)
        one._budget = Budget("the notebook", limits.notebook_wall_seconds, clock=machine)
        outcomes = one.run()
        notes = list(one.notes), [outcome.note for outcome in outcomes]
        one.seal(tmp_path / "results")
        answers = {cell.grade_id: one.ask(cell.grade_id, {}, b"")[0] for cell in one.cells if cell.kind == "test"}
        # What happens while questions are asked is noted at no cell.
        assert notes == (one.notes, [outcome.note for outcome in outcomes])
        assert machine.time - 1000.0 <= limits.notebook_wall_seconds
        assert machine.starts <= 1 + limits.restarts
        one.close()
        assert not machine.living
        return one, machine, outcomes, answers

    return go


def test_a_notebook_that_takes_too_long_loses_what_is_left(timed):
    def takes(kernel, what):
        return {"start": 1, "slow": 50}.get(what, 0)

    one, machine, outcomes, answers = timed(takes, "slow", "?early", "slow", "slow", "slow", "slow", "?late", "more")
    # Two thirds of 300 seconds: the fourth slow cell is cut off in the middle.
    why = "the time for the cells of the notebook was used up (3.33 minutes)"
    assert [o.ok for o in outcomes] == [True, True, True, True, False, False, False, False]
    assert outcomes[4].note == f"this cell was stopped: {why}"
    assert outcomes[5].note == f"this cell was not run: {why}"
    assert one.notes == [f"cell 4 was stopped: {why}", f"cell 5 and 2 more cells were not run: {why}"]
    assert answers["early"]["ok"] is True
    assert answers["late"] == {"ok": False, "kind": "time-out", "text": why}
    # What the early cells left was asked in the kernel that had them; nothing ran again.
    assert machine.starts == 1
    assert one.staff_notes == []


def test_cells_that_are_slow_only_when_they_run_again_cost_no_more(timed):
    def takes(kernel, what):
        if what == "die":
            return None if kernel == 1 else 0
        return 0.1 if kernel == 1 else 60

    one, machine, outcomes, answers = timed(
        takes, *["sly"] * 15, "die", "?a", "last", limits=replace(TIMED, restarts=8)
    )
    assert [o.ok for o in outcomes] == [True] * 15 + [False] * 3
    assert answers["a"]["kind"] == "time-out"
    # The second kernel took what was left of the cells' time, and the results and the question were not waited for.
    assert machine.time - 1000.0 <= 300


def test_an_answer_for_which_the_notebook_runs_again_costs_its_own_question(timed):
    def takes(kernel, what):
        return {"answer": None}.get(what, 1) if kernel == 1 else 25

    one, machine, _, answers = timed(takes, *["sly"] * 4, "?a", "?b", "?c")
    assert {answer["kind"] for answer in answers.values()} == {"time-out"}
    # One minute for each question and no more, whatever runs for it.
    assert machine.time - 1000.0 <= 30 + 3 * 60
    assert one.staff_notes == [f"the notebook was run again {machine.starts - 1} times while its checks were asked"]


def test_an_answer_has_no_more_time_than_whoever_asks(timed):
    one, machine, _, answers = timed(lambda kernel, what: 1 if kernel == 1 else 25, "x", "?a")
    assert answers["a"]["ok"] is True
    # Its kernel is gone, and another one would take its time.
    before = machine.time
    answer, _ = one.ask("a", {}, b"", within=one._budget.part("comparing", 5))
    assert answer["text"] == "the time for comparing was used up (5 seconds)"
    assert machine.time - before == 5
    one.close()


def test_after_one_replay_all_questions_are_answered_by_it(timed):
    def takes(kernel, what):
        return None if kernel == 1 and what == "answer" else 1

    _, machine, _, answers = timed(takes, "x", "?a", "y", "?b", "z", "?c")
    assert [answer["ok"] for answer in answers.values()] == [True] * 3
    assert machine.starts == 2


def test_which_cell_dies_in_a_replay_for_a_question_is_told_to_nobody(timed):
    # It may be the cell whose number is a digit of what was asked, so that is no line for the student.
    def takes(kernel, what):
        return None if (kernel == 1 and what == "answer") or (kernel == 2 and what == "eight") else 1

    one, machine, outcomes, answers = timed(takes, "seven", "eight", "nine", "?a")
    assert answers["a"]["ok"] is True
    assert machine.starts == 3
    assert one.notes == []
    assert [outcome.note for outcome in outcomes] == [None] * 4
    assert one.staff_notes == ["the notebook was run again 2 times while its checks were asked"]


def test_a_kernel_that_does_not_come_up_is_no_cells_fault_and_not_tried_for_ever(timed):
    one, machine, outcomes, answers = timed(
        lambda kernel, what: 20, "x", "?a", "y", limits=replace(TIMED, startup_seconds=15)
    )  # noqa: E501
    assert machine.starts == 3
    assert {outcome.note for outcome in outcomes} == {"this cell was not run: the kernel did not start"}
    assert answers["a"]["text"] == "the kernel did not start"


def test_a_kernel_that_came_up_late_once_is_tried_again(timed):
    _, machine, outcomes, answers = timed(
        lambda kernel, what: 20 if kernel == 1 else 1, "x", "?a", limits=replace(TIMED, startup_seconds=15)
    )  # noqa: E501
    assert [outcome.note for outcome in outcomes] == [None, None]
    assert answers["a"]["ok"] is True
    assert machine.starts == 2


@pytest.mark.parametrize("seed", range(60))
def test_whatever_takes_its_time_or_dies_the_notebook_ends_within_its_budget(timed, seed):
    drawn = random.Random(seed)
    weights = [drawn.random() for _ in range(4)]

    def takes(kernel, what):
        return drawn.choices([0.1, 5, 1e9, None], weights)[0]

    kinds = drawn.choices(["x", "?"], k=20)
    timed(takes, *(f"?t{i}" if kind == "?" else f"x{i}" for i, kind in enumerate(kinds)))


PROBE_STOPS_ALL = (
    "def p():\n    import os, signal\n    os.kill(-1, signal.SIGSTOP)\n    os.kill(os.getpid(), signal.SIGSTOP)"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("import os, signal\nos.kill(-1, signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)", "stopped its own"),
        # Children that nobody waits for, each gone before it could be looked at twice.
        (
            "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n"
            "    if os.fork() == 0:\n        end = time.process_time() + 0.1\n"
            "        while time.process_time() < end: pass\n        os._exit(0)\n    time.sleep(0.12)",
            "computed for more",
        ),
        # Words on no request, without end; and half a word.
        (
            "import gc, json, os, struct\nhost = next(o for o in gc.get_objects() if type(o).__name__ == 'Host')\n"
            "if os.fork() == 0:\n    while True: pass\n"
            "text = json.dumps({'nonce': -1}).encode()\n"
            "while True: host.control.socket.sendall(struct.pack('>4sII', b'PRF1', len(text), 0) + text)",
            "computed for more",
        ),
        (
            "import gc, struct\nhost = next(o for o in gc.get_objects() if type(o).__name__ == 'Host')\n"
            "host.control.socket.sendall(struct.pack('>4sII', b'PRF1', 99, 0))\nwhile True: pass",
            "computed for more",
        ),
    ],
)  # fmt: skip
def test_limits_are_looked_at_whatever_the_processes_do(session, bad, words):
    # Without the look it would be the wall time, or half a word's.
    one = session("x = 5", "?before", bad, "print(x)", limits=replace(SMALL, cell_wall_seconds=50))
    outcomes = one.run()
    assert [o.ok for o in outcomes] == [True, True, False, True], outcomes
    assert words in outcomes[2].note
    assert answer(one, "before", "def read():\n    return x") == 5


@pytest.mark.slow
def test_a_probe_that_stops_all_processes_costs_its_answer_and_one_replay(session):
    one = session("x = 5", "?a", "?b")
    one.run()
    found = answer(one, "a", PROBE_STOPS_ALL)
    assert (found["kind"], found["text"]) == ("time-out", "it stopped its own processes")
    assert one._starts == 2
    assert answer(one, "b", "def read():\n    return x") == 5
    assert one._starts == 3


def _lives(process):
    with contextlib.suppress(psutil.Error, OSError):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_cell_that_is_cut_off_leaves_the_snapshots_before_it(session):
    long = "import os, time\nfor _ in range(5):\n    os.fork()\ntime.sleep(600)"
    one = session("value = 1", "?early", long, "print('never')")
    # The time of the cells is up as soon as the long one has begun.
    budget = Budget("the notebook", 900.0)
    begin = HostProcess.begin

    def begun(host, request):
        begin(host, request)
        if "sleep" in request.get("source", ""):
            host.budget.ends = 0.0

    one._budget = budget
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostProcess, "begin", begun)
        outcomes = one.run()
    assert outcomes[2].note.startswith("this cell was stopped: the time for the cells of the notebook was used up")
    # The program outside and the first one inside, its first process, and the snapshot: no child of the long cell.
    for _ in range(300):
        if sum(map(_lives, one._host.running.processes())) <= 4:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the process that ran the cells, or what it has started, lives on")
    assert answer(one, "early", "def double(x):\n    return value * x\n", 2) == 2
    assert one._starts == 1
