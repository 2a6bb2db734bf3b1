from proctor.diagnosis.known_answers import REFERENCE, KnownAnswers, WrongAnswer, known_answers


def wrong(name, *loses, cell="a"):
    return WrongAnswer(name, f"you {name}", cell, "x = 2", loses)


def cell(name, source, tags=(), **nbgrader):
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "grade_id": name, **nbgrader}
    return {"cell_type": "code", "source": source, "metadata": {"nbgrader": flags, "tags": list(tags)}}


def names(found):
    return {test: [one.name for one in candidates] for test, candidates in found.items()}


def test_answers_stand_without_markers_tests_without_text_and_demos_not_at_all():
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": "# Words", "metadata": {}},
            {"cell_type": "code", "source": "import math", "metadata": {}},
            cell("show", "print(1)", ["demo"], locked=True),
            cell("a", "### BEGIN SOLUTION\nx = 1\n### END SOLUTION", solution=True),
            cell("t", "assert x == 1", grade=True, locked=True),
        ]
    }
    assert known_answers(notebook, []).cells == (("cell 2", "import math"), ("a", "x = 1"), ("t", ""))


def test_who_loses_a_cell_that_was_passed_is_no_candidate():
    known = KnownAnswers((), (wrong("one", "t1"), wrong("both", "t1", "t2"), wrong("other", "t3")))
    assert [one.name for one in known.candidates("t1")] == ["one", "both"]
    assert [one.name for one in known.candidates("t1", {"t2"})] == ["one"]


def test_a_name_stands_for_all_failed_cells_that_the_mistake_loses():
    known = KnownAnswers((), (wrong("one", "t1"), wrong("both", "t1", "t2")))
    alike = {("t1", "one"), ("t1", "both")}
    assert names(known.named({"t1", "t2"}, (), alike)) == {"t1": ["one"], "t2": []}
    assert names(known.named({"t1"}, (), alike)) == {"t1": ["one", "both"]}
    assert names(known.named({"t1", "t2"}, (), alike | {("t2", "both")})) == {"t1": ["one", "both"], "t2": ["both"]}


def test_what_the_reference_answers_too_is_no_mistake():
    known = KnownAnswers((), (wrong("one", "t1"),))
    assert names(known.named({"t1"}, (), {("t1", "one"), ("t1", REFERENCE)})) == {"t1": []}
