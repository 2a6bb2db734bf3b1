"""Answers that are the same up to rounding have one digest, and others have another one."""

import pytest
import torch

from dl1.contract import protocol
from proctor.diagnosis.likeness import digest

NUMBERS = torch.randn(40, 25, generator=torch.Generator().manual_seed(1))
SMALL = torch.tensor([3.0, 4.0])


def of(*values):
    return digest([({"ok": True}, protocol.encode(value)) for value in values])


def raised(*names, text):
    return digest([({"ok": False, "names": list(names), "text": text}, b"")])


def test_what_was_computed_in_another_order_is_the_same_answer():
    exact = NUMBERS.double() / 3
    assert of({"q": (NUMBERS / 3)}) == of({"q": exact.float()}) == of({"q": NUMBERS * (1 / 3)})
    assert of([1 / 3, 2.0]) == of([0.1 + 0.7 / 3, 2.0])
    half = NUMBERS.half()
    assert of(half / 3) == of((half.float() / 3).half())


@pytest.mark.parametrize(
    "other",
    [
        NUMBERS * 1.01,
        -NUMBERS,
        NUMBERS.roll(1, 0),
        NUMBERS.double(),
        NUMBERS.reshape(25, 40),
        NUMBERS.where(NUMBERS != NUMBERS.max(), torch.nan),
        NUMBERS.where(NUMBERS != NUMBERS.max(), torch.inf),
        NUMBERS.where(NUMBERS != NUMBERS.max(), -torch.inf),
        NUMBERS.where(NUMBERS != NUMBERS.max(), 0.0),
        torch.zeros(40, 25),
        [NUMBERS],
        None,
    ],
)
def test_what_differs_has_another_digest(other):
    assert of(other) != of(NUMBERS)
    assert of(other) == of(other)
    assert len(of(other)) == 16


def test_each_type_of_the_contract_has_its_own():
    values = [0, 0.0, False, "0", None, [0], (0,), {"0": 0}, torch.tensor(0), torch.tensor(False), torch.zeros(())]
    values += [torch.zeros(2), torch.zeros(0), torch.tensor([1 + 2j, 3]), torch.tensor([1, 2]), torch.tensor([1, 3])]
    assert len({of(value) for value in values}) == len(values)


def test_all_answers_to_a_test_cell_count_in_their_order():
    assert of(SMALL, 1) != of(1, SMALL)
    assert of(SMALL, 1) != of(SMALL, 2)


def test_exceptions_are_the_same_by_class_and_text_without_addresses():
    assert raised("TypeError", text="<f at 0x7f1a>") == raised("TypeError", text="<f at 0x8b2c>")
    assert raised("TypeError", text="a") != raised("TypeError", text="b")
    assert raised("TypeError", text="a") != raised("ValueError", text="a")


def test_what_can_not_be_read_is_no_accident():
    assert digest([({"ok": True}, b"\x00 no value")]) != of(None)
