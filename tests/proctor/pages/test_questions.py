"""Numbers and titles of questions."""

from pathlib import Path

import pytest

from proctor.notebooks import cells as notebook_cells
from proctor.pages.notes import note_metadata, students_metadata
from proctor.pages.questions import Named, questions, title_of

SOURCE = Path(__file__).resolve().parents[3] / "source"
GRADED = {"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade": True, "grade_id": "q"}}}


def text(source: str, **metadata) -> dict:
    return {"cell_type": "markdown", "source": source, "metadata": metadata}


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["## 2.6 Rotary embeddings", "### Question 2.6 · 5 points · ●●●"], Named("2.6", "Rotary embeddings")),
        (["## 2.3 The block", "### Dropout: where", "### Question 2.3 (b) · 4"], Named("2.3 (b)", "Dropout: where")),
        (["## 1.1 (c) Without `max`", "### Question 1.1 (c) i · 1 point"], Named("1.1 (c) i", "Without max")),
        (["## Bots", "### Question 3.4 (a) – (c) · 6 points", "**(b)** x"], Named("3.4 (b)", "Bots")),
        (["## Pre-training", "### Question 2.9 (b), (c) · 3 points"], Named("2.9", "Pre-training")),
        (["# Exercise"], Named("", "Exercise")),
        (["### Question 2.1 · 10 points", "**(a)** (4 points) Long inputs"], Named("2.1 (a)", "")),
        (["### Question 2.1 · 10 points\n\n**(a)** Long\n\n**(b)** Short"], Named("2.1 (b)", "")),
        (["### Question 2.9 (b), (c) · 3 points", "**(c)** (1 point)"], Named("2.9 (c)", "")),
        (["### Question 2.1", "**(b)** x", "### Question 2.2 · 3 points"], Named("2.2", "")),
        ([], Named("", "")),
    ],
)  # fmt: skip
def test_a_question_has_the_number_and_the_title_of_the_texts_before_it(texts, named):
    assert questions([*map(text, texts), GRADED]) == {"q": named}


def test_neither_a_student_nor_a_note_names_anything():
    own, note = text("# 9.9 Full points", **students_metadata()), text("# 8.8 Note", **note_metadata())
    assert questions([own, note, text("## 2.1 Real"), own, note, GRADED]) == {"q": Named("2.1", "Real")}
    assert title_of([own, note, text("no heading"), text("# The *title* $x$")]) == "The title x"
    assert title_of([own]) == ""


def test_every_question_of_the_course_has_a_number_and_a_title():
    for path in sorted(SOURCE.rglob("*.ipynb")):
        cells = notebook_cells.read(path)["cells"]
        assert title_of(cells).startswith("Part "), path
        for name, one in questions(cells).items():
            # As the course names its cells: q2_1a_long_sequences is 2.1 (a).
            digits = name.removeprefix("q").split("_")
            assert one.number.startswith(f"{digits[0]}.{digits[1][0]}"), (name, one)
            if digits[1][1:]:
                assert one.number.split(" ")[1] == f"({digits[1][1:]})", (name, one)
            assert len(one.title) > 5, name
            assert "Question" not in one.title, name
            assert "·" not in one.title, name
