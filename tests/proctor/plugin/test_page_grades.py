"""What a student's page says of answers: how long they are, where there is a limit."""

import pytest

from proctor.plugin.page_grades import word_counts

ASKED = "*Your answer to 1.1 (a), at most 3 words:*\n\nYOUR ANSWER HERE"


def cell(source: str, name: str = "q1", **metadata: object) -> dict:
    flags = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3}
    return {
        "cell_type": "markdown",
        "source": source,
        "metadata": {"nbgrader": {**flags, "grade_id": name}, **metadata},
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ASKED, "0 words of at most 3"),
        (ASKED.replace("YOUR ANSWER HERE", "One."), "1 word of at most 3"),
        ("one $a b c$ two three", "3 words of at most 3"),
        ("one two three four", "4 words, over the limit of 3"),
    ],
)
def test_a_student_reads_how_many_words_were_counted(answer, said):
    assert word_counts([cell(answer)], {"q1": ASKED, "q2": "no limit"}) == {"q1": said}


def test_what_was_added_for_an_answer_counts_and_what_belongs_to_others_does_not():
    added = {"cell_type": "markdown", "source": "two three", "metadata": {"proctor_parts": ["q1"]}}
    other = {"cell_type": "markdown", "source": "four five", "metadata": {}}
    assert word_counts([cell("one"), added, other, cell("six", "q2")], {"q1": ASKED}) == {"q1": "3 words of at most 3"}
