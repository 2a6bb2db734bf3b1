"""What answers show in the public part of check cells, run as in a student's own notebook, help included."""

from __future__ import annotations

import functools
import inspect
import linecache
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dl1.contract import protocol
from proctor.diagnosis.known_answers import WrongAnswer
from proctor.diagnosis.variant_host import REFERENCE, Host, as_graded, walk

PASSED, FAILED, RAISED, UNFINISHED = "passed", "failed", "raised", "unfinished"


@dataclass(frozen=True)
class Shown:
    """What one answer shows in one check cell.

    Attributes:
        who: name of the answer; `REFERENCE` for the reference answers.
        test: grade_id of the cell.
        result: `FAILED` for a check's failure, `RAISED` for an exception of the answer's own.
        check: name of the check that failed, or what stands in its place where a probe raised an exception.
        answer: what it found.
        help: what the sealed hints say.
        held: name and answer of each check that held; only for whom this was asked.
    """

    who: str
    test: str
    result: str
    check: str = ""
    answer: Any = None
    help: str = ""
    held: tuple[tuple[str, Any], ...] = ()


def show(
    cells: Sequence[tuple[str, str]],
    answers: Sequence[WrongAnswer],
    texts: Mapping[str, str],
    scratch: str,
    with_reference: bool = False,
) -> list[Shown]:
    """Each answer at the test cells that it `loses`, and the reference answers at all cells.

    A run that is killed at its limit shows nothing.

    Args:
        cells: of the notebook, as `KnownAnswers` has them.
        texts: of the check cells, without what is hidden.
        scratch: folder for what forks leave.
    """
    with tempfile.NamedTemporaryFile(dir=scratch) as kept:

        def at(host: Host, test: str, name: str) -> None:
            shown = _run(host, test, texts[test], name)
            with Path(kept.name).open("ab") as file:
                file.write(pickle.dumps(shown))

        wanted = [{"name": one.name, "cell": one.cell, "text": one.text, "tests": one.loses} for one in answers]
        with as_graded():
            walk(cells, wanted, at, texts if with_reference else ())
        return list(_all_of(kept.name))


def _run(host: Host, test: str, text: str, name: str) -> Shown:
    file = f"<{test} of {name}>"
    linecache.cache[file] = (len(text), None, [line + "\n" for line in text.split("\n")], file)
    sys.modules["__main__"] = host.module
    # They load torch, which a parent of forks must not compute with.
    from dl1.contract.own_frames import is_of_answer
    from dl1.contract.sealed_hints import help_for, of_exception
    from dl1.errors import CheckFailed

    held: list[tuple[str, Any]] = []
    try:
        if name == REFERENCE:
            _note_checks(held)
        exec(compile(text, file, "exec", dont_inherit=True), host.module.__dict__)
    except NotImplementedError:
        return Shown(name, test, UNFINISHED)
    except CheckFailed as error:
        return Shown(name, test, FAILED, error.name, error.answer, error.help)
    except BaseException as error:
        known = (*of_exception(error), help_for(error)) if is_of_answer(error) else ()
        return Shown(name, test, RAISED, *known)
    return Shown(name, test, PASSED, held=tuple(held))


def _note_checks(held: list[tuple[str, Any]]) -> None:
    """Lets checks note what they find right, as they would know it if they had failed; until this process ends."""
    from dl1.contract.sealed_hints import answer_of

    def noting(check: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(check)
        def noted(*given: Any, **options: Any) -> None:
            check(*given, **options)
            held.append((options.get("name", "value"), answer_of(given, options)))

        return noted

    package = protocol.__name__.partition(".")[0]
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == package]:
        for name, function in list(vars(module).items()):
            if name.startswith("check_") and inspect.isfunction(function):
                setattr(module, name, noting(function))


def _all_of(name: str) -> Iterator[Shown]:
    with Path(name).open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)
