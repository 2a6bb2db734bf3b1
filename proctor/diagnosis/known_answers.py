"""The catalogued wrong answers to a notebook as grading needs them: texts to run, and words for a student."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect

# Name of the reference's own answer, where the others are named by their entries.
REFERENCE = ""


@dataclass(frozen=True)
class WrongAnswer:
    """One wrong variant of a reference answer.

    Attributes:
        name: unique in the notebook's catalogue.
        hint: what a student is told.
        cell: grade_id of the answer's cell.
        text: of that cell, with the mistake in it.
        loses: grade_ids of the test cells that it loses.
    """

    name: str
    hint: str
    cell: str
    text: str
    loses: tuple[str, ...]


@dataclass(frozen=True)
class KnownAnswers:
    """A notebook with its reference answers, and the wrong variants of them.

    Attributes:
        cells: label and text of each code cell that answers and tests may need, in order. Of tests there is the label
            alone.
    """

    cells: tuple[tuple[str, str], ...]
    wrong: tuple[WrongAnswer, ...]

    def candidates(self, test: str, passed: Collection[str] = ()) -> list[WrongAnswer]:
        """The wrong answers that a failed test cell may show.

        Args:
            passed: test cells that the answer has passed: who loses one of them it is not.
        """
        return [one for one in self.wrong if test in one.loses and not set(one.loses) & set(passed)]

    def named(
        self, asked: Collection[str], passed: Collection[str], alike: Collection[tuple[str, str]]
    ) -> dict[str, list[WrongAnswer]]:
        """For each failed test cell all wrong answers that answer it as the student did; none where nobody knows.

        A wrong answer has to answer all those test cells alike that it loses.

        Args:
            asked: failed test cells whose answers were compared.
            passed: test cells that were passed.
            alike: pairs of a test cell and who answers it as the student did, by name; `REFERENCE` where the student's
                answers don't tell a mistake: they are the reference's, or differ by what comes of anything.
        """
        found = {}
        for test in asked:
            # What the reference answers too is no mistake; the check has failed for something else.
            same = [] if (test, REFERENCE) in alike else self.candidates(test, passed)
            found[test] = [one for one in same if all((lost, one.name) in alike for lost in one.loses if lost in asked)]
        return found

    def digests(self, tests: Mapping[str, str]) -> dict[str, str]:
        """For each test cell a digest of all that decides what wrong answers show there.

        Args:
            tests: text of each test cell, as far as it counts.
        """
        found = {}
        for number, (label, _) in enumerate(self.cells):
            if label in tests:
                wrong = [[one.name, one.hint, one.cell, one.text] for one in self.wrong if label in one.loses]
                # Labels say where a cell stands, which is different as soon as a text is added.
                parts = [[text for _, text in self.cells[:number]], wrong, tests[label]]
                found[label] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
        return found


def known_answers(notebook: Mapping[str, Any], wrong: Sequence[WrongAnswer]) -> KnownAnswers:
    """Made of the instructor's notebook.

    Raises:
        ProctorError: the markers of a reference answer don't pair up.
    """
    cells = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code" or not has_effect(cell):
            continue
        label, role = notebook_cells.grade_id(cell) or f"cell {number}", notebook_cells.role(cell)
        text = notebook_cells.source(cell)
        text = notebook_cells.without_markers(text) if role == "solution" else text
        cells.append((label, "" if role == "test" else text))
    return KnownAnswers(tuple(cells), tuple(wrong))
