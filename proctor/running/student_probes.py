"""The part of the program in a student's sandbox that answers questions, loaded by `student_host` from beside it.

The questions that are asked of a place in a row are answered one after the other in one fork, as in a notebook, where
checks run in one kernel; the next row begins with a fork of what the notebook has left there. After each answer the
names, doubles, settings and random numbers of the notebook are what they were before. An answer that ends in an
exception, takes too long or can't be followed by another one ends its fork, and the next question gets a new one.

What runs in the fork is in `student_answers`. This process never learns what is asked.
"""

from __future__ import annotations

import _thread
import collections
import contextlib
import contextvars
import functools
import gc
import json
import operator
import os
import queue
import select
import signal
import sys
import time
import types
from collections.abc import Callable
from typing import Any

_MAX_ANSWER = 72 * 2**20
_STACK = 16 * 2**20
_LOOK_SECONDS = 0.5
_LATE = "no answer within the time"
_THREADS = (
    f"{_LATE}; threads that were started by another cell do not run while an answer is asked: start them in the "
    "function that uses them"
)


def answer_probes(
    answers: types.ModuleType, wire: Any, namespace: dict[str, Any], text: Callable[[Any], str], threads: bool
) -> None:
    """Answers until the engine hangs up.

    Args:
        answers: the module `student_answers`.
        wire: of this snapshot.
        namespace: of the notebook.
        text: makes a text of an exception, whatever it is.
        threads: whether there were further ones in the notebook, which no fork has.
    """
    if threads:
        with contextlib.suppress(Exception):
            _renew_pools()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
    for descriptor in (1, 2):
        os.dup2(sys.stdout.fileno(), descriptor)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
        # Once here, before there is a question, instead of once in each fork. What raises here raises there again.
        with contextlib.suppress(BaseException):
            answers.of_the_course()
    _thread.stack_size(_STACK)
    late, fork = _THREADS if threads else _LATE, None
    while True:
        if fork is None:
            # Only looked at: the question is for the fork.
            select.select([wire.socket], [], [])
            fork = _Answering(answers, wire, namespace, text)
        try:
            given = fork.answer(late)
        except _Gone:
            fork.end()
            fork = None
            continue
        if given is None or not given[0]:
            fork.end()
            fork = None
        if given is not None:
            wire.send(*given[1:])


def _renew_pools() -> None:
    """Pools of threads that the notebook has made begin anew when they are used: their threads are not in a fork."""
    new, old = sys.modules.get("concurrent.futures.thread"), sys.modules.get("multiprocessing.pool")
    for one in gc.get_objects() if new or old else ():
        kind = type(one)
        if new and issubclass(kind, new.ThreadPoolExecutor) and one._threads and not one._shutdown:
            given = one._max_workers, one._thread_name_prefix, one._initializer, one._initargs
            new.ThreadPoolExecutor.__init__(one, *given)
        elif old and issubclass(kind, old.Pool) and one._state == old.RUN:
            # It starts its workers at once, so not before it is asked for something.
            one._check_running = functools.partial(_begin_anew, one, kind)


def _begin_anew(pool: Any, kind: type) -> None:
    del pool._check_running
    kind.__init__(pool, pool._processes, pool._initializer, pool._initargs)


class _Gone(Exception):
    """A fork has ended, and has read nothing of the next question."""


class _Answering:
    """A fork that answers, seen from the process that it was forked from."""

    def __init__(
        self, answers: types.ModuleType, wire: Any, namespace: dict[str, Any], text: Callable[[Any], str]
    ) -> None:
        self.answers = answers
        self.reading, writing = os.pipe()
        pids: queue.SimpleQueue[int] = queue.SimpleQueue()
        fork = answers.Fork(wire, namespace, text, writing, (self.reading,), pids)
        # Each step is called by C alone. The second one comes to be in the first, which ends the chain in this process.
        steps: list[Callable] = [functools.partial(fork.prepare)]
        fork.steps = steps
        chain = map(fork.finish, map(operator.call, steps))
        _thread.start_new_thread(contextvars.copy_context().run, (collections.deque, chain, 0))
        self.pid = pids.get()
        os.close(writing)
        # Number of the clock of its computing time, as the C library makes it of the process's.
        self.clock = (~self.pid << 3) | 2

    def answer(self, late: str) -> tuple[bool, dict[str, Any], bytes] | None:
        """Whether it takes a further question, and header and value of its answer; None if nothing more is asked.

        Args:
            late: what is said if it takes too long.

        Raises:
            _Gone: the question is still to be read.
        """
        kind, *_ = self._word()
        if kind is None:
            raise _Gone
        if kind == self.answers.READING:
            kind, wall, computing = self._word()
        if kind == self.answers.OVER:
            return None
        if kind != self.answers.ASKED:
            # Part of a question is left on the wire, or none comes any more: nobody could tell what the next one is.
            os._exit(0)
        limits = time.monotonic() + wall, self._computed() + computing
        try:
            goes_on, header, size = self.answers.ANSWER.unpack(self._exactly(self.answers.ANSWER.size, limits))
            if header == 0:
                # No answer begins like this; what follows is none either, however long that takes.
                self._exactly(_MAX_ANSWER, limits)
            if header + size > _MAX_ANSWER:
                return False, {"ok": False, "names": ["ProtocolError"], "text": "the answer is too large"}, b""
            return goes_on, json.loads(self._exactly(header, limits)), bytes(self._exactly(size, limits))
        except TimeoutError:
            return False, {"ok": False, "kind": "time-out", "text": late}, b""
        # Whatever it may have written there in place of an answer.
        except (EOFError, ValueError, RecursionError):
            if os.WIFSIGNALED(status := self.end()) and os.WTERMSIG(status) == signal.SIGXCPU:
                return False, {"ok": False, "kind": "time-out", "text": late}, b""
            return False, {"ok": False, "names": ["SystemExit"], "text": "the process of the answer died"}, b""

    def end(self) -> int:
        """End it; its status, or 0 if it had been ended before."""
        if self.pid is None:
            return 0
        os.close(self.reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        pid, self.pid = self.pid, None
        return os.waitpid(pid, 0)[1]

    def _word(self) -> tuple[bytes | None, float, float]:
        try:
            return self.answers.WORD.unpack(self._exactly(self.answers.WORD.size, None))
        except EOFError:
            return None, 0.0, 0.0

    def _computed(self) -> float:
        try:
            return time.clock_gettime(self.clock)
        except OSError:
            return 0.0

    def _exactly(self, count: int, limits: tuple[float, float] | None) -> bytearray:
        """That many bytes of what it writes.

        Args:
            limits: until when on the clock, and until which computing time of its own.
        """
        content = bytearray()
        while len(content) < count:
            seconds = _LOOK_SECONDS
            if limits is not None:
                seconds = min(seconds, limits[0] - time.monotonic())
                if seconds <= 0 or self._computed() > limits[1]:
                    raise TimeoutError
            if not select.select([self.reading], [], [], seconds)[0]:
                # What it has started may hold the line after its end.
                if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    raise EOFError
                continue
            part = os.read(self.reading, min(2**20, count - len(content)))
            if not part:
                raise EOFError
            content += part
        return content
