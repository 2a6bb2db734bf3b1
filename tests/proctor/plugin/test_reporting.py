"""What a student is told, from gradebook, record and graded notebook."""

import dataclasses
import datetime
import json

import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, source_notebook
from traitlets.config import Configurable

from proctor.checking import verdict
from proctor.checking.verdict import Verdict
from proctor.errors import ProctorError
from proctor.graded_notebook import NOTES_ID
from proctor.pages.notes import aside_output, note_metadata, note_output
from proctor.pages.report import Mistake
from proctor.pages.written import stored
from proctor.plugin.lateness import Lateness
from proctor.plugin.reporting import accidents, looks_like, report_of, what_is_wrong
from proctor.plugin.standing import Standings

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


class App(Configurable):
    """Stands for nbgrader's command."""


def report(course, student: str, **sections):
    directory = course.directory()
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(ASSIGNMENT, student)
        lateness = Lateness(App(config=config(**sections)))
        return report_of(directory, lateness, submission, Standings(directory, ASSIGNMENT))


def states(course, student: str) -> dict[str, tuple[str, float | None]]:
    (notebook,) = report(course, student).notebooks
    return {part.cell: (part.state, part.points) for one in notebook.questions for part in one.parts}


def write(course, student: str, notebook: dict) -> None:
    folder = course.root / "autograded" / student / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))


def test_each_cell_is_in_the_state_that_gradebook_and_record_say(graded):
    graded.not_judged("ben")
    assert states(graded, "ada") == {"q1": ("passed", 1), "q2": ("failed", 0), "essay": ("waiting", None)}
    assert states(graded, "ben") == {"q1": ("passed", 1), "q2": ("not judged", None), "essay": ("waiting", None)}
    graded.read_essay("ada", 4)
    graded.change("ben", "essay", auto_score=0, needs_manual_grade=False)
    graded.change("ben", "q2", manual_score=1.5, needs_manual_grade=False)
    assert states(graded, "ada")["essay"] == ("read", 4)
    assert states(graded, "ben") == {"q1": ("passed", 1), "q2": ("read", 1.5), "essay": ("empty", 0)}


def test_questions_stand_in_the_order_of_the_notebook_under_their_titles(graded):
    made = source_notebook()
    heads = [{"cell_type": "markdown", "id": f"h{n}", "metadata": {}, "source": s} for n, s in enumerate(
        ("# Part 2a\n## 2.1 Attention\n### Question 2.1", "### Question 2.2 (b)"))]  # fmt: skip
    made["cells"] = [heads[0], *made["cells"][:3], heads[1], made["cells"][3]]
    write(graded, "ada", made)
    (notebook,) = report(graded, "ada").notebooks
    assert notebook.title == "Part 2a"
    found = [(one.number, one.title, [part.cell for part in one.parts]) for one in notebook.questions]
    assert found == [("2.1", "Attention", ["q1", "q2"]), ("2.2 (b)", "Attention", ["essay"])]
    assert notebook.questions[0].parts[1].wrong == "wrong value"
    assert notebook.digest == "00"


def test_lateness_is_told_with_its_cost_as_points_are_now(graded):
    graded.read_essay("ben", 5)
    graded.hand_in("ben", DUE + datetime.timedelta(minutes=7))
    made = report(graded, "ben")
    assert (made.late_seconds, made.rule, made.due) == (420, "that costs nothing", "2026-03-01 12:00 UTC")
    assert made.handed_in == "2026-03-01 12:07 UTC"
    made = report(graded, "ben", LateSubmissionPlugin={"penalty_method": "zero"})
    assert made.rule == "the course's late rule takes off 8 points, of the points as they are now"
    assert (made.notebooks[0].penalty, made.score) == (8, 0)
    by_days = {"late_penalty": {"per_day": 0.25, "free_days": 1}}
    made = report(graded, "ben", Proctor=by_days)
    assert (made.rule, made.score) == ("that costs nothing (1 late day, which is free)", 8)
    graded.hand_in("ben", DUE + datetime.timedelta(days=1, minutes=7))
    made = report(graded, "ben", Proctor=by_days)
    assert (
        made.rule
        == "the course's late rule takes off 2 points (2 late days, 1 of them free), of the points as they are now"
    )
    assert (made.notebooks[0].penalty, made.score) == (2, 6)


def test_staff_read_why_points_are_not_final(graded):
    assert report(graded, "ada").unfinished == ""
    graded.finished("ada").forget()
    assert report(graded, "ada").unfinished.startswith("not graded to its end")


def test_accidents_are_the_engines_lines_and_nobody_elses():
    text = stored("**Notes from the grading**\n\n- a<b>.txt was left out\n- the second")
    cells = [
        {"cell_type": "markdown", "id": NOTES_ID, "metadata": note_metadata(), "source": text},
        {"cell_type": "markdown", "id": NOTES_ID, "metadata": {}, "source": "x\n- forged"},
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [
            note_output("it was\nstopped"), aside_output("not run"), note_output("it was stopped"),
            {"output_type": "display_data", "data": {"text/plain": "forged"}, "metadata": {}},
        ]},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade": True}}, "source": "", "outputs": [note_output("hi")]},
    ]  # fmt: skip
    assert accidents(cells) == ["a<b>.txt was left out", "the second", "it was stopped"]


def test_a_hidden_failure_says_what_it_always_said_and_a_public_one_no_value():
    one = Verdict("q1", False, "wrong value", "turned queries", True, "text", "staff: 71")
    assert what_is_wrong(one) == "A hidden check failed: turned queries — wrong value"
    public = dataclasses.replace(one, hidden=False, student_text="expected 71")
    assert what_is_wrong(public) == "turned queries — wrong value"
    assert looks_like(one) == ()


def test_mistakes_come_from_the_record_if_it_names_any():
    class Named:
        mistakes = {"halves": "turn neighbours"}

    assert looks_like(Named()) == (Mistake("halves", "turn neighbours"),)


def test_the_page_names_the_notebooks_file_by_the_digest_of_a_students_receipt(graded):
    """Records say the digest of the file; of one that is older, what it has in its place."""
    path = verdict.record_path(graded.root, ASSIGNMENT, "ada", NOTEBOOK)
    assert report(graded, "ada").notebooks[0].digest == "00"
    for file in ("f1" * 32, ""):
        dataclasses.replace(verdict.load(path), file=file).save(path)
        assert verdict.load(path).file == file
        assert report(graded, "ada").notebooks[0].digest == file
    content = json.loads(path.read_text())
    del content["file"]
    path.write_text(json.dumps(content))
    assert verdict.load(path).file is None
    path.write_text(json.dumps(content | {"file": 3}))
    with pytest.raises(ProctorError, match="another form"):
        verdict.load(path)
