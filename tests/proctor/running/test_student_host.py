"""What an answer shows while it is asked goes nowhere, by whatever way it is shown; its value is judged."""

import ast
import contextlib
from dataclasses import replace

import pytest

from dl1.contract import protocol
from proctor.notebooks.neutral import neutral_probe
from proctor.running.session import Cell, StudentSession
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
# Done in the notebook, before anything is asked.
BEFORE = """
import io, logging, os, subprocess, sys, warnings
import pandas, torch, torch.utils.tensorboard, tqdm.auto  # not anew for each answer
from IPython.display import Markdown, HTML, clear_output, display, update_display
import matplotlib.pyplot as plt
out = sys.stdout
handle = display("first", display_id="mine")
widget_out = __import__("ipywidgets").Output()
logger = logging.getLogger("mine")
logger.addHandler(logging.StreamHandler())
logger.addHandler(logging.StreamHandler(sys.stdout))
written = sys.stdout.write
kept = print
shell = get_ipython()
"""
CHANNELS = {
    "display": "display(x)",
    "markdown": "display(Markdown('**x**'), HTML('<b>x</b>'))",
    "handle": "handle.update('second')",
    "new handle": "h = display('a', display_id=True)\n    h.update('b')",
    "update_display": "update_display('third', display_id='mine')",
    "clear_output": "clear_output(wait=True)",
    "figure": "plt.plot([1, x])\n    plt.show()",
    "figure shown": "fig, ax = plt.subplots()\n    display(fig)\n    fig.show()\n    plt.close(fig)",
    "saved stream": "print('x', file=out)\n    out.flush()\n    out.writelines(['a'])",
    "saved write": "written('x')",
    "saved print": "kept('x', flush=True)",
    "real stdout": "print('x', file=sys.__stdout__)\n    print('x', file=sys.__stderr__, flush=True)",
    "descriptor": "os.write(1, b'x')\n    os.write(2, b'x')\n    os.write(sys.stdout.fileno(), b'x')",
    "program": "subprocess.run(['echo', 'x'], check=True)\n    os.system('echo x')",
    "shell": "shell.system('echo x')\n    shell.run_line_magic('pinfo', 'x')",
    "captured program": "assert subprocess.run(['echo', 'x'], capture_output=True, text=True).stdout == 'x\\n'",
    "logging": "logger.warning('x')\n    logging.warning('x')",
    "warnings": "warnings.warn('x')",
    "tqdm": "from tqdm import tqdm\n    for _ in tqdm(range(3)):\n        pass",
    "tqdm.auto": "from tqdm.auto import tqdm\n    for _ in tqdm(range(3)):\n        pass",
    "tqdm.notebook": "from tqdm.notebook import tqdm\n    for _ in tqdm(range(3)):\n        pass",
    "tqdm.write": "from tqdm import tqdm\n    tqdm.write('x')",
    "trange": "from tqdm import trange\n    [0 for _ in trange(3, file=out)]",
    "widget": "from ipywidgets import IntProgress\n    bar = IntProgress(max=3)\n    display(bar)\n    bar.value += 1",
    "output widget": "import ipywidgets\n    with ipywidgets.Output() as o:\n        print('x')\n        display('x')",
    "output widget of a cell": "with widget_out:\n        print('x')\n    widget_out.clear_output()",
    "interact": "import ipywidgets\n    ipywidgets.interact(lambda n: print(n), n=(0, 3))",
    "redirect": "import contextlib\n    with contextlib.redirect_stdout(io.StringIO()) as f:\n        print('x')\n"
    "    assert f.getvalue() == 'x\\n'",
    "capture": "from IPython.utils.capture import capture_output\n    with capture_output() as c:\n        print('x')\n"
    "        display('x')\n    assert c.stdout == 'x\\n'",
    "displayhook": "sys.displayhook(x)",
    "traceback": "import traceback\n    try:\n        1 / 0\n    except ZeroDivisionError:\n"
    "        traceback.print_exc()\n        shell.showtraceback()",
    "run_cell": "shell.run_cell('3 + 4')",
    "pprint": "from pprint import pprint\n    pprint(x)",
    "data frame": "import pandas as pd\n    display(pd.DataFrame({'a': [1]}))",
    "isatty": "sys.stdout.isatty()\n    sys.stdout.encoding\n    sys.stderr.flush()",
    "summary writer": "from torch.utils.tensorboard import SummaryWriter\n    w = SummaryWriter()\n"
    "    w.add_scalar('x', 1.0, 0)\n    w.close()",
}


@pytest.fixture(scope="module")
def asked():
    """Answers of one notebook, by channel."""
    limits = replace(Limits(), cell_cpu_seconds=60, probe_cpu_seconds=60, probe_wall_seconds=120)
    answers = [f"def answer_{i}(x):\n    {body}\n    return 2 * x" for i, body in enumerate(CHANNELS.values())]
    sources = [BEFORE, "\n\n".join(answers)]
    cells = [Cell(f"cell {i}", None, "run", source) for i, source in enumerate(sources)]
    cells.append(Cell("place", "place", "test", ""))
    environment = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    session = StudentSession(cells, lambda mounts: Sandbox("bwrap", limits, mounts, environment=environment), limits, 1)
    found = {}
    try:
        outcomes = session.run()
        assert [one.ok for one in outcomes] == [True] * 3, outcomes
        for i, name in enumerate(CHANNELS):
            (probe,) = ast.parse(f"def ask(x):\n    return answer_{i}(x)").body
            header = {"source": neutral_probe(probe), "imports": [], "doubles": {}, "seed": 3}
            answer, body = session.ask("place", header, protocol.encode(((), {"_0": 21})))
            found[name] = protocol.decode(body) if answer["ok"] else answer
        assert session.staff_notes == []
    finally:
        session.close()
    return found


@pytest.mark.parametrize("name", CHANNELS)
def test_an_answer_may_show_what_it_likes(asked, name):
    assert asked[name] == 42


# A student's own files, all called like installed modules, and what a notebook gets of them. Jupyter's kernel has
# loaded "random" and "calendar" before the first cell, IPython "pygments"; "statistics" takes "fractions".
OWN_FILES = {
    "test.py": "import graphlib\n\ndef helper():\n    return graphlib.MINE",
    "graphlib.py": "MINE = 'my graphlib'",
    "toml.py": "from my_package.part import WORD",
    "my_package/part.py": "WORD = 'my package'",
    "this/__init__.py": "from this.part import WORD",
    "this/part.py": "WORD = 'my own this'",
    "wave/sound.wav": "a folder",
    **dict.fromkeys(
        ("fractions.py", "random.py", "calendar.py", "comm.py", "pygments.py", "dl1.py", "dl1/__init__.py"),
        "raise SystemExit('not in a notebook either, or nothing of a student comes first')",
    ),
}


def test_an_own_file_is_found_where_a_notebook_finds_it_and_never_by_a_library(tmp_path):
    for name, text in OWN_FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    sources = [
        "from test import helper\nhelper()",
        "from toml import WORD\nWORD",
        "from this import WORD\nWORD",
        "import statistics, wave\nwave.open and statistics.mean([1, 3])",
        "import random, calendar, comm, pygments\nrandom.random() < 1 and calendar.isleap(2000)",
        "from dl1 import check_close\ncheck_close.__name__",
        "def answer():\n    import graphlib\n    return graphlib.MINE",
    ]
    cells = [Cell(f"cell {i}", None, "run", source) for i, source in enumerate(sources)]
    cells.append(Cell("place", "place", "test", ""))
    limits = replace(Limits(), cell_cpu_seconds=60, probe_cpu_seconds=60, probe_wall_seconds=120)
    session = StudentSession(cells, lambda mounts: Sandbox("bwrap", limits, mounts, work=tmp_path), limits, 1)
    try:
        outcomes = session.run()
        assert [one.ok for one in outcomes] == [True] * len(cells), outcomes
        shown = [one.outputs[-1]["data"]["text/plain"] for one in outcomes[:6]]
        assert shown == ["'my graphlib'", "'my package'", "'my own this'", "2", "True", "'check_close'"]
        (probe,) = ast.parse("def ask():\n    return answer()").body
        header = {"source": neutral_probe(probe), "imports": [], "doubles": {}, "seed": 3}
        said, body = session.ask("place", header, protocol.encode(((), {})))
        assert said["ok"], said
        assert protocol.decode(body) == "my graphlib"
    finally:
        session.close()


# Made and used in the notebook, before anything is asked.
POOLS = """
import queue, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool

def twice(x):
    return 2 * x

kinds = {"new": ThreadPoolExecutor(2), "old": ThreadPool(2), "processes": Pool(2)}
assert all(list(pool.map(twice, [1, 2])) == [2, 4] for pool in kinds.values())
closed = ThreadPoolExecutor(2)
list(closed.map(twice, [1]))
closed.shutdown()
asked, told = queue.SimpleQueue(), queue.SimpleQueue()
threading.Thread(target=lambda: [told.put(2 * asked.get()) for _ in range(9)], daemon=True).start()

def of_pool(kind, x):
    return list(kinds[kind].map(twice, [x]))[0]

def of_thread(x):
    asked.put(x)
    return told.get()

def of_closed(x):
    return list(closed.map(twice, [x]))[0]
"""


def ask(session: StudentSession, source: str, *values) -> object:
    (probe,) = ast.parse(source).body
    header = {"source": neutral_probe(probe), "imports": [], "doubles": {}, "seed": 3}
    arguments = {f"_{i}": value for i, value in enumerate(values)}
    said, body = session.ask("place", header, protocol.encode(((), arguments)))
    return protocol.decode(body) if said["ok"] else said


@contextlib.contextmanager
def running(source: str, seconds: float):
    cells = [Cell("cell 0", None, "run", source), Cell("place", "place", "test", "")]
    limits = replace(Limits(), cell_cpu_seconds=60, probe_cpu_seconds=60, probe_wall_seconds=seconds)
    session = StudentSession(cells, lambda mounts: Sandbox("bwrap", limits, mounts), limits, 1)
    try:
        assert [one.ok for one in session.run()] == [True, True]
        yield session
    finally:
        session.close()


def test_pools_of_the_notebook_work_in_an_answer():
    with running(POOLS, 120) as session:
        for kind in ("new", "old", "processes"):
            # Once more: each answer has a fork of its own.
            for x in (21, 4):
                assert ask(session, "def ask(kind, x):\n    return of_pool(kind, x)", kind, x) == 2 * x, kind
        assert "RuntimeError" in ask(session, "def ask(x):\n    return of_closed(x)", 21)["names"]


@pytest.mark.parametrize(
    ("source", "named"), [(POOLS, True), ("def of_thread(x):\n    while True:\n        pass", False)]
)
def test_where_no_answer_comes_a_thread_of_the_notebook_is_named(source, named):
    with running(source, 3) as session:
        late = ask(session, "def ask(x):\n    return of_thread(x)", 21)
    assert late["kind"] == "time-out"
    assert ("threads that were started by another cell do not run" in late["text"]) == named
