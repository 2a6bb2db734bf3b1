"""What of a verdict stands in the notebook that staff read."""

from proctor import graded_notebook
from proctor.checking.verdict import Verdict


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
