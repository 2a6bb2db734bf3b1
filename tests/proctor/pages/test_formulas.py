import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from latex2mathml import converter

from proctor.pages.formulas import MAX_ELEMENTS, MAX_FORMULA, macros, mathml
from proctor.pages.scanning import FORMULA, scanned

NOTEBOOKS = sorted((Path(__file__).resolve().parents[3] / "source").rglob("*.ipynb"))


def rows(made: str) -> list[list[str]]:
    """Texts of the cells of all tables in MathML."""
    tree = ElementTree.fromstring(made)
    found = [row for row in tree.iter() if row.tag.endswith("mtr")]
    return [["".join("".join(cell.itertext()).split()) for cell in row] for row in found]


def test_formulas_in_lines_and_displayed_ones():
    made = mathml("\\sqrt{d_k}", False)
    assert "<msqrt>" in made
    assert 'display="inline"' in made
    assert 'display="block"' in mathml("\\frac{a}{b}", True)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("\\begin{aligned} a &= b \\\\ c &< d \\end{aligned}", [["a", "=b"], ["c", "<d"]]),
        ("\\begin{aligned}[t] a &= b \\end{aligned}", [["a", "=b"]]),
        ("\\begin{align} a &= b \\nonumber \\\\ c &= d \\label{eq:1} \\end{align}", [["a", "=b"], ["c", "=d"]]),
        ("\\begin{equation}\\begin{split} a &= b \\\\ &= c \\end{split}\\end{equation}", [["a", "=b"], ["", "=c"]]),
        ("\\begin{alignat}{2} a &= b \\end{alignat}", [["a", "=b"]]),
        ("\\begin{eqnarray} a &=& b \\end{eqnarray}", [["a", "=b"]]),
        ("\\begin{gather} a \\\\ b \\end{gather}", [["a"], ["b"]]),
        ("\\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}", [["1", "0"], ["0", "1"]]),
        ("\\left[\\begin{array}{c|c} 1 & 0 \\\\ 0 & 1 \\end{array}\\right]", [["1", "0"], ["0", "1"]]),
        ("\\begin{cases} 1 & i < j \\\\ 0 & \\text{else} \\end{cases}", [["1", "i<j"], ["0", "else"]]),
        ("\\begin{dcases} 1 & i < j \\end{dcases}", [["1", "i<j"]]),
        ("a \\\\ b", [["a"], ["b"]]),
        ("a &= b \\\\ &= c", [["a", "=b"], ["", "=c"]]),
        ("\\text{a & b} &= 3 \\\\ c", [["a&b", "=3"], ["c"]]),
    ],
)
def test_rows_and_columns_are_those_of_the_formula(formula, expected):
    assert rows(mathml(formula, True)) == expected


def test_what_tex_would_leave_out_is_drawn():
    assert "<mi>%</mi>" in mathml("50% x", False)
    assert "%" in mathml("50\\% x", False)


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "x" * (MAX_FORMULA + 1),
        "\\href{https://example.org}{x}",
        "\\unknown{x}",
        "\\newcommand{\\R}{x}",
        "\\def\\R{x} \\R",
        "\\begin{unknown} a & b \\end{unknown}",
        "\\bbox{x}",
    ],
)
def test_what_can_not_be_drawn_with_all_that_it_says_is_not(formula):
    assert mathml(formula, False) is None


def test_macros_are_known_behind_their_formula():
    known = macros("\\newcommand{\\R}{\\mathbb{R}} \\def\\E{\\mathbb{E}}")
    assert "\u211d" in html.unescape(mathml("x \\in \\R", False, known))
    assert mathml("x \\in \\R", False) is None


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
    made = mathml(formula, False) or ""
    tags = set(re.findall(r"<\s*/?\s*(\w+)", made))
    assert not tags & {"script", "img", "a", "iframe", "svg", "style"}
    assert "onclick" not in made
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
    made = mathml(f"\\text{{{text}}}", False)
    tags = re.findall(r"<([^>]*)>", made)
    assert [tag.split()[0] for tag in tags] == ["math", "mrow", "mtext", "/mtext", "/mrow", "/math"]
    assert [tag for tag in tags if "=" in tag] == ['math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"']
    shown = html.unescape(re.sub(r"<[^>]*>", "", made)).replace("\xa0", " ").strip()
    # The converter writes characters as numbers, so these are decoded; names are not.
    assert shown == " ".join(re.sub(r"&#60;", "<", text).replace("&#62;", ">").split())


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
    assert mathml(formula, False) is None


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
    assert mathml("x", False) is None


def test_only_known_elements_are_written(monkeypatch):
    tree = ElementTree.fromstring("<math><annotation-xml><script>1</script></annotation-xml></math>")
    monkeypatch.setattr(converter, "convert_to_element", lambda *args, **options: tree)
    assert mathml("x", False) is None


def test_all_formulas_of_the_course_are_converted():
    count = 0
    for notebook in NOTEBOOKS:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                found = scanned(text, False)
                assert "$" not in re.sub(r"`[^`]*`", "", found.text), text
                for piece in found.pieces:
                    assert piece.kind == FORMULA
                    assert mathml(piece.tex, piece.display) is not None, piece.source
                    count += 1
    assert count > 200
