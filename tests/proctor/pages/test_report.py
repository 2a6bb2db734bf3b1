"""Sums and states of what a student is told."""

import json

import pytest

from proctor.pages import report as words
from proctor.pages.report import FAILED, NOT_JUDGED, PASSED, READ, WAITING, NotebookReport, Part, Question, Report


def question(*states: str, points: float = 1.0) -> Question:
    def part(state: str) -> Part:
        earned = None if state in (WAITING, NOT_JUDGED) else points if state in (PASSED, READ) else 0.0
        return Part("q", state, earned, 2.0)

    return Question("2.6", "RoPE", tuple(map(part, states)))


@pytest.mark.parametrize(
    ("states", "state", "points", "still"),
    [
        ([PASSED, PASSED], PASSED, 2.0, 0.0),
        ([PASSED, FAILED], "in part", 1.0, 0.0),
        ([FAILED, FAILED], FAILED, 0.0, 0.0),
        ([PASSED, WAITING], WAITING, 1.0, 2.0),
        ([PASSED, WAITING, NOT_JUDGED], NOT_JUDGED, 1.0, 4.0),
        ([READ, FAILED], "in part", 1.0, 0.0),
    ],
)
def test_a_question_is_what_its_cells_are_and_what_is_open_is_no_zero(states, state, points, still):
    one = question(*states)
    assert (one.state, one.points, one.open()) == (state, points, still)
    assert one.possible == 2.0 * len(states)


def test_sums_say_what_is_open_and_take_lateness_off():
    one = NotebookReport("2a", "", (question(PASSED, FAILED), question(WAITING), question(NOT_JUDGED)), penalty=0.5)
    assert (one.score, one.judged, one.total) == (0.5, 4.0, 8.0)
    whole = Report("hw", "ada", notebooks=(one, one))
    assert (whole.score, whole.judged, whole.total) == (1.0, 8.0, 16.0)
    assert words.so_far(one.score, one.judged, one.total) == "0.5 of 4 points so far, 8 in all"
    assert words.waiting(whole) == "2 answers wait for a TA, 2 checks were not judged; a TA will look"
    assert words.so_far(3.0, 4.0, 4.0) == "3 of 4 points"
    assert NotebookReport("2a", "", (question(PASSED),), penalty=9.0).score == 0.0
    made = json.loads(json.dumps(whole.as_json()))
    assert (made["score"], made["notebooks"][0]["questions"][0]["state"]) == (1.0, "in part")


def test_points_of_a_question_in_words():
    assert words.of_question(question(PASSED, FAILED)) == "1 of 4"
    assert words.of_question(question(PASSED, WAITING)) == "1 of 4, 2 open"
    assert words.of_question(question(WAITING)) == "2 points open"
    bonus = Question("2.8", "", (Part("q", WAITING, None, 0.0),))
    assert words.of_question(bonus) == "a bonus"
    assert words.of_question(Question("2.8", "", (Part("q", READ, 1.0, 0.0),))) == "a bonus of 1 point"


def test_times_in_words():
    assert words.lateness(1020) == "17 minutes"
    assert words.lateness(5) == "1 minute"
    assert words.lateness(90_060) == "1 day 1 hour 1 minute"
