"""Nothing in a promoted answer says whose it was, and what it does stays."""

import pytest

from proctor.catalogue.anonymous import anonymous
from proctor.errors import ProctorError


def notebook(*texts):
    return {"cells": [{"cell_type": "code", "metadata": {}, "source": text} for text in texts]}


REFERENCE = notebook(
    "import math",
    "def spread(values, mode='Largest value'):\n    return max(values) - min(values)",
)
PERSONAL = ("stu4711", "Ada", "King-Noel")


def of(text, personal=PERSONAL):
    return anonymous(text, REFERENCE, personal)


def answer_to(text, *given):
    names = {}
    exec(text, names)
    return names["spread"](*given)


ANSWER = '''\
%%time
# written by Ada, stu4711
def spread(values, mode="Largest value"):
    """Ada's own."""
    "a text of ada"
    adas_sum = 0.0  # mine
    def noels(king, *, weight=1):
        return king * weight
    for stu4711_step, kNoel in enumerate(values):
        adas_sum += noels(kNoel, weight=2) if mode == "Largest value" else 0
    shown = f"Ada says {adas_sum:.2f}" + "hello from Ada" + "ada"
    size = dict(size=len(shown) * 0)
    return adas_sum + size["size"] + sum(x for x in values)
'''


def test_words_of_the_author_are_gone_and_the_answer_is_the_same():
    said = of(ANSWER)
    assert not {word for word in ("ada", "noel", "king", "4711", "mine", "hello", "#") if word in said.lower()}
    assert answer_to(said, [1, 2, 3]) == answer_to(ANSWER.removeprefix("%%time\n"), [1, 2, 3]) == 18
    assert "def spread(values, mode='Largest value')" in said


@pytest.mark.parametrize(
    "kept",
    [
        "values.sort(key=len, reverse=True)",
        "values['mean'] = 'q,k->qk'",
        "values.data = 'abc_2'",
        "print(f'{max(values):>10.3e}')",
    ],
)
def test_what_is_nobodys_own_stays(kept):
    assert of(kept).strip() == kept


def test_names_of_attributes_and_of_parameters_of_others_stay_where_a_variable_has_the_same():
    text = "def spread(values):\n    sep = '-'\n    real = 2.0\n    print(real.real, sep=sep)\n    return real.real"
    assert "print(own2.real, sep=own1)" in of(text)
    assert answer_to(of(text), []) == 2.0


def test_methods_and_attributes_have_other_names_only_where_they_are_like_the_author():
    text = "class Spread:\n\n    def of_ada(self):\n        self.ada_cache = self.kept\n        return self.ada_cache"
    assert of(text) == ("class own1:\n\n    def own4(own2):\n        own2.own3 = own2.kept\n        return own2.own3\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def spread(", "is not Python"),
        ("import adas_helpers", "uses adas_helpers"),
        ("from .mine import x", "uses "),
        ("def spread(values):\n    return my_helper(values)", "uses my_helper"),
        ("def spread(values):\n    return values.ada", "still has ada"),
        ("def spread(values):\n    return 4711", "still has 4711"),
    ],
)
def test_what_can_not_be_made_anonymous_is_refused(text, said):
    with pytest.raises(ProctorError, match=said) as refused:
        of(text)
    assert "write the entry by hand" in str(refused.value)


def test_a_name_that_is_a_word_of_the_notebook_hinders_nothing():
    assert of("def spread(values):\n    return max(values)", ["Max"]) == "def spread(values):\n    return max(values)\n"
