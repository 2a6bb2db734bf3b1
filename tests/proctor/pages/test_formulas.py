import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from latex2mathml import converter
from nbconvert.filters import markdown2html

from proctor.pages.formulas import MAX_ELEMENTS, MAX_FORMULA, with_mathml

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


@pytest.mark.parametrize(
    "text",
    [
        '<math\nhref="javascript:document.title%3D1337"><mi>CLICK</mi></math>',
        '<mtext\nonclick="document.body.innerHTML--">CLICK</mtext>',
        '<mtext\nonmouseover="location--" style="position:fixed" class="navbar-fixed-top">x</mtext>',
        "&lt;mi xlink:href='x'&gt;",
        "&#60;mi onclick='x'&#62;",
        "&amp;#60;mi onclick='x'&amp;#62;",
        "https://example.org *a* _b_ [c](d) ~~e~~ | `f`",
    ],
)
def test_a_text_in_a_formula_stays_a_text(text):
    made = markdown2html(with_mathml(f"$\\text{{{text}}}$"))
    tags = re.findall(r"<([^>]*)>", made)
    assert [tag.split()[0] for tag in tags] == ["p", "math", "mrow", "mtext", "/mtext", "/mrow", "/math", "/p"]
    assert [tag for tag in tags if "=" in tag] == ['math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"']
    shown = html.unescape(re.sub(r"<[^>]*>", "", made)).replace("\xa0", " ").strip()
    assert shown == " ".join(html.unescape(text.replace("&amp;", "&")).split())


@pytest.mark.parametrize(
    "formula",
    [
        "\\hspace{99999em}x",
        "\\rule{1em}{5000px}",
        "{" * 1_900 + "x" + "}" * 1_900,
        "x" * (MAX_ELEMENTS + 1),
        "\\text{&#1;}",
    ],
)
def test_formulas_that_are_too_large_or_deep_stay_as_they_are(formula):
    assert with_mathml(f"${formula}$") == f"${formula}$"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("href", "https://example.org"),
        ("onclick", "x"),
        ("style", "position:fixed"),
        ("class", "evil"),
        ("id", "notebook"),
        ("width", "100em"),
        ("mathcolor", "url(x)"),
        ("stretchy", "javascript:x"),
        ("xmlns", "http://www.w3.org/2000/svg"),
    ],
)
def test_only_known_attributes_with_known_values_are_written(monkeypatch, name, value):
    real = converter.convert_to_element

    def made(*args, **options):
        tree = real(*args, **options)
        tree[0].set(name, value)
        return tree

    monkeypatch.setattr(converter, "convert_to_element", made)
    assert with_mathml("$x$") == "$x$"


def test_only_known_elements_are_written(monkeypatch):
    tree = ElementTree.fromstring("<math><annotation-xml><script>1</script></annotation-xml></math>")
    monkeypatch.setattr(converter, "convert_to_element", lambda *args, **options: tree)
    assert with_mathml("$x$") == "$x$"


def test_all_formulas_of_the_course_are_converted():
    for notebook in NOTEBOOKS:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                assert "$" not in re.sub(r"`[^`]*`", "", with_mathml(text)), text
