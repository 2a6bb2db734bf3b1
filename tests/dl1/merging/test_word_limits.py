"""Words are counted as a reader counts them."""

import pytest

from dl1.merging.word_limits import count_words, word_limit


@pytest.mark.parametrize(
    ("released", "limit"),
    [
        ("*Your answer to 2.1 (a), at most 200 words:*\n\nYOUR ANSWER HERE", 200),
        ("\n*Your answer, At most 30 words*", 30),
        ("*Your answer to 2.1 (b):*\n\nat most 10 words", None),
        ("YOUR ANSWER HERE", None),
        ("at most 0 words", None),
    ],
)
def test_a_limit_stands_in_the_first_line(released, limit):
    assert word_limit(released) == limit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("One, two - three.", 3),
        ("*Heading:*\n\none two", 2),
        ("with $a + b + c$ and $$\nx = y\n$$ it", 5),
        ("\\begin{align}\na &= b \\\\\nc &= d\n\\end{align} so", 2),
        ("![a picture of it](attachment:x.png) [two words](https://x.org/a b)", 2),
        ("- a list\n- **bold** text", 4),
    ],
)
def test_words_are_what_has_a_letter_or_a_digit(text, words):
    assert count_words(text, "*Heading:*") == words
