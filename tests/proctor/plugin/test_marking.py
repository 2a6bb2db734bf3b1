"""Points and comments made of items, in a real gradebook: given, taken back, and made anew when a price changes."""

import json

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, source_notebook

from proctor.errors import ProctorError
from proctor.notebooks.marking_scheme import key_of, read_scheme
from proctor.plugin.at_once import Changed
from proctor.plugin.marking import FOLLOWS, GONE, TYPED, Question, essays_of, first_of_question, with_words

SCHEME = """\
*Your answer, at most 9 words:*
### BEGIN SOLUTION
#### Marking scheme (5)

- 3: the reason
  - 1½: half a reason
- 2: the example
- −1: over the limit
### END SOLUTION"""
CHEAPER = SCHEME.replace("- 3: the", "- 2: the").replace("- 2: the example", "- 3: the example")


def keys(scheme) -> list[str]:
    return [item.key for item in scheme.items]


@pytest.fixture
def question(graded):
    with graded.gradebook() as gradebook:
        yield Question(graded.root, gradebook, ASSIGNMENT, NOTEBOOK, "essay")


def now(question, student="ada"):
    names = ("essay", NOTEBOOK, ASSIGNMENT, student)
    grade = question._gradebook.find_grade(*names)
    return grade.manual_score, question._gradebook.find_comment(*names).manual_comment, grade.needs_manual_grade


def typed(question, student, score=None, comment=None):
    names = ("essay", NOTEBOOK, ASSIGNMENT, student)
    if score is not None:
        question._gradebook.find_grade(*names).manual_score = score
    if comment is not None:
        question._gradebook.find_comment(*names).manual_comment = comment
    question._gradebook.db.commit()


def test_items_are_not_given_over_what_was_not_shown(question):
    scheme = read_scheme(SCHEME)
    reason, example, _ = keys(scheme)
    nothing = {"manual_score": None, "extra_credit": None, "choices": None}
    question.give("ada", scheme, {reason: ""}, nothing)
    given = {"manual_score": 3.0, "extra_credit": None, "choices": {reason: ""}}
    # The same points, of other items; other points, of the same; and nothing.
    for seen in (given | {"choices": {example: ""}}, given | {"manual_score": 2.0}, nothing):
        with pytest.raises(Changed):
            question.give("ada", scheme, {example: ""}, seen)
    assert now(question) == (3.0, "- **3 of 3**: the reason", False)
    assert question.file.load()["ada"].score == 3.0
    question.give("ada", scheme, {reason: "", example: ""}, given)
    assert now(question)[0] == 5.0
    # A program that says nothing of what it shows writes as before.
    question.give("ada", scheme, {example: ""})
    assert now(question)[0] == 2.0


def test_items_are_points_and_words_and_can_be_taken_back(question):
    scheme = read_scheme(SCHEME)
    reason, example, over = keys(scheme)
    half = read_scheme(SCHEME).items[0].partial[0]
    typed(question, "ada", comment="Well *said*")
    question.give("ada", scheme, {reason: "", over: ""})
    score, comment, waits = now(question)
    assert (score, waits) == (2.0, False)
    assert comment == "- **3 of 3**: the reason\n- **−1**: over the limit\n\nWell *said*"
    question.give("ada", scheme, {reason: key_of(half.text), example: ""})
    score, comment, _ = now(question)
    assert score == 3.5
    assert "- **1½ of 3**: half a reason\n- **2 of 2**: the example" in comment
    assert "over the limit" not in comment
    question.give("ada", scheme, {over: ""})
    assert now(question)[0] == 0.0
    question.give("ada", scheme, {})
    assert now(question) == (0.0, "Well *said*", False)
    question.give("ada", scheme, None)
    assert now(question) == (None, "Well *said*", True)
    with pytest.raises(ProctorError, match="load it again"):
        question.give("ada", scheme, {"nothing": ""})
    with pytest.raises(ProctorError, match="load it again"):
        question.give("ada", scheme, {example: key_of(half.text)})


def test_another_price_changes_what_is_made_of_items_and_nothing_that_was_typed(question):
    scheme, cheaper = read_scheme(SCHEME), read_scheme(CHEAPER)
    reason, *_ = keys(scheme)
    question.give("ada", scheme, {reason: ""})
    typed(question, "ada", comment=now(question)[1] + "\n\nSee page 3.")
    question.give("ben", scheme, {reason: ""})
    typed(question, "ben", score=4.5)
    found = {one.student: (one.before, one.after, one.how) for one in question.changes(cheaper)}
    assert found == {"ada": (3.0, 2.0, FOLLOWS), "ben": (4.5, 2.0, TYPED)}
    assert now(question)[0] == 3.0
    question.follow(cheaper)
    assert now(question) == (2.0, "- **2 of 2**: the reason\n\nSee page 3.", False)
    assert now(question, "ben") == (4.5, "- **3 of 3**: the reason", False)
    assert [one.how for one in question.changes(cheaper)] == [TYPED]
    # Typed over while nothing had changed: an item replaces it only when somebody gives one.
    question.give("ben", cheaper, {reason: ""})
    assert now(question, "ben")[0] == 2.0


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        (SCHEME.replace("the reason", "the reasoning"), FOLLOWS),
        (SCHEME.replace("- 3: the reason\n  - 1½: half a reason\n- 2: the example", "- 5: all of it"), GONE),
        (SCHEME.replace("- 2: the example", "- 2: the example\n- 0½: one more").replace("- 0½", "- ½"), None),
    ],
)
def test_an_item_is_found_by_its_words_or_its_place(question, changed, how):
    scheme = read_scheme(SCHEME)
    question.give("ada", scheme, {keys(scheme)[0]: ""})
    found = question.follow(read_scheme(changed))
    assert [one.how for one in found] == ([how] if how else [])
    assert now(question)[0] == 3.0
    assert ("the reasoning" in now(question)[1]) is (how == FOLLOWS)


LINES = SCHEME.replace("half a reason", "half a reason\n  - ½: a word of it\n  - 0: only its name")


@pytest.mark.parametrize(
    ("old", "new", "how", "score"),
    [
        ("  - ½: a word", "  - ¾: a word", FOLLOWS, 0.75),
        ("  - 1½: half a reason\n", "", None, 0.5),
        ("a word of it", "some words of it", FOLLOWS, 0.5),
        # Another line that has come to stand at its place is not it.
        ("  - ½: a word of it\n", "", GONE, 0.5),
        ("  - ½: a word of it\n", "  - 1/2: a word of it\n", GONE, 0.5),
        ("  - 1½: half a reason\n  - ½: a word of it", "  - ½: some words\n  - 1½: half a reason", GONE, 0.5),
    ],
)
def test_a_line_under_an_item_is_found_by_its_words_or_its_place(question, old, new, how, score):
    scheme = read_scheme(LINES)
    reason = scheme.items[0]
    question.give("ada", scheme, {reason.key: key_of(reason.partial[1].text)})
    assert now(question)[0] == 0.5
    found = question.follow(read_scheme(LINES.replace(old, new)))
    assert [one.how for one in found] == ([how] if how else [])
    assert now(question)[0] == score
    assert "only its name" not in now(question)[1]


def test_a_bonus_is_extra_credit_beside_a_score_of_0(question):
    scheme = read_scheme(SCHEME.replace("(5)", "(bonus: 0 to 5)"))
    question.give("ada", scheme, {keys(scheme)[1]: ""})
    grade = question._gradebook.find_grade("essay", NOTEBOOK, ASSIGNMENT, "ada")
    assert (grade.manual_score, grade.extra_credit, grade.needs_manual_grade) == (0.0, 2.0, False)
    question.give("ada", scheme, None)
    assert (grade.manual_score, grade.extra_credit) == (None, None)


def test_what_was_typed_for_others_is_offered_without_the_words_of_items(question):
    scheme = read_scheme(SCHEME)
    question.give("ada", scheme, {keys(scheme)[0]: ""})
    assert question.offered("ben") == []
    typed(question, "ada", comment=now(question)[1] + "\n\nSee page 3.")
    assert question.offered("ben") == ["See page 3."]
    assert question.offered("ada") == []


def test_each_question_has_an_order_of_its_own(graded):
    orders = set()
    with graded.gradebook() as gradebook:
        for number in range(12):
            gradebook.update_or_create_student(f"s{number}")
            gradebook.add_submission(ASSIGNMENT, f"s{number}")
        for cell in ("essay", "q1", "q2"):
            found = [one.id for one, _ in Question(graded.root, gradebook, ASSIGNMENT, NOTEBOOK, cell).grades()]
            assert found == [one.id for one, _ in Question(graded.root, gradebook, ASSIGNMENT, NOTEBOOK, cell).grades()]
            orders.add(tuple(found))
    assert len(orders) == 3
    assert len({tuple(sorted(one)) for one in orders}) == 1


def test_words_of_items_that_were_edited_stay():
    assert with_words("a b\n\nmine", "a b", "c") == "c\n\nmine"
    assert with_words("a B\n\nmine", "a b", "c") == "a B\n\nmine"
    assert with_words("", "a b", "c") == "c"
    assert with_words("mine", "", "c") == "c\n\nmine"
    assert with_words("a b", "a b", "") == ""


def test_an_essay_has_what_stands_above_it(graded):
    notebook = source_notebook()
    notebook["cells"][-1]["source"] = SCHEME
    for number, text in enumerate(["## 1.1", "Say why."]):
        cell = {"cell_type": "markdown", "id": f"t{number}", "source": text, "metadata": {}}
        notebook["cells"].insert(-1, cell)
    path = graded.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    path.write_text(json.dumps(notebook))
    essay = essays_of(path)["essay"]
    assert essay.context == "## 1.1\n\nSay why.\n\n*Your answer, at most 9 words:*"
    cells = notebook["cells"]
    assert cells[first_of_question(cells, len(cells) - 1)]["source"] == "## 1.1"
    del cells[-3]
    # No further up than what is graded before.
    assert cells[first_of_question(cells, len(cells) - 1)]["source"] == "Say why."
