"""A failed check in the student's notebook: a card with what, expected, yours, help, and no frame of the kit."""

import html.parser
import re
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbgrader.utils import determine_grade
from nbgrader.validator import Validator

from dl1.contract import cards
from dl1.contract.checks import KINDS, check_close, check_equal
from dl1.contract.own_frames import others, shown_without_own_frames
from dl1.errors import CheckFailed

ROOT = Path(__file__).resolve().parents[3]
HANGS = 300


def failed(check, *args, **kwargs) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        check(*args, **kwargs)
    return caught.value


class Words(html.parser.HTMLParser):
    """Texts of a page, and its elements that do something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.attributes = [], set(), set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_each_kind_of_failure_has_its_help():
    assert set(cards.HELP) == set(KINDS)
    assert len(set(cards.HELP.values())) == len(KINDS)
    assert all(cards.HELP.values())


def test_a_card_has_what_expected_yours_inputs_and_help():
    x = torch.tensor([1.0, 2.0])
    error = failed(check_close, x + 1, x, name="the sum", inputs={"x": x})
    words = Words(cards.card(error)).words
    assert words[:2] == ["the sum", ": wrong value"]
    assert words[2] == "expected"
    assert words[3].startswith("[1.0, 2.0]")
    assert words[4] == "yours"
    assert words[5].startswith("[2.0, 3.0]\n  2 of 2 numbers differ")
    assert words[6:8] == ["input x", "[1.0, 2.0]"]
    assert words[8:] == ["help", f"{cards.HELP['wrong value']} {cards.MORE}"]


def test_a_help_of_its_own_stands_in_place_of_that_of_the_kind():
    error = failed(check_equal, 1, 2)
    error.help = "you count from 1"
    assert cards.help_text(error) == f"you count from 1 {cards.MORE}"
    assert "you count from 1" in cards.card(error)


def test_what_an_answer_says_is_text_on_the_card():
    error = failed(check_equal, "<img src=x onerror=alert(1)>", "<b>", name="a <i>name</i>")
    page = Words(cards.card(error))
    assert page.tags == {"div", "span", "strong"}
    assert page.attributes == {"role", "aria-label", "style"}
    assert "'<img src=x onerror=alert(1)>'" in page.words
    assert "a <i>name</i>" in page.words


def test_a_card_takes_its_colours_from_the_theme():
    """Nothing says what is dark or light but the edge, which both themes have a red for."""
    made = cards.card(failed(check_equal, 1, 2))
    styles = ";".join(re.findall(r'style="([^"]*)"', made))
    assert re.findall(r"(?<![-\w])(?:background|color):\s*([^;]*)", styles) == ["inherit"]
    assert re.findall(r"#\w+", styles) == ["#d32f2f"]
    assert "url(" not in styles


def test_the_exceptions_own_text_is_what_it_was():
    """Grading reads it, so neither help nor card may be in it."""
    error = failed(check_equal, 1, 2, name="a count")
    assert str(error) == "a count: wrong value\n  expected: 2\n  yours:    1"
    assert error._render_traceback_() == [
        *f"Check failed: {error}".split("\n"),
        f"  help:     {cards.help_text(error)}",
    ]
    assert str(error) == "a count: wrong value\n  expected: 2\n  yours:    1"


def test_frames_of_the_kit_are_left_out_and_the_exception_keeps_them():
    def answer():
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught, shown_without_own_frames():
        answer()
    error = caught.value
    names = []
    kept = others(error.__traceback__)
    while kept is not None:
        names.append(kept.tb_frame.f_code.co_name)
        kept = kept.tb_next
    assert names == ["test_frames_of_the_kit_are_left_out_and_the_exception_keeps_them", "answer"]
    with pytest.raises(CheckFailed) as of_the_kit:
        check_equal(1, 2)
    assert others(of_the_kit.value.__traceback__).tb_next is None
    assert of_the_kit.value.__traceback__.tb_next is not None
    assert others(None) is None


def test_an_exception_that_refuses_attributes_passes():
    class Closed(Exception):
        def __setattr__(self, name, value):
            if name == "_render_traceback_":
                raise RuntimeError("no")
            super().__setattr__(name, value)

    error = Closed()
    with pytest.raises(Closed) as caught, shown_without_own_frames():
        raise error
    assert caught.value is error


ANSWERS = """\
def double(x):
    return x + 1


def innermost(x):
    return x.nothing


def half(x):
    return innermost(x)


def third(x):
    raise NotImplementedError()"""
HEAD = "# Check 1\nfrom dl1 import check_equal, probe\n\n\n@probe\ndef asked(x):\n    return {}(x)\n\n\n"
CHECKS = {
    name: HEAD.format(name) + "check_equal(asked(3), 6, name='twice three')" for name in ("double", "half", "third")
}


def notebook() -> nbformat.NotebookNode:
    made = [nbformat.v4.new_code_cell("%cd -q " + str(ROOT)), nbformat.v4.new_code_cell(ANSWERS)]
    for name, source in CHECKS.items():
        part = {"grade": True, "locked": True, "solution": False, "task": False, "points": 1, "schema_version": 3}
        metadata = {"nbgrader": part | {"grade_id": f"q1_{name}"}, "jupyter": {"source_hidden": True}}
        metadata["tags"] = ["raises-exception"]
        made.append(nbformat.v4.new_code_cell(source, metadata=metadata))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=made, metadata=kernel)


@pytest.fixture(scope="module")
def executed() -> dict[str, nbformat.NotebookNode]:
    content = notebook()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NBGRADER_EXECUTION", raising=False)
        NotebookClient(content, timeout=HANGS, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}).execute()
    return dict(zip(CHECKS, content.cells[2:], strict=True))


@pytest.mark.slow
def test_in_a_notebook_a_failed_check_is_one_card_and_one_line(executed):
    shown, error = executed["double"].outputs
    assert shown.output_type == "display_data"
    assert "help" in Words(shown.data["text/html"]).words
    assert "expected: 6" in shown.data["text/plain"]
    assert (error.output_type, error.ename) == ("error", "CheckFailed")
    assert error.traceback == ["Check failed: twice three: wrong value"]
    assert determine_grade(executed["double"])[0] == 0


@pytest.mark.slow
def test_in_a_notebook_a_students_exception_has_the_students_frames_only(executed):
    (error,) = executed["half"].outputs
    assert error.ename == "AttributeError"
    text = re.sub("\x1b\\[[0-9;]*m", "", "\n".join(error.traceback))
    for frame in ("asked(3)", "return half(x)", "return innermost(x)", "return x.nothing"):
        assert frame in text
    for own in ("dl1/contract", "run_here", "site-packages", "interactiveshell", "_render_traceback_"):
        assert own not in text
    assert text.count("Traceback (most recent call last)") == 1
    assert text.strip().endswith("AttributeError: 'int' object has no attribute 'nothing'")


@pytest.mark.slow
def test_in_a_notebook_an_unfinished_answer_is_one_line(executed):
    (error,) = executed["third"].outputs
    assert error.traceback == ["NotImplementedError: finish `third` above first"]


@pytest.mark.slow
def test_validate_fails_the_same_cells_and_shows_the_text(tmp_path):
    path = tmp_path / "some.ipynb"
    nbformat.write(notebook(), path)
    found = Validator().validate(str(path))["failed"]
    assert [cell["source"] for cell in found] == list(CHECKS.values())
    first, second, _ = [cell["raw_error"] for cell in found]
    assert first.split("\n")[:3] == ["Check failed: twice three: wrong value", "  expected: 6", "  yours:    4"]
    assert first.split("\n")[3].startswith("  help:     ")
    assert "x.nothing" in second
    assert "dl1/contract" not in second
