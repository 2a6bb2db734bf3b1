"""The part of the program in a student's sandbox that answers questions, loaded by `student_host` from beside it.

Each question is answered in a fork that knows nothing of the other ones. What is asked arrives in the fork alone, in a
thread whose first Python frame is that of the probe: around it there is only C. So code under test that looks at the
frames above it, at all objects, or at what was compiled, finds a function `_` and the values that it was called with.
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
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

_MAX_ANSWER = 72 * 2**20
_MAX_TEXT = 2_000
_STACK = 16 * 2**20
_FILENAME = "<cell>"
# What the fork writes first: that it has the whole question, and how many seconds it may take.
_ASKED = struct.Struct(">d")
# As they are before any code of the submission runs, which may put its own in their place.
_compile, _execute = compile, exec
_LATE = "no answer within the time"
_THREADS = (
    f"{_LATE}; threads that were started by another cell do not run while an answer is asked: start them in the "
    "function that uses them"
)


def answer_probes(wire: Any, namespace: dict[str, Any], text: Callable[[Any], str], threads: bool) -> None:
    """Answers until the engine hangs up.

    Args:
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
            _of_the_course()
    _thread.stack_size(_STACK)
    while True:
        # Only looked at: the question is for the fork.
        select.select([wire.socket], [], [])
        header, answer = _in_a_fork(wire, namespace, text, _THREADS if threads else _LATE)
        wire.send(header, answer)


def _of_the_course() -> tuple[Any, ...]:
    """What a fork asks with."""
    import torch

    from dl1.contract import protocol
    from dl1.contract.own_names import own_names
    from dl1.contract.probe import doubles_in_place
    from dl1.contract.settings import first_settings
    from dl1.contract.unfinished import explained

    return torch, protocol, own_names, doubles_in_place, first_settings, explained


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


def _in_a_fork(
    wire: Any, namespace: dict[str, Any], text: Callable[[Any], str], late: str
) -> tuple[dict[str, Any], bytes]:
    reading, writing = os.pipe()
    pids: queue.SimpleQueue[int] = queue.SimpleQueue()
    fork = _Fork(wire, namespace, text, writing, (reading,), pids)
    # Each step is called by C alone. The second one comes to be in the first, which ends the chain in this process.
    steps: list[Callable] = [functools.partial(fork.prepare)]
    fork.steps = steps
    chain = map(fork.finish, map(operator.call, steps))
    context = contextvars.copy_context()
    _thread.start_new_thread(context.run, (collections.deque, chain, 0))
    pid = pids.get()
    os.close(writing)
    del fork, steps, chain, context
    try:
        content = _whole_answer(reading)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    if content is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU,)):
        return {"ok": False, "kind": "time-out", "text": late}, b""
    if len(content) > _MAX_ANSWER:
        return {"ok": False, "names": ["ProtocolError"], "text": "the answer is too large"}, b""
    with contextlib.suppress(struct.error, ValueError):
        (length,) = struct.unpack(">I", content[:4])
        return json.loads(content[4 : 4 + length]), bytes(content[4 + length :])
    return {"ok": False, "names": ["SystemExit"], "text": "the process of the answer died"}, b""


def _whole_answer(reading: int) -> bytearray | None:
    """What the fork writes; None if it takes too long."""
    asked = b""
    while len(asked) < _ASKED.size:
        part = os.read(reading, _ASKED.size - len(asked))
        if not part:
            # Hung up, or part of a question is left on the wire, and nobody could tell what the next one is.
            os._exit(0)
        asked += part
    content, deadline = bytearray(), time.monotonic() + _ASKED.unpack(asked)[0]
    while len(content) <= _MAX_ANSWER:
        if not select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = os.read(reading, 2**20)
        if not part:
            break
        content += part
    return content


class _Fork:
    """The steps of a process that answers one question. Nothing of the question is kept in it but the probe."""

    def __init__(self, wire, namespace, text, writing: int, closed: tuple[int, ...], pids) -> None:
        self.wire = wire
        self.namespace = namespace
        self.text = text
        self.writing = writing
        self.closed = closed
        self.pids = pids
        self.steps: list[Callable] = []
        self.failed: BaseException | None = None
        self.begun = False
        self.kept: list[Any] = []

    def prepare(self) -> None:
        """Forks; the new process receives the question and makes it the next step."""
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid != 0:
            self.pids.put(pid)
            raise StopIteration
        try:
            self._prepared()
        except EOFError:
            os._exit(0)
        # Student code may raise anything, also from what it has put in the place of an import.
        except BaseException as error:
            self.failed = error

    def _prepared(self) -> None:
        request, body = self.wire.receive()
        self.wire.close()
        for descriptor in self.closed:
            os.close(descriptor)
        os.write(self.writing, _ASKED.pack(request["wall_seconds"]))
        seconds = int(request["cpu_seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        torch, protocol, own_names, doubles_in_place, first_settings, _ = _of_the_course()
        torch.set_num_threads(1)
        arguments, keywords = protocol.decode(body)
        names = own_names(self.namespace)
        for statement in request["imports"]:
            self._import(statement, names)
        doubles = {path: self._defined(source, names) for path, source in request["doubles"].items()}
        probe = self._defined(request["source"], names)
        for around in (doubles_in_place(self.namespace, doubles), first_settings()):
            around.__enter__()
            # They are never taken back: this process ends with its answer.
            self.kept.append(around)
        names.update({path: double for path, double in doubles.items() if "." not in path})
        torch.default_generator.manual_seed(request["seed"])
        self.steps.append(functools.partial(probe, *arguments, **keywords))

    def _import(self, statement: str, names: dict[str, Any]) -> None:
        """Imports for the probe; the notebook gets what it has no other thing by that name for, as from a test cell."""
        made = {"__name__": "__main__", "__builtins__": names["__builtins__"]}
        _execute(_compile(statement, _FILENAME, "exec", dont_inherit=True), made)
        names.update(made)
        for name, value in made.items():
            self.namespace.setdefault(name, value)

    def _defined(self, source: str, names: dict[str, Any]) -> Any:
        """What a text defines, without giving it a name in the notebook."""
        own: dict[str, Any] = {}
        _execute(_compile(source, _FILENAME, "exec", dont_inherit=True), names, own)
        return own.popitem()[1]

    def finish(self, result: Any) -> None:
        """Called with what each step gave; sends the answer after the probe, or after a failure before it."""
        if self.failed is None and not self.begun:
            self.begun = True
            return
        try:
            header, answer = self._answer(result)
            text = json.dumps(header).encode()
            with os.fdopen(self.writing, "wb") as file:
                file.write(struct.pack(">I", len(text)) + text + answer)
        finally:
            os._exit(0)

    def _answer(self, result: Any) -> tuple[dict[str, Any], bytes]:
        try:
            _, protocol, _, _, _, explained = _of_the_course()
            with explained():
                error = self.failed or self._raised(result)
                if error is not None:
                    raise error
                return {"ok": True}, protocol.encode(result)
        except BaseException as error:
            names = [one.__name__ for one in type(error).__mro__][:20]
            return {"ok": False, "names": names, "text": self.text(error)[:_MAX_TEXT]}, b""

    def _raised(self, result: Any) -> BaseException | None:
        """The probe's result, if it is an exception that the probe has caught and not one that it was given."""
        if not isinstance(result, BaseException) or result.__traceback__ is None:
            return None
        return result if result.__traceback__.tb_frame.f_code is self.steps[-1].func.__code__ else None
