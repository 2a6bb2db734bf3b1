"""What variants answer to the test cells that they lose, and which others answer the same; both as under grading."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dl1.contract import protocol
from proctor.checking.checker import HIDDEN, PUBLIC, CellRun, count_checks
from proctor.checking.questions import question
from proctor.diagnosis.exchanges import Exchange, Recording
from proctor.diagnosis.known_answers import WrongAnswer
from proctor.diagnosis.variant_host import Host, as_graded, compare, walk
from proctor.notebooks.checked_cells import read_cell

_PUBLIC_KEY = b"a key that no course has"


def record(
    cells: Sequence[tuple[str, str]],
    answers: Sequence[WrongAnswer],
    tests: Mapping[str, str],
    key: bytes | None,
    scratch: str,
) -> dict[str, dict[str, tuple[str, list[Exchange]]]]:
    """For each answer and each test cell that it loses, how it has failed and what was asked and answered.

    Args:
        cells: of the notebook, as `KnownAnswers` has them.
        tests: source of each test cell.
        key: from which inputs are drawn.
        scratch: folder for what forks leave.
    """
    counts = count_checks()
    protocol.use_seed_key(key or _PUBLIC_KEY)
    with tempfile.NamedTemporaryFile(dir=scratch) as kept:

        def at(host: Host, test: str, name: str) -> None:
            said = _judged(host, test, tests[test], counts)
            with Path(kept.name).open("ab") as file:
                pickle.dump((name, test, said), file)

        wrong = [{"name": one.name, "cell": one.cell, "text": one.text, "tests": one.loses} for one in answers]
        with as_graded():
            walk(cells, wrong, at)
        found: dict[str, dict[str, Any]] = {one.name: {} for one in answers}
        for name, test, said in _all_of(kept.name):
            found[name][test] = said
    return found


def alike(
    cells: Sequence[tuple[str, str]],
    answers: Sequence[WrongAnswer],
    asked: Mapping[str, Mapping[str, Sequence[Exchange]]],
    scratch: str,
) -> set[tuple[str, str, str]]:
    """Test cell, student and name, where an answer of this name answers as the student did.

    Args:
        answers: that are compared; with none, the reference is.
        asked: by test cell and student.
    """
    wrong = [
        {"name": one.name, "cell": one.cell, "text": one.text, "tests": [test for test in one.loses if test in asked]}
        for one in answers
    ]
    with tempfile.NamedTemporaryFile(dir=scratch) as kept:

        def say(word: dict[str, Any]) -> None:
            with Path(kept.name).open("ab") as file:
                pickle.dump((word["alike"], word["who"], word["name"]), file)

        with as_graded():
            compare(cells, wrong, asked, say, with_reference=not answers)
        return set(_all_of(kept.name))


def _judged(host: Host, test: str, source: str, counts: dict[str, int]) -> tuple[str, list[Exchange]]:
    def carry(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        probe = read_cell(run.cell.source).probes[header["probe"], header["line"]]
        return recording.ask(test, question(probe, header["seed"]), body)

    recording = Recording(lambda _, header, body: host.ask(header, body))
    run = CellRun(test, source, carry, counts, concealed=False)
    for part in (PUBLIC, HIDDEN):
        run.run(part)
    return run.result()["kind"], recording.of(test)


def _all_of(name: str) -> list[Any]:
    """What forks have written to a file, one after the other."""
    found = []
    with Path(name).open("rb") as file:
        while file.peek(1):
            found.append(pickle.load(file))
    return found
