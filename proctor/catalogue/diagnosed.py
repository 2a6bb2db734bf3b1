"""Whether the mistakes that grading names are the right ones: each wrong variant is a student's answer once.

What a variant answers is recorded as under grading, by the checker's own program. Then every variant answers the same
questions, in the way of `proctor.diagnosis`, and the names are compared with the name of the entry.
"""

from __future__ import annotations

import functools
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue.entries import Entry
from proctor.catalogue.forked import run_forked
from proctor.catalogue.known import known_of
from proctor.catalogue.setup import Setup
from proctor.catalogue.variant_runs import in_copy, preload, prepared
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer
from proctor.diagnosis.naming import NOT_LOOKED_AT
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

NAMED, IN_A_SET, UNNAMED, WRONG = "named", "in a set", "unnamed", "wrongly named"


@dataclass(frozen=True)
class Diagnosed:
    """What a student with one wrong variant reads.

    Attributes:
        name: of the entry.
        named: by lost test cell the names on the page.
        kinds: by lost test cell how it has failed; empty if it has not.
        result: one of the four words above, the best for all of its cells; wrong if it is so anywhere.
    """

    notebook: str
    name: str
    named: dict[str, list[str]]
    kinds: dict[str, str]

    @property
    def result(self) -> str:
        found = [names for names in self.named.values() if names]
        if any(self.name not in names for names in found):
            return WRONG
        if [self.name] in found:
            return NAMED
        return IN_A_SET if found else UNNAMED


def diagnose(
    path: Path,
    changed: Sequence[tuple[Entry, str]],
    students: Sequence[WrongAnswer] | None = None,
    *,
    setup: Setup,
    key: bytes | None,
    at_once: int,
    timeout: float,
    progress: Callable[[str], None],
) -> list[Diagnosed]:
    """Let each wrong variant be a student's answer once, and see how it is named.

    Args:
        path: the instructor's notebook.
        changed: entries with the changed texts of their cells.
        students: answers that are handed in; by default all wrong variants.
        setup: what has to lie beside the notebook.
        key: from which the hidden inputs are drawn.
        at_once, timeout: processes at a time; seconds for all answers of one cell.
        progress: is given a line for each cell.

    Raises:
        ProctorError: a run did not come to its end.
    """
    path = path.resolve()
    notebook = notebook_cells.read(path)
    known = known_of(notebook, changed)
    students = known.wrong if students is None else students
    tests = {name: notebook_cells.source(cell) for name, cell in notebook_cells.autograded_cells(notebook).items()}
    preload(notebook)
    run = functools.partial(_run, at_once=at_once, timeout=timeout, progress=progress, stem=path.stem)
    with tempfile.TemporaryDirectory(prefix="diagnosed-") as scratch:
        beside = prepared(scratch, path, setup, timeout)
        record = functools.partial(_recorded, scratch, beside, known, tests, key)
        said: dict[str, dict[str, Any]] = {}
        for part in run("asked", record, {cell: [s for s in students if s.cell == cell] for cell in _cells(students)}):
            said.update(part)
        asked: dict[str, dict[str, Any]] = {}
        for name, cells in said.items():
            for test, (kind, exchanges) in cells.items():
                if kind and kind not in NOT_LOOKED_AT and exchanges:
                    asked.setdefault(test, {})[name] = exchanges
        compare = functools.partial(_alike, scratch, beside, known, asked)
        pairs: set[tuple[str, str, str]] = set()
        jobs = {cell: [one for one in known.wrong if one.cell == cell] for cell in _cells(known.wrong)}
        for part in run("compared", compare, {**jobs, "the reference": []}):
            pairs |= part
    return [_diagnosed(path.stem, known, student, said[student.name], asked, pairs) for student in students]


def as_text(diagnosed: Sequence[Diagnosed]) -> str:
    """A line for each notebook, and one for each answer that is wrongly named, in a set, or not named."""
    lines = []
    for notebook in dict.fromkeys(one.notebook for one in diagnosed):
        own = [one for one in diagnosed if one.notebook == notebook]
        count = Counter(one.result for one in own)
        lines.append(f"{notebook}: {', '.join(f'{count[word]} {word}' for word in (NAMED, IN_A_SET, UNNAMED, WRONG))}")
        for word in (WRONG, UNNAMED, IN_A_SET):
            for one in own:
                if one.result == word:
                    said = "; ".join(
                        f"{test} ({one.kinds[test] or 'passed'}): {', '.join(names) or 'no name'}"
                        for test, names in one.named.items()
                    )
                    lines.append(f"  {word}: {one.name}: {said}")
    return "\n".join(lines)


def summary(diagnosed: Sequence[Diagnosed]) -> str:
    """How many of each kind there are."""
    count = Counter(one.result for one in diagnosed)
    words = ", ".join(f"{count[word]} {word}" for word in (NAMED, IN_A_SET, UNNAMED, WRONG))
    return f"{len(diagnosed)} wrong variants: {words}"


def _cells(answers: Sequence[WrongAnswer]) -> list[str]:
    return list(dict.fromkeys(one.cell for one in answers))


def _run(
    what: str, job: Callable, groups: dict[str, list], *, at_once: int, timeout: float, progress: Callable, stem: str
) -> list[Any]:
    jobs = {cell: functools.partial(job, own) for cell, own in groups.items()}
    found = []
    for cell, outcome in run_forked(jobs, at_once=at_once, timeout=timeout):
        if outcome.failure:
            raise ProctorError(f"{stem}, {cell}: {outcome.failure}")
        found.append(pickle.loads(Path(outcome.value).read_bytes()))
        progress(f"{stem}: {cell}: {what} ({outcome.seconds:.1f} s)")
    return found


def _kept(scratch: str, value: Any) -> str:
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
        file.write(pickle.dumps(value))
    return file.name


def _recorded(
    scratch: str,
    beside: Path,
    known: KnownAnswers,
    tests: dict[str, str],
    key: bytes | None,
    answers: Sequence[WrongAnswer],
) -> str:
    from proctor.catalogue.recorded_answers import record

    with in_copy(beside, scratch):
        return _kept(scratch, record(known.cells, answers, tests, key, scratch))


def _alike(
    scratch: str, beside: Path, known: KnownAnswers, asked: dict[str, dict[str, Any]], answers: Sequence[WrongAnswer]
) -> str:
    # These load torch, and whoever asks for help has no need of it.
    from proctor.catalogue.recorded_answers import alike

    with in_copy(beside, scratch):
        return _kept(scratch, alike(known.cells, answers, asked, scratch))


def _diagnosed(
    stem: str,
    known: KnownAnswers,
    student: WrongAnswer,
    said: dict[str, tuple[str, list]],
    asked: dict[str, dict[str, Any]],
    pairs: set[tuple[str, str, str]],
) -> Diagnosed:
    passed = {test for test, (kind, _) in said.items() if not kind}
    own = [test for test, students in asked.items() if student.name in students]
    alike = {(test, name) for test, who, name in pairs if who == student.name}
    found = known.named(own, passed, alike)
    named = {test: [one.name for one in found.get(test, [])] for test in student.loses}
    return Diagnosed(stem, student.name, named, {test: said[test][0] for test in student.loses})
