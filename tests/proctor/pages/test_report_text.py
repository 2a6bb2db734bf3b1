"""The same in a terminal."""

from proctor.pages.report import FAILED, PASSED, WAITING, Mistake, NotebookReport, Part, Question, Report
from proctor.pages.report_text import report_lines


def test_what_a_student_is_told_in_lines():
    wrong = Part("q2", FAILED, 0.0, 2.0, "queries — wrong value", (Mistake("halves", "turn neighbours"),))
    questions = (
        Question("2.1", "Attention", (Part("q1", PASSED, 1.0, 1.0), wrong)),
        Question("", "", (Part("essay", WAITING, None, 5.0),)),
    )
    one = NotebookReport("2a", "Part 2a", questions, 0.5, ("cell 4 was stopped",), "ab")
    report = Report("hw", "ada", "noon", "eleven", 3600.0, "that costs nothing", (one,), "not graded to its end")
    assert report_lines(report) == [
        "ada · hw: 0.5 of 3 points so far, 8 in all; 1 answer waits for a TA",
        "  NOT FINAL: not graded to its end",
        "  handed in noon",
        "  late by 1 hour (due eleven); that costs nothing",
        "",
        "Part 2a: 0.5 of 3 points so far, 8 in all; 1 answer waits for a TA",
        "  2a, SHA-256 ab",
        "  0.5 points taken off for lateness",
        "  ! cell 4 was stopped",
        "  ✗ 2.1 Attention  1 of 3  in part",
        "      q2: queries — wrong value",
        "        looks like turn neighbours (halves)",
        "  … essay          5 points open  waiting for a TA",
    ]


def test_no_line_controls_the_terminal():
    one = NotebookReport("2a", "\x1b[31m red", (), accidents=("a\x1b]0;title\x07b\u202ec",))
    text = "\n".join(report_lines(Report("hw", "a\nb", notebooks=(one,))))
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "a?b" in text
