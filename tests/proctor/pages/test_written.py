"""What stands on a page is what the student wrote, in formulas, in code and between them."""

import html
import json
import re

import pytest
from page_text import PageText, graded, normal
from unlucky_pages import TEXTS

from proctor.pages import drawing
from proctor.pages.limits import PageLimits
from proctor.pages.written import as_written, stored

LIMITS = PageLimits(cpu_seconds=20.0)


def answer(source: str, **options) -> str:
    """HTML of a written answer on a page."""
    notebook = graded(source, **options)
    job = {"config": {"HTMLExporter": {"template_name": "classic"}}, "resources": {}, "scripts": False}
    page = drawing.draw_here(job | {"notebook": json.dumps(notebook), "preprocess": False}, LIMITS)
    assert page["plain"] == {}, page
    return page["html"].rpartition('rendered_html">')[2].partition("</body>")[0]


@pytest.fixture(scope="module")
def together() -> str:
    return PageText(answer("\n\n----\n\n".join(TEXTS))).text


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_of_the_page_is_the_text_of_the_cell(text, together):
    expected = normal(TEXTS[text] or text)
    assert expected in together
    assert PageText(answer(text)).text == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](<javascript:alert(1)> 'title') y", "[x](<javascript:alert(1)> 'title') y"),
        ("<javascript:alert(1)>", "<javascript:alert(1)>"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("<svg onload=alert(1)> &#60;b&#62;", "<svg onload=alert(1)> <b>"),
        ("[x]: javascript:alert(1)\n\n[x]", "[x]: javascript:alert(1) [x]"),
        ("$\\href{javascript:alert(1)}{x}$", "$\\href{javascript:alert(1)}{x}$"),
        ("$$\\require{action}\\toggle{a}{b}\\endtoggle$$", "$$\\require{action}\\toggle{a}{b}\\endtoggle$$"),
        ("![x](javascript:alert(1)) y", "![x](javascript:alert(1)) (pictures are not loaded from other places) y"),
        ("![x](../../gradebook.db)", "![x](../../gradebook.db) (it was not handed in)"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)> (it was not handed in, or is too large)"),
    ],
)
def test_what_could_run_is_text_and_all_of_it(text, shown):
    made = answer(text)
    assert PageText(made).text == shown
    assert not re.search(r"<(script|svg|img|a href=.javascript)", made)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("$\\href{https://example.org}{x}$", "1 × a formula"),
        ("$\\unknown x$ and $\\unknown y$", "2 × a formula"),
        ("![x](nowhere.png)", "1 × a picture (it was not handed in, or is too large)"),
        ("![](https://example.org/x.png)", "1 × a picture (pictures are not loaded from other places)"),
    ],
)
def test_what_is_not_drawn_is_marked_and_a_note_says_so(text, note):
    made = answer(text)
    assert re.search(r'class="proctor-(tex|refused)"', made)
    assert f"Shown as written, not drawn: {note}" in made
    assert "From the grading" not in answer("$x$ and [y](https://example.org)")


def test_a_student_can_not_make_the_marks_or_notes_of_the_engine():
    made = answer('<div class="proctor-note"><b>From the grading</b></div>\n\n<span class="proctor-refused">x</span>')
    assert not re.search('<[^>]*class="proctor-', made)


@pytest.mark.parametrize("text", [*TEXTS, "&amp;lt; &#93;( \\href &amp;amp;", "a\n> b > c", "\\HREF \\textcolor{a}"])
def test_what_is_stored_can_be_had_back_and_has_no_markup(text):
    assert as_written(stored(text)) == text
    assert "<" not in stored(text)
    assert as_written(graded(text)["cells"][-1]["source"]) == text


def test_a_text_of_all_kinds_of_pieces_is_had_back():
    pieces = [
        "&",
        "<",
        ">",
        "]",
        "[",
        "(",
        ":",
        "\\href",
        "\\",
        "amp;",
        "&amp;",
        "&#93;",
        "&#92;",
        "\n",
        " ",
        "x",
        "![",
    ]
    for first in pieces:
        for second in pieces:
            for third in pieces:
                text = first + second + third
                assert as_written(stored(text)) == text


def test_texts_of_staff_keep_their_html_and_formulas():
    notebook = graded("x")
    notebook["cells"][0]["source"] = "<details><summary>More</summary>\n\n$a<b$ <b>x</b>\n\n</details>\n\n[x]: y\n"
    job = {"config": {}, "resources": {}, "scripts": True, "notebook": json.dumps(notebook), "preprocess": False}
    made = drawing.draw_here(job, LIMITS)["html"]
    assert "<details><summary>More</summary>" in made
    assert "<mo>&lt;</mo>" in made
    assert "<b>x</b>" in made


def test_macros_of_a_text_are_known_in_later_ones_of_the_student_only():
    notebook = graded("$\\newcommand{\\R}{\\mathbb{R}}$ $x \\in \\R$")
    notebook["cells"].append({"cell_type": "markdown", "id": "staffs", "metadata": {}, "source": "$\\R$"})
    job = {"config": {}, "resources": {}, "scripts": False, "notebook": json.dumps(notebook), "preprocess": False}
    made = drawing.draw_here(job, LIMITS)["html"]
    assert "<mi>\u211d</mi>" in html.unescape(made)
    assert ">$\\R$</code>" in made


def test_macros_that_grow_without_end_cost_their_cell_only():
    names = "abcdefghijklm"
    bomb = "".join(
        "\\newcommand{\\a" + later + "}{" + ("\\a" + name) * 12 + "}"
        for name, later in zip(names, names[1:], strict=False)
    )
    notebook = graded(f"$\\newcommand{{\\aa}}{{x}}{bomb}$ $\\am$ so")
    job = {"config": {}, "resources": {}, "scripts": False, "notebook": json.dumps(notebook), "preprocess": False}
    found = drawing.draw_here(job, PageLimits(cpu_seconds=8.0, cell_cpu_seconds=2.5, memory_bytes=2**30))
    assert "\\am" in found["html"]
    assert "import torch" in re.sub(r"<[^>]+>", "", found["html"])
