"""Where several outcomes are acceptable, each of them passes, mixtures of them don't, and dropout is what it says."""

import pytest
import torch

from dl1 import check_close_to_one_of, check_dropout, check_gradients_close_to_one_of
from dl1.contract.checks import KINDS
from dl1.errors import CheckFailed

ONES = torch.ones(2, 3)
WHOLE = 1 + torch.arange(400.0).view(20, 5, 4)


def failure(check, *args, **kwargs) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        check(*args, **kwargs)
    assert caught.value.kind in KINDS
    return caught.value


def dropped(draws, rate=0.5):
    return torch.where(draws, WHOLE / (1 - rate), 0.0)


def draws(*shape, rate=0.5):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) > rate


@pytest.mark.parametrize("found", [ONES, 2 * ONES, 3 * ONES + 1e-6])
def test_each_candidate_passes(found):
    check_close_to_one_of(found, [ONES, 2 * ONES, 3 * ONES])
    check_gradients_close_to_one_of({"x": found}, ({"x": factor * ONES} for factor in (1, 2, 3)))


def test_no_candidate_is_made_behind_the_one_that_fits():
    def candidates():
        yield ONES
        raise AssertionError("one more was made")

    check_close_to_one_of(ONES, candidates())
    check_gradients_close_to_one_of({"x": ONES}, ({"x": one} for one in candidates()))


def test_parts_of_two_candidates_do_not_pass_together():
    pairs = [{"q": ONES, "k": 2 * ONES}, {"q": 2 * ONES, "k": ONES}]
    check_close_to_one_of({"q": 2 * ONES, "k": ONES}, pairs)
    failed = failure(check_close_to_one_of, {"q": ONES, "k": ONES}, pairs, name="heads")
    assert failed.name == "heads, k"
    pairs = [{"x": ONES, "w": 2 * ONES}, {"x": 2 * ONES, "w": ONES}]
    assert failure(check_gradients_close_to_one_of, {"x": ONES, "w": ONES}, pairs).name == "gradient of w"


def test_the_message_compares_with_the_first_candidate():
    text = str(failure(check_close_to_one_of, 5.0, [1.0, 2.0], name="number", inputs={"x": 7}))
    assert text == "number: wrong value\n  expected: 1.0\n  yours:    5.0\n  input x: 7"
    assert failure(check_close_to_one_of, None, [ONES]).kind == "wrong type"
    assert failure(check_close_to_one_of, ONES * float("nan"), [ONES, 2 * ONES]).kind == "not finite"
    assert failure(check_gradients_close_to_one_of, {"x": None}, [{"x": ONES}]).kind == "no gradient"


def test_tolerances_are_those_of_the_call():
    check_close_to_one_of(1.01, [0.0, 1.0], rtol=0.02)
    assert failure(check_close_to_one_of, 1.01, [0.0, 1.0], rtol=0.0, atol=1e-3).kind == "wrong value"
    check_gradients_close_to_one_of({"x": 1.01 * ONES}, [{"x": ONES}], atol=0.02)
    assert failure(check_gradients_close_to_one_of, {"x": 1.01 * ONES}, [{"x": ONES}]).kind == "wrong value"


def test_nothing_acceptable_is_a_mistake_of_the_test():
    for check in (check_close_to_one_of, check_gradients_close_to_one_of):
        with pytest.raises(TypeError, match="at least one candidate"):
            check(ONES, [])


def test_dropout_passes():
    check_dropout(dropped(draws(20, 5, 4)), WHOLE, 0.5)
    check_dropout(dropped(draws(20, 5, 4, rate=0.2), rate=0.2), WHOLE, 0.2)
    check_dropout(dropped(draws(20, 5, 1).expand(20, 5, 4)), WHOLE, 0.5, together=(2,))


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (WHOLE, "dropout"),
        (torch.where(draws(20, 5, 4), WHOLE, 0.0), "dropout"),
        (dropped(draws(20, 5, 4)) + 0.1, "dropout"),
        (2 * dropped(draws(20, 5, 4)), "dropout"),
        (-dropped(draws(20, 5, 4)), "dropout"),
        (2 * WHOLE, "dropout: share of what is dropped"),
        (0 * WHOLE, "dropout: share of what is dropped"),
        (dropped(draws(20, 5, 4, rate=0.8)), "dropout: share of what is dropped"),
        (dropped(torch.arange(20).view(20, 1, 1).expand(20, 5, 4) % 2 == 0), "dropout: one by one"),
        (dropped(draws(1, 5, 4).expand(20, 5, 4)), "dropout: one by one"),
        (dropped(draws(20, 1, 4).expand(20, 5, 4)), "dropout: one by one"),
    ],
)
def test_what_is_no_dropout_fails(found, name):
    failed = failure(check_dropout, found, WHOLE, 0.5)
    assert (failed.kind, failed.name) == ("wrong value", name)


def test_numbers_that_go_together_are_dropped_together():
    assert failure(check_dropout, dropped(draws(20, 5, 4)), WHOLE, 0.5, together=(2,)).name == "dropout"


def test_dropout_compares_shape_dtype_and_finiteness_first():
    right = dropped(draws(20, 5, 4))
    assert failure(check_dropout, right[:1], WHOLE, 0.5).kind == "wrong shape"
    assert failure(check_dropout, right.double(), WHOLE, 0.5).kind == "wrong dtype"
    assert failure(check_dropout, None, WHOLE, 0.5).kind == "wrong type"
    assert failure(check_dropout, right * float("nan"), WHOLE, 0.5).kind == "not finite"
