"""An author adds a question in JupyterLab, mends what the linter names, releases it; a submission of it is graded."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import author_pages
import exercise
import formgrader_pages
import lab_pages
import pytest
from course_folder import ROOT, Course

from proctor.sandbox.bubblewrap import availability
from tests.e2e.lab_window import lab

MISSING = availability()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
HINTS = "\n\n".join(
    f"<details><summary>{symptom}</summary>\n\n{hint}\n\n</details>"
    for symptom, hint in {"a whole number": "Which operation makes it?", "half of 3 is 1": "Use one slash."}.items()
)
HEAD = "from dl1 import check_close, probe\n\n\n@probe\ndef halved(x):\n    return half(x)\n\n\n"
PUBLIC = "check_close(halved(3.0), 1.5, name='half of 3')"
# What the author writes at first, and then.
ANSWER = "def half(x):\n    return x / 2"
ANSWER_MENDED = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
TEST_MENDED = (
    f"# Check 2: the half\n{HEAD}{PUBLIC}\n### BEGIN HIDDEN TESTS\n"
    "check_close(halved(-5.0), -2.5, name='half of a negative number')\n### END HIDDEN TESTS"
)
FOUND = [
    "q2_half: a solution cell needs ### BEGIN SOLUTION … ### END SOLUTION around what students must not see",
    "q2_test: a student's Run All Cells would stop at its first failure; give it the tag raises-exception",
    "q2_test: a test cell needs ### BEGIN HIDDEN TESTS … ### END HIDDEN TESTS around what students must not see",
    "q2_test: line 6: probe `halved` uses `half`, which is not there; import it, or declare it in "
    "metadata.proctor.interface",
    "notebook: the cells have 4 points and metadata.proctor.points says 2; correct one of them",
    "q2_test: the code of a check stands between students and the text; fold it: View → Collapse Selected Code in "
    'JupyterLab, or "jupyter": {"source_hidden": true} in its metadata',
    "q2_test: of a folded check JupyterLab shows the first line; let that be # Check <question>: <what it checks>",
    "q2_test: the question has no hints; add a text cell under its answer with two or three of "
    "<details><summary>symptom</summary>, an empty line, the hint, an empty line, </details>",
]


class Desk(NamedTuple):
    """The author's page, and the course behind it."""

    page: Any
    course: Course
    exchange: Path

    @property
    def source(self) -> Path:
        return self.course.folder / "source" / exercise.ASSIGNMENT / f"{exercise.NOTEBOOK}.ipynb"


def one_question() -> dict[str, Any]:
    """A notebook in which the linter finds nothing: the exercise's first question, with all that belongs to it."""
    notebook = exercise.instructor_notebook()
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    test = cells["q1_test"]
    test["metadata"] |= {"tags": ["raises-exception"], "jupyter": {"source_hidden": True}}
    test["source"] = f"# Check 1: the double\n{test['source']}"
    hints = {"cell_type": "markdown", "id": "q1-hints", "metadata": {}, "source": HINTS}
    notebook["cells"] = [cells["intro"], cells["setup"], cells["q1_double"], hints, test]
    notebook["metadata"]["proctor"] = {"points": 2, "interface": ["double"]}
    return notebook


@pytest.fixture(scope="module")
def desk(browser, tmp_path_factory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("author")
    course = Course(folder, {exercise.NOTEBOOK: one_question()})
    desk = Desk(None, course, folder / "exchange")
    desk.exchange.mkdir()
    desk.exchange.chmod(0o1777)
    config = course.folder / "nbgrader_config.py"
    # The student of this test is no account of this machine.
    more = f"c.Exchange.root = {str(desk.exchange)!r}\nc.Collect.check_owner = False\n"
    config.write_text(config.read_text() + more)
    assert proctor("authoring.normalise", desk) == []
    assert proctor("authoring.lint", desk) == []
    (folder / "server").mkdir()
    with lab(folder / "server", course.folder, [course.folder]) as address:
        path = desk.source.relative_to(course.folder).as_posix()
        page = lab_pages.opened(browser, f"{address}/tree/{path}")
        lab_pages.wait_for_notebook(page)
        yield desk._replace(page=page)
        page.context.close()


def proctor(command: str, desk: Desk) -> list[str]:
    """Lines that a command says of the author's notebook, without its name."""
    done = subprocess.run(
        [sys.executable, "-m", f"proctor.{command}", str(desk.source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    said = [line.removeprefix(f"{desk.source}: ").removeprefix("cell ") for line in done.stdout.splitlines()]
    return [line for line in said if line != "normalised"]


def hand_in(desk: Desk, answers: dict[str, str]) -> None:
    """A student fetches, answers and submits, with a student's settings."""
    home = desk.course.folder.parent / "ada"
    home.mkdir()
    config = f"c = get_config()\nc.CourseDirectory.course_id = 'test'\nc.Exchange.root = {str(desk.exchange)!r}\n"
    (home / "nbgrader_config.py").write_text(config)

    def run(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=home, env=desk.course.environment(), check=True)

    run("fetch_assignment", exercise.ASSIGNMENT)
    path = home / exercise.ASSIGNMENT / f"{exercise.NOTEBOOK}.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        assert "HIDDEN" not in text
        if cell["metadata"].get("nbgrader", {}).get("grade_id") in answers:
            assert "raise NotImplementedError()" in text
            cell["source"] = answers.pop(cell["metadata"]["nbgrader"]["grade_id"])
    assert answers == {}
    path.write_text(json.dumps(notebook))
    run("submit", exercise.ASSIGNMENT, "--student=ada")


def test_an_author_adds_a_question_and_the_linter_says_what_is_missing(desk):
    page = desk.page
    author_pages.select_last(page)
    author_pages.add_below(page, ANSWER)
    author_pages.give_role(page, "Autograded answer", "q2_half")
    author_pages.add_below(page, HEAD + PUBLIC)
    author_pages.give_role(page, "Autograded tests", "q2_test", 2)
    assert page.locator(".nbgrader-TotalPointsInput").input_value() == "4"
    lab_pages.save(page)
    assert proctor("authoring.lint", desk) == FOUND


def test_when_all_is_mended_it_says_nothing(desk):
    page = desk.page
    author_pages.replace(page, "def half(x)", ANSWER_MENDED)
    author_pages.add_below(page, HINTS, markdown=True)
    author_pages.replace(page, "def halved(x)", TEST_MENDED)
    author_pages.open_tools(page)
    author_pages.add_tag(page, "raises-exception")
    author_pages.fold(page)
    metadata = json.loads(desk.source.read_text())["metadata"]
    author_pages.declare(page, metadata | {"proctor": {"points": 4, "interface": ["double", "half"]}})
    lab_pages.save(page)
    assert proctor("authoring.normalise", desk) == []
    assert proctor("authoring.lint", desk) == []


def test_it_is_released_and_a_submission_of_it_is_graded(desk):
    lab_pages.choose(desk.page, "Nbgrader", "Formgrader")
    desk.page.frame_locator("iframe").locator("td.assign a").wait_for()
    formgrader = desk.page.frame(url=re.compile("/formgrader/"))
    for step in ("assign", "release"):
        assert "Success" in formgrader_pages.press(formgrader, exercise.ASSIGNMENT, step)
    hand_in(desk, {"q1_double": exercise.SOLUTIONS["q1_double"], "q2_half": "def half(x):\n    return abs(x) / 2"})
    assert "ada" in formgrader_pages.press(formgrader, exercise.ASSIGNMENT, "collect")
    formgrader_pages.show_submissions(formgrader, exercise.ASSIGNMENT)
    formgrader_pages.press(formgrader, "ada", "autograde")
    # The hidden part of the new question asks for the half of a negative number.
    formgrader.locator("tbody tr", has_text="ada").get_by_text("2 / 4", exact=True).wait_for()
