"""The template of a student's page: what is told of each cell, escaped, and by words as well as by looks."""

import nbformat
import pytest

from proctor.pages.report import SIGNS, WORDS
from proctor.pages.template import KEY, REVEALED, SUMMARY, TITLE, write_template
from proctor.plugin.feedback import FeedbackExporter
from proctor.plugin.reveal import LEVEL

EVIL = "<script>alert(1)</script>"


def shown(cell_type: str = "code", source: str = "x = 1", outputs=(), nbgrader=None, **ours) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source) if cell_type == "code" else nbformat.v4.new_markdown_cell(source)
    cell.metadata.update({KEY: ours, "nbgrader": nbgrader or {}})
    if outputs:
        cell.outputs = list(outputs)
    return cell


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """Draws a page of some cells."""
    config = write_template(tmp_path_factory.mktemp("template"))

    def page(
        *cells: nbformat.NotebookNode, summary: str = "<p>the summary</p>", title: str = "Part 2a", **more: str
    ) -> str:
        names = {"notebook": "2a", SUMMARY: summary, TITLE: title, **more}
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        return FeedbackExporter(config=config).from_notebook_node(
            notebook, {"metadata": {"name": "2a"}, "nbgrader": names}
        )[0]

    return page


def cell(page: str, name: str) -> str:
    """From the beginning of a cell to the next one."""
    return page.partition(f'id="cell-{name}"')[2].partition('id="cell-')[0]


def test_each_state_is_told_in_words_and_only_what_passed_is_folded(draw):
    made = []
    for state, words in WORDS.items():
        ours = {"cell": state.replace(" ", "-"), "class": state, "sign": SIGNS[state], "words": words}
        made.append(shown(source="the_check()", kind="check", points="1 point", text="what came", **ours))
    page = draw(*made)
    for state, words in WORDS.items():
        part = cell(page, state.replace(" ", "-"))
        assert f"{SIGNS[state]} {words}" in part
        assert "what came" in part
        assert ("The check itself" in part) is (state != "passed")
    assert page.count("<details") == len(WORDS)


def test_the_outputs_of_a_check_are_those_that_it_was_given_and_demos_have_none(draw):
    output = nbformat.v4.new_output("stream", text="an output")
    ours = {"kind": "check", "cell": "q", "class": "failed", "sign": "x", "words": "failed", "text": "said"}
    page = draw(shown(outputs=[output], **ours), shown(outputs=[output], kind="demo"))
    assert "said" in page
    assert "an output" not in page
    assert "A demo, not run while grading" in page
    assert "an output" in draw(shown(outputs=[output]))


def test_no_text_that_it_is_given_is_markup(draw):
    ours = dict.fromkeys(("cell", "label", "text", "hidden", "staff", "model"), EVIL)
    ours |= {"class": "failed", "sign": "x", "words": "failed", "like": ""}
    page = draw(shown("code", EVIL, kind="check", **ours), title=EVIL)
    assert "<script" not in page
    assert page.count("alert(1)") >= 7


def test_a_summary_stands_before_the_notebook_and_the_page_loads_nothing(draw):
    page = draw(nbformat.v4.new_markdown_cell("# Part 2a"))
    assert page.index("the summary") < page.index('id="notebook"') < page.index("<h2>Part 2a")
    assert page.index("script-src 'none'") < page.index("<title>")
    assert "http-equiv" in page
    assert 'src="http' not in page
    assert "<link" not in page


def test_the_head_says_how_much_is_shown_before_anything_else(draw):
    assert f'<meta content="kind" name="{REVEALED}"/>' in draw().partition("<title>")[0]
    assert f'<meta content="all" name="{REVEALED}"/>' in draw(**{LEVEL: "all"}).partition("<title>")[0]
