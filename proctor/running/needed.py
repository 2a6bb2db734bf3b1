"""Which cells of a graded notebook are run: all but demos, unless something of the student's own may need those.

A demo binds nothing that another given cell, a reference answer or a test reads: the linter for authors sees to that.
What students write is free to, and no skipped demo may cost them a point. So their code is looked at before it runs,
and what goes wrong in it without the demos is a reason to run the notebook again with them.

Whoever writes a submission can bring the second run about, and gains nothing by it. It happens once at most, in fresh
processes and folders, within the time of the submission, and only what it says counts, so it is no second try: nothing
of the first run's verdicts is known to the submission when the second one begins. What the first run was asked is
another matter: once a hidden question was, a process of it has seen that, and might tell the second run of it in a way
that nobody has thought of. So from then on outputs, files and notes for the student are the first run's, which were
complete before the first question, checks show nothing of what comes from the submission any more, and that there was a
second run is told to staff only.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.code import Code, parse
from proctor.notebooks.effects import changes_later, draws_at_once, hidden_names, imports_everything, needs, seeds
from proctor.notebooks.purposes import DEMO, is_given, of_demo, purpose
from proctor.running.session import CellOutcome

SKIPPED = "not run while grading"
# Exceptions that come of what isn't there; others of an answer don't come of a demo that the text doesn't show.
_MISSING = frozenset({"NameError", "AttributeError", "ImportError", "KeyError", "OSError"})
# What a cell raises with its demos, too: an answer that was left as it was given out, or that is no Python.
_IN_ANY_CASE = frozenset({"NotImplementedError", "SyntaxError", "IndentationError", "TabError", "UnboundLocalError"})
_NAME_ERROR = re.compile(r"name '(\w+)' is not defined")
# How much of the student's code is looked at, so that nobody can keep the engine busy with it.
_MAX_SEARCHED, _MAX_STATEMENTS = 2**18, 4_000


@dataclass(frozen=True)
class Plan:
    """What of a notebook is run.

    Attributes:
        skipped: numbers of the demos that are not.
        own: numbers of the cells with code of the student's.
        names: what the skipped demos bind or change.
        why: a line that says why all are run though there are demos; empty if they aren't, or if there are none.
    """

    skipped: frozenset[int] = frozenset()
    own: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    why: str = ""

    def with_everything(self, why: str) -> Plan:
        """The plan that skips nothing, and says why."""
        return replace(self, skipped=frozenset(), why=f"everything was run, demos too: {why}")

    def may_be_to_blame(self, exceptions: Sequence[str], text: str) -> bool:
        """Whether what an answer has raised may come of a skipped demo.

        Args:
            exceptions: names of its classes, the most special one first.
            text: its own.
        """
        if not self.skipped or not exceptions or exceptions[0] in _IN_ANY_CASE:
            return False
        if "NameError" in exceptions:
            return self._may_have_made(text)
        return not _MISSING.isdisjoint(exceptions)

    def missed(self, labels: Sequence[str], outcomes: Sequence[CellOutcome]) -> str | None:
        """What a run has shown that may come of the skipped demos; None if there is nothing.

        Args:
            labels, outcomes: of all cells of the notebook.
        """
        for number, (label, outcome) in enumerate(zip(labels, outcomes, strict=True)):
            last = outcome.outputs[-1] if outcome.outputs else {}
            if not self.skipped or outcome.ok or last.get("output_type") != "error":
                continue
            kind = last["ename"] if last["ename"].isidentifier() else "an exception"
            # In code of the student's own whatever goes wrong counts, unless it would with the demos, too.
            named = kind == "NameError" and self._may_have_made(last["evalue"])
            if named or (number in self.own and kind not in _IN_ANY_CASE and kind != "NameError"):
                return f"without them {label} raised {kind[:100]}"
        return None

    def _may_have_made(self, text: str) -> bool:
        name = _NAME_ERROR.search(text)
        return name is None or name[1] in self.names


def plan(cells: Sequence[Mapping[str, Any]], run_demos: bool) -> Plan:
    """What of a graded notebook is run.

    Args:
        cells: of the notebook as `proctor.intake.rebuild` makes it.
        run_demos: whether all is run in any case.
    """
    look = None if run_demos else _Look(cells)
    if look is None or not look.demos:
        return Plan()
    own = frozenset(number for number, cell in enumerate(cells) if is_own(cell))
    made = Plan(frozenset(look.demos), own, look.names)
    why = next((why for number in sorted(own) if (why := look.why_demos(number))), None)
    return made.with_everything(why) if why else made


def is_own(cell: Mapping[str, Any]) -> bool:
    """Whether a cell of the graded notebook holds code of the student's: an answer, or what they added or changed."""
    is_answer = notebook_cells.role(cell) in ("solution", "manual")
    return cell["cell_type"] == "code" and (is_answer or str(cell.get("id", "")).startswith("added-"))


@functools.lru_cache(maxsize=64)
def _names_of_demos(demos: tuple[str, ...], others: tuple[str, ...]) -> frozenset[str]:
    """What demos bind or change that no other given cell does, from the texts of both: the same for most students."""
    trees = [parse(source).tree for source in others]
    return frozenset().union(*(of_demo(parse(source).tree, trees) for source in demos))


class _Look:
    """Looks at code of the student's for what may need a demo, or that a demo may have called it.

    Attributes:
        demos: numbers of those that can be skipped, with their code: what they bind stands in their text.
        names: what they bind or change.
    """

    def __init__(self, cells: Sequence[Mapping[str, Any]]) -> None:
        self.cells = cells
        self.demos: dict[int, Code] = {}
        for number, cell in enumerate(cells):
            if purpose(cell) == DEMO:
                code = parse(notebook_cells.source(cell))
                if not (code.error or imports_everything(code.tree) or hidden_names(code, notebook_cells.source(cell))):
                    self.demos[number] = code
        others = [cell for cell in cells if is_given(cell) and not is_own(cell) and purpose(cell) != DEMO]
        demos = (notebook_cells.source(cells[number]) for number in self.demos)
        self.names = _names_of_demos(tuple(demos), tuple(notebook_cells.source(cell) for cell in others))
        self.seeds = any(seeds(code.tree) for code in self.demos.values())
        self.searched = self.statements = 0

    def why_demos(self, number: int) -> str | None:
        """Why a cell with code of the student's may need demos; None if it needs none."""
        source = notebook_cells.source(self.cells[number])
        label = notebook_cells.grade_id(self.cells[number]) or f"cell {number + 1}"
        self.searched += len(source)
        code = parse(source if self.searched <= _MAX_SEARCHED else "")
        self.statements += sum(isinstance(node, (ast.stmt, ast.comprehension)) for node in ast.walk(code.tree))
        if self.searched > _MAX_SEARCHED or self.statements > _MAX_STATEMENTS:
            return "there is too much code to look at it first"
        if not code.tree.body and not code.magics:
            return None
        try:
            return self._why(number, label, code, source)
        except (RecursionError, SyntaxError, ValueError, MemoryError):
            return f"{label} can't be looked at first"

    def _why(self, number: int, label: str, code: Code, source: str) -> str | None:
        names = sorted(needs(code.tree) & self.names)
        if names:
            return f"{label} uses `{names[0]}`, which a demo makes or changes"
        if hidden_names(code, source):
            return f"{label} may use names that don't stand in its text"
        kept = sorted(changes_later(code.tree))
        if kept:
            return f"{label} keeps something in `{kept[0]}` when it is called, as a demo may do"
        if self.seeds and draws_at_once(code.tree):
            return f"{label} draws random numbers, which a demo may have seeded"
        added = notebook_cells.role(self.cells[number]) == "code" and not notebook_cells.parts(self.cells[number])
        if added and min(self.demos) < number < max(self.demos):
            return f"{label}, which was added or changed, stands between demos"
        return None
