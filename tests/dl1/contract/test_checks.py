import pytest
import torch

from dl1 import check_close, check_dtype, check_equal, check_gradients, check_raises, check_shape, check_true
from dl1.contract.checks import KINDS
from dl1.contract.protocol import ProbeError, ProtocolError
from dl1.errors import CheckFailed, CourseError

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


def ways_to_an_accuracy() -> list[float]:
    """Five of seven, as students write it: torch's default dtype until the last step."""
    hits = torch.tensor([True, False, True, True, False, True, True])
    batches = hits.split(3)
    return [
        hits.float().mean().item(),
        (hits.sum() / len(hits)).item(),
        (sum(batch.float().mean() * len(batch) for batch in batches) / len(hits)).item(),
        hits.sum().item() / len(hits),
    ]


@pytest.mark.parametrize("atol", [0.0, 1e-12, 1e-9])
def test_numbers_computed_in_float32_pass_whatever_tolerance_is_asked_for(atol):
    for accuracy in ways_to_an_accuracy():
        check_close(accuracy, 5 / 7, rtol=0.0, atol=atol)
        check_close([accuracy, [accuracy]], [5 / 7, [5 / 7]], rtol=0.0, atol=atol)
        check_close({"accuracy": accuracy}, {"accuracy": 5 / 7}, rtol=0.0, atol=atol)
        # one image of a thousand more
        failure(check_close, accuracy + 1e-3, 5 / 7, rtol=0.0, atol=atol)


def test_numbers_of_one_list_share_a_scale_and_others_do_not():
    values = torch.tensor([87.3, 12.9, 44.1])
    percent = [values.mean().item(), values.std(correction=0).item(), (values[1] - values[1].clone()).item()]
    wide = values.double()
    expected = [wide.mean().item(), wide.std(correction=0).item(), 0.0]
    check_close(percent, expected, rtol=0.0, atol=1e-9)
    # float32 at 50 resolves 4e-6, so that a small difference of large numbers can be off by that
    check_close([50.0, 5e-6], [50.0, 0.0], rtol=0.0, atol=0.0)
    failure(check_close, [50.0, 1e-4], [50.0, 0.0], rtol=0.0, atol=0.0)
    for alone in ([[50.0], [5e-6]], {"a": 50.0, "b": 5e-6}):
        exact = [[50.0], [0.0]] if isinstance(alone, list) else {"a": 50.0, "b": 0.0}
        failure(check_close, alone, exact, rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        # rounded to one and to two decimals, and a deviation with the other divisor
        ([37.5, 33.1], [37.5, 33.0719]),
        ([37.5, 33.07], [37.5, 33.0719]),
        ([37.5, 38.1881], [37.5, 33.0719]),
        (12_345_679, 12_345_678),
    ],
)
def test_the_resolution_of_float32_hides_no_mistake(actual, expected):
    assert failure(check_close, actual, expected, rtol=0.0, atol=0.0).kind == "wrong value"


def test_an_infinite_number_in_a_list_gives_no_scale():
    failure(check_close, [INF, 0.5], [INF, 0.0], rtol=0.0, atol=0.0, finite=False)
    failure(check_close, [10**400, 0.5], [10**400, 0.0], rtol=0.0, atol=1e-9, finite=False)


def test_infinities_and_nan_are_compared_on_request():
    check_close(torch.tensor([INF, NAN]), torch.tensor([INF, NAN]), finite=False)
    failure(check_close, torch.tensor([-INF]), torch.tensor([INF]), finite=False)
    failure(check_close, torch.tensor([NAN]), torch.tensor([1.0]), finite=False)


@pytest.mark.parametrize("structure", [float, torch.tensor, lambda x: [x], lambda x: {"a": torch.tensor(x)}])
@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (INF, INF, True),
        (-INF, -INF, True),
        (NAN, NAN, True),
        (INF, -INF, False),
        (-INF, INF, False),
        (INF, 1.0, False),
        (1.0, INF, False),
        (1e30, INF, False),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (NAN, INF, False),
        (INF, NAN, False),
    ],
)
def test_numbers_and_tensors_agree_about_infinities_and_nan(structure, actual, expected, same):
    actual, expected = structure(actual), structure(expected)
    if same:
        check_close(actual, expected, finite=False)
        check_equal(actual, expected)
    else:
        assert failure(check_close, actual, expected, finite=False).kind == "wrong value"
        assert failure(check_equal, actual, expected).kind == "wrong value"
    # An expected infinity is no reason to let anything through.
    failure(check_close, actual, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tolerances_are_not_rounded_to_a_narrow_dtype(dtype):
    # In float16 an absolute tolerance below 3e-8 is 0, and numbers of 6e4 have differences of infinity.
    tiny = torch.tensor([6e-8], dtype=dtype)
    check_close(tiny, torch.zeros(1, dtype=dtype), rtol=0.0, atol=6.1e-8)
    failure(check_close, tiny, torch.zeros(1, dtype=dtype), rtol=0.0, atol=2e-8)
    large = torch.tensor([6e4], dtype=dtype)
    check_close(-large, large, rtol=2.0, atol=0.0)
    # Neighbours of 1 are 2⁻¹⁰ and 2⁻⁷ apart; 1.001 of that is enough, 0.999 is not.
    one, step = torch.ones(1, dtype=dtype), torch.finfo(dtype).eps
    check_close(one + step, one, rtol=0.0, atol=1.001 * step)
    failure(check_close, one + step, one, rtol=0.0, atol=0.999 * step)


def test_shapes_that_would_broadcast_fail_in_every_structure():
    wide, narrow = torch.ones(4, 4), torch.ones(4, 1)
    for actual, expected in [(narrow, wide), (wide, narrow), (narrow.T, wide), (torch.ones(()), torch.ones(1))]:
        for wrap in (lambda t: t, lambda t: [t], lambda t: {"a": (t,)}):
            assert failure(check_close, wrap(actual), wrap(expected)).kind == "wrong shape"
            assert failure(check_equal, wrap(actual), wrap(expected)).kind == "wrong shape"
        assert failure(check_gradients, {"x": actual}, {"x": expected}).kind == "wrong shape"


def test_one_wrong_number_of_many_is_found():
    expected = torch.zeros(50, 40)
    actual = expected.clone()
    actual[37, 21] = 1
    error = failure(check_close, actual, expected)
    assert "1 of 2000 numbers differ, the first at [37, 21]: 1" in str(error)
    assert "tensor of shape (50, 40)" in str(error)


def test_gradients_in_the_graph_do_not_disturb():
    x = torch.ones(3, requires_grad=True)
    check_close(2 * x, torch.full((3,), 2.0))
    assert failure(check_close, 2 * x, torch.ones(3), inputs={"x": x}).kind == "wrong value"


def test_whole_numbers_and_numbers_with_a_point():
    check_close(3, 3.0)
    check_close(3.0, 3)
    assert failure(check_equal, 3, 3.0).kind == "wrong type"
    assert failure(check_close, True, 1).kind == "wrong type"
    assert failure(check_equal, torch.ones(2, dtype=torch.bool), torch.ones(2, dtype=torch.int64)).kind == "wrong dtype"
    assert failure(check_close, torch.tensor([2**53 + 1]), torch.tensor([2**53])).kind == "wrong value"
    assert failure(check_close, 10**400, 1.0).kind == "wrong value"
    assert failure(check_equal, 10**5_000, 1).kind == "wrong value"
    assert failure(check_close, 10**5_000, 1).kind == "wrong value"


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
    assert failure(check_equal, {"a": 1}, {"a": True}).kind == "wrong type"
    assert failure(check_equal, {"a": [1.0]}, {"a": [1]}).name == "value, a, item 0"
    assert failure(check_equal, {"a": Liar()}, {"a": 3}).kind == "wrong type"
    assert failure(check_equal, [Liar()], [3]).kind == "wrong type"
    assert failure(check_equal, (1,), [1]).kind == "wrong type"


def test_keys_of_any_kind_can_be_compared_and_shown():
    for check in (check_close, check_equal):
        error = failure(check, {1: 1.0, "a": 1.0, None: 1.0}, {"a": 1.0})
        assert "'a'" in str(error)


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


def test_true_shows_what_was_found():
    error = failure(check_true, False, name="label", wanted='a text with the word "angle"', found="degrees")
    assert str(error) == "label: wrong value\n  expected: a text with the word \"angle\"\n  yours:    'degrees'"
    assert "yours:    None" in str(failure(check_true, False, name="label", found=None))
    assert str(failure(check_true, False, name="rows sum to 1")) == (
        "rows sum to 1: wrong value\n  expected: it holds\n  yours:    it does not hold"
    )


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


def test_what_the_kit_says_is_not_the_expected_error():
    with pytest.raises(CourseError, match="run the cells above"):
        check_raises(raising(CourseError("run the cells above")), ValueError)
    for wanted in (Exception, CourseError, ProtocolError):
        with pytest.raises(ProtocolError):
            check_raises(raising(ProtocolError("can't be checked")), wanted)
    with pytest.raises(CheckFailed):
        check_raises(lambda: check_equal(1, 2), AssertionError)


def test_an_interruption_is_no_answer():
    with pytest.raises(KeyboardInterrupt):
        check_raises(raising(KeyboardInterrupt()), ValueError)


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
    assert "\n".join(error._render_traceback_()).startswith(f"Check failed: {text}\n  help:     ")


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


@pytest.mark.parametrize(
    "value",
    [
        *(torch.zeros(0), torch.zeros(100, 100), torch.tensor(True), "x" * 10_000, Liar(), None, Unprintable(), len),
        *([[Unprintable()]], 10**5_000, torch.tensor(1 + 2j), torch.tensor([[NAN, INF]]), [torch.rand(9, 9)] * 20),
        *("\ud800", {"a": {1: 2}}, torch.empty(2, device="meta").shape, torch.ones(2).to_sparse(), float, 1e400),
    ],
    ids=lambda value: type(value).__name__,
)
def test_messages_can_show_anything_and_stay_short(value):
    for check, expected in ((check_close, torch.ones(3)), (check_close, 1.5), (check_equal, "text"), (check_equal, [])):
        error = failure(check, value, expected, inputs={"x": value})
        assert len(str(error)) < 2_000
        assert "expected" in str(error)
    for check, expected in ((check_shape, (9,)), (check_dtype, torch.int8)):
        assert len(str(failure(check, value, expected, inputs={"x": value}))) < 2_000


def test_print_options_of_the_notebook_do_not_change_messages():
    x = torch.tensor([1.23456, 1000.0])
    torch.set_printoptions(precision=1, sci_mode=True)
    try:
        text = str(failure(check_close, x, x + 1, inputs={"x": x}))
    finally:
        torch.set_printoptions(profile="default")
    assert "expected: [2.235, 1001.0]" in text
    assert "input x: [1.235, 1000.0]" in text


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
