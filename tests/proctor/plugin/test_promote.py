"""An answer without a name becomes the beginning of an entry: the command, and what it refuses."""

import json
import tomllib

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK

from proctor.checking import verdict
from proctor.plugin.mistakes import MistakesApp

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture
def course(graded):
    """Ada has failed q2, and is known by another name too."""
    (graded.root / "misconceptions").mkdir()
    with graded.gradebook() as gradebook:
        gradebook.update_or_create_student("ada", first_name="Augusta", last_name="King")
    hand_in(graded, "# by Augusta\nx = 'no number'\nkings = 'augusta'")
    return graded


def hand_in(course, text):
    path = course.root / "autograded" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    notebook = json.loads((course.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").read_text())
    notebook["cells"][0]["source"] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))


def run(course, *words):
    app = MistakesApp()
    settings = [f"--CourseDirectory.root={course.root}", "--Proctor.misconceptions=misconceptions"]
    app.initialize([*settings, f"--db={course.directory().db_url}", *words])
    app.start()


def refused(course, capsys, *words):
    with pytest.raises(SystemExit):
        run(course, *words)
    assert not (course.root / "misconceptions" / "drafts").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize("words", [("--promote", "hw", "ada", "q2"), ("hw", "--promote", "ada", "a1")])
def test_the_entry_is_in_the_drafts_and_the_command_says_what_to_do(course, capsys, words):
    run(course, *words)
    file = course.root / "misconceptions" / "drafts" / f"{NOTEBOOK}.toml"
    (entry,) = tomllib.loads(file.read_text())["wrong"]
    assert (entry["cell"], entry["loses"], entry["hint"]) == ("a1", ["q2"], "")
    assert entry["source"] == "x = 'text'\nown1 = 'text'\n"
    assert not {word for word in ("ada", "augusta", "king") if word in file.read_text().lower()}
    said = capsys.readouterr().out
    assert str(file) in said
    assert "fill in `hint`" in said


def test_what_can_not_be_promoted_is_refused_with_a_line(course, capsys):
    assert "nobody: no submission of hw was graded" in refused(course, capsys, "--promote", "hw", "nobody", "q2")
    assert "q9: no notebook of hw has such an answer" in refused(course, capsys, "--promote", "hw", "ada", "q9")
    assert "q1: this answer has failed no check" in refused(course, capsys, "--promote", "hw", "ada", "q1")
    assert "mistakes ASSIGNMENT --promote STUDENT CELL" in refused(course, capsys, "--promote", "hw", "ada")
    hand_in(course, "x = helper")
    assert "uses helper" in refused(course, capsys, "--promote", "hw", "ada", "q2")
    (course.root / "autograded" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").unlink()
    assert "no such file" in refused(course, capsys, "--promote", "hw", "ada", "q2")
    (course.root / "misconceptions").rmdir()
    assert "there is no catalogue" in refused(course, capsys, "--promote", "hw", "ada", "q2")


def test_a_mistake_that_has_a_name_is_not_promoted(course, capsys):
    path = verdict.record_path(course.root, ASSIGNMENT, "ada", NOTEBOOK)
    content = json.loads(path.read_text())
    content["verdicts"]["q2"]["mistakes"] = {"halves": "you turn halves"}
    path.write_text(json.dumps(content))
    assert "names this mistake already: halves" in refused(course, capsys, "--promote", "hw", "ada", "q2")
