"""The scheme of an essay as items, and what the linter says of one that isn't in the form."""

import pytest

from proctor.notebooks.marking_scheme import (
    Anchor,
    Line,
    count_words,
    points_of,
    points_text,
    read_scheme,
    scheme_problems,
)

CELL = """\
Some words before.

*Your answer to 2.1 (a), at most 200 words:*

### BEGIN SOLUTION
#### Model answer

It is $x^2$.

#### Marking scheme (2)

- 1: the square,
  with its reason
  - ½: no reason
  - 0: "it grows"
- ½: one half
- ½: the other half
- −1: over the word limit
- A note: for the TA, and
  what follows.

#### Anchor answers

**0 of 2.** Nothing.

**1 of 2.** One
half.

**2 of 2.** All.
### END SOLUTION"""


def test_a_scheme_is_read_with_all_of_its_parts():
    scheme = read_scheme(CELL)
    assert [(item.points, item.text) for item in scheme.items] == [
        (1.0, "the square, with its reason"),
        (0.5, "one half"),
        (0.5, "the other half"),
        (-1.0, "over the word limit"),
    ]
    assert scheme.items[0].partial == (Line(0.5, "no reason"), Line(0.0, '"it grows"'))
    assert scheme.notes == ("A note: for the TA, and what follows.",)
    assert scheme.anchors == (Anchor(0, 2, "Nothing."), Anchor(1, 2, "One\nhalf."), Anchor(2, 2, "All."))
    assert (scheme.total, scheme.stated, scheme.bonus, scheme.limit) == (2.0, 2.0, False, 200)
    assert scheme.model == "It is $x^2$."
    assert scheme.question.startswith("Some words")
    assert list(scheme_problems(CELL, 2.0)) == []


def test_an_item_is_known_again_when_its_price_and_its_lines_change():
    before = read_scheme(CELL).items[0]
    after = read_scheme(CELL.replace("- 1: the square,\n  with", "- 1½: the square, with").replace("½: no", "1: no"))
    assert after.items[0].key == before.key
    assert after.items[0].points == 1.5
    assert after.items[1].key != before.key


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- ½: one half\n", "", "add up to 1½ and the answer has 2"),
        ("- ½: one half", "- 0.5: one half", "points are written"),
        ("- ½: one half", "- 1/2: one half", "points are written"),
        ("- ½: one half", "- ½ : one half", "points are written"),
        ("- ½: one half", "- ½ point: one half", "points are written"),
        ("one half", "one half. Only the words: ½.", "`½` in the text"),
        ("what follows.", "the words alone: 0.", "`0` in the text"),
        ("A note: for the TA, and", "Over 200 words: minus 1, and", "`minus 1` in the text"),
        ("  - ½: no reason", "  - 1: no reason", "earns less than the item"),
        ("  - ½: no reason", "    - ½: no reason", "indent it so"),
        ("- ½: the other half", "- ½: one half", "the same words"),
        ("- −1: over", "- 0: over", "an item of 0 points"),
        ("  what follows.", "what follows.", "belongs to no line"),
        ("scheme (2)", "scheme (3)", "write #### Marking scheme (2)"),
        ("scheme (2)", "scheme", "write #### Marking scheme (2)"),
        (", at most 200 words", "", "no word limit"),
        ("**2 of 2.** All.\n", "", "three answers under #### Anchor answers"),
        ("**2 of 2.** All.", "**2 of 3.** All.", "three answers"),
        ("**2 of 2.** All.", "**2 of 2.**", "has no text"),
        ("**1 of 2.** One", "**0 of 2.** One", "three answers"),
    ],
)
def test_what_is_not_in_the_form_is_found(old, new, said):
    assert CELL.count(old) == 1
    problems = list(scheme_problems(CELL.replace(old, new), 2.0))
    assert [one for one in problems if said in one], problems


def test_one_point_needs_no_anchors_and_a_bonus_adds_up_to_its_heading():
    one = "*Your answer, at most 9 words:*\n### BEGIN SOLUTION\n#### Marking scheme ({})\n\n- {}: it\n### END SOLUTION"
    assert list(scheme_problems(one.format("1", "1"), 1)) == []
    heading = "bonus: type 0 to 2 into *extra credit*; the maximum of the course stays 104"
    assert list(scheme_problems(one.format(heading, "2"), 0)) == []
    assert read_scheme(one.format(heading, "2")).stated == 2
    (problem,) = scheme_problems(one.format("bonus: 3", "2"), 0)
    assert "add up to 2 and the answer has 3" in problem
    (problem,) = scheme_problems(one.format("bonus", "2"), 0)
    assert "doesn't say how much" in problem
    assert read_scheme("no solution here") is None


def test_words_are_counted_without_formulas_and_without_the_question():
    question = "*Your answer, at most 9 words:*"
    text = f"{question}\n\nYOUR ANSWER HERE\nOne *two* – <b>three</b>, $a + b$ isn't $$\nc d\n$$ 5-fold (six)."
    assert count_words(text, question) == 6
    assert count_words("$1 and $") == 0
    # Without an end it is no formula; and no text makes counting slow.
    assert count_words("costs $1 only") == 3
    assert count_words("<a" * 100_000 + "$") <= 1


@pytest.mark.parametrize(
    ("text", "points"), [("0", 0), ("¼", 0.25), ("½", 0.5), ("1", 1), ("1½", 1.5), ("2¾", 2.75), ("12", 12)]
)
def test_points_are_written_as_they_are_read(text, points):
    assert points_of(text) == points
    assert points_text(points) == text
