"""A check that we could not judge is no mark: it waits for a TA in the gradebook, and the table names it."""

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK

from proctor.plugin import unjudged
from proctor.plugin.run_times import graded as in_words
from proctor.plugin.run_times import trouble

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def test_checks_of_a_notebook_that_can_not_be_graded_wait_too(graded):
    graded.change("ben", "q1", manual_score=1, needs_manual_grade=False)
    unjudged.queue(graded.directory(), ASSIGNMENT, "ben", NOTEBOOK)
    with graded.gradebook() as gradebook:
        found = [gradebook.find_grade(name, NOTEBOOK, ASSIGNMENT, "ben") for name in ("q1", "q2")]
        assert [(one.manual_score, one.needs_manual_grade) for one in found] == [(1, False), (None, True)]
    unjudged.queue(graded.directory(), ASSIGNMENT, "nobody", NOTEBOOK)


def test_the_table_names_them_and_the_submission_is_graded_all_the_same(graded):
    graded.not_judged("ben")
    names = unjudged.found(graded.root, ASSIGNMENT, "ben", [NOTEBOOK, "without a record"])
    assert names == ["q2"]
    line = in_words(2, {}, word="graded", unjudged=unjudged.said(names))
    assert line == "graded, but 1 check not judged: q2; 2 notes"
    assert not trouble(line)
    assert in_words(0, {}, unjudged=unjudged.said([])) == "graded"
    assert unjudged.said([f"q{n}" for n in range(7)]) == "7 checks not judged: q0, q1, q2, q3, q4 and 2 more"
