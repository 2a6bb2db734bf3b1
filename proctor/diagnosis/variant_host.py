"""The program that runs catalogued wrong answers, and says which of them answer as a student's did.

It runs in a sandbox of the checker's kind, after all verdicts. It holds the reference answers and the catalogue, and of
the submission only what its answers were, as data. The notebook runs once, with the reference answers. At each answer
that has wrong variants it forks for every one of them, which goes on from there with the variant in place of the answer
to the test cells that are asked about; there each question is answered in a fork of its own, as for a student.
"""

from __future__ import annotations

import contextlib
import functools
import json
import linecache
import os
import resource
import socket
import struct
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from dl1.contract import protocol
from proctor.diagnosis.alike import same_answer, tells
from proctor.sandbox.frames import Channel

# A question with its encoded arguments, and the answer's header and encoded value.
Exchanged = tuple[dict[str, Any], bytes, dict[str, Any], bytes]
# By test cell and student.
Asked = Mapping[str, Mapping[str, Sequence[Exchanged]]]
Say = Callable[[dict[str, Any]], None]
REFERENCE = ""
_LENGTH = struct.Struct(">I")
_MAX_ANSWER = 72 * 2**20
_MAX_TEXT = 2_000
# Computing time of one variant, its cells and what is compared of it; each answer has its own.
_STEP_SECONDS = 10


class Host:
    """The cells of a notebook, run one after the other in a module of their own.

    Args:
        cells: label and text of each.
        seconds: computing time of each answer.
    """

    def __init__(self, cells: Sequence[tuple[str, str]], seconds: int = 5) -> None:
        self.cells = cells
        self.seconds = seconds
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module

    def run(self, label: str, text: str) -> None:
        """Run a cell; whatever it raises, the next one is run all the same, as in a notebook."""
        name = f"<{label}>"
        linecache.cache[name] = (len(text), None, [line + "\n" for line in text.split("\n")], name)
        with contextlib.suppress(BaseException):
            exec(compile(text, name, "exec", dont_inherit=True), self.module.__dict__)

    def ask(self, question: Mapping[str, Any], given: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to a question, computed in a fork: header and encoded value."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                resource.setrlimit(resource.RLIMIT_CPU, (self.seconds, self.seconds + 1))
                header, value = self.answer(question, given)
                text = json.dumps(header).encode()
                with os.fdopen(writing, "wb") as file:
                    file.write(_LENGTH.pack(len(text)) + text + value)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            content = file.read(_MAX_ANSWER)
        os.waitpid(pid, 0)
        try:
            (length,) = _LENGTH.unpack(content[:4])
            return json.loads(content[4 : 4 + length]), content[4 + length :]
        except (struct.error, ValueError):
            return {"ok": False, "kind": "time-out", "text": ""}, b""

    def answer(self, question: Mapping[str, Any], given: bytes) -> tuple[dict[str, Any], bytes]:
        """The same, computed in this process, which is not to be used any more.

        As `proctor.running.student_answers` does it, without its care for what student code may look at.
        """
        from dl1.contract.own_names import own_names
        from dl1.contract.probe import doubles_in_place
        from dl1.contract.settings import first_settings
        from dl1.contract.unfinished import explained

        namespace = self.module.__dict__
        sys.modules["__main__"] = self.module
        try:
            with explained():
                arguments, keywords = protocol.decode(given)
                names = own_names(namespace)
                for statement in question["imports"]:
                    made = {"__name__": "__main__", "__builtins__": names["__builtins__"]}
                    exec(compile(statement, "<cell>", "exec", dont_inherit=True), made)
                    names.update(made)
                    for name, value in made.items():
                        namespace.setdefault(name, value)
                doubles = {path: _defined(source, names) for path, source in question["doubles"].items()}
                probe = _defined(question["source"], names)
                with doubles_in_place(namespace, doubles), first_settings():
                    names.update({path: double for path, double in doubles.items() if "." not in path})
                    sys.modules["torch"].manual_seed(question["seed"])
                    result = probe(*arguments, **keywords)
                    # A probe gives back what it has caught.
                    if isinstance(result, BaseException) and _raised_in(result, probe):
                        raise result
                    return {"ok": True}, protocol.encode(result)
        except BaseException as error:
            names = [one.__name__ for one in type(error).__mro__][:20]
            return {"ok": False, "names": names, "text": _text(error)}, b""


def compare(
    cells: Sequence[tuple[str, str]],
    wrong: Sequence[Mapping[str, Any]],
    asked: Asked,
    say: Say,
    with_reference: bool = True,
) -> None:
    """Say of each test cell which variants, and whether the reference, answered as a student did.

    Args:
        cells, wrong: as for `walk`.
        asked: what is compared.
        say: is given {"alike": test cell, "who": student, "name": variant}; and `REFERENCE` as the name if nothing in
            the answers tells a mistake.
        with_reference: whether it is compared, too.
    """

    def at(host: Host, test: str, name: str) -> None:
        _compared(host, test, asked[test], name, say)

    def first(host: Host, test: str, name: str) -> bool:
        # The answer that a check has failed for, in this very process: most variants are another mistake.
        return any(
            same_answer(host.answer(*one[:2]), one[2:]) for exchanged in asked[test].values() for one in exchanged[-1:]
        )

    only_one = all(len(students) == 1 for students in asked.values())
    walk(cells, wrong, at, asked if with_reference else (), first if only_one else None)


def walk(
    cells: Sequence[tuple[str, str]],
    wrong: Sequence[Mapping[str, Any]],
    at: Callable[[Host, str, str], None],
    of_reference: Collection[str] = (),
    first: Callable[[Host, str, str], bool] | None = None,
) -> None:
    """Run a notebook, and go on from each answer with every variant of it.

    Args:
        cells: label and text of the notebook's cells; of test cells there is no text.
        wrong: variants, with their `name`, `cell`, `text`, and in `tests` the test cells up to which they are run.
        at: called with the notebook as it is at one of these cells, the cell, and the variant's name, or `REFERENCE`.
        of_reference: test cells at which it is called for the reference answers, too.
        first: called so in a process that ends with it; a variant for which it is false is left out.
    """
    host = Host(cells)
    for number, (label, text) in enumerate(cells):
        if label in of_reference:
            _in_a_fork(lambda label=label: at(host, label, REFERENCE))
        for one in wrong:
            go_on = functools.partial(_with_variant, host, number, one)
            if one["cell"] == label and (first is None or _in_a_fork(lambda go_on=go_on: next(go_on(first)))):
                _in_a_fork(lambda go_on=go_on: all(go_on(lambda *place: at(*place) or True)))
        host.run(label, text)


def _with_variant(
    host: Host, number: int, one: Mapping[str, Any], at: Callable[[Host, str, str], bool]
) -> Iterator[bool]:
    """What `at` says at each test cell of a variant."""
    host.run(one["cell"], one["text"])
    left = set(one["tests"])
    for label, text in host.cells[number + 1 :]:
        if label in left:
            yield at(host, label, one["name"])
            left.discard(label)
        if not left:
            return
        host.run(label, text)


def _compared(host: Host, test: str, students: Mapping[str, Sequence[Exchanged]], name: str, say: Say) -> None:
    known: dict[tuple[str, bytes], tuple[dict[str, Any], bytes]] = {}
    for who, exchanged in students.items():
        # Backwards: a check has failed for the last one.
        if name == REFERENCE:
            same = not any(tells(one[2:], _known(host, known, one)) for one in reversed(exchanged))
        else:
            same = all(same_answer(_known(host, known, one), one[2:]) for one in reversed(exchanged))
        if same:
            say({"alike": test, "who": who, "name": name})


def _known(host: Host, known: dict[tuple[str, bytes], Any], one: Exchanged) -> tuple[dict[str, Any], bytes]:
    question, given = one[:2]
    key = json.dumps(question, sort_keys=True), given
    if key not in known:
        known[key] = host.ask(question, given)
    return known[key]


def _in_a_fork(step: Callable[[], object]) -> bool:
    """What a step gives, done in a process of its own; one after the other, so that all may use one channel."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (_STEP_SECONDS, _STEP_SECONDS + 1))
            status = 0 if step() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def _defined(source: str, names: dict[str, Any]) -> Any:
    own: dict[str, Any] = {}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), names, own)
    return own.popitem()[1]


def _raised_in(result: BaseException, probe: Any) -> bool:
    frames = result.__traceback__
    return frames is not None and frames.tb_frame.f_code is probe.__code__


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_MAX_TEXT]
    except BaseException:
        return ""


@contextlib.contextmanager
def as_graded() -> Iterator[None]:
    """What cells find around them where they are graded; nothing that they print goes anywhere."""
    os.environ.update({"MPLBACKEND": "Agg", "NBGRADER_EXECUTION": "autograde"})
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].use("Agg")
    sys.modules["torch"].set_num_threads(1)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run with the number of the inherited control channel."""
    (descriptor,) = sys.argv[1:] if arguments is None else arguments
    channel = Channel(socket.socket(fileno=int(descriptor)))
    job, _ = channel.receive()
    asked: dict[str, dict[str, list[Exchanged]]] = {}
    for _ in range(job["exchanges"]):
        word, given = channel.receive()
        answer, value = channel.receive()
        asked.setdefault(word["test"], {}).setdefault("", []).append((word["question"], given, answer, value))
    with as_graded():
        compare(job["cells"], job["wrong"], asked, channel.send)
    channel.send({"finished": True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
