import pytest
import torch

from dl1.contract import protocol
from proctor.diagnosis.alike import alike, same_answer

NUMBERS = torch.tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NUMBERS, NUMBERS * (1 + 1e-6)),
        (NUMBERS.double(), NUMBERS.double() + 1e-8),
        (torch.tensor([float("nan"), float("inf")]), torch.tensor([float("nan"), float("inf")])),
        (torch.zeros(0), torch.zeros(0)),
        (0.1 + 0.2, 0.3),
        (float("nan"), float("nan")),
        ({"a": [1, "x"], "b": (None, True)}, {"b": (None, True), "a": [1, "x"]}),
        (NUMBERS * 1e-6, NUMBERS * 1e-6 * (1 + 1e-6)),
    ],
)
def test_the_same_up_to_rounding(one, other):
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NUMBERS, NUMBERS * 1.001),
        # Small numbers are not all the same number.
        (NUMBERS * 1e-6, NUMBERS * -1e-6),
        (NUMBERS, NUMBERS.double()),
        (NUMBERS, NUMBERS[None]),
        (NUMBERS, NUMBERS.tolist()),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.tensor([float("nan")]), torch.tensor([1.0])),
        (torch.tensor([float("inf")]), torch.tensor([-float("inf")])),
        (1, True),
        (1, 1.0),
        ("a", "b"),
        ([1], (1,)),
        ([1], [1, 1]),
        ({"a": 1}, {"b": 1}),
        (None, 0),
    ],
)
def test_not_the_same(one, other):
    assert not alike(one, other)
    assert not alike(other, one)


def gives(value):
    return {"ok": True}, protocol.encode(value)


def raises(text, *names):
    return {"ok": False, "names": [*names, "Exception"], "text": text}, b""


def test_an_exception_is_the_same_by_its_classes_and_its_text():
    assert same_answer(raises("no rope", "ValueError"), raises("no rope", "ValueError"))
    assert not same_answer(raises("no rope", "ValueError"), raises("no rope", "TypeError"))
    assert not same_answer(raises("no rope", "ValueError"), raises("other", "ValueError"))
    # A class alone would be a guess.
    assert not same_answer(raises("", "ValueError"), raises("", "ValueError"))
    assert not same_answer(raises("no rope", "ValueError"), gives(1))


def test_values_are_compared_decoded_and_rubbish_is_like_nothing():
    assert same_answer(gives(NUMBERS), gives(NUMBERS + 1e-7))
    assert not same_answer(gives(NUMBERS), gives(NUMBERS + 1))
    assert not same_answer(gives(NUMBERS), ({"ok": True}, b"DLP1 rubbish"))
