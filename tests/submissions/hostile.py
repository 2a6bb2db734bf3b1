"""Submissions that try to gain points, to harm, or to bring hidden tests home. Each gains nothing and harms nothing."""

from __future__ import annotations

import json
import os

from course_folder import CANARY
from exercise import WRONG, Case, Handed

DAEMON = "proctor-test-daemon-4711"
LOST = (0, 2, 2)


def _wrong(source: str, before: str = "q1_double"):
    def make(handed: Handed) -> None:
        handed.answer("q1_double", WRONG)
        handed.before(before, source)
        handed.write()

    return make


def _own(*sources: str):
    """Right answers, and cells of the student's own in front of the second question."""

    def make(handed: Handed) -> None:
        handed.before("q2_norm", *sources)
        handed.write()

    return make


def _answers(**answers: str):
    def make(handed: Handed) -> None:
        for name, source in answers.items():
            handed.answer(name, source)
        handed.write()

    return make


DROP_ASSERTS = """
import ast
from IPython import get_ipython
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Expr(self, node):
        text = ast.unparse(node)
        return ast.parse("None").body[0] if "check_" in text else node
get_ipython().ast_transformers.append(Drop())
"""
FAKE_RESULTS = """
import sys
from IPython import get_ipython
shell = get_ipython()
for value in (2, float("nan"), -1, 1e9):
    sys.displayhook(value)
shell.displayhook(2)
2
"""
LYING = """
class Yes(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
class Always:
    def __eq__(self, other):
        return True
    __hash__ = None
"""
PATCHED = """
import builtins, torch, torch.testing, dl1, dl1.contract.checks, dl1.contract.protocol, dl1.errors
nothing = lambda *args, **kwargs: None
yes = lambda *args, **kwargs: True
for name in ("allclose", "isclose", "equal"):
    setattr(torch, name, yes)
torch.testing.assert_close = nothing
for module in (dl1, dl1.contract.checks):
    for name in dir(module):
        if name.startswith("check_"):
            setattr(module, name, nothing)
builtins.AssertionError = type("AssertionError", (Exception,), {})
builtins.abs = lambda x: 0
dl1.errors.CheckFailed.__init__ = nothing
"""
SUBCLASS = """
class Chameleon(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.tensor(True)
def unit(x):
    return torch.zeros(2).as_subclass(Chameleon)
"""
SEARCH = """
import gc, os, sys
def look():
    found = []
    texts = [o for o in gc.get_objects() if isinstance(o, str)] + list(globals().get("In", []))
    frame = sys._getframe()
    while frame:
        texts += [repr(v)[:2000] for v in list(frame.f_locals.values()) + list(frame.f_globals.values())]
        frame = frame.f_back
    for folder in ("/", "/opt", "/home", "/tmp", "..", "../..", "/srv", "/proc/1", "/proc/self"):
        for top, dirs, files in os.walk(folder):
            dirs[:] = [d for d in dirs if d not in ("usr", "proc", "sys", "site-packages", "lib", "venv", ".venv")][:20]
            for name in files[:200]:
                if name.endswith((".ipynb", ".db", ".json", ".environ", ".py")):
                    try:
                        texts.append(open(os.path.join(top, name), errors="replace").read(200_000))
                    except OSError:
                        pass
    marker = "HIDDEN_" + "MARKER"
    return [t[:300] for t in texts if marker in t]
print("seen:", look())
def double(x):
    raise ValueError(f"seen: {look()}")
"""
GARBAGE = """
import os, pickle, struct, time
import dl1.contract.protocol
def garbage(value):
    kind = os.urandom(1)[0] % 6
    header = lambda text: b"DLP1" + struct.pack(">I", len(text)) + text
    return [
        pickle.dumps({"ok": True}),
        b"x" * 70_000_000,
        header(b'{"v": ' + b'{"l": [' * 5000 + b"1" + b"]}" * 5000 + b', "b": []}'),
        header(b'{"v": {"x": ["float32", [1000000, 1000000], 0]}, "b": [4]}') + b"abcd",
        b"",
        header(b'{"v": NaN, "b": []}'),
    ][kind]
dl1.contract.protocol.encode = garbage
"""
WRITE = """
import glob, os
for path in ["/", "..", "../..", "/tmp", "/srv", "/root", os.path.expanduser("~")]:
    for name in ("gradebook.db", "source/homework/exercise.ipynb", "submitted/ada/homework/exercise.ipynb", "canary"):
        for mode in ("r+b", "wb"):
            try:
                with open(os.path.join(path, name), mode) as file:
                    file.write(b"0wned")
            except OSError:
                pass
"""
DATA = """import os
print([name for name in os.environ if name.startswith('NBGRADER')])
path = os.path.join(os.environ['COURSE_DATA'], 'set.txt')
print(open(path).read())
open(path, 'w').write('changed')"""

NETWORK = """
import socket
def double(x):
    for address in (("127.0.0.1", 22), ("8.8.8.8", 53), ("1.1.1.1", 443)):
        try:
            socket.create_connection(address, timeout=2).close()
            return 2 * x
        except OSError:
            pass
    return None
"""
HUNTER = """
import builtins, mmap, os, sys, threading, time
import torch
file = open("/dev/shm/shared", "w+b")
file.truncate(1 << 20)
shared = mmap.mmap(file.fileno(), 1 << 20)
def record(text):
    text = str(text).encode(errors="replace")[:4000]
    place = shared.rfind(b"|") + 1
    shared[place:place + len(text) + 1] = text + b"|"
real_exec, real_compile, real_open = exec, compile, open
builtins.exec = lambda code, *rest: (record(code), real_exec(code, *rest))[1]
def compiling(source, *args, **kwargs):
    record(source)
    return real_compile(source, *args, **kwargs)
builtins.compile = compiling
for name in ("manual_seed", "tensor", "rand", "zeros"):
    def wrap(real):
        def inner(*args, **kwargs):
            record((args, kwargs))
            return real(*args, **kwargs)
        return inner
    setattr(torch, name, wrap(getattr(torch, name)))
def tracer(frame, event, arg):
    record((frame.f_code.co_name, frame.f_locals))
    return tracer
sys.settrace(tracer)
from IPython import get_ipython
get_ipython().events.register("pre_run_cell", lambda info: record(info.raw_cell))
def talk():
    while True:
        time.sleep(0.5)
        text = bytes(shared[:20000]).decode(errors="replace")
        print(text)
        for name in ("leak.json", "runs/leak.json", "leak.py"):
            try:
                os.makedirs("runs", exist_ok=True)
                with real_open(name, "w") as file:
                    file.write(text)
            except OSError:
                pass
threading.Thread(target=talk, daemon=True).start()
def double(x):
    record(x)
    raise ValueError(bytes(shared[:20000]).decode(errors="replace"))
"""
HUNTER_TOO = """
def unit(x):
    record(x)
    seen = bytes(shared[:60]).decode(errors="replace")
    raise type("E" + "".join(c for c in seen if c.isalnum()), (ValueError,), {})(seen)
"""
MARKUP = """
from IPython.display import HTML, Javascript, SVG, display
display(HTML("<script>alert(1)</script><img src=x onerror=alert(2)>"), Javascript("alert(3)"))
display(HTML("<b>x</b>"), metadata={"image/png": {"width": '1" onload="alert(4)'}})
print("</pre><script>alert(5)</script>")
"""


def _flags(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    for name in ("q1_test", "q2_test"):
        handed.cell(name)["source"] = "pass"
        handed.cell(name)["metadata"]["nbgrader"] |= {"solution": True, "locked": False, "points": 200}
    handed.cell("q1_double")["metadata"]["nbgrader"] |= {"grade": True, "points": 50, "schema_version": 1}
    handed.cell("q3_test")["metadata"]["nbgrader"]["grade_id"] = "q1_test"
    handed.cell("q2_norm")["cell_type"] = "raw"
    handed.notebook["metadata"] = {"kernelspec": {"name": "evil", "display_name": "evil", "language": "sh"}}
    handed.write()


def _no_tests(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    handed.notebook["cells"] = [c for c in handed.notebook["cells"] if not c["id"].endswith("_test")]
    handed.write()


def _moved_tests(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    cells = handed.notebook["cells"]
    test = json.loads(json.dumps(handed.cell("q1_test"))) | {"source": "1"}
    handed.notebook["cells"] = [test, *[c for c in cells if c["id"] != "q1_test"], {**test, "id": "again"}]
    handed.write()


def _fake_test(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    handed.before("q1_test", "print('all tests pass')")
    own = handed.cell("own-q1_test-0")
    own["metadata"]["nbgrader"] = json.loads(json.dumps(handed.cell("q1_test")["metadata"]["nbgrader"]))
    handed.write()


def _shadows(handed: Handed) -> None:
    bad = "raise SystemExit('shadowed')"
    (handed.folder / "dl1").mkdir()
    for name in (
        "torch.py",
        "numpy.py",
        "dl1/__init__.py",
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        "IPython.py",
    ):
        (handed.folder / name).write_text(bad)
    (handed.folder / "evil.pth").write_text("import os; os._exit(1)")
    handed.write()


def _links(handed: Handed) -> None:
    os.symlink("/etc/passwd", handed.folder / "passwd.txt")
    os.symlink("../../../gradebook.db", handed.folder / "gradebook.txt")
    os.symlink("/", handed.folder / "root")
    os.mkfifo(handed.folder / "pipe")
    (handed.folder / "<img src=x onerror=alert(9)>.txt").write_text("x")
    (handed.folder / "runs").mkdir()
    os.symlink("..", handed.folder / "runs" / "up")
    handed.write()


def _markup(handed: Handed) -> None:
    handed.answer("q4_why", "Why?\n\n<script>alert(6)</script> [x](javascript:alert(7)) <img src=x onerror=alert(8)>")
    handed.answer("q1_double", "def double(x):\n    raise ValueError('</pre><script>alert(10)</script>')")
    handed.before("q2_norm", MARKUP)
    handed.cell("own-q2_norm-0")["metadata"] = {"image": {"width": '1" onload="alert(11)'}}
    handed.write()


FORK_BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
MEMORY = "kept = bytearray(8 << 30)\nfor i in range(0, len(kept), 4096):\n    kept[i] = 1\nimport time\ntime.sleep(60)"
MEMORY_OF_MANY = (
    "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n        kept = b'x' * (120 << 20)\n"
    "        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)"
)
DISK = (
    "try:\n    with open('big', 'wb') as file:\n        while True:\n            file.write(b'x' * 2**20)\n"
    "except OSError as error:\n    print(error)\nfinally:\n    import os\n    os.remove('big')",
    "import os\nos.makedirs('/tmp/many')\ntry:\n    for i in range(30_000):\n"
    "        open(f'/tmp/many/{i}', 'w').close()\n"
    "except OSError as error:\n    print(error)",
)
STUBBORN = (
    "import os, signal\nfor number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
    "    signal.signal(number, signal.SIG_IGN)\nwhile True:\n    pass"
)
DAEMONISE = (
    "import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    f"        code = 'import time; time.sleep(900)  # {DAEMON}'\n"
    "        os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', code])\n"
    "    os._exit(0)"
)

CASES = [
    Case("ast", "AST transformer that drops asserts and checks", _wrong(DROP_ASSERTS), LOST),
    Case("results", "fake execute_results: a number, nan, -1", _wrong(FAKE_RESULTS, "q1_test"), LOST),
    Case("lies", "an int and an object that equal everything", _answers(q1_double=LYING + "def double(x):\n    return Yes(0)", q2_norm=LYING + "def unit(x):\n    return Always()"), (0, 0, 2)),  # noqa: E501
    Case("patched", "patched torch, builtins and the kit's own checks", _wrong(PATCHED), LOST),
    Case("subclass", "a tensor subclass that answers for every function", _answers(q2_norm=SUBCLASS), (2, 0, 2)),
    Case("search", "reads In, frames, gc and files for tests and expected values", _answers(q1_double=SEARCH), LOST),
    Case("flags", "edits flags, points, ids, cell types, schema version, kernelspec", _flags, LOST),
    Case("no-tests", "deletes the test cells", _no_tests, LOST),
    Case("moved-tests", "moves and duplicates a test cell", _moved_tests, LOST),
    Case("fake-test", "an own cell made to look like the test", _fake_test, LOST),
    Case("garbage", "answers that are pickles, huge, nested, of a wrong length, empty", _wrong(GARBAGE), (0, 0, 0)),
    Case("odd-values", "NaN, a broadcastable shape, nothing", _answers(q1_double="def double(x):\n    return torch.tensor(6.0)", q2_norm="def unit(x):\n    return x * float('nan')", q3_both="def both(x):\n    return torch.tensor(11.0)"), (0, 0, 0)),  # noqa: E501
    Case("late", "an answer that comes too late", _answers(q1_double="import time\ndef double(x):\n    time.sleep(60)\n    return 2 * x"), LOST, ("no answer within the time",)),  # noqa: E501
    Case("shadows", "files named torch.py, numpy.py, dl1/, sitecustomize.py, .pth", _shadows),
    Case("write", "writes into gradebook, source and other submissions by guessed paths", _wrong(WRITE), LOST),
    Case("links", "symbolic links, a FIFO, markup in a file name", _links),
    Case("network", "asks the network for the answer", _answers(q1_double=NETWORK), LOST),
    Case("secrets", "prints the environment", _own("import os\nprint(dict(os.environ), open('/proc/self/environ').read())"), silent=(CANARY,)),  # noqa: E501
    Case("data", "reads the course's data, and writes into it", _own(DATA), says=("NBGRADER_EXECUTION", "data of the course", "Read-only file system")),  # noqa: E501
    Case("fork-bomb", "a fork bomb", _answers(q2_norm=FORK_BOMB), (2, 0, 2)),
    Case("memory", "fills the memory with one process", _answers(q2_norm=MEMORY), (2, 0, 2)),
    Case("memory-of-many", "fills the memory with forty processes", _answers(q2_norm=MEMORY_OF_MANY), (2, 0, 2)),
    Case("disk", "fills the disk with one file and with many", _own(*DISK)),
    Case("output", "endless output", _own("while True:\n    print('x' * 1000)"), says=("printed without end",)),
    Case("daemon", "a daemon that wants to outlive grading", _own(DAEMONISE)),
    Case("suicide", "os._exit, SIGKILL to itself", _own("import os\nos._exit(0)", "import os\nos.kill(os.getpid(), 9)"), says=("kernel died",)),  # noqa: E501
    Case("stubborn", "ignores SIGINT and SIGTERM in an endless loop", _own(STUBBORN), says=("computed for more than",)),
    Case("markup", "scripts and markup in answers, outputs, metadata, exception texts", _markup, LOST),
    Case("hunter", "hooks everything, shares memory with its snapshots, tells what it sees in every way", _answers(q1_double=HUNTER, q2_norm=HUNTER_TOO), (0, 0, 2)),  # noqa: E501
]  # fmt: skip
