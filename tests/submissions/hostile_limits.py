"""Hostile submissions that want time: the grading machine's processors, and the place of others in the queue."""

from __future__ import annotations

from collections.abc import Callable

from exercise import Case, Handed

STOP_ALL = (
    "def unit(x):\n    import os, signal\n    os.kill(-1, signal.SIGSTOP)\n    os.kill(os.getpid(), signal.SIGSTOP)"
)
KILL_ALL = "    import os\n    os.kill(-1, 9)"
# Many short processes for which nobody waits, so that their time is on no account of the kernel's.
UNWAITED = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        os._exit(0)
    time.sleep(0.12)
"""
# Words on no request, without end: the engine is never at rest, and nothing is kept that could be too much.
BABBLE = """
import gc, json, os, struct
if os.fork() == 0:
    while True:
        pass
host = next(o for o in gc.get_objects() if type(o).__name__ == "Host" and hasattr(o, "snapshots"))
text = json.dumps({"nonce": -1}).encode()
while True:
    host.control.socket.sendall(struct.pack(">4sII", b"PRF1", len(text), 0) + text)
"""
HALF_A_WORD = """
import gc, struct, time
host = next(o for o in gc.get_objects() if type(o).__name__ == "Host" and hasattr(o, "snapshots"))
host.control.socket.sendall(struct.pack(">4sII", b"PRF1", 99, 0))
time.sleep(600)
"""
# The folder of the submission is made once for a notebook, so its time tells a first run from a replay: half a minute
# is more than a start takes.
_BEGAN = "import os, time\nsince = time.time() - os.stat('/opt/submission').st_mtime\n"
SLOW_IN_REPLAYS = _BEGAN + "if since > 30:\n    time.sleep(6)"
DIES_LATE = _BEGAN + "time.sleep(max(0, 31 - since))\nos._exit(0)"
HANGS = "import time\ntime.sleep(600)"


def _own(*sources: str, **answers: str) -> Callable[[Handed], None]:
    def make(handed: Handed) -> None:
        handed.before("q2_norm", *sources)
        for name, source in answers.items():
            handed.answer(name, source)
        handed.write()

    return make


# What they cost is bounded by small limits each.
CASES = [
    Case("stopped", "stops all its processes in an answer", _own(q2_norm=STOP_ALL), (2, 0, 2)),
    Case("unwaited", "computes in children that nobody waits for", _own(UNWAITED), says=("computed for more than",)),
    Case("babble", "words on no request, without end", _own(BABBLE), says=("computed for more than",)),
]

# What they cost is bounded by the time of a notebook or submission only, so they are no part of the large batch.
COSTLY = [
    Case("slow-cells", "fifteen cells that sleep", _own(*["import time\ntime.sleep(30)"] * 15), (2, 0, 0)),
    Case("slow-in-replays", "fifteen cells that sleep when they run again", _own(*[SLOW_IN_REPLAYS] * 15, DIES_LATE), (0, 0, 0), ("its kernel died", "not run: the time")),  # noqa: E501
    Case("slow-for-answers", "answers that kill all, and cells that sleep when they run again for them", _own(*[SLOW_IN_REPLAYS] * 15, "import time\ntime.sleep(31)", q1_double=f"def double(x):\n{KILL_ALL}", q2_norm=f"def unit(x):\n{KILL_ALL}"), (0, 0, 0), ("was run again",)),  # noqa: E501
    Case("hanging-cells", "cells that hang, each in a fresh kernel", _own(*[HANGS] * 9), (2, 0, 0)),
    Case("hanging-answers", "answers that hang, all of them", _own(**{name: f"def {name[3:] if name != 'q2_norm' else 'unit'}(x):\n    import time\n    time.sleep(600)" for name in ("q1_double", "q2_norm", "q3_both")}), (0, 0, 0)),  # noqa: E501
    Case("half-a-word", "half a word to the engine, again and again", _own(*[HALF_A_WORD] * 9), (2, 2, 2)),
    *CASES,
]  # fmt: skip
