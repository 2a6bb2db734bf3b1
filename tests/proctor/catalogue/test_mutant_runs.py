"""`python -m proctor.catalogue --mutants` on a small notebook: killed, surviving, equivalent, and the exit statuses."""

import json
import os

import pytest

from proctor.catalogue.__main__ import main
from proctor.catalogue.mutant_runs import targets

LARGEST = """def largest(numbers, least):
    ### BEGIN SOLUTION
    found = least
    for number in numbers:
        if number > found:
            found = number
    return found
    ### END SOLUTION"""

HALF = """def half(number):
    ### BEGIN SOLUTION
    return number / 2
    ### END SOLUTION"""

TEST = """assert largest([1, 3, 2], 0) == 3
assert largest([], 0) == 0
### BEGIN HIDDEN TESTS
assert largest([-5, -4], -9) == -4
assert largest([-5], 9) == 9
### END HIDDEN TESTS"""

# At a tie both ways give the same number.
TIE = """
[[equivalent]]
cell = "q1_1_largest"
operator = "comparison-gt-gte"
why = "at a tie the same number is kept either way"
change = [['''if number > found:''', '''if number >= found:''']]
"""


def cell(source, grade_id=None, *, points=None, tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    if grade_id:
        graded = points is not None
        metadata["nbgrader"] = {"grade": graded, "grade_id": grade_id, "solution": not graded, "locked": graded}
        if graded:
            metadata["nbgrader"]["points"] = points
    return {"cell_type": "code", "metadata": metadata, "source": source}


def notebook(test=TEST):
    cells = [
        cell("1 / 0  # a demo has no effect", tags=["demo"]),
        cell("limit = 2"),
        cell(LARGEST, "q1_1_largest"),
        cell("assert limit == 2", "q1_2_other", points=1),
        cell(test, "q1_1_values", points=2),
        cell(HALF, "q1_2_half"),
        cell("assert half(3) == 1.5 == largest([1.5], 0)", "q1_2_values", points=1),
        cell("def unasked():\n    return 1", "q1_3_unasked"),
        cell("raise ValueError('stands below all that is needed')"),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def course(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    (tmp_path / "source").mkdir()
    (tmp_path / "misconceptions").mkdir()

    def run(entries="", *options, content=None):
        (tmp_path / "source" / "1a_numbers.ipynb").write_text(json.dumps(content or notebook()))
        (tmp_path / "misconceptions" / "1a_numbers.toml").write_text(entries)
        return main([str(tmp_path / "source"), str(tmp_path / "misconceptions"), "--mutants", *options])

    return run


def rows(printed):
    """Made, killed, equivalent, surviving by cell."""
    words = [line.split() for line in printed.splitlines()]
    return {line[1]: tuple(map(int, line[2:6])) for line in words if len(line) == 7 and line[0][0].isdigit()}


def test_a_solution_cell_is_run_with_the_tests_of_its_question_below_it():
    found = targets(notebook())
    assert [(target.question, target.cell, target.tests) for target in found] == [
        ("q1_1", "q1_1_largest", ("q1_1_values",)),
        ("q1_2", "q1_2_half", ("q1_2_values",)),
    ]
    # Not the demo, not another question's test, nothing below the last test.
    assert found[0].needed == {1, 2, 4}
    # A test that stands above the answer says nothing of it.
    assert found[1].needed == {1, 2, 5, 6}


def test_a_survivor_is_shown_as_a_change_of_lines_and_fails_the_command(course, capsys):
    assert course("", "--question", "1.1") == 1
    printed = capsys.readouterr()
    made, killed, equivalent, surviving = rows(printed.out)["q1_1_largest"]
    assert (equivalent, made) == (0, killed + surviving)
    assert killed > surviving > 0
    assert "q1_1_largest, line 5: comparison-gt-gte\n    - if number > found:\n    + if number >= found:" in printed.out
    assert f"{made} mutants: {killed} killed, 0 equivalent, {surviving} surviving" == printed.out.splitlines()[-1]
    assert "1a_numbers q1_1_largest: " in printed.err


def test_without_a_hidden_part_more_survive(course, capsys):
    course("", "--question", "1.1")
    before = rows(capsys.readouterr().out)["q1_1_largest"]
    course("", "--question", "1.1", content=notebook(TEST.split("### BEGIN")[0]))
    after = rows(capsys.readouterr().out)["q1_1_largest"]
    assert after[3] > before[3]


def survivors_as_entries(printed):
    """What the command shows, as a catalogue."""
    entries = []
    for block in printed.split("\n\n"):
        lines = block.splitlines()
        if lines and ", line " in lines[0]:
            grade_id, _, operator = lines[0].partition(", line ")
            name, _, number = operator.split(": ")[1].partition(" (")
            texts = ["\n".join(one[6:] for one in lines[1:] if one.startswith(f"    {sign}")) for sign in "-+"]
            change = [*texts, int(number.rstrip(")"))] if number else texts
            entries += ["[[equivalent]]", f'cell = "{grade_id}"', f'operator = "{name}"', 'why = "x"']
            entries.append(f"change = [{json.dumps(change)}]\n")
    return "\n".join(entries)


def test_listed_survivors_pass_and_a_stale_entry_is_an_error_that_says_so(course, capsys):
    course("", "--question", "1.1")
    listed = survivors_as_entries(capsys.readouterr().out)
    assert course(listed, "--question", "1.1") == 0
    printed = capsys.readouterr().out
    made, killed, equivalent, surviving = rows(printed)["q1_1_largest"]
    assert surviving == 0 < equivalent == made - killed
    stale = listed + TIE.replace("comparison-gt-gte", "comparison-gt-lt").replace("number >= found", "number < found")
    assert course(stale, "--question", "1.1") == 2
    printed = capsys.readouterr()
    assert "(occurrence 1) in q1_1_largest is killed, so it is not equivalent; take it out" in printed.err
    gone = listed + TIE.replace("number >= found", "numbr >= found")
    assert course(gone, "--question", "1.1") == 2
    assert "any more; correct the entry, or take it out" in capsys.readouterr().err
    assert course(listed + TIE.replace("q1_1_largest", "q1_1_lagest"), "--question", "1.1") == 2
    assert "(occurrence 1) in q1_1_lagest any more" in capsys.readouterr().err
    # The entries of other questions are not looked at.
    assert course(stale, "--question", "1.2") != 2


def test_a_mutant_that_hangs_counts_as_killed_and_is_counted(course, capsys, monkeypatch):
    monkeypatch.setattr("proctor.catalogue.mutant_runs._SECONDS_MORE", 1)
    content = notebook()
    content["cells"][5]["source"] = (
        "def half(number):\n    ### BEGIN SOLUTION\n    while number > 1.5:\n        number = number - 1.5\n"
        "    return number\n    ### END SOLUTION"
    )
    course("", "--question", "1.2", content=content)
    printed = capsys.readouterr().out
    assert " of the killed ran into the time-out." in printed
    assert "statement-dropped\n    - number = number - 1.5" not in printed


def test_a_reference_that_fails_its_own_tests_stops_the_command(course, capsys):
    assert course("", content=notebook("assert largest([1], 0) == 2, 'not two'")) == 2
    assert "the reference of q1_1_largest has to pass the tests of its question" in capsys.readouterr().err


def test_questions_and_options_that_do_not_exist_are_told(course, capsys):
    assert course("", "--question", "7.1") == 2
    assert "--question: 7.1 has no autograded answer; there are: 1.1, 1.2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        course("", "--only", "name")
    assert "--question goes with --mutants" in capsys.readouterr().err
