"""Texts and outputs of a whole notebook: what is kept of them, and that no text of a student can hold that up."""

import struct
from base64 import b64encode

import pytest
from nbconvert.filters import markdown2html

from proctor.errors import ProctorError
from proctor.pages import limits, notes, sanitise
from proctor.pages.cleaning import cleaned, plain_markdown
from proctor.pages.drawer import Drawer
from proctor.pages.limits import PageLimits


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def picture(side: int) -> dict:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", side, side) + b"\x08\2\0\0\0"
    return {"output_type": "display_data", "data": {"image/png": b64encode(head).decode()}, "metadata": {"a": 1}}


def test_what_is_harmless_stays_in_its_order():
    parts = ["*a* <b>", [stream("x")], [], "$y$"]
    assert cleaned(parts, PageLimits()) == ["*a* &lt;b&gt;", [stream("x")], [], "$y$"]
    assert cleaned([], PageLimits()) == []


def test_outputs_of_a_cell_are_capped_and_it_says_so():
    outputs = [stream("o" if i % 2 else "e", "stdout" if i % 2 else "stderr") for i in range(11_000)]
    (kept,) = cleaned([outputs], PageLimits())
    assert len(kept) == limits.MAX_OUTPUTS + 1
    assert kept[-1] == notes.note_output("… 10,500 more outputs left out")


def test_outputs_of_a_notebook_are_capped_in_number_and_size(monkeypatch):
    found = cleaned([[stream("x")] * 11_000] * 40, PageLimits())
    assert sum(len(kept) for kept in found) == limits.MAX_NOTEBOOK_OUTPUTS + 40
    assert all(notes.is_note(kept[-1]["metadata"]) for kept in found)
    monkeypatch.setattr(limits, "MAX_NOTEBOOK_BYTES", 100_000)
    found = cleaned([[stream("x" * 10_000)]] * 20, PageLimits())
    assert [len(kept[0].get("text", "")) for kept in found] == [10_000] * 9 + [0] * 11


def test_pictures_are_capped_by_their_pixels(monkeypatch):
    monkeypatch.setattr(limits, "MAX_NOTEBOOK_PIXELS", 25)
    one, other, large = cleaned([[picture(5)], [picture(1)], [picture(16_000)]], PageLimits())
    assert set(one[0]["data"]) == {"image/png"}
    assert one[0]["metadata"] == {}
    assert "too large together" in other[0]["data"]["text/plain"]
    assert "256,000,000 pixels was left out" in large[0]["data"]["text/plain"]


def test_svg_becomes_a_mark():
    data = {"image/svg+xml": "<svg onload='alert(1)'/>", "text/html": "<b>"}
    ((output,),) = cleaned([[{"output_type": "display_data", "data": data, "metadata": {}}]], PageLimits())
    assert output["data"] == {"text/plain": "(a picture in SVG was left out; PNG and JPEG are shown)"}


def test_a_student_can_not_write_notes_of_the_engine():
    output = {"output_type": "display_data", "data": {"text/plain": "2 points"}, "metadata": {"proctor": "note"}}
    ((kept,),) = cleaned([[output]], PageLimits())
    assert not notes.is_note(kept["metadata"])


@pytest.fixture
def stuck(monkeypatch):
    """Every text with this word takes for ever, as if an expression of ours had no bound."""
    real = sanitise.safe_markdown

    def endless(text):
        while "STUCK" in text:
            pass
        return real(text)

    monkeypatch.setattr(sanitise, "safe_markdown", endless)
    # The same program, in this process: a child would not know the change.
    monkeypatch.setattr(Drawer, "do", lambda self, task, parts: sanitise.clean_here(parts, self.limits))


@pytest.mark.usefixtures("stuck")
def test_a_text_that_can_not_be_made_safe_is_kept_as_plain_text():
    one, two, three = cleaned(["*a*", "STUCK <script> *b*", "*c*"], PageLimits(cell_cpu_seconds=0.3))
    assert (one, three) == ("*a*", "*c*")
    assert two == plain_markdown("STUCK <script> *b*")
    assert "<script" not in two


@pytest.mark.usefixtures("stuck")
def test_many_of_them_cost_no_more_than_the_limit_for_all():
    found = cleaned(["STUCK"] * 60 + ["*c*"], PageLimits(cpu_seconds=1.0, cell_cpu_seconds=0.3))
    assert found == [plain_markdown("STUCK")] * 60 + [plain_markdown("*c*")]


def test_without_a_child_nothing_is_kept_as_it_was(monkeypatch):
    def none(self, task, **job):
        raise ProctorError("no memory")

    monkeypatch.setattr(Drawer, "do", none)
    data = {"text/markdown": "<script>"}
    outputs = [stream("<b>"), {"output_type": "display_data", "data": data, "metadata": {}}]
    text, kept = cleaned(["<script>", outputs], PageLimits())
    assert "<script" not in text
    assert kept[1:] == [stream("<b>")]
    assert notes.is_note(kept[0]["metadata"])


@pytest.mark.parametrize(
    "text", ["    <b> *a*", "# a\n\n- b\n1. c", "[x](javascript:y) ![z](q)", "$a$ `b` \\[", "&lt;|a|"]
)
def test_plain_text_means_nothing_to_markdown(text):
    made = markdown2html(plain_markdown(text).split("\n\n", 1)[1])
    for tag in ("<code", "<em", "<h1", "<li", "<a ", "<img", "<b>", "<table"):
        assert tag not in made
