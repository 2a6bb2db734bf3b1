import pytest
import torch

from dl1.contract import protocol
from proctor.diagnosis.alike import alike, same_answer, tells

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


NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (NUMBERS + 1, NUMBERS),
        (NUMBERS[None], NUMBERS),
        # Where the NaN stand tells something.
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 2.0])),
        ({"loss": 1.0, "rows": NUMBERS}, {"loss": 2.0, "rows": NUMBERS}),
        ([1, 2, 3], [1, 2]),
        (torch.tensor([True, False]), torch.tensor([False, False])),
        ("less", "more"),
        (4, 3),
        # Beside something that is right, a zero or a None says more than alone.
        ({"gradient": None, "rows": NUMBERS}, {"gradient": NUMBERS, "rows": NUMBERS}),
    ],
)
def test_what_tells_a_mistake(value, right):
    assert tells(gives(value), gives(right))
    assert not tells(gives(right), gives(right))


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (torch.zeros(3), NUMBERS),
        (NUMBERS * NAN, NUMBERS),
        (NUMBERS / 0, NUMBERS),
        (None, NUMBERS),
        (True, False),
        (0.0, 1.0),
        (NAN, 1.0),
        (torch.tensor(False), torch.tensor(True)),
        # What is right beside it tells nothing about it.
        ({"loss": NAN, "rows": NUMBERS}, {"loss": 1.0, "rows": NUMBERS}),
        ([], NUMBERS),
        (NUMBERS + 1e-7, NUMBERS),
    ],
)
def test_what_comes_of_anything_tells_nothing(value, right):
    assert not tells(gives(value), gives(right))


def test_exceptions_tell_by_their_texts():
    assert tells(raises("no rope", "ValueError"), gives(1))
    assert not tells(raises("no rope", "ValueError"), raises("no rope", "ValueError"))
    assert tells(gives(1), raises("no rope", "ValueError"))
    assert not tells(gives(None), raises("no rope", "ValueError"))
