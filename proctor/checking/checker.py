"""The program beside the test cells: runs them in a sandbox of its own and says what it found, cell by cell.

It is started by `proctor.checking.questions`, holds the instructor's tests and the key of their inputs, and reaches
student code only by asking the engine to carry a probe. An answer is decoded as data; nothing of a submission is ever
run here.

All public parts run before the first hidden one. A student's processes may hand on what a hidden probe shows them, to a
later probe of another cell for instance, and the texts of public failures are the way home: once something hidden has
been asked, no text of an answer may be shown any more.
"""

from __future__ import annotations
import __future__

import contextlib
import functools
import inspect
import io
import linecache
import random
import socket
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from dl1.contract import protocol
from proctor.checking import verdict
from proctor.notebooks.checked_cells import ASSERT_COUNTER, Statement, read_cell, with_counted_asserts
from proctor.notebooks.neutral import bound_arguments
from proctor.sandbox.frames import Channel
from proctor.sandbox.machine_words import in_plain_words

Ask = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
PUBLIC, HIDDEN = "public", "hidden"
# Loaded by the protocol; this package itself depends on no numeric library.
_torch = sys.modules["torch"]
_FUTURE_FLAGS = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]


class _NoAnswer(BaseException):
    """A probe brought nothing that a check may look at. Not an Exception, so that no check takes it for an error."""

    def __init__(self, kind: str, text: str, note: str = "") -> None:
        super().__init__(text)
        self.kind, self.text, self.note = kind, text, note


class _Unfinished(NotImplementedError):
    """Student code said that it is not finished. Other errors of this class, torch's own for instance, are errors."""


class _Printed(io.TextIOBase):
    """Keeps the beginning of what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text[: max(0, verdict.MAX_TEXT - len(self.text))]
        return len(text)


class CellRun:
    """One test cell, run statement by statement.

    Args:
        ask: carries a question (header, encoded arguments) to student code and brings the answer.
        counts: number of checks that held so far, counted by whoever runs them.
        concealed: whether not even the public part may show what came from student code.
    """

    def __init__(self, grade_id: str, source: str, ask: Ask, counts: dict[str, int], concealed: bool) -> None:
        self.grade_id = grade_id
        self.cell = read_cell(source, travelling=False)
        self.ask = ask
        self.counts = counts
        self.concealed = concealed
        self.held = {PUBLIC: 0, HIDDEN: 0}
        self.printed = {PUBLIC: _Printed(), HIDDEN: _Printed()}
        self.failure: dict[str, Any] | None = None
        self.asked: str | None = None
        self.module = types.ModuleType("__main__")
        self.module.__dict__[ASSERT_COUNTER] = self._assert_held
        self.filename = f"<{grade_id}>"
        self.flags = 0
        self.waiting = list(self.cell.statements)
        # Without a modification time linecache never looks for a file of this name.
        lines = [line + "\n" for line in source.split("\n")]
        linecache.cache[self.filename] = (len(source), None, lines, self.filename)

    def run(self, part: str) -> None:
        """Run the statements above the first hidden one, or all that are left; the first failure ends the cell."""
        sys.modules["__main__"] = self.module
        protocol.use_transport(self._carry)
        number = protocol.seed(f"cell {self.grade_id} {part}")
        _torch.manual_seed(number)
        random.seed(number)
        while self.waiting and self.failure is None and (part == HIDDEN or not self.waiting[0].hidden):
            statement = self.waiting.pop(0)
            concealed = self.concealed or part == HIDDEN
            before = self.counts["held"]
            try:
                self._execute(statement, self.printed[HIDDEN if concealed else PUBLIC])
            except BaseException as error:
                self.failure = self._failure(error, statement, concealed)
            self.held[HIDDEN if statement.hidden else PUBLIC] += self.counts["held"] - before

    def result(self) -> dict[str, Any]:
        """The verdict as plain JSON; passed only if every statement ran and a check held in each part."""
        outcome = self.failure or self._omission() or {"kind": "", "name": "", "hidden": False, "message": ""}
        heads = {PUBLIC: "public output:\n", HIDDEN: verdict.HIDDEN_OUTPUT}
        printed = [head + self.printed[part].text for part, head in heads.items() if self.printed[part].text]
        staff_text = "\n".join([*printed, outcome.get("traceback", "")])
        return {
            "grade_id": self.grade_id,
            "passed": outcome["kind"] == "" and not self.waiting,
            **{key: outcome[key] for key in ("kind", "name", "hidden", "message")},
            "printed": verdict.plain(self.printed[PUBLIC].text),
            "staff_text": verdict.plain(staff_text),
            "note": outcome.get("note", ""),
        }

    def _omission(self) -> dict[str, Any] | None:
        if self.waiting:
            note = "not all of its statements ran"
        elif sum(self.held.values()) == 0:
            note = "the test cell ran without a single check"
        elif self.cell.has_hidden and not self.held[HIDDEN]:
            note = "the hidden part of the test cell ran without a single check"
        else:
            return None
        return {"kind": verdict.NO_VERDICT, "name": "", "hidden": True, "message": "", "note": note}

    def _execute(self, statement: Statement, printed: _Printed) -> None:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = compile(
                with_counted_asserts(statement.node), self.filename, "exec", self.flags, dont_inherit=True, optimize=0
            )
            self.flags |= sum(flag for flag in _FUTURE_FLAGS if code.co_flags & flag)
            exec(code, self.module.__dict__)

    def _assert_held(self) -> None:
        self.counts["held"] += 1

    def _carry(self, probe: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        name, line = probe.__name__, probe.function.__code__.co_firstlineno
        self.asked = f"call of `{name}`" if (name, line) in self.cell.public_probes else "call of your code"
        question = {"ask": self.grade_id, "probe": name, "line": line, "seed": protocol.seed(f"probe {name}")}
        arguments = bound_arguments(probe.function, args, kwargs)
        answer, body = self.ask(question, protocol.encode(((), arguments)))
        if answer["ok"]:
            try:
                return protocol.decode(body)
            except protocol.ProtocolError as error:
                text = f"what came back is no answer of a probe: {error}"
                raise _NoAnswer("wrong type", text) from None
        if "kind" in answer:
            raise _NoAnswer(answer["kind"], answer["text"], answer.get("note", ""))
        names, text = tuple(answer["names"]), answer["text"]
        # Libraries raise it, too: for a device that isn't there.
        if "NotImplementedError" in names and in_plain_words(text) == text:
            raise _Unfinished(text)
        if names[0] == protocol.ProtocolError.__name__:
            raise _NoAnswer("wrong type", text)
        raise protocol.ProbeError(names, text)

    def _failure(self, error: BaseException, statement: Statement, concealed: bool) -> dict[str, Any]:
        kind, name, message, note = self._described(error)
        hidden = concealed or statement.hidden
        return {
            "kind": kind,
            "name": verdict.plain(name, verdict.MAX_NAME),
            "hidden": hidden,
            "message": "" if hidden else verdict.plain(message),
            "traceback": self._traceback(error),
            "note": note,
        }

    def _described(self, error: BaseException) -> tuple[str, str, str, str]:
        """Kind, name, message for a public check, and note for staff."""
        if isinstance(error, _NoAnswer):
            return error.kind, self.asked, f"{self.asked}: {error.text}", error.note
        if isinstance(error, _Unfinished):
            return verdict.NOT_FINISHED, self.asked, f"{self.asked}: not finished: {error}", ""
        if isinstance(error, protocol.ProbeError):
            message = f"{self.asked}: your code raised {error.names[0]}: {in_plain_words(error.text)}"
            return verdict.exception_kind(error.names), self.asked, message, ""
        name, kind = getattr(error, "name", None), getattr(error, "kind", None)
        if isinstance(error, AssertionError) and isinstance(name, str) and kind in verdict.CHECK_KINDS:
            return kind, name, str(error), ""
        if why := self._our_fault(error):
            return verdict.NO_VERDICT, "", "", f"{why}: {type(error).__name__}: {error}"
        line = self._failing_line(error)
        shown = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = f"{shown}\n  in line {line} of the check: {linecache.getline(self.filename, line).strip()}"
        if isinstance(error, AssertionError):
            return verdict.FAILED, "a condition of the check", message, ""
        said = f"line {line} of the test cell itself raised {type(error).__name__}"
        advice = "see whether the answer or the test is wrong"
        names = [one.__name__ for one in type(error).__mro__]
        return verdict.exception_kind(names), "the check could not use your answer", message, f"{said}; {advice}"

    def _our_fault(self, error: BaseException) -> str:
        """Why what went wrong says nothing about an answer; empty if it may. Answers' own errors come otherwise."""
        if isinstance(error, AssertionError | SystemExit | KeyboardInterrupt):
            return ""
        if isinstance(error, protocol.CourseError) and not isinstance(error, protocol.ProtocolError):
            # Of what the check itself needs: data of the course that is not there, for instance.
            return "the check has not what it needs"
        if isinstance(error, OSError | MemoryError | ImportError):
            return "the checker has not what it needs"
        if self.asked is None:
            line = self._failing_line(error)
            return f"correct the test, whose line {line} failed before anything was asked"
        return ""

    def _failing_line(self, error: BaseException) -> int:
        """Innermost line of the cell in the error's traceback."""
        if isinstance(error, SyntaxError) and error.filename == self.filename:
            return error.lineno or 1
        frames = traceback.walk_tb(error.__traceback__)
        return max([line for frame, line in frames if frame.f_code.co_filename == self.filename][-1:], default=1)

    def _traceback(self, error: BaseException) -> str:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename != self.filename:
            frames = frames.tb_next
        text = "".join(traceback.TracebackException(type(error), error, frames).format())
        return text + (f"the submission said: {error.text}\n" if isinstance(error, protocol.ProbeError) else "")


def count_checks() -> dict[str, int]:
    """Let every check of the course's package count itself, under "held", when it has found nothing wrong."""
    counts = {"held": 0}
    package = protocol.__name__.partition(".")[0]
    # A package may load what it offers only when it is asked for it.
    for name in [name for name in dir(sys.modules[package]) if name.startswith("check_")]:
        getattr(sys.modules[package], name)
    wrappers: dict[Any, Any] = {}
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == package]:
        for name, function in list(vars(module).items()):
            if name.startswith("check_") and inspect.isfunction(function):
                setattr(module, name, wrappers.setdefault(function, _counted(function, counts)))
    return counts


def _counted(function: Callable, counts: dict[str, int]) -> Callable:
    @functools.wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        counts["held"] += 1
        return result

    return check


def serve(channel: Channel, counts: dict[str, int]) -> None:
    """Receive the test cells and the key of their inputs, and send the verdicts."""

    def ask(question: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        channel.send(question, body)
        # Without a deadline of its own: the engine always answers, or ends this program.
        return channel.receive()

    job, _ = channel.receive()
    protocol.use_seed_key(bytes.fromhex(job["key"]))
    runs = {
        cell["grade_id"]: CellRun(cell["grade_id"], cell["source"], ask, counts, job["concealed"])
        for cell in job["cells"]
    }
    for part in (PUBLIC, HIDDEN):
        for grade_id, run in list(runs.items()):
            channel.send({"begin": grade_id, "part": part})
            run.run(part)
            if part == HIDDEN or run.failure is not None:
                channel.send({"verdict": run.result()})
                del runs[grade_id]
    channel.send({"finished": True})


def main(arguments: list[str] | None = None) -> int:
    """Run with the number of the inherited control channel."""
    (descriptor,) = sys.argv[1:] if arguments is None else arguments
    _torch.set_num_threads(1)
    serve(Channel(socket.socket(fileno=int(descriptor))), count_checks())
    return 0


if __name__ == "__main__":
    sys.exit(main())
