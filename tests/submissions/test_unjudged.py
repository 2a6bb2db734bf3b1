"""A check that lacks what it needs, through the whole way: no mark anywhere, and a TA is told everywhere."""

import json
import subprocess
import sys

import exercise
import pytest
from course_folder import Course
from nbgrader.api import Gradebook

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]
NOTEBOOK = "measured"


def lacking() -> dict:
    """A notebook whose second check reads a file of the course that isn't there."""
    made = exercise.follow_up_notebook()
    check = json.loads(json.dumps(made["cells"][-1]))
    check["id"] = check["metadata"]["nbgrader"]["grade_id"] = "q6_book"
    first = "check_equal(lasting(3)"
    check["source"] = check["source"].replace(first, f"once = lasting(1)\nopen('/opt/data/book.txt')\n{first}")
    made["cells"].append(check)
    return made


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = Course(tmp_path_factory.mktemp("unjudged"), {NOTEBOOK: lacking()})
    made.submit("ada", exercise.Handed.write)
    folder = made.folder / "submitted" / "ada" / exercise.ASSIGNMENT
    (folder / f"{NOTEBOOK}.ipynb").write_text(json.dumps(lacking()))
    made.log = made.nbgrader("autograde", exercise.ASSIGNMENT)
    made.log += made.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    return made


def proctor(course, *words: str) -> str:
    command = [sys.executable, "-m", "proctor", *words]
    return subprocess.run(
        command, cwd=course.folder, env=course.environment(), capture_output=True, text=True, check=True
    ).stdout


def test_the_table_names_it(course):
    assert "ada  graded, but 1 check not judged: q6_book" in course.log, course.log[-3000:]


def test_in_the_gradebook_it_waits_for_a_ta_and_the_others_do_not(course):
    with Gradebook(course.db_url, "test") as gradebook:
        found = gradebook.find_submission_notebook(NOTEBOOK, exercise.ASSIGNMENT, "ada").grades
        states = {one.name: (one.auto_score, one.needs_manual_grade) for one in found}
    assert states == {"q5_test": (2, False), "q6_book": (0, True)}


def test_page_and_terminal_say_so_and_nothing_counts_as_0(course):
    page = course.page("ada", NOTEBOOK)
    assert "2 of 2 points so far, 4 in all" in page
    assert "not judged; a TA will look" in page
    assert "0 of 2" not in page
    index = course.page("ada", "index")
    assert f'<a href="{NOTEBOOK}.html">' in index
    assert "1 check was not judged; a TA will look" in index
    (made,) = json.loads(proctor(course, "show", "ada", exercise.ASSIGNMENT, "--json"))
    assert [one["state"] for one in made["notebooks"][1]["questions"]] == ["passed", "not judged"]


def test_it_is_exported_by_nobody_until_a_ta_has_looked(course):
    assert "1 check was not judged" in course.nbgrader("export")
    assert not (course.folder / "grades.csv").exists()
