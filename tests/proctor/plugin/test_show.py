"""The command that shows a student's points in a terminal."""

import json

import pytest
from graded_course import ASSIGNMENT

from proctor import __main__ as commands
from proctor.errors import ProctorError
from proctor.plugin.lateness import Lateness
from proctor.plugin.show import ShowApp, as_text, reports

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def show(course, *words: str):
    return reports(course.directory(), Lateness(ShowApp()), *words)


def test_lines_and_json_say_the_same(graded):
    graded.read_essay("ada", 4)
    found = show(graded, "ada")
    text = as_text(found, False)
    assert text.startswith("ada · hw: 5 of 8 points\n  handed in 2026-03-01 12:00 UTC\n")
    assert "✗ q2     0 of 2  failed" in text
    (made,) = json.loads(as_text(found, True))
    assert (made["student"], made["score"], made["total"]) == ("ada", 5, 8)
    assert [one["state"] for one in made["notebooks"][0]["questions"]] == ["read", "passed", "failed"]
    assert show(graded, "ada", ASSIGNMENT) == found


def test_what_is_not_there_is_said_in_a_line(graded):
    for words, said in (
        (("eve",), "the gradebook has no student eve"),
        (("ada", "ps9"), "there is no assignment ps9; there are hw"),
    ):
        with pytest.raises(ProctorError, match=said):
            show(graded, *words)
    with graded.gradebook() as gradebook:
        gradebook.add_student("new")
    with pytest.raises(ProctorError, match="new: nothing is graded yet; run: nbgrader autograde ASSIGNMENT"):
        show(graded, "new")
    with pytest.raises(ProctorError, match="new: hw is not graded yet; run: nbgrader autograde hw"):
        show(graded, "new", ASSIGNMENT)


def test_the_command_reads_the_course_and_ends_with_a_line(graded, monkeypatch, capsys):
    (graded.root / "nbgrader_config.py").write_text(
        f'c = get_config()\nc.CourseDirectory.root = {str(graded.root)!r}\nc.CourseDirectory.course_id = "test"\n'
    )
    monkeypatch.chdir(graded.root)
    ShowApp.clear_instance()
    assert commands.main(["show", "ada", ASSIGNMENT, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["student"] == "ada"
    ShowApp.clear_instance()
    with pytest.raises(SystemExit) as end:
        commands.main(["show", "eve"])
    assert end.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("the gradebook has no student eve")
    ShowApp.clear_instance()
