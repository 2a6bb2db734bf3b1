import pytest
import torch

from dl1 import check_close, check_dtype, check_equal, check_gradients, check_raises, check_shape, check_true
from dl1.checks import KINDS
from dl1.errors import CheckFailed
from dl1.protocol import ProbeError

ONES = torch.ones(2, 3)
NAN = float("nan")
INF = float("inf")


def failure(check, *args, **kwargs) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        check(*args, **kwargs)
    assert caught.value.kind in KINDS
    return caught.value


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (ONES, ONES.clone()),
        (ONES + 1e-6, ONES),
        (torch.tensor(True), torch.tensor(True)),
        (torch.arange(3), torch.arange(3)),
        (1.0, 1.0),
        (1, 1.0),
        ([ONES, (1.0,)], [ONES, (1.0,)]),
        ({"a": ONES, "b": 2.0}, {"b": 2.0, "a": ONES}),
        (torch.empty(0), torch.empty(0)),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j])),
    ],
)
def test_close_values_pass(actual, expected):
    check_close(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "kind"),
    [
        (ONES + 1e-3, ONES, "wrong value"),
        (torch.ones(3), ONES, "wrong shape"),
        (torch.ones(1, 3), ONES, "wrong shape"),
        (torch.tensor(1.0), ONES, "wrong shape"),
        (ONES.double(), ONES, "wrong dtype"),
        (ONES.int(), ONES, "wrong dtype"),
        (None, ONES, "wrong type"),
        (1.0, torch.tensor(1.0), "wrong type"),
        ([1.0] * 3, torch.ones(3), "wrong type"),
        (ONES * NAN, ONES, "not finite"),
        (ONES * INF, ONES * INF, "not finite"),
        (2.0, 1.0, "wrong value"),
        (NAN, 1.0, "not finite"),
        (INF, INF, "not finite"),
        (True, 1.0, "wrong type"),
        ("1", 1.0, "wrong type"),
        ((1.0,), [1.0], "wrong type"),
        ([1.0], [1.0, 2.0], "wrong shape"),
        ({"a": 1.0}, {"b": 1.0}, "wrong type"),
        ({"a": [1.0]}, {"a": [2.0]}, "wrong value"),
        (torch.tensor([True]), torch.tensor([False]), "wrong value"),
        (torch.tensor([1]), torch.tensor([2]), "wrong value"),
    ],
)
def test_kinds_of_difference(actual, expected, kind):
    assert failure(check_close, actual, expected).kind == kind


def test_tolerances_are_absolute_plus_relative():
    check_close(torch.tensor([100.09]), torch.tensor([100.0]), rtol=1e-3, atol=0.0)
    failure(check_close, torch.tensor([100.11]), torch.tensor([100.0]), rtol=1e-3, atol=0.0)
    check_close(0.009, 0.0, rtol=0.0, atol=0.01)
    failure(check_close, 0.011, 0.0, rtol=0.0, atol=0.01)


def test_infinities_and_nan_are_compared_on_request():
    check_close(torch.tensor([INF, NAN]), torch.tensor([INF, NAN]), finite=False)
    failure(check_close, torch.tensor([-INF]), torch.tensor([INF]), finite=False)
    failure(check_close, torch.tensor([NAN]), torch.tensor([1.0]), finite=False)


class Liar:
    def __eq__(self, other):
        return True

    def __abs__(self):
        return 0.0

    def __sub__(self, other):
        return self

    __hash__ = None


@pytest.mark.parametrize("expected", [1.0, [1.0], {"a": 1.0}, ONES, "text", 3, True, None])
def test_objects_that_lie_about_equality_fail(expected):
    assert failure(check_equal, Liar(), expected).kind == "wrong type"
    if expected is not None and not isinstance(expected, (str, bool)):
        assert failure(check_close, Liar(), expected).kind == "wrong type"


def test_equal_is_exact_in_value_and_type():
    check_equal([1, "a", None], [1, "a", None])
    check_equal(torch.zeros(2), torch.zeros(2))
    check_equal({"a": torch.ones(2)}, {"a": torch.ones(2)})
    assert failure(check_equal, {"a": torch.ones(2)}, {"a": torch.zeros(2)}).name == "value, a"
    assert failure(check_equal, {"a": 1}, {"b": 1}).kind == "wrong value"
    assert failure(check_equal, 1, True).kind == "wrong type"
    assert failure(check_equal, 1.0, 1).kind == "wrong type"
    assert failure(check_equal, [1, 2], [1, 3]).kind == "wrong value"
    assert failure(check_equal, [1], [1, 2]).kind == "wrong value"
    assert failure(check_equal, [True], [1]).kind == "wrong type"
    assert failure(check_equal, torch.tensor([1e-7]), torch.zeros(1)).kind == "wrong value"


def test_shape_and_dtype():
    check_shape(ONES, (2, 3))
    check_dtype(ONES, torch.float32)
    assert failure(check_shape, ONES, (3, 2)).kind == "wrong shape"
    assert failure(check_shape, 3, ()).kind == "wrong type"
    assert failure(check_dtype, ONES, torch.float64).kind == "wrong dtype"
    assert failure(check_dtype, None, torch.float64).kind == "wrong type"


def test_gradients():
    check_gradients({"x": ONES, "more": None}, {"x": ONES})
    missing = failure(check_gradients, {"x": None}, {"x": ONES})
    assert (missing.kind, missing.name) == ("no gradient", "gradient of x")
    assert failure(check_gradients, {}, {"x": ONES}).kind == "no gradient"
    assert failure(check_gradients, {"x": 2 * ONES}, {"x": ONES}).kind == "wrong value"
    assert failure(check_gradients, ONES, {"x": ONES}).kind == "wrong type"


def test_true_wants_a_true_bool():
    check_true(True, name="rows sum to 1")
    for value in (False, 1, torch.tensor(True), None):
        assert failure(check_true, value, name="rows sum to 1").name == "rows sum to 1"


def raising(error):
    def call():
        raise error

    return call


def test_raises():
    check_raises(raising(ValueError("bad")), ValueError)
    check_raises(raising(IndexError("bad")), LookupError)
    check_raises(raising(ProbeError(("IndexError", "LookupError", "Exception"), "")), KeyError, LookupError)
    assert failure(check_raises, raising(KeyError()), ValueError).kind == "exception"
    assert failure(check_raises, raising(ProbeError(("KeyError",), "")), ValueError).kind == "exception"
    assert failure(check_raises, lambda: 1, ValueError).kind == "no exception"


def test_an_unfinished_answer_is_never_the_expected_error():
    with pytest.raises(NotImplementedError):
        check_raises(raising(NotImplementedError()), RuntimeError)
    with pytest.raises(ProbeError):
        check_raises(raising(ProbeError(("NotImplementedError", "RuntimeError"), "")), RuntimeError)
    with pytest.raises(TypeError):
        check_raises(raising(NotImplementedError()), NotImplementedError)
    with pytest.raises(TypeError):
        check_raises(raising(ValueError()))


def test_the_message_shows_expected_yours_input_and_the_first_difference():
    x = torch.tensor([1.0, 2.0])
    error = failure(check_close, torch.tensor([1.0, 2.5]), x, name="the sum", inputs={"x": x, "eps": 1e-6})
    text = str(error)
    assert error.name == "the sum"
    for part in (
        "the sum: wrong value",
        "expected: [1.0, 2.0]",
        "[1.0, 2.5]",
        "1 of 2",
        "[1]",
        "input x: [1.0, 2.0]",
        "1e-06",
    ):
        assert part in text, part
    assert error._render_traceback_() == [f"Check failed: {text}"]


@pytest.mark.parametrize(
    "value", [torch.zeros(0), torch.zeros(100, 100), torch.tensor(True), "x" * 10_000, Liar(), None]
)
def test_messages_can_show_anything_and_stay_short(value):
    error = failure(check_close, value, torch.ones(3), inputs={"x": value})
    assert len(str(error)) < 2_000


def test_every_kind_has_a_check_that_finds_it():
    found = {
        failure(check_close, 2.0, 1.0).kind,
        failure(check_shape, ONES, ()).kind,
        failure(check_dtype, ONES, torch.int8).kind,
        failure(check_close, None, ONES).kind,
        failure(check_close, ONES * NAN, ONES).kind,
        failure(check_gradients, {"x": None}, {"x": ONES}).kind,
        failure(check_raises, raising(KeyError()), ValueError).kind,
        failure(check_raises, lambda: 1, ValueError).kind,
    }
    assert found == set(KINDS)
