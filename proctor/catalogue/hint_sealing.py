"""Seals the catalogue's hints for students' notebooks, and shows who opens what afterwards.

Only what a wrong answer shows in the public part of a check cell is a key: the hints of other mistakes stay on staff's
side, where `proctor.diagnosis` gives them out.
"""

from __future__ import annotations

import dataclasses
import functools
import pickle
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proctor.catalogue.entries import Entry, question
from proctor.catalogue.forked import run_forked
from proctor.catalogue.known import known_of
from proctor.catalogue.public_runs import PASSED, RAISED, UNFINISHED, Shown, show
from proctor.catalogue.setup import Setup
from proctor.catalogue.variant_runs import in_copy, preload, prepared
from proctor.diagnosis.alike import is_telling
from proctor.diagnosis.known_answers import KnownAnswers, WrongAnswer
from proctor.diagnosis.variant_host import REFERENCE
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import SealedHints, public_part, with_line

OWN, IN_A_SET, OTHERS, NOTHING, NO_HINT = (
    "opens its own",
    "opens a set with its own",
    "opens others",
    "opens nothing",
    "",
)
CHANGES, IS_RIGHT = "answers another thing each time", "answers what is right for another question of the cell"
# log2 of scrypt's N; 0 for that of the package of checks.
_COST = 0
_RUNS = 2
# Of a wrong answer that no check has found wrong: why there is nothing to open.
NOT_SHOWN = {PASSED: "passes the public part", RAISED: "raises what no hint is for", UNFINISHED: "is not finished"}


@dataclass(frozen=True)
class Run:
    """How answers are run: what lies beside the notebook, processes at a time, seconds for all answers of a cell."""

    setup: Setup
    at_once: int
    timeout: float
    progress: Callable[[str], None]


@dataclass
class Opened:
    """Who opens what in one notebook.

    Attributes:
        lines: of each wrong answer that does not open its own hint, and alone: its name, and why.
        count: wrong answers by what they open, or by why they can't.
        right: right answers that were tried, the reference's for each cell among them; `right_opened` of them open one.
        tried: answers of the reference that passed a check and were tried as keys; `fitted` of them fit.
        unfinished: cells whose answers are missing; `unfinished_opened` of them open one.
        seconds: one guess.
    """

    notebook: str
    lines: list[str] = field(default_factory=list)
    count: Counter = field(default_factory=Counter)
    right: int = 0
    right_opened: int = 0
    tried: int = 0
    fitted: int = 0
    unfinished: int = 0
    unfinished_opened: int = 0
    seconds: float = 0.0


def seal(
    path: Path,
    changed: Sequence[tuple[Entry, str]],
    before: Mapping[str, SealedHints],
    run: Run,
) -> dict[str, SealedHints]:
    """Sealed hints for a notebook by check cell; those that depend on nothing that changed stay as they are.

    Args:
        changed: entries with the changed texts of their cells.
        before: made before.

    Raises:
        ProctorError: a run did not come to its end.
    """
    notebook = notebook_cells.read(path)
    known, texts = known_of(notebook, changed), _texts(notebook)
    now = known.digests(texts)
    kept = {name: one for name, one in before.items() if now.get(name) == one.made_of}
    lost = {test for one in known.wrong for test in one.loses} - set(kept)
    answers = [one for one in known.wrong if lost & set(one.loses)]
    by_test: dict[str, list[Shown]] = {test: [] for test in sorted(lost)}
    # What is another thing each time is no key.
    runs = [_shown(path, known, answers, texts, run, with_reference=True) for _ in range(_RUNS if answers else 0)]
    for shown in (one for each in runs for one in each if one.test in lost):
        by_test[shown.test].append(shown)
    hints = {one.name: one.hint for one in known.wrong}
    made = _forked(path.stem, functools.partial(_sealed, by_test, hints), run)
    run.progress(f"{path.stem}: sealed for {len(lost)} cells, kept for {len(kept)}")
    return kept | {name: SealedHints(now[name], line) for name, line in made.items()}


def open_all(path: Path, changed: Sequence[tuple[Entry, str]], sealed: Mapping[str, SealedHints], run: Run) -> Opened:
    """Let every catalogued answer, the reference and unfinished cells fail or pass as in a student's own notebook."""
    notebook = notebook_cells.read(path)
    known = known_of(notebook, changed)
    lines = {name: one.line for name, one in sealed.items() if one.line}
    texts = {name: with_line(text, lines.get(name, "")) for name, text in _texts(notebook).items()}
    right = [
        _everywhere(entry.name, entry.cell, text, known, texts) for entry, text in changed if entry.kind == "right"
    ]
    empty = [
        _everywhere(f"unfinished {name}", name, notebook_cells.cleared(notebook_cells.source(cell)), known, texts)
        for name, cell in notebook_cells.solution_cells(notebook).items()
        if any(entry.cell == name for entry, _ in changed)
    ]
    found = Opened(path.stem)
    shown = _shown(path, known, [*known.wrong, *right, *empty], texts, run, with_reference=True)
    hints = {one.name: one.hint for one in known.wrong}
    by_name = {one.name: [each for each in shown if each.who == one.name] for one in known.wrong}
    words = {one.name: _word(one, by_name[one.name], hints, lines) for one in known.wrong}
    if lost := [one for one in known.wrong if words[one.name] == NOTHING]:
        again = [*shown, *_shown(path, known, lost, texts, run)]
        job = functools.partial(_why_nothing, [one.name for one in lost], again)
        words |= _forked(path.stem, job, run)
    found.count.update(words.values())
    for name, said in words.items():
        if said != OWN:
            opened = set().union(*(_sentences(each.help, hints) for each in by_name[name]))
            which = ", ".join(other for other, hint in hints.items() if hint in opened)
            found.lines.append(f"{name}: {said}{': ' if which else ''}{which}")
    rights, empties = {one.name for one in right} | {REFERENCE}, {one.name for one in empty}
    found.right = sum(each.who in rights for each in shown)
    found.right_opened = sum(each.who in rights and bool(each.help) for each in shown)
    found.unfinished = sum(each.who in empties for each in shown)
    found.unfinished_opened = sum(each.who in empties and bool(each.help) for each in shown)
    held = {each.test: each.held for each in shown if each.who == REFERENCE and each.test in lines}
    found.tried, found.fitted, found.seconds = _forked(path.stem, functools.partial(_tried, lines, held), run)
    return found


def as_text(found: Sequence[Opened]) -> str:
    """What came of each notebook, and of all of them."""
    lines, all_of = [], Counter()
    for one in found:
        all_of += one.count
        lines.append(f"{one.notebook}: {_counted(one.count)}")
        lines += [f"  {line}" for line in one.lines]
        lines.append(
            f"  right answers: {one.right_opened} of {one.right} open a hint; as keys {one.fitted} of {one.tried} fit; "
            f"unfinished ones: {one.unfinished_opened} of {one.unfinished}; one guess takes {one.seconds:.2f} s"
        )
    right, tried, empty = (sum(getattr(one, name) for one in found) for name in ("right", "tried", "unfinished"))
    opened = sum(one.right_opened + one.fitted + one.unfinished_opened for one in found)
    lines.append(f"{sum(all_of.values())} wrong variants: {_counted(all_of)}")
    lines.append(f"{right} right, {tried} as keys, {empty} unfinished: {opened} open a hint")
    return "\n".join(lines)


def is_fine(found: Sequence[Opened]) -> bool:
    """Whether nobody opens what is not for them."""
    wrongly = sum(one.count[OTHERS] + one.count[NOTHING] for one in found)
    return not wrongly and not any(one.right_opened or one.fitted or one.unfinished_opened for one in found)


def _counted(count: Counter) -> str:
    return ", ".join(f"{number} {words}" for words, number in count.most_common())


def _texts(notebook: Mapping[str, Any]) -> dict[str, str]:
    tests = notebook_cells.autograded_cells(notebook)
    return {name: public_part(notebook_cells.source(cell)) for name, cell in tests.items()}


def _everywhere(name: str, cell: str, text: str, known: KnownAnswers, texts: Mapping[str, str]) -> WrongAnswer:
    """An answer that is run up to all check cells of its question, and to those that wrong ones in its place lose."""
    lost = {test for one in known.wrong if one.cell == cell for test in one.loses}
    return WrongAnswer(name, "", cell, text, tuple(t for t in texts if t in lost or question(t) == question(cell)))


def _word(one: WrongAnswer, own: Sequence[Shown], hints: Mapping[str, str], lines: Mapping[str, str]) -> str:
    failed = [each for each in own if each.check]
    if not failed:
        results = [each.result for each in own]
        return next((NOT_SHOWN[word] for word in (RAISED, UNFINISHED, PASSED) if word in results), "is stopped")
    helped = [each for each in failed if each.help]
    if not helped:
        telling = any(is_telling(each.answer) and each.test in lines for each in failed)
        return NOTHING if telling else "answers what comes of anything"
    opened = [_sentences(each.help, hints) for each in helped]
    if any(one.hint not in each for each in opened):
        return OTHERS
    return OWN if all(each == {one.hint} for each in opened) else IN_A_SET


def _sentences(said: str, hints: Mapping[str, str]) -> set[str]:
    """Which hints are in a text; one may be the beginning of another."""
    found = set()
    for hint in sorted(set(hints.values()), key=len, reverse=True):
        if hint in said:
            found.add(hint)
            said = said.replace(hint, "")
    return found


def _forked(stem: str, job: Callable[[], Any], run: Run) -> Any:
    """What a job gives that computes with tensors: a process that has done so can't be forked safely."""
    ((_, outcome),) = run_forked({stem: job}, at_once=1, timeout=run.timeout)
    if outcome.failure:
        raise ProctorError(f"{stem}: {outcome.failure}")
    return outcome.value


def _shown(
    path: Path,
    known: KnownAnswers,
    answers: Sequence[WrongAnswer],
    texts: Mapping[str, str],
    run: Run,
    with_reference: bool = False,
) -> list[Shown]:
    path = path.resolve()
    preload(notebook_cells.read(path))
    found: list[Shown] = []
    wanted = {test for one in answers for test in one.loses}
    texts = {test: text for test, text in texts.items() if test in wanted}
    with tempfile.TemporaryDirectory(prefix="sealed-") as scratch:
        last = max((n for n, (label, _) in enumerate(known.cells) if label in wanted), default=0)
        known = dataclasses.replace(known, cells=known.cells[: last + 1])
        beside = prepared(scratch, path, run.setup, run.timeout)
        groups = {cell: [one for one in answers if one.cell == cell] for cell in dict.fromkeys(a.cell for a in answers)}
        jobs = {
            cell: functools.partial(_job, scratch, beside, known, own, texts, False) for cell, own in groups.items()
        }
        if with_reference:
            jobs["the reference"] = functools.partial(_job, scratch, beside, known, [], texts, True)
        for cell, outcome in run_forked(jobs, at_once=run.at_once, timeout=run.timeout):
            if outcome.failure:
                raise ProctorError(f"{path.stem}, {cell}: {outcome.failure}")
            found += pickle.loads(Path(outcome.value).read_bytes())
            run.progress(f"{path.stem}: {cell} ({outcome.seconds:.1f} s)")
    return found


def _job(
    scratch: str,
    beside: Path,
    known: KnownAnswers,
    answers: Sequence[WrongAnswer],
    texts: Mapping[str, str],
    with_reference: bool,
) -> str:
    with in_copy(beside, scratch), tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
        file.write(pickle.dumps(show(known.cells, answers, texts, scratch, with_reference)))
    return file.name


def _sealed(by_test: Mapping[str, Sequence[Shown]], hints: Mapping[str, str]) -> dict[str, str]:
    from dl1.contract.sealed_hints import COST, sealed_line, secrets

    lines = {}
    for test, shown in by_test.items():
        right = _right_keys(shown)
        found = []
        for who in dict.fromkeys(one.who for one in shown):
            own = [one for one in shown if one.who == who and one.check and is_telling(one.answer)]
            keys = [set(secrets(one.check, one.answer)) for one in own]
            # What the reference shows there, too, is no mistake: the check has failed for something else.
            if len(own) == _RUNS and set.intersection(*keys) and not keys[0] & right:
                found.append((own[0].check, own[0].answer, [hints[who]]))
        lines[test] = sealed_line(found, _COST or COST)
    return lines


def _right_keys(shown: Sequence[Shown]) -> set[bytes]:
    """Keys of what the reference shows."""
    from dl1.contract.sealed_hints import secrets

    return {key for one in shown for name, answer in one.held for key in secrets(name, answer)}


def _why_nothing(names: Sequence[str], shown: Sequence[Shown]) -> dict[str, str]:
    """Of answers that open nothing, and were run twice, why there is no key; they are left out where there has to be.

    Args:
        shown: of all that has run.
    """
    from dl1.contract.sealed_hints import secrets

    why = {}
    for name in names:
        own = [one for one in shown if one.who == name and one.check]
        keys = {
            test: [set(secrets(o.check, o.answer)) for o in own if o.test == test] for test in {o.test for o in own}
        }
        if not all(len(each) == _RUNS and set.intersection(*each) for each in keys.values()):
            why[name] = CHANGES
        elif all(each[0] & _right_keys([one for one in shown if one.test == test]) for test, each in keys.items()):
            why[name] = IS_RIGHT
    return why


def _tried(lines: Mapping[str, str], held: Mapping[str, Sequence[tuple[str, Any]]]) -> tuple[int, int, float]:
    """How many right answers were tried as keys, how many of them fit, and seconds for each."""
    from dl1.contract.sealed_hints import opened, secrets

    tried = fitted = 0
    begin = time.perf_counter()
    for test, answers in held.items():
        for name, answer in {secrets(name, answer)[0]: (name, answer) for name, answer in answers}.values():
            tried += 1
            fitted += bool(opened(lines[test], name, answer))
    return tried, fitted, (time.perf_counter() - begin) / max(tried, 1)
