"""What grading again would change of a submission, cell by cell; and which of its former verdicts stay all the same."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from proctor.checking.verdict import NO_VERDICT, Record, Verdict, hidden_text
from proctor.graded_notebook import write_verdicts
from proctor.jobs.job import Graded
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import public_part
from proctor.pages.questions import questions

# A note for staff on a verdict that is older than the tests.
KEPT = "kept when this was graded again: a correction takes no points (--never-lower)"
Place = tuple[str, str]
_PLACE = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True)
class Marks:
    """Points of one check in the gradebook; None where there are none."""

    auto: float | None = None
    manual: float | None = None


@dataclass(frozen=True)
class Former:
    """What there is of a submission that was graded.

    Attributes:
        records, notebooks: by notebook; those that can't be read are missing.
        marks: of all autograded cells, by notebook and cell.
        same: whether the submission is the one that was graded, byte for byte.
        reasons: why it is graded again, in plain words, without those about its tests.
    """

    records: Mapping[str, Record]
    notebooks: Mapping[str, Mapping[str, Any]]
    marks: Mapping[Place, Marks]
    same: bool = True
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class Rules:
    """What of it is wanted.

    Attributes:
        chosen: cells that may change, by notebook; None for all.
        never_lower: no question loses points, unless another submission was handed in.
        shows_hidden: students' pages show hidden checks, so their texts count as well.
    """

    chosen: frozenset[Place] | None = None
    never_lower: bool = False
    shows_hidden: bool = False


@dataclass(frozen=True)
class Change:
    """A check that would be judged differently.

    Attributes:
        question: its number, or the cell's name.
        before, after: autograded points.
        hand: points that a person has typed, which count instead and stay.
        why: what it comes from, in plain words.
        now: what is wrong with the answer by the new verdict; empty if nothing is.
        kept: whether the former verdict stays by `Rules.never_lower`.
    """

    notebook: str
    cell: str
    question: str
    before: float
    after: float
    most: float
    hand: float | None = None
    why: str = ""
    now: str = ""
    kept: bool = False

    @property
    def gain(self) -> float:
        """Points that count more than before; less than 0 if fewer."""
        return 0.0 if self.kept or self.hand is not None else self.after - self.before


@dataclass
class Decision:
    """What becomes of one submission.

    Attributes:
        graded: by notebook what is to be stored.
        changes: of points, also those that are kept from changing.
        held: of each question that loses nothing its notebook, and its former verdicts by cell.
        worded: checks with other words or another text, and the same points.
        left: whether checks that were not chosen would be judged differently.
        trouble: why nothing of it may be stored, in plain words; empty if it may.
    """

    graded: dict[str, Graded] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    worded: list[Place] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    left: bool = False
    trouble: str = ""

    @property
    def stored(self) -> bool:
        """Whether anything of the submission's own is written anew."""
        return any(not change.kept for change in self.changes) or bool(self.worded)

    @property
    def gain(self) -> float:
        return sum(change.gain for change in self.changes)


def decide(former: Former, graded: Mapping[str, Graded], rules: Rules) -> Decision:
    """Compare a new grading with the former one.

    Args:
        graded: the new one, by notebook.
    """
    decision = Decision()
    if rules.chosen is not None and not former.same:
        # Of two submissions nobody gets the best of both.
        decision.trouble = "another submission was collected, which counts as a whole: run this without --question"
        return decision
    for notebook, new in graded.items():
        keep = _of_notebook(decision, former, notebook, new, rules)
        decision.graded[notebook] = with_verdicts(new, keep) if keep else new
    unjudged = [place[1] for place in _unjudged(former, decision.graded)]
    if unjudged:
        decision.trouble = (
            f"not judged this time: {', '.join(unjudged)}; mend that, or take it as it is: nbgrader autograde"
        )
    return decision


def _of_notebook(decision: Decision, former: Former, notebook: str, new: Graded, rules: Rules) -> dict[str, Verdict]:
    """Verdicts that stay; all that differs is noted in the decision."""
    tests = notebook_cells.autograded_cells(new.notebook)
    old_tests = notebook_cells.autograded_cells(former.notebooks.get(notebook, {"cells": []}))
    numbers, old = questions(new.notebook["cells"]), former.records.get(notebook)
    keep: dict[str, Verdict] = {}
    changes: dict[str, list[Change]] = {}
    for name, verdict in new.record.verdicts.items():
        prior = old.verdicts.get(name) if old else None
        marks = former.marks.get((notebook, name), Marks())
        before, after = marks.auto or 0.0, new.record.scores()[name]
        texts = [notebook_cells.source(one[name]) if name in one else "" for one in (old_tests, tests)]
        shown = texts if rules.shows_hidden else [public_part(text) for text in texts]
        if before == after and prior is not None and _same(prior, verdict) and shown[0] == shown[1]:
            continue
        if rules.chosen is not None and (notebook, name) not in rules.chosen:
            decision.left = True
            if prior is not None:
                keep[name] = prior
            continue
        if before == after:
            decision.worded.append((notebook, name))
            continue
        number = (numbers[name].number if name in numbers else "") or name
        points = new.record.points[name]
        was = old.points.get(name, points) if old else points
        why = "; ".join(_why(former, was, points, texts))
        change = Change(notebook, name, number, before, after, points, marks.manual, why, _said(verdict))
        changes.setdefault(number, []).append(change)
    for number, found in changes.items():
        if rules.never_lower and former.same and sum(change.gain for change in found) < 0:
            counted = [change for change in found if change.hand is None]
            kept = {one.cell: old.verdicts[one.cell] for one in counted if old and one.cell in old.verdicts}
            held = sum(new.record.points[name] for name, verdict in kept.items() if verdict.passed)
            if held < sum(change.before for change in counted):
                decision.trouble = (
                    f"{number} is worth less than before, which --never-lower can't undo: give it its former points "
                    "in source/ again (and run generate_assignment --force), or leave --never-lower out"
                )
            verdicts = {name: _noted(verdict) for name, verdict in kept.items()}
            decision.held.append({"notebook": notebook, "verdicts": verdicts})
            keep |= verdicts
            found = [replace(change, kept=change in counted) for change in found]
        decision.changes += found
    return keep


def _same(prior: Verdict, verdict: Verdict) -> bool:
    """Whether nobody reads anything else in them, staff included."""
    notes = [note for note in prior.notes if note != KEPT]
    found = [asdict(replace(prior, notes=notes)), asdict(verdict)]
    for one in found:
        # Places in memory are others in each run.
        one["staff_text"] = _PLACE.sub("0x", one["staff_text"])
    return found[0] == found[1]


def _noted(verdict: Verdict) -> Verdict:
    return replace(verdict, notes=[*(note for note in verdict.notes if note != KEPT), KEPT])


def with_verdicts(new: Graded, verdicts: Mapping[str, Verdict]) -> Graded:
    """A grading in which some former verdicts stand: in its record, and in its notebook, of which nbgrader reads."""
    record = replace(new.record, verdicts={**new.record.verdicts, **verdicts})
    notebook = copy.deepcopy(new.notebook)
    write_verdicts(notebook, record.verdicts)
    return Graded(notebook, record)


def _unjudged(former: Former, graded: Mapping[str, Graded]) -> Iterator[Place]:
    """Checks that were judged before and are not now: something of ours, which takes no points."""
    for notebook, one in graded.items():
        old = former.records.get(notebook)
        for name, verdict in one.record.verdicts.items():
            judged = old is not None and name in old.verdicts and old.verdicts[name].kind != NO_VERDICT
            if verdict.kind == NO_VERDICT and judged:
                yield notebook, name


def _why(former: Former, was: float, points: float, texts: Sequence[str]) -> Iterator[str]:
    if not former.same:
        yield "another submission was collected"
    if texts[0] != texts[1]:
        yield "its test changed"
    if was != points:
        yield f"it is worth {points:g} now, and was {was:g}"
    yield from former.reasons
    if former.same and texts[0] == texts[1] and was == points and not former.reasons:
        yield "its own test is the same: other code of the notebook changed, or it doesn't answer alike in each run"


def _said(verdict: Verdict) -> str:
    if verdict.passed:
        return ""
    words = " ".join(verdict.name.split())
    return hidden_text(words, verdict.kind) if verdict.hidden else f"{words} — {verdict.kind}".strip(" —")
