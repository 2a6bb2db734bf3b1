"""What of a verdict stands in the notebook that staff read."""

import nbformat
from nbgrader.utils import determine_grade

from proctor import graded_notebook
from proctor.checking.verdict import Verdict, no_verdict


def test_staff_see_what_the_hidden_part_of_a_passed_check_printed():
    said = "public output:\nall well\n\nhidden output:\nfor the TA: 1.83\n"
    (output,) = graded_notebook._verdict_outputs(Verdict("q1", True, "", "", False, "all well\n", said))
    assert output["output_type"] == "stream"
    assert output["text"].startswith("all well\n")
    assert output["text"].endswith("--- for staff ---\nfor the TA: 1.83\n")


def test_a_passed_check_that_printed_nothing_hidden_shows_the_students_text_alone():
    verdict = Verdict("q1", True, "", "", False, "all well\n", "public output:\nall well\n")
    (output,) = graded_notebook._verdict_outputs(verdict)
    assert output["text"] == "all well\n"
    assert graded_notebook._verdict_outputs(Verdict("q1", True, "", "", False, "", "")) == []


def test_a_mistake_stands_as_a_note_below_the_failure_and_gives_no_points():
    verdict = Verdict("q1", False, "wrong value", "turned", True, "failed", "", mistakes={"none": "no <b>RoPE</b>"})
    outputs = graded_notebook._verdict_outputs(verdict)
    assert [one["output_type"] for one in outputs] == ["error", "display_data"]
    assert outputs[1]["data"] == {"text/plain": "What went wrong looks like this: no <b>RoPE</b> (none)"}
    flags = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3}
    metadata = {"nbgrader": {**flags, "grade_id": "q1", "points": 2, "cell_type": "code"}}
    outputs = [nbformat.from_dict(one) for one in outputs]
    cell = nbformat.v4.new_code_cell("check", metadata=metadata, outputs=outputs)
    assert determine_grade(cell) == (0, 2)


def test_staff_are_told_what_to_do_with_a_check_that_was_not_judged():
    (output,) = graded_notebook._verdict_outputs(no_verdict("q1", "the checker died"))
    assert "[staff] no verdict for q1: the checker died" in output["traceback"]
    assert any(
        line.startswith("[staff] The 0 above is no mark yet: type the points in") for line in output["traceback"]
    )
    (output,) = graded_notebook._verdict_outputs(Verdict("q1", False, "wrong value", "", True, "failed", ""))
    assert output["traceback"] == ["failed"]
