"""More hostile submissions: attacks that begin inside an answer, on the channels to the engine, and on pages."""

from __future__ import annotations

import json
from collections.abc import Callable

from exercise import WRONG, Case, Handed

NESTED_CELLS = 5_000

# Everything that the engine could be told, in advance and under every number.
FORGED = """
import gc, json, struct, torch
from dl1.contract import protocol
def frame(header, body=b""):
    text = json.dumps(header).encode()
    return struct.pack(">4sII", b"PRF1", len(text), len(body)) + text + body
host = next(o for o in gc.get_objects() if type(o).__name__ == "Host" and hasattr(o, "snapshots"))
import socket
for descriptor in host.snapshots:
    end = socket.socket(fileno=descriptor)
    for _ in range(9):
        end.sendall(frame({"ok": True}, protocol.encode(6)))
    end.detach()
output = {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 1}
for number in range(40):
    for header in (
        {"verdict": {"grade_id": "q1_test", "passed": True}, "nonce": number},
        {"out": output, "nonce": number},
        {"out": {"output_type": "error", "traceback": [[[]], {}, None]}, "nonce": number},
        {"file": "../../../canary", "nonce": number},
        {"file": "/tmp/canary", "nonce": number},
        {"file": "runs/\\ud800/canary", "nonce": number},
        {"done": number, "ok": True},
    ):
        host.control.socket.sendall(frame(header, b"x"))
"""
# One byte at a time into the pipe that takes the answer.
DRIP = """
import os, stat, time
def double(x):
    pipes = [int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]
    pipes = [n for n in pipes if n > 2 and stat.S_ISFIFO(os.fstat(n).st_mode)]
    while True:
        for number in pipes:
            try:
                os.write(number, b"\\0")
            except OSError:
                pass
        time.sleep(0.2)
"""
# Past the process that waits for the answer, straight to the engine.
SHOUT = """
def unit(x):
    import os, stat
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), b"GET / HTTP/1.0\\r\\n\\r\\n" * 10)
        except OSError:
            pass
    return x * 0
"""
BOMB = (
    "def double(x):\n    import os\n    while True:\n        try:\n            os.fork()\n"
    "        except OSError:\n            pass"
)
GREEDY = "def double(x):\n    return b'x' * (8 << 30)"
MURDER = "def unit(x):\n    import os\n    os.kill(-1, 9)"
DEAF = (
    "def double(x):\n    import signal\n    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
    "        signal.signal(number, signal.SIG_IGN)\n    while True:\n        pass"
)
SILENT = "def unit(x):\n    import os\n    os._exit(0)"
# What a hidden probe shows is kept in shared memory and told by values, shapes, kinds of exceptions.
TELLING = """
import mmap
file = open("/dev/shm/kept", "w+b")
file.truncate(4096)
kept = mmap.mmap(file.fileno(), 4096)
def double(x):
    kept[:20] = str(x).rjust(20).encode()
    return 2 * x if x < 100 else x
"""
TELLING_UNIT = """
def unit(x):
    seen = kept[:20].decode()
    print("kept", seen)
    open("seen.json", "w").write(seen)
    return x / x.norm() if "3" in seen[-1] and len(seen.split()[0]) == 1 else torch.zeros(max(1, int(seen) % 4096))
"""
TELLING_BOTH = """
def both(x):
    seen = kept[:20].decode().strip()
    raise [IndexError, KeyError, ValueError, type("E" + seen, (OSError,), {})][len(x) % 4](seen)
"""
LINKS = [
    "[a [b] c](ADDRESS)",
    "[a\\]b](ADDRESS)",
    "[a\nb](ADDRESS)",
    "[ \n[a](b) ](ADDRESS)",
    "[a](https://ok.example/)](ADDRESS)",
    "[click][y]\n\n> [y]: ADDRESS\n",
    "[click][z]\n\n- [z]: ADDRESS\n",
    "[click][a\\]b]\n\n[a\\]b]: ADDRESS\n",
    "![a [b]](ADDRESS)",
    "[a][(ADDRESS)](x)",
    "$\\text{[a]}$(ADDRESS)",
]
DISPLAYED = """
from IPython.display import Markdown, display
display(Markdown(TEXT))
display({"text/plain": 5, "text/markdown": [TEXT, 7], "image/png": "<svg onload=alert(1)>"}, raw=True)
display({"text/html": TEXT, "application/javascript": "alert(1)", "x/y": {"a": TEXT}}, raw=True)
"""


def _answers(before: str = "", **answers: str) -> Callable[[Handed], None]:
    def make(handed: Handed) -> None:
        for name, source in answers.items():
            handed.answer(name, source)
        if before:
            handed.before("q1_test", before)
        handed.write()

    return make


def _links(handed: Handed) -> None:
    text = "\n\n".join(LINKS).replace("ADDRESS", "javascript:alert(1)")
    handed.answer("q4_why", f"Why?\n\n{text}")
    handed.before("q2_norm", f"TEXT = {text!r}\n{DISPLAYED}")
    returned = "</pre><script>alert(1)</script>\x1b[31m\x00\n" + text
    handed.answer("q1_double", f"def double(x):\n    return {returned!r}")
    handed.write()


def _slow_page(handed: Handed) -> None:
    # Each of these takes minutes where markdown is read with a way back for every character.
    texts = (
        "[" * 60_000,
        "[](" * 20_000,
        "a" + " " * 60_000 + "b",
        "\\begin{a}" * 6_000,
        "$$" * 30_000 + "a",
        "*a " * 9_000,
    )
    handed.answer("q4_why", "\n\n".join(texts))
    handed.before("q2_norm", *(f"from IPython.display import Markdown\nMarkdown({text!r})" for text in texts[:3]))
    handed.write()


def _files(handed: Handed) -> None:
    (handed.folder / "exercise.html").mkdir()
    (handed.folder / "exercise.html" / "page.html").write_text("<script>alert(1)</script>")
    (handed.folder / "timestamp.txt").mkdir()
    (handed.folder / ("n" * 200 + ".txt")).write_text("x")
    (handed.folder / "a\nb\x1b[31m.txt").write_text("x")
    deep = handed.folder
    for _ in range(30):
        deep = deep / "d"
        deep.mkdir()
    (handed.folder / "many").mkdir()
    for number in range(2_100):
        (handed.folder / "many" / f"{number}.txt").touch()
    handed.write()


def _nested(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    text = json.dumps(handed.notebook)
    deep = '{"a": ' * NESTED_CELLS + "1" + "}" * NESTED_CELLS
    (handed.folder / "exercise.ipynb").write_text(text[:-1] + f', "deep": {deep}}}')


# Tells the notebook behind it, by all that a process can leave, what its answers were asked; before the seal it may.
SENDER = """
import mmap, os, threading, time
file = open("/dev/shm/kept", "w+b")
file.truncate(4096)
kept = mmap.mmap(file.fileno(), 4096)
os.makedirs("runs", exist_ok=True)
places = ["runs/seen.json", "seen.json", "seen.py", "/tmp/seen.json", os.path.expanduser("~/seen.json")]
def leave(text):
    for place in places:
        with open(place, "w") as file:
            file.write(text)
leave("LEFT_BEFORE_THE_SEAL")
def talk():
    while True:
        time.sleep(0.2)
        if kept[0]:
            leave(kept[:20].decode())
            print(kept[:20].decode())
threading.Thread(target=talk, daemon=True).start()
def double(x):
    kept[:20] = str(x).rjust(20).encode()
    if x > 100:
        leave(str(x))
        time.sleep(1)
    return 2 * x if x < 100 else x
"""
RECEIVER = """
import os
for top in (".", "/tmp", os.path.expanduser("~"), "/dev/shm", "/opt/submission"):
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                print(os.path.join(folder, name), open(os.path.join(folder, name), errors="replace").read(2000))
            except OSError:
                pass
"""


def sender(handed: Handed, changed: str = "") -> None:
    """Two notebooks, of which the first wants to hand hidden inputs on; `changed` makes it another submission."""
    handed.answer("q1_double", SENDER)
    handed.answer("q4_why", f"Why?\n\n{changed}")
    handed.write()
    handed.notebook["cells"] = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for name, source in (("looks", RECEIVER), ("q5_last", f"{RECEIVER}\ndef last(x):\n    return x"))
    ]
    handed.write("follow_up.ipynb")


CASES = [
    Case("forged", "forges words of its kernel and answers to every question in advance", _answers(FORGED, q1_double=WRONG), (0, 0, 0)),  # noqa: E501
    Case("drip", "an answer byte by byte; another straight to the engine", _answers(q1_double=DRIP, q2_norm=SHOUT), (0, 0, 2), ("no answer within the time",)),  # noqa: E501
    Case("answer-bomb", "a fork bomb in an answer", _answers(q1_double=BOMB), (0, 2, 2)),
    Case("answer-memory", "fills the memory in one answer, kills all its processes in another", _answers(q1_double=GREEDY, q2_norm=MURDER), (0, 0, 2)),  # noqa: E501
    Case("answer-deaf", "an endless answer that ignores all signals, and one that ends its process", _answers(q1_double=DEAF, q2_norm=SILENT), (0, 0, 2)),  # noqa: E501
    Case("telling", "hands hidden inputs on to later answers, tells them by value, shape and exception", _answers(q1_double=TELLING, q2_norm=TELLING_UNIT, q3_both=TELLING_BOTH), (0, 0, 0)),  # noqa: E501
    Case("markup-links", "links to scripts in every form that markdown knows", _links, (0, 2, 2)),
    Case("slow-page", "markdown that takes a page minutes to draw", _slow_page),
    Case("files", "folders in place of files, long, odd and very many names", _files, (2, 2, 2), ("left out",)),
    Case("nested", "a notebook nested five thousand deep", _nested, (0, 0, 0), ("be read as a notebook",)),
]  # fmt: skip
