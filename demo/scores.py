"""Reads the gradebook: the table per student and question, and what differs from the points that were expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from nbgrader.api import Gradebook

from demo.run_folder import ASSIGNMENT
from proctor.catalogue import entries as catalogue
from proctor.notebooks import cells as notebook_cells


@dataclass(frozen=True)
class Score:
    """One graded cell of one submission.

    Attributes:
        points: what the cell can bring.
        got: what autograding gave; None if it gave nothing.
        waiting: whether a TA has to grade it.
    """

    student: str
    cell: str
    points: float
    got: float | None
    waiting: bool


def read_scores(database: str, course_id: str) -> list[Score]:
    """All graded cells of all submissions of the assignment, from the gradebook at the URL `database`."""
    with Gradebook(database, course_id) as gradebook:
        return [
            Score(submission.student.id, grade.name, grade.max_score, grade.auto_score, grade.needs_manual_grade)
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
            for notebook in submission.notebooks
            for grade in notebook.grades
        ]


def possible_scores(notebook: dict[str, Any]) -> list[Score]:
    """The graded cells of an instructor's notebook, with what they can bring: points, or a wait for a TA."""
    scores = []
    for cell in notebook["cells"]:
        role = notebook_cells.role(cell)
        if role in ("test", "manual"):
            points = float(notebook_cells.nbgrader_metadata(cell)["points"])
            manual = role == "manual"
            scores.append(Score("possible", notebook_cells.grade_id(cell), points, None if manual else points, manual))
    return scores


def table(scores: Sequence[Score]) -> str:
    """The points per student and question as text; "6 +2" means 6 points autograded and 2 more that wait for a TA."""
    frame = pd.DataFrame(
        {
            "student": score.student,
            "question": question_number(score.cell),
            "got": score.got or 0.0,
            "waiting": score.points if score.waiting else 0.0,
        }
        for score in scores
    )
    sums = frame.groupby(["student", "question"], sort=False).sum()
    shown = sums.apply(lambda row: _shown(row.got, row.waiting), axis=1).unstack(sort=False)
    shown = shown[sorted(shown.columns, key=_by_number)]
    totals = sums.groupby("student", sort=False).sum()
    shown["autograded"] = totals.got.map("{:g}".format)
    shown["waits for a TA"] = totals.waiting.map("{:g}".format)
    return shown.rename_axis(index=None, columns=None).to_string()


def _shown(got: float, waiting: float) -> str:
    return " ".join(filter(None, [f"{got:g}" if got or not waiting else "", f"+{waiting:g}" if waiting else ""]))


def question_number(cell: str) -> str:
    """`2.3` for the graded cell `q2_3a_values`."""
    return catalogue.question(cell).removeprefix("q").replace("_", ".")


def _by_number(question: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in question.split(".")]


def differences(scores: Sequence[Score], expected: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One line for each autograded cell whose points are not the expected ones, also where a score is missing.

    Args:
        scores: of all students.
        expected: points by student and grade_id.
    """
    got = {(score.student, score.cell): score.got for score in scores}
    lines = []
    for student, cells in expected.items():
        for cell, points in cells.items():
            found = got.get((student, cell))
            if found != points:
                lines.append(
                    f"{student}: {cell} got {'no score' if found is None else f'{found:g}'}, expected {points:g}"
                )
    return lines
