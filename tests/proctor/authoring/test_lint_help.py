"""Checks are folded under a title; hints too, two or three for each question, none with a piece of the answer in it."""

import json

import pytest

from proctor.authoring.lint import lint_help, main
from proctor.authoring.lint_help import COPIED, Hint, copies, hints

SOLUTION = (
    "def scores(q, k):\n    ### BEGIN SOLUTION\n    return q @ k.transpose(-2, -1) / q.shape[-1]\n    ### END SOLUTION"
)
TEST = """from dl1 import check_close, probe


@probe
def asked(q, k):
    return scores(q, k)


check_close(asked(2.0, 2.0), 4.0)
### BEGIN HIDDEN TESTS
for draw in (17, 23, 42, 99):
    check_close(asked(draw, 2.0), 2.0 * draw)
### END HIDDEN TESTS"""


def fold(symptom: str, text: str) -> str:
    return f"<details><summary>{symptom}</summary>\n\n{text}\n\n</details>"


TWO = "**Stuck?**\n\n" + fold("Wrong <code>shape</code>?", "Look at $T$.") + "\n\n" + fold("Too large?", "Divide.")


def cell(kind: str, source: str, cell_id: str, **nbgrader) -> dict:
    metadata = {"nbgrader": {"grade_id": cell_id, "schema_version": 3, "task": False, **nbgrader}} if nbgrader else {}
    made = {"cell_type": kind, "id": cell_id, "source": source, "metadata": metadata}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def solution() -> dict:
    return cell("code", SOLUTION, "q1_scores", grade=False, locked=False, solution=True)


def checking(cell_id: str = "q1_values", source: str | None = None, folded: object = True) -> dict:
    source = f"# Check 1, {cell_id}: some scores\n{TEST}" if source is None else source
    made = cell("code", source, cell_id, grade=True, locked=True, solution=False, points=2)
    made["metadata"] |= {"tags": ["raises-exception"], "jupyter": {"source_hidden": folded}}
    return made


def text(source: str, cell_id: str = "some-text") -> dict:
    return cell("markdown", source, cell_id)


def essay() -> dict:
    return cell("markdown", "Answer:", "q1_why", grade=True, locked=False, solution=True, points=1)


def messages(*cells: dict) -> list[str]:
    notebook = {"cells": list(cells), "metadata": {"proctor": {"points": 2}}, "nbformat": 4, "nbformat_minor": 5}
    return [f"{finding.where}: {finding.message}" for finding in lint_help(notebook)]


def test_a_ladder_under_the_answer_is_all_that_is_asked_for():
    assert messages(solution(), text(TWO), checking(), checking("q1_more")) == []
    assert messages(solution(), text("**Public check.**"), text(TWO), checking()) == []
    assert hints(text(TWO)) == [Hint("Wrong shape?", "Look at $T$."), Hint("Too large?", "Divide.")]


@pytest.mark.parametrize(
    "cells",
    [
        (solution(), checking(), checking("q1_more")),
        (solution(), text("Look at $T$."), checking(), text(TWO)),
        # Those of another question are not this one's.
        (text(TWO), solution(), checking()),
        (text(TWO), essay(), checking()),
        # Of code that only prints it, nothing can be opened.
        (solution(), cell("code", f'print("""{TWO}""")', "given"), checking()),
    ],
)
def test_a_question_without_hints_is_found_once(cells):
    (found,) = messages(*cells)
    assert found.startswith("cell q1_values: the question has no hints; add a text cell under its answer")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (fold("a", "b"), "1 hints; make a ladder of 2 or 3, from general to nearly the answer"),
        ("\n\n".join([fold("a", "b")] * 4), "4 hints; make a ladder of 2 or 3"),
        (TWO.replace("<details>", "<details open>", 1), "a hint is not folded everywhere"),
        (TWO.removesuffix("</details>"), "a hint is not folded everywhere"),
        (TWO.replace("<details><summary>Too", "<details>\n<summary>Too"), "a hint is not folded everywhere"),
        (TWO.replace("</summary>\n\nDivide", "</summary>\nDivide"), "a hint has no text below an empty line"),
        (TWO.replace("Divide.", ""), "a hint has no text below an empty line"),
        (TWO.replace("Too large?", ""), "a hint has no symptom in its <summary>"),
        (TWO.replace("Too large?", "<code></code>"), "a hint has no symptom in its <summary>"),
        (TWO.replace("Divide.", "Write `return q@k.transpose(-2,-1)`"), "(return q @ k . transpose ( -)"),
        (TWO.replace("Too large?", "q @ k.transpose(-2, -1) ?"), "piece of the solution or of a hidden test"),
        (TWO.replace("Divide.", "Try the draws (17, 23, 42, 99)"), "piece of the solution or of a hidden test"),
    ],
)
def test_a_ladder_that_is_none(source, message):
    found = messages(solution(), text(source), checking())
    assert found
    assert all(one.startswith("cell some-text: ") for one in found)
    assert any(message in one for one in found)


@pytest.mark.parametrize("remembered", [None, {}, {"outputs_hidden": True}, {"source_hidden": False}, [], "x"])
def test_a_check_that_is_not_folded_is_found(remembered):
    check = checking()
    check["metadata"]["jupyter"] = remembered
    (found,) = messages(solution(), text(TWO), check)
    assert found.startswith("cell q1_values: the code of a check stands between students and the text; fold it")
    del check["metadata"]["jupyter"]
    assert messages(solution(), text(TWO), check) == [found]


@pytest.mark.parametrize("first", ["import torch", "# Check", "# Check 1", "# 1: some scores", "#Check 1: scores", ""])
def test_a_folded_check_says_in_its_first_line_what_it_checks(first):
    (found,) = messages(solution(), text(TWO), checking(source=f"{first}\n{TEST}"))
    assert found.startswith("cell q1_values: of a folded check JupyterLab shows the first line; let that be # Check")


def test_two_checks_have_different_titles():
    source = f"# Check 1: scores\n{TEST}"
    (found,) = messages(solution(), text(TWO), checking("q1_a", source), checking("q1_b", source))
    assert found == "cell q1_b: an earlier check has the same title, # Check 1: scores; say what is different"


def test_what_is_in_public_text_may_be_said():
    """The head of the answer and the public part of a check are there to be read."""
    said = TWO.replace("Divide.", "`def scores(q, k):` and `check_close(asked(2.0, 2.0), 4.0)`")
    assert messages(solution(), text(said), checking()) == []


def test_a_piece_is_eight_words_and_signs_whatever_the_spaces():
    assert COPIED == 8
    assert list(copies("a b c d e f g", ["a b c d e f g h"])) == []
    assert list(copies("x\na  `b c` d e f g h.", ["a b c d e f g\n h"])) == ["a b c d e f g h"]
    # A text in quotes is one word.
    assert list(copies('"a b c d e f g h"', ['"a b c d e f g h"'])) == []


def test_the_command_says_it_too(tmp_path, capsys):
    path = tmp_path / "some.ipynb"
    notebook = {"cells": [solution(), checking()], "metadata": {"proctor": {"points": 2, "interface": ["scores"]}}}
    path.write_text(json.dumps(notebook | {"nbformat": 4, "nbformat_minor": 5}))
    assert main([str(path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"{path}: cell q1_values: the question has no hints")
