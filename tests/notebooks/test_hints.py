"""Under each autograded question stands a ladder of hints, and on no page does a student's `<details>` become one."""

import html
import json
import re
from pathlib import Path

import pytest

from proctor.authoring.lint_help import FEWEST, MOST, copies, hints
from proctor.notebooks import cells as notebook_cells
from proctor.pages import drawing, notes
from proctor.pages.limits import PageLimits
from proctor.pages.sanitise import safe_markdown

SOURCE = Path(__file__).resolve().parents[2] / "source" / "assignment2"
# Each stands under one answer; 2b has one above the checks of the trained model, 2.7, as well, 1a one for Exercise 1.
LADDERS = {
    "1a_padding": 4,
    "1b_rotation": 4,
    "2a_gpt_components": 6,
    "2b_gpt_training": 3,
    "3a_graph_convolution": 7,
    "3b_graph_attention": 1,
}
COSTS = "Opening one costs nothing."


def cells(name: str) -> list[dict]:
    return notebook_cells.read(SOURCE / f"{name}.ipynb")["cells"]


def draw(some: list[dict]) -> str:
    notebook = {"cells": some, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    job = {"notebook": json.dumps(notebook), "config": {}, "resources": {}, "scripts": False, "preprocess": False}
    page = drawing.draw_here(job, PageLimits(cpu_seconds=60.0, cell_cpu_seconds=20.0))
    assert page["plain"] == {}, page
    return page["html"].split("<body", 1)[1]


@pytest.mark.parametrize("name", LADDERS)
def test_each_autograded_question_has_two_or_three_hints(name):
    found = cells(name)
    ladders = [number for number, cell in enumerate(found) if hints(cell)]
    assert len(ladders) == LADDERS[name]
    for number in ladders:
        assert FEWEST <= len(hints(found[number])) <= MOST
    answers = [number for number, cell in enumerate(found) if notebook_cells.role(cell) == "solution"]
    assert {number + 1 for number in answers} <= set(ladders)


@pytest.mark.parametrize("name", LADDERS)
def test_the_last_hint_is_not_the_answer(name):
    """The linter holds this for code of eight words; here no whole line of an answer is in a hint either."""
    answers = [notebook_cells.source(cell) for cell in cells(name) if notebook_cells.role(cell) == "solution"]
    secret = [region.text for text in answers for region in notebook_cells.regions(text, "SOLUTION")]
    assert secret
    lines = {re.sub(r"\s", "", line.partition("#")[0]) for text in secret for line in text.split("\n")}
    # Shorter ones, "return figure" or "model.eval()", are what the rules themselves say.
    lines = {line for line in lines if len(line) > 18}
    for cell in cells(name):
        for hint in hints(cell):
            said = re.sub(r"\s", "", f"{hint.symptom}{hint.text}")
            assert [line for line in lines if line in said] == []
            assert list(copies(hint.text, secret)) == []
            # A hint is shorter than a page, and longer than a word.
            assert 40 < len(hint.text) < 1200


@pytest.mark.parametrize("name", LADDERS)
def test_it_is_said_once_that_a_hint_costs_nothing(name):
    assert sum(notebook_cells.source(cell).count(COSTS) for cell in cells(name)) == 1


def test_a_page_draws_the_courses_hints_with_their_formulas():
    (cell,) = [cell for cell in cells("2a_gpt_components") if cell["id"] == "q2_2_forward-hints"]
    page = draw([cell])
    assert page.count("<details") == page.count("</details>") == 3
    assert "<summary>Don't the rows of <code>att_probs</code> sum to 1?</summary>" in page
    # Markdown and formulas inside are drawn, so that it reads as in JupyterLab.
    assert "<li>Only then exchange T and n_head.</li>" in page
    assert "<math" in page


@pytest.mark.parametrize(
    "written",
    [
        "<details><summary>symptom</summary>\n\ntext\n\n</details>",
        "<details open ontoggle=alert(1)><summary>x</summary>y</details>",
        "> <details><summary>x</summary>\n\n- <summary>a</summary>",
    ],
)
def test_what_a_student_typed_stays_text(written):
    page = draw(
        [
            {"cell_type": "markdown", "id": "answer", "metadata": notes.students_metadata(), "source": safe}
            for safe in [safe_markdown(written)]
        ]
    )
    assert not re.search(r"<(details|summary)", page)
    assert "<details" in html.unescape(page)
