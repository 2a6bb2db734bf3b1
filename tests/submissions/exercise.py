"""A small graded notebook, and how a submission of it is made."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dl1 import generator
from dl1.contract import protocol
from dl1.contract.sealed_hints import sealed_line
from proctor.catalogue.known import read_known
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import SealedHints, file_of, public_part, write_sealed

ASSIGNMENT = "homework"
NOTEBOOK = "exercise"
MARKER = "HIDDEN_MARKER_93"
QUESTIONS = ("q1", "q2", "q3")
SOLUTIONS = {
    "q1_double": "def double(x):\n    return 2 * x",
    "q2_norm": "def unit(x):\n    return x / x.norm()",
    "q3_both": "def both(x):\n    return double(unit(x))",
}
WRONG = "def double(x):\n    return 0"
# Whoever answers so reads the hint. The marker stands for the catalogue's code, which nobody may read.
CATALOGUE = f"""
[[wrong]]
name = "double-squares"
cell = "q1_double"
hint = "your double squares its number"
loses = ["q1_test"]
source = "def double(x):\\n    # {MARKER}\\n    return x * x"

[[wrong]]
name = "double-triples"
cell = "q1_double"
hint = "your double is three times its number"
loses = ["q1_test"]
source = "def double(x):\\n    return 3 * x"

[[wrong]]
name = "double-adds-three"
cell = "q1_double"
hint = "your double adds three, whatever its number is"
loses = ["q1_test"]
source = "def double(x):\\n    return x + 3"

[[wrong]]
name = "double-of-small-ones"
cell = "q1_double"
hint = "your double leaves a number above ten as it is"
loses = ["q1_test"]
source = "def double(x):\\n    return 2 * x if x < 10 else x"

[[right]]
name = "double-sum"
cell = "q1_double"
why = "a sum"
source = "def double(x):\\n    return x + x"
"""


def _cell(name: str, source: str, kind: str = "code", **nbgrader) -> dict:
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if nbgrader:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
        cell["metadata"]["nbgrader"] = {**flags, "grade_id": name, **nbgrader}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _given(name: str, source: str, purpose: str, **nbgrader) -> dict:
    cell = _cell(name, source, **nbgrader)
    cell["metadata"]["tags"] = [purpose]
    return cell


def _solution(name: str) -> dict:
    first, _, rest = SOLUTIONS[name].partition("\n")
    text = f"{first}\n    ### BEGIN SOLUTION\n{rest}\n    ### END SOLUTION"
    return _cell(name, text, solution=True)


def _test(name: str, public: str, hidden: str) -> dict:
    head = "import torch\nfrom dl1 import check_close, check_equal, generator, probe\n\n"
    text = f"{head}{public}\n### BEGIN HIDDEN TESTS\n# {MARKER}\n{hidden}\n### END HIDDEN TESTS"
    return _cell(name, text, grade=True, locked=True, points=2)


def instructor_notebook() -> dict:
    """Three questions of two points, and an essay; a figure for whoever reads it, and two demos."""
    cells = [
        _cell("intro", "# Exercise", "markdown"),
        _given("setup", "import torch", "definitions", locked=True),
        _given("scale-demo", "scale = 3\nprint('a demo', 'at work')", "demo"),
        _solution("q1_double"),
        _test(
            "q1_test",
            "@probe\ndef doubled(x):\n    return double(x)\n\ncheck_equal(doubled(3), 6, name='double of 3')",
            "for i in range(3):\n"
            f"    x = int(torch.randint(10**6, 10**9, (), generator=generator('{MARKER}' + str(i))))\n"
            "    check_equal(doubled(x), 2 * x, name='double of large numbers')",
        ),
        _solution("q2_norm"),
        _test(
            "q2_test",
            "@probe\ndef normed(x):\n    return unit(x)\n\n"
            "check_close(normed(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]), name='unit vector of (3, 4)')",
            f"x = torch.rand(5, generator=generator('{MARKER} q2')) + 1\n"
            "check_close(normed(x), x / (x * x).sum().sqrt(), name='unit vector of five numbers')",
        ),
        _solution("q3_both"),
        _test(
            "q3_test",
            "def add_one(x):\n    return x + 1\n\n"
            "def ten_times(x):\n    return 10 * x\n\n"
            "@probe(given={'double': add_one, 'unit': ten_times})\ndef combined(x):\n    return both(x)\n\n"
            "check_close(combined(torch.ones(1)), torch.tensor([11.0]), name='unit, then double')",
            "check_close(combined(torch.tensor([7.0])), torch.tensor([71.0]), name='unit, then double, of 7')",
        ),
        _given("bars", "print('bars for', 'whoever reads the essay')", "figure"),
        _given("late-demo", "late = 4\nprint('another demo', 'at work')", "demo"),
        _cell(
            "q4_why",
            "Why?\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION",
            "markdown",
            grade=True,
            solution=True,
            points=1,
        ),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def follow_up_notebook() -> dict:
    """A second notebook of the same assignment, with one question."""
    question = _cell(
        "q5_last", "def last(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", solution=True
    )
    public = "@probe\ndef lasting(x):\n    return last(x)\n\ncheck_equal(lasting(3), 3, name='last of 3')"
    test = _test("q5_test", public, "check_equal(lasting(4), 4, name='last of 4')")
    return instructor_notebook() | {"cells": [_cell("setup", "import torch", locked=True), question, test]}


def seal_hints(source: Path, catalogue: Path) -> None:
    """Seals the hints of two mistakes that answer 9 where 6 is right: all that is handed in comes with them."""
    path = source / f"{NOTEBOOK}.ipynb"
    tests = notebook_cells.autograded_cells(notebook_cells.read(path))
    known = read_known(path, catalogue / f"{NOTEBOOK}.toml")
    digests = known.digests({name: public_part(notebook_cells.source(cell)) for name, cell in tests.items()})
    hints = [one.hint for one in known.wrong if one.name in ("double-squares", "double-triples")]
    write_sealed(file_of(catalogue, NOTEBOOK), {"q1_test": SealedHints(digests["q1_test"], _sealed(*hints))})


@functools.cache
def _sealed(*hints: str) -> str:
    """Made once: submissions of two courses are the same then, to the byte."""
    return sealed_line([("double of 3", [9, 9], list(hints))], 2)


def hidden_inputs(key: bytes) -> list[int]:
    """The numbers that the hidden part of question 1 draws under a key."""
    protocol.use_seed_key(key)
    try:
        return [int(torch.randint(10**6, 10**9, (), generator=generator(MARKER + str(i)))) for i in range(3)]
    finally:
        protocol.use_seed_key(None)


class Handed:
    """What a student hands in: starts as the released notebook with right answers everywhere."""

    def __init__(self, released: dict, folder: Path) -> None:
        self.notebook = copy.deepcopy(released)
        self.folder = folder
        for name, source in SOLUTIONS.items():
            self.cell(name)["source"] = source
        self.cell("q4_why")["source"] = "Why?\n\nFor a reason."

    def cell(self, name: str) -> dict:
        return next(cell for cell in self.notebook["cells"] if cell["id"] == name)

    def answer(self, name: str, source: str) -> None:
        self.cell(name)["source"] = source

    def before(self, name: str, *sources: str) -> None:
        """Adds cells of the student's own in front of a cell."""
        place = self.notebook["cells"].index(self.cell(name))
        self.notebook["cells"][place:place] = [_cell(f"own-{name}-{i}", source) for i, source in enumerate(sources)]

    def write(self, name: str = f"{NOTEBOOK}.ipynb") -> None:
        (self.folder / name).write_text(json.dumps(self.notebook), encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """A submission with its expected outcome.

    Attributes:
        points: for the three questions.
        says: words that the student's page has to contain.
        silent: words that it must not contain.
    """

    name: str
    what: str
    make: Callable[[Handed], None]
    points: tuple[int, int, int] = (2, 2, 2)
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = field(default_factory=tuple)
