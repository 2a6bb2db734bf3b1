"""What stands around the cells of a page."""

from pathlib import Path

import pytest

from proctor.notebooks import cells as notebook_cells
from proctor.pages.frame import framed, question_names
from proctor.pages.notes import students_metadata

SOURCE = Path(__file__).resolve().parents[3] / "source"


def text(source: str, **metadata) -> dict:
    return {"cell_type": "markdown", "source": source, "metadata": metadata}


def graded(name: str) -> dict:
    return {"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade": True, "grade_id": name}}}


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["### Question 2.1 · 10 points", "**(a)** (4 points) Long inputs"], "2.1 (a)"),
        (["### Question 2.1 · 10 points\n\n**(a)** Long\n\n**(b)** Short"], "2.1 (b)"),
        (["### Question 1.1 (a) ii · 1 point"], "1.1 (a) ii"),
        (["### Question 2.9 (b), (c) · 3 points", "**(c)** (1 point)"], "2.9 (c)"),
        (["### Question 3.4 (a) – (c) · 6 points", "**(a)** How"], "3.4 (a)"),
        (["## 2.2 Attention", "### Question 2.3 · 1 point"], "2.3"),
        (["### Question 2.1", "**(b)** x", "### Question 2.2 · 3 points"], "2.2"),
        (["# Exercise", "no number: 3.5"], ""),
        ([], ""),
    ],
)
def test_a_question_has_the_number_of_the_texts_before_it(texts, name):
    assert question_names([*map(text, texts), graded("q")]) == {"q": name}


def test_a_students_heading_names_no_question():
    own = text("## 9.9 full points", **students_metadata())
    assert question_names([text("### Question 2.1"), own, graded("q")]) == {"q": "2.1"}


def test_all_questions_of_the_course_have_a_number():
    for path in sorted(SOURCE.rglob("*.ipynb")):
        cells = notebook_cells.read(path)["cells"]
        for name, number in question_names(cells).items():
            # As the course names its cells: q2_1a_long_sequences is 2.1 (a).
            digits = name.removeprefix("q").split("_")
            assert number.startswith(f"{digits[0]}.{digits[1][0]}"), (name, number)
            if digits[1][1:]:
                assert number.split(" ")[1] == f"({digits[1][1:]})", (name, number)


def test_the_list_of_contents_names_questions_and_only_the_list():
    entry = '<li><a href="#q">Test cell</a> (Score: 2.0 / 2.0)</li>'
    essay = '<li><a href="#w">Written response</a></li>'
    page = f'<head></head><div id="toc"><ol>{entry}{essay}</ol></div><div id="notebook">{entry}</div>'
    made = framed(page, [text("### Question 2.1 (b)"), graded("q"), text("## 2.2 <b>"), graded("w")], False)
    before, _, behind = made.partition('<div id="notebook"')
    assert '<a href="#q">2.1 (b) · q</a>' in before
    assert '<a href="#w">2.2 · written response</a>' in before
    assert entry in behind
    assert framed(page, [graded("q")], False).count("Test cell") == 2


def test_a_page_without_scripts_says_so_first():
    page = "<head>\n<title>x</title></head><body></body>"
    assert framed(page, [], False).index("script-src 'none'") < framed(page, [], False).index("<title>")
    assert "Content-Security-Policy" not in framed(page, [], True)
