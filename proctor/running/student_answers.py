"""The process that answers questions in a student's sandbox, loaded by `student_host` from beside it.

It is forked from a snapshot by `student_probes`, which holds the other end. What is asked arrives here alone, and the
first Python frame of its thread is that of the probe: around it there is only C. So code under test that looks at the
frames above it, at all objects, or at what was compiled, finds a function `_` and the values that it was called with.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import random
import resource
import select
import struct
import sys
from collections.abc import Callable
from typing import Any

_MAX_TEXT = 2_000
_FILENAME = "<cell>"
# Its words: it begins to read; it has the whole question, and how many seconds on the clock and of computing it may
# take; no question follows.
WORD = struct.Struct(">cdd")
READING, ASKED, OVER = b"r", b"a", b"o"
# And then its answer: whether it takes a further question, and how long header and value are.
ANSWER = struct.Struct(">?II")
# As they are before any code of the submission runs, which may put its own in their place.
_compile, _execute = compile, exec


def of_the_course() -> tuple[Any, ...]:
    """What a fork asks with."""
    import torch

    from dl1.contract import protocol
    from dl1.contract.own_names import own_names
    from dl1.contract.probe import doubles_in_place
    from dl1.contract.settings import first_settings
    from dl1.contract.unfinished import explained

    return torch, protocol, own_names, doubles_in_place, first_settings, explained


class Fork:
    """The steps of a process that answers questions. Nothing of a question is kept in it but the probe."""

    def __init__(self, wire, namespace, text, writing: int, closed: tuple[int, ...], pids) -> None:
        self.wire = wire
        self.namespace = namespace
        self.text = text
        self.writing = writing
        self.closed = closed
        self.pids = pids
        self.steps: list[Callable] = []
        self.failed: BaseException | None = None
        self.probing = False
        # What is taken back after an answer: of the question, and folder and random numbers of the notebook.
        self.taken_back = contextlib.ExitStack()
        self.as_before: list[Callable] = []

    def prepare(self) -> None:
        """Forks; the new process receives the question and makes it the next step."""
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid != 0:
            self.pids.put(pid)
            raise StopIteration
        for descriptor in self.closed:
            os.close(descriptor)
        self._remember()
        self.receive()

    def _remember(self) -> None:
        """What the next answer begins with as well; an answer may have replaced what it is asked for."""
        with contextlib.suppress(Exception):
            self.as_before.append(functools.partial(os.chdir, os.getcwd()))
        with contextlib.suppress(Exception):
            self.as_before.append(functools.partial(random.setstate, random.getstate()))
        with contextlib.suppress(Exception):
            drawn = sys.modules["numpy"].random
            self.as_before.append(functools.partial(drawn.set_state, drawn.get_state()))

    def receive(self) -> None:
        """Receives a question, and makes it the next step."""
        try:
            select.select([self.wire.socket], [], [])
            os.write(self.writing, WORD.pack(READING, 0.0, 0.0))
            request, body = self.wire.receive()
            if "source" not in request:
                os.write(self.writing, WORD.pack(OVER, 0.0, 0.0))
                os._exit(0)
            self._prepared(request, body)
        except EOFError:
            os._exit(0)
        # Student code may raise anything, also from what it has put in the place of an import.
        except BaseException as error:
            self.failed = error

    def _prepared(self, request: dict[str, Any], body: bytes) -> None:
        seconds = int(request["cpu_seconds"])
        os.write(self.writing, WORD.pack(ASKED, request["wall_seconds"], seconds + 1.0))
        used, (_, most) = resource.getrusage(resource.RUSAGE_SELF), resource.getrlimit(resource.RLIMIT_CPU)
        seconds += math.ceil(used.ru_utime + used.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds if most < 0 else min(seconds, most), most))
        torch, protocol, own_names, doubles_in_place, first_settings, _ = of_the_course()
        torch.set_num_threads(1)
        arguments, keywords = protocol.decode(body)
        names = own_names(self.namespace)
        for statement in request["imports"]:
            self._import(statement, names)
        doubles = {path: self._defined(source, names) for path, source in request["doubles"].items()}
        probe = self._defined(request["source"], names)
        self.taken_back.enter_context(doubles_in_place(self.namespace, doubles))
        self.taken_back.enter_context(first_settings())
        names.update({path: double for path, double in doubles.items() if "." not in path})
        torch.default_generator.manual_seed(request["seed"])
        self.steps.append(functools.partial(probe, *arguments, **keywords))

    def _import(self, statement: str, names: dict[str, Any]) -> None:
        """Imports for the probe; the notebook gets what it has no other thing by that name for, as from a test cell."""
        made = {"__name__": "__main__", "__builtins__": names["__builtins__"]}
        _execute(_compile(statement, _FILENAME, "exec", dont_inherit=True), made)
        names.update(made)
        for name, value in made.items():
            if name not in self.namespace:
                self.namespace[name] = value
                self.taken_back.callback(self.namespace.pop, name, None)

    def _defined(self, source: str, names: dict[str, Any]) -> Any:
        """What a text defines, without giving it a name in the notebook."""
        own: dict[str, Any] = {}
        _execute(_compile(source, _FILENAME, "exec", dont_inherit=True), names, own)
        return own.popitem()[1]

    def finish(self, result: Any) -> None:
        """Called with what each step gave; sends the answer after the probe, or after a failure before it."""
        if self.failed is None and not self.probing:
            # The next result is that of the probe.
            self.probing = True
            return
        goes_on = False
        try:
            header, answer = self._answer(result)
            goes_on = header["ok"] and self._is_as_before()
            text = json.dumps(header).encode()
            with open(self.writing, "wb", closefd=False) as file:
                file.write(ANSWER.pack(goes_on, len(text), len(answer)) + text + answer)
        finally:
            if not goes_on:
                os._exit(0)
        self.probing, self.steps[-1] = False, None
        self.steps.append(self.receive)

    def _is_as_before(self) -> bool:
        """Takes everything back; whether that could be done."""
        try:
            self.taken_back.close()
            for one in self.as_before:
                one()
        except BaseException:
            return False
        return True

    def _answer(self, result: Any) -> tuple[dict[str, Any], bytes]:
        try:
            _, protocol, _, _, _, explained = of_the_course()
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
