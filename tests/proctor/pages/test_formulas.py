import json
import re
from pathlib import Path

import pytest

from proctor.pages.formulas import MAX_FORMULA, with_mathml

NOTEBOOKS = sorted((Path(__file__).resolve().parents[3] / "source").rglob("*.ipynb"))


def test_formulas_in_lines_and_displayed_ones():
    made = with_mathml("the root $\\sqrt{d_k}$ of\n\n$$\\frac{a}{b}$$\n\nend")
    assert "<msqrt>" in made
    assert 'display="inline"' in made
    assert "<mfrac>" in made
    assert 'display="block"' in made
    assert "$" not in made


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $6",
        "`$x$`",
        "```\n$x$\n```",
        "a \\$ b $",
        "$ x $",
        "$$",
        "no formula",
        "$x$5",
        "$" + "x" * (MAX_FORMULA + 1) + "$",
    ],
)
def test_what_is_no_formula_stays(text):
    assert with_mathml(text) == text


def test_nothing_in_a_formula_is_read_as_markdown():
    made = with_mathml("$a_i * b_j$ and *so*")
    assert "*" not in made.split("</math>")[0]
    assert "_" not in made.split("</math>")[0]
    assert made.endswith(" and *so*")


@pytest.mark.parametrize(
    "formula",
    [
        "\\text{<script>alert(1)</script>}",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "\\text{&lt;img src=x onerror=alert(1)&gt;}",
        "\\href{javascript:alert(1)}{x}",
        "\\class{evil}{x}",
        '\\color{red" onclick="alert(1)}{x}',
        "\\style{x:expression(alert(1))}{y}",
        "\\unknowncommand{",
    ],
)
def test_a_students_formula_brings_no_markup(formula):
    made = with_mathml(f"${formula}$")
    tags = set(re.findall(r"<\s*/?\s*(\w+)", made)) if made.startswith("<math") else set()
    assert not tags & {"script", "img", "a", "iframe", "svg", "style"}
    assert "onclick" not in made or not made.startswith("<math")
    assert "href=" not in made


def test_all_formulas_of_the_course_are_converted():
    for notebook in NOTEBOOKS:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                assert "$" not in re.sub(r"`[^`]*`", "", with_mathml(text)), text
