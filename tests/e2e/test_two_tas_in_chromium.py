"""Two TAs who mark the same question in two browsers at the same moment: nothing that one of them wrote is lost."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import formgrader_pages
import lab_pages
import nbformat
import pytest
from formgrader_server import Server
from nbgrader.api import Gradebook

pytestmark = pytest.mark.slow
SCHEME = """\
*Your answer:*

### BEGIN SOLUTION
Because.

#### Marking scheme (2)

- 1: the square
- 1: the rest
### END SOLUTION"""


class Desks(NamedTuple):
    """The browsers of two TAs, and what is behind both."""

    tim: Any
    tara: Any
    course: Server

    def open(self, student: str) -> None:
        """Both look at the same answer."""
        for page in (self.tim, self.tara):
            page.goto(self.address(student))
            formgrader_pages.wait_for_panel(page)

    def address(self, student: str) -> str:
        with self.gradebook() as gradebook:
            submission = gradebook.find_submission_notebook("ex", "hw", student).id
        return f"http://127.0.0.1:{self.course.port}/formgrader/mark/hw/ex/q1/{submission}/"

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{self.course.folder / 'gradebook.db'}", "test")

    def stored(self, student: str) -> tuple[float | None, str | None]:
        """Points and comment in the gradebook."""
        with self.gradebook() as gradebook:
            grade = gradebook.find_grade("q1", "ex", "hw", student)
            return grade.manual_score, gradebook.find_comment("q1", "ex", "hw", student).manual_comment


@pytest.fixture(scope="module")
def desks(browser, tmp_path_factory) -> Iterator[Desks]:
    # A server says who marks where a hub tells it; each browser is a person of its own to it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTERHUB_API_TOKEN", "none")
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        server = Server(tmp_path_factory.mktemp("server"))
        try:
            yield from served(browser, server)
        finally:
            server.process.terminate()
            server.process.wait()


def served(browser, server: Server) -> Iterator[Desks]:
    """The two pages, and three answers to mark."""
    server.wait()
    cell = nbformat.v4.new_code_cell(SCHEME, id="q1")
    flags = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**flags, "grade_id": "q1", "points": 2}
    path = server.folder / "source/hw/ex.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])), encoding="utf-8")
    for student in ("ada", "bob", "cyd"):
        server.submit(student, f"*the answer of {student}*")
    address = f"http://127.0.0.1:{server.port}/formgrader/"
    pages = [lab_pages.opened(browser, address) for _ in range(2)]
    yield Desks(*pages, server)
    for page in pages:
        page.context.close()
    assert "Traceback" not in server.log.read_text()


def said(page) -> str:
    """What the panel says, as soon as it says that somebody was there before."""
    page.locator(".proctor-marking .said", has_text="meanwhile").wait_for()
    return page.locator(".proctor-marking .said").inner_text()


def given(page) -> list[str]:
    return page.locator(".proctor-marking [aria-pressed=true]").all_inner_texts()


def typed(page, field: str, text: str) -> None:
    page.locator(field).first.fill(text)
    page.keyboard.press("Escape")


def saved(page, score: float | None) -> None:
    page.wait_for_function(f"() => formgrader.grades.at(0).seen.manual_score === {score}")


def test_an_item_is_not_given_over_one_that_is_not_shown(desks):
    desks.open("ada")
    desks.tim.keyboard.press("1")
    saved(desks.tim, 1)
    # At once, and on to the next answer: it stays here, and says why.
    desks.tara.keyboard.press("2")
    desks.tara.keyboard.press("n")
    assert "has given 1 for this answer meanwhile" in said(desks.tara)
    assert desks.tara.url == desks.address("ada")
    assert desks.stored("ada") == (1, "- **1 of 1**: the square")
    assert [one.split()[-1] for one in given(desks.tara)] == ["square"]
    assert desks.tara.locator("input.score").input_value() == "1"
    # Now that it is shown, it can be changed.
    desks.tara.keyboard.press("2")
    saved(desks.tara, 2)
    assert desks.stored("ada") == (2, "- **1 of 1**: the square\n- **1 of 1**: the rest")


def test_points_are_not_typed_over_others(desks):
    desks.open("bob")
    typed(desks.tim, "input.score", "1.5")
    saved(desks.tim, 1.5)
    typed(desks.tara, "input.score", "0.5")
    assert "has given 1½ for this answer meanwhile" in said(desks.tara)
    assert "Your 0.5 was not saved" in said(desks.tara)
    assert desks.stored("bob")[0] == 1.5
    assert desks.tara.locator("input.score").input_value() == "1.5"
    typed(desks.tara, "input.score", "0.5")
    saved(desks.tara, 0.5)
    assert desks.stored("bob")[0] == 0.5


def test_two_comments_stand_one_below_the_other(desks):
    desks.open("bob")
    typed(desks.tim, "textarea.comment", "From Tim.")
    desks.tim.wait_for_function("() => formgrader.comments.at(0).seen.manual_comment === 'From Tim.'")
    typed(desks.tara, "textarea.comment", "From Tara.")
    assert "Both texts stand in the comment now" in said(desks.tara)
    desks.tara.wait_for_function("() => formgrader.comments.at(0).seen.manual_comment.includes('Tim')")
    desks.tara.wait_for_load_state("networkidle")
    assert desks.stored("bob")[1] == "From Tim.\n\nFrom Tara."
    # Her own next change is one.
    typed(desks.tara, "textarea.comment", "From both.")
    desks.tara.wait_for_function("() => formgrader.comments.at(0).seen.manual_comment === 'From both.'")
    desks.tara.wait_for_load_state("networkidle")
    assert desks.stored("bob")[1] == "From both."


def test_two_who_go_through_a_question_get_different_answers(desks):
    first = f"http://127.0.0.1:{desks.course.port}/formgrader/mark/hw/ex/q1/"
    with desks.gradebook() as gradebook:
        for student in ("ada", "bob", "cyd"):
            grade = gradebook.find_grade("q1", "ex", "hw", student)
            grade.manual_score, grade.needs_manual_grade = None, True
        gradebook.db.commit()
    opened = []
    for page in (desks.tim, desks.tara):
        page.goto(first)
        formgrader_pages.wait_for_panel(page)
        opened.append(page.url)
    assert len({*opened}) == 2
    # Where only one is left they meet, and are told.
    desks.tara.goto(opened[0])
    formgrader_pages.wait_for_panel(desks.tara)
    assert "has this answer open, too" in desks.tara.locator(".proctor-marking .said").inner_text()
