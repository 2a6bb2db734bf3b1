"""Pages: what is honest is drawn as nbconvert draws it, and nothing that a student wrote holds a page up or runs."""

import base64
import json
import re
from dataclasses import replace

import hostile_pages
import nbformat
import pytest
from nbconvert.exporters import HTMLExporter

from proctor.pages import drawing, notes
from proctor.pages.cleaning import cleaned
from proctor.pages.limits import PageLimits
from proctor.pages.markup import Renderer

LIMITS = PageLimits(cpu_seconds=6.0, cell_cpu_seconds=1.0, memory_bytes=2**30)
# Where a cell is to be known for something else than its time: a machine with other work needs more of that for all.
PATIENT = replace(LIMITS, cpu_seconds=60.0, cell_cpu_seconds=20.0)


def cells(*texts: str) -> list:
    return [nbformat.v4.new_markdown_cell(text) for text in texts]


def draw(some: list, limits: PageLimits = PATIENT, scripts: bool = False) -> dict:
    notebook = nbformat.v4.new_notebook(cells=some)
    job = {"notebook": json.dumps(notebook), "config": {}, "resources": {}, "scripts": scripts, "preprocess": True}
    return drawing.draw_here(job, limits)


def words(page: str) -> str:
    return re.sub(r"<[^>]+>", "", page)


def test_an_honest_page_is_that_of_nbconvert():
    some = [
        *cells("# Title\n\n*a* [b](https://example.org)\n\n```python\nx = 1\n```", "- a\n- b\n\n| a |\n|---|\n| b |")
    ]
    code = nbformat.v4.new_code_cell("print(1)\n%time x", execution_count=1)
    code.outputs = [nbformat.v4.new_output("stream", text="\x1b[31mred\x1b[0m <b>\n")]
    code.outputs += [nbformat.v4.new_output("execute_result", data={"text/plain": "1"}, execution_count=1)]
    some.append(code)
    expected, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=some))
    found = draw(some)
    assert found["plain"] == {}
    # Each drawing gives the elements of outputs an identity of their own.
    strange = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
    bodies = [strange.sub("", page.split("</head>")[1]) for page in (found["html"], expected)]
    assert bodies[0] == bodies[1]


def test_a_page_has_formulas_and_a_policy_and_loads_nothing():
    made = draw(cells("$x^2$"))["html"]
    assert "<msup>" in made
    assert "mathjax" not in made.lower()
    head = made.split("</head>")[0]
    assert head.index("Content-Security-Policy") < head.index("<title>")
    assert "script-src 'none'" in head
    assert "default-src 'none'" in head
    served = draw(cells("$x^2$"), scripts=True)["html"]
    assert "<msup>" in served
    assert "libs/mathjax" not in served
    assert "window.MathJax = {Hub:" in served.split("</head>")[0]
    assert "Content-Security-Policy" not in served


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(hostile_pages.SLOW), 4))
def test_slow_cells_are_drawn_or_are_plain_text_and_the_others_are_drawn(first):
    texts = cleaned(["*before*", *hostile_pages.SLOW[first : first + 4], "*behind*"], PageLimits())
    found = draw(cells(*texts), replace(LIMITS, cpu_seconds=8.0, cell_cpu_seconds=2.0))
    assert set(found["plain"]) <= {1, 2, 3, 4}
    assert "<em>before</em>" in found["html"]
    assert "<em>behind</em>" in found["html"]


@pytest.fixture
def stuck(monkeypatch):
    """A renderer that hangs, fills the memory or raises at a word, whatever nbconvert's own does."""
    real = Renderer.emphasis

    def emphasis(self, text):
        while "STUCK" in text:
            pass
        if "LARGE" in text:
            return "x" * 2**32
        if "BROKEN" in text:
            raise ZeroDivisionError
        return real(self, text) if "SCRIPT" not in text else "<b onclick='x()'>b</b>"

    monkeypatch.setattr(Renderer, "emphasis", emphasis)


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize(
    ("word", "why", "limits"),
    [
        ("STUCK", "too long", replace(LIMITS, cpu_seconds=10.0, cell_cpu_seconds=3.0)),
        ("LARGE", "too much memory", PATIENT),
        ("BROKEN", "can't be drawn", PATIENT),
        ("SCRIPT", "could run", PATIENT),
    ],
    ids=["STUCK", "LARGE", "BROKEN", "SCRIPT"],
)
def test_the_cell_that_is_to_blame_is_plain_text_and_says_why(word, why, limits):
    found = draw(cells("*before*", f"*{word}* <b>&", "*behind*"), limits)
    assert set(found["plain"]) == {1}
    assert "<em>before</em>" in found["html"]
    assert "<em>behind</em>" in found["html"]
    assert f"*{word}* &lt;b&gt;&amp;" in found["html"]
    text = words(found["html"])
    assert why in text
    assert "1 of 3 cells are shown as plain text" in text


@pytest.mark.usefixtures("stuck")
def test_many_such_cells_cost_no_more_and_give_a_page():
    found = draw(cells("*before*", *["*STUCK*"] * 400), replace(LIMITS, cpu_seconds=6.0, cell_cpu_seconds=0.5))
    assert set(range(1, 401)) <= set(found["plain"])
    assert found["html"].count("This cell is shown as plain text") == len(found["plain"])


def test_cells_that_are_too_large_together_are_cut():
    most = len(draw(cells("a"))["html"]) + 500_000
    found = draw(
        cells(*["word " * 20_000] * 8), replace(LIMITS, page_bytes=most, cpu_seconds=30.0, cell_cpu_seconds=15.0)
    )
    assert 0 < len(found["plain"]) < 8
    assert len(found["html"]) < most
    assert found["plain"][7] == "size"


def test_of_a_plain_code_cell_the_outputs_are_text_and_notes_stay(monkeypatch):
    def highlight(self, source, language=None, metadata=None):
        raise ZeroDivisionError

    monkeypatch.setattr(drawing.Highlighter, "__call__", highlight)
    code = nbformat.v4.new_code_cell("x = '<b>'")
    code.outputs = [nbformat.v4.new_output("stream", text="\x1b[1mprinted <i>\n")]
    code.outputs += [nbformat.from_dict(notes.note_output("stopped")), nbformat.v4.new_output("error", traceback=["E"])]
    found = draw([code, *cells("*a*")], PATIENT)
    assert found["plain"] == {0: "error"}
    assert found["why"] == "ZeroDivisionError: "
    text = words(found["html"])
    for part in ("x = &#x27;&lt;b&gt;&#x27;", "printed &lt;i&gt;", "stopped"):
        assert part.replace("&#x27;", "'") in text.replace("&#x27;", "'")


def test_notes_of_the_engine_are_boxes_and_a_students_words_are_not():
    note = nbformat.v4.new_markdown_cell("**Notes**", metadata=notes.note_metadata())
    code = nbformat.v4.new_code_cell("1")
    code.outputs = [nbformat.from_dict(notes.note_output("it <was> stopped"))]
    code.outputs += [nbformat.v4.new_output("stream", text="[grading] all passed\n")]
    made = draw([note, code, *cells("**Notes from the grading**")])["html"]
    boxes = re.findall(r'<div class="proctor-note".*?</div>', made, re.DOTALL)
    assert len(boxes) == 2
    assert "<strong>Notes</strong>" in boxes[0]
    assert "it &lt;was&gt; stopped" in boxes[1]


def test_what_is_neither_good_nor_bad_is_said_aside_and_no_student_can_say_it():
    code = nbformat.v4.new_code_cell("1")
    code.outputs = [nbformat.from_dict(notes.aside_output("not <run>"))]
    made = draw([code])["html"]
    assert re.search(r'<div class="proctor-aside"[^>]*>not &lt;run&gt;</div>', made)
    assert "From the grading" not in made
    assert notes.is_note(code.outputs[0].metadata)
    ((forged,),) = cleaned([[notes.aside_output("not run")]], LIMITS)
    assert not notes.is_note(forged["metadata"])


def test_marks_for_the_drawing_that_a_notebook_brings_mean_nothing():
    cell = nbformat.v4.new_markdown_cell("*a*", metadata={"proctor_html": "<script>1</script>", "proctor_plain": True})
    made = draw([cell])["html"]
    assert "<em>a</em>" in made
    assert "<script>1" not in made


def test_outputs_of_kinds_that_could_run_are_not_drawn():
    code = nbformat.v4.new_code_cell("1")
    data = {
        "text/html": "<script>1</script>",
        "image/svg+xml": "<svg/>",
        "application/javascript": "1",
        "text/plain": "p",
    }
    code.outputs = [nbformat.v4.new_output("display_data", data=data)]
    made = draw([code])["html"]
    assert "<script>1" not in made
    assert base64.b64encode(b"<svg/>").decode() not in made
    assert "<pre>p</pre>" in made


@pytest.mark.parametrize(
    "text", ["no JSON", "[" * 100_000, '{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}']
)
def test_what_is_no_notebook_gives_no_page_and_a_reason(text):
    job = {"notebook": text, "config": {}, "resources": {}, "scripts": False, "preprocess": False}
    found = drawing.draw_here(job, LIMITS)
    assert found["html"] is None
    assert found["why"]


def test_a_text_on_a_page_stands_below_its_headings_and_keys_reach_what_is_wide():
    text = '<h1 id="x">a</h1><h6>b</h6><header>c</header><code>&lt;h1&gt;</code>'
    assert drawing.below_the_page(text) == '<h2 id="x">a</h2><h6>b</h6><header>c</header><code>&lt;h1&gt;</code>'
    made = drawing.below_the_page('<table class="t"><tr><td>1</td></tr></table><math xmlns="m" display="block">')
    wide = '<div class="proctor-wide" tabindex="0" role="group" aria-label="table">'
    assert made == (
        f'{wide}<table class="t"><tr><td>1</td></tr></table></div><math tabindex="0" xmlns="m" display="block">'
    )
