"""Accidents and attacks in a student's notebook: each costs its own cell."""

import ast
import itertools
import time
import types
from dataclasses import replace

import psutil
import pytest

from dl1.contract import protocol
from proctor.notebooks.neutral import neutral_probe
from proctor.running.session import Cell, StudentSession, _add_output, _safe_path
from proctor.sandbox.bubblewrap import Sandbox, availability
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


def test_a_probe_leaves_nothing_behind_for_the_next_one(session):
    one = session("x = [1]", "?a")
    one.run()
    assert answer(one, "a", "def change():\n    x.append(2)\n    return x") == [1, 2]
    assert answer(one, "a", "def change():\n    return x") == [1]


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
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in tree)


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


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "runs/../../x", "a/b.py", "x.txt", ".x.py", "runs/a\nb", "", 3, "runs\\x", "r" * 300 + ".py"])  # fmt: skip  # noqa: E501
def test_names_of_results_that_are_refused(name):
    assert _safe_path(name) is None


def test_forged_outputs_are_dropped_or_cut_to_form():
    outputs = []
    forged = [
        None,
        3,
        {},
        {"output_type": "stream", "name": "x", "text": "a"},
        {"output_type": "stream", "name": "stdout", "text": 3},
    ]
    for output in [*forged, {"output_type": "error", "traceback": "x"}, {"output_type": "display_data", "data": []}]:
        _add_output(outputs, output)
    assert outputs == []
    _add_output(
        outputs, {"output_type": "execute_result", "data": {}, "metadata": {"x": 1}, "execution_count": 1e99, "more": 1}
    )
    assert outputs == [{"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": None}]


def test_a_notebook_that_takes_too_long_loses_what_is_left(session, monkeypatch):
    # The clock stands still until the third cell has been begun, and is past the limit then, however busy the machine.
    times = itertools.chain([0.0] * 4, itertools.repeat(3.0))
    monkeypatch.setattr("proctor.running.session.time", types.SimpleNamespace(monotonic=lambda: next(times)))
    one = session(
        "value = 1",
        "?early",
        "value",
        "print('never')",
        "?late",
        limits=replace(SMALL, notebook_wall_seconds=2),
    )
    outcomes = one.run()
    assert outcomes[2].ok
    assert outcomes[3].note == "the notebook took more than 0.0333333 minutes; this cell was not run"
    assert text(outcomes[3]) == ""
    assert [note.partition(":")[0] for note in one.notes] == ["cell 3 was not run", "?late was not run"]
    source = "def double(x):\n    return value * x\n"
    assert answer(one, "early", source, 2) == 2
    header, _ = one.ask("late", question(source), protocol.encode(((), {"_0": 2})))
    assert (header["ok"], header["kind"]) == (False, "time-out")
    # No other run of the notebook was begun for it, which would have slept again.
    assert one._starts == 1
