"""Rules of a notebook, matched with the wrong answers that break them."""

import re

import pytest

from proctor.catalogue.entries import load
from proctor.catalogue.rules import read_untested, rule_table, rules_of
from proctor.errors import ProctorError

STATED = """### Question 1.1

Some text. **The rules** for the mean
- It is a float. An empty list gives 0.0
  and no error.
- **Nothing is changed.** `numbers` stays as it is.

- not a rule: the list has ended.

The rules for the spread

- 1.0 means all. $x$ counts twice.

After it."""

WRONG = """
[[wrong]]
name = "mean-of-ints"
cell = "q1_1_mean"
hint = "your mean is no float"
loses = ["q1_1_values", "q1_1_type"]
breaks = ["It is a float", "1.0  means"]
source = "mean = int"

[[wrong]]
name = "mean-sorts"
cell = "q1_1_mean"
hint = "your mean sorts the list"
loses = ["q1_1_values"]
breaks = ["**Nothing is", "`numbers` stays", "$x$"]
source = "mean = sorted"
"""
UNTESTED = """
[[untested]]
rule = "An empty list"
why = "the next question is about it"
"""


def notebook(text=STATED):
    answer = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "q1_1_mean", "solution": True}}, "source": ""}
    heading = {"cell_type": "markdown", "metadata": {}, "source": "- *The rules* stand in a list above\n- each answer."}
    return {"cells": [heading, {"cell_type": "markdown", "metadata": {}, "source": text}, answer]}


@pytest.fixture
def table(tmp_path):
    def made(text, content=None):
        file = tmp_path / "1a_means.toml"
        file.write_text(text, encoding="utf-8")
        return rule_table(content or notebook(), load(file), read_untested(file))

    return made


def test_every_sentence_of_every_list_is_a_rule():
    assert [rule.sentence for rule in rules_of(notebook())] == [
        "It is a float.",
        "An empty list gives 0.0 and no error.",
        "**Nothing is changed.**",
        "`numbers` stays as it is.",
        "1.0 means all.",
        "$x$ counts twice.",
    ]
    assert {rule.position for rule in rules_of(notebook())} == {1}


def test_rules_checks_and_entries_stand_side_by_side(table):
    made = table(WRONG + UNTESTED)
    assert made.problems == []
    assert made.as_text().splitlines()[:4] == [
        "It is a float.",
        "    q1_1_values q1_1_type <- mean-of-ints",
        "An empty list gives 0.0 and no error.",
        "    the next question is about it",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (UNTESTED, "", "no wrong answer breaks the rule 'An empty list gives"),
        (', "$x$"', "", r"no wrong answer breaks the rule '\$x\$ counts"),
        ("It is a float", "It is an int", "mean-of-ints.* no sentence of a list of rules begins with 'It is an int'"),
        ("It is a float", "It is a float. An", "no sentence of a list of rules begins"),
        ("**Nothing is", "N", "no sentence"),
        ('rule = "An empty list"', 'rule = "It is a"', "mean-of-ints breaks this rule; remove the table"),
    ],
)
def test_holes_and_misspelt_rules_are_found(table, old, new, said):
    assert old in WRONG + UNTESTED
    problems = table((WRONG + UNTESTED).replace(old, new)).problems
    assert any(re.search(said, line) for line in problems), problems


def test_a_beginning_that_fits_two_rules_is_refused(table):
    twice = notebook(STATED.replace("$x$ counts", "It is a float and $x$ counts"))
    assert any("2 sentences begin with 'It is a float'" in line for line in table(WRONG + UNTESTED, twice).problems)


def test_a_rule_below_the_answer_is_no_rule_of_it(table):
    content = notebook()
    content["cells"].reverse()
    assert any("stands below the answer q1_1_mean" in line for line in table(WRONG + UNTESTED, content).problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[untested]]\nrule = 'x'", "it has `rule`, the beginning of a sentence, and `why`"),
        ("[[untested]]\nrule = 'x'\nwhy = ' '", "have to be texts that are not empty"),
        ("[untested]\nrule = 'x'\nwhy = 'y'\nname = 'z'", "untested entry number 1"),
        ("[[untested", "is not TOML|cannot be read"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path, text, said):
    file = tmp_path / "1a_means.toml"
    file.write_text(text)
    with pytest.raises(ProctorError, match=said):
        read_untested(file)
