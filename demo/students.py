"""What the three example students hand in, and the points that each must get for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat

from demo.errors import DemoError
from proctor.catalogue import entries as catalogue
from proctor.notebooks import cells as notebook_cells

REFERENCE = "ada_reference"
MISTAKES = "mo_mistakes"
UNTOUCHED = "uma_untouched"
STUDENTS = (REFERENCE, MISTAKES, UNTOUCHED)

# Entries of misconceptions/, each of another question: the mistakes that MISTAKES hands in.
MISCONCEPTIONS = (
    "attention-no-scale",
    "rmsnorm-eps-outside-root",
    "rope-halves",
    "nucleus-one-token-too-many",
    "adjacency-transposed",
    "slope-001",
)
# What REFERENCE hands in beside the notebooks: trained networks. MISTAKES has trained nothing.
HANDED_IN = Path(__file__).resolve().parent / "handed_in"
OF_THE_RUN = ("q1_1a_table_values", "q1_1c_compare_values", "q2_7_")

REASONS = {
    REFERENCE: "every autograded point",
    MISTAKES: "all but those of the six checks with a mistake, and of 1.1 and 2.7 where something was to be trained",
    UNTOUCHED: "nothing was filled in",
}

ESSAY = "Here an example student argues in a few sentences. A TA reads them in the formgrader and enters the points."


def chosen_mistakes(folder: Path) -> list[catalogue.Entry]:
    """The entries of the catalogue in `folder` that MISCONCEPTIONS names, in that order."""
    entries = {entry.name: entry for entry in catalogue.load(folder) if entry.kind == "wrong"}
    missing = [name for name in MISCONCEPTIONS if name not in entries]
    if missing:
        raise DemoError(f"{folder} has no wrong answer called {', '.join(missing)}; choose others in demo/students.py")
    return [entries[name] for name in MISCONCEPTIONS]


def answers(source: Path, mistakes: Sequence[catalogue.Entry]) -> dict[str, str]:
    """Reference answers of an instructor's notebook by grade_id, changed by `mistakes`, and something for each essay.

    Args:
        source: the notebook.
        mistakes: entries of the catalogue; those of other notebooks are left out.
    """
    cells = {notebook_cells.grade_id(cell): cell for cell in notebook_cells.read(source)["cells"]}
    found = {}
    for name, cell in cells.items():
        if notebook_cells.role(cell) == "solution":
            found[name] = notebook_cells.without_markers(notebook_cells.source(cell))
        elif notebook_cells.role(cell) == "manual":
            found[name] = ESSAY
    for entry in mistakes:
        if entry.notebook == source.stem:
            if entry.cell not in found:
                raise DemoError(f"{entry.where}: {source.name} has no cell {entry.cell}; correct the entry")
            found[entry.cell] = catalogue.apply(entry, notebook_cells.source(cells[entry.cell]))
    return found


def fill_in(fetched: Path, answers: Mapping[str, str]) -> None:
    """Write `answers`, by grade_id, into a student's notebook."""
    left = dict(answers)
    notebook = nbformat.read(fetched, as_version=4)
    for cell in notebook.cells:
        cell.source = left.pop(notebook_cells.grade_id(cell), cell.source)
    if left:
        raise DemoError(f"{fetched.name} was released without the cells {', '.join(left)}; compare it with its source")
    nbformat.write(notebook, fetched)


def hand_in_run(assignment: Path) -> None:
    """Put the trained networks beside a student's notebooks."""
    shutil.copytree(HANDED_IN / "runs", assignment / "runs", dirs_exist_ok=True)


def expected_points(tests: Mapping[str, float], mistakes: Sequence[catalogue.Entry]) -> dict[str, dict[str, float]]:
    """Points that each student must get on each autograded cell.

    Args:
        tests: the autograded cells' points by grade_id.
        mistakes: what MISTAKES handed in.
    """
    lost = {name for entry in mistakes for name in entry.loses}
    lost |= {name for name in tests if name.startswith(OF_THE_RUN)}
    return {
        REFERENCE: dict(tests),
        MISTAKES: {name: 0.0 if name in lost else points for name, points in tests.items()},
        UNTOUCHED: dict.fromkeys(tests, 0.0),
    }
