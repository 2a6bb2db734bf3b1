import pytest
import torch
import torch.nn as nn

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError


def fail(error: Exception) -> None:
    with in_one_line("generate"):
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("first line\n  second line"), "generate stopped with ValueError: first line second line"),
        (AssertionError(), "generate stopped with AssertionError"),
        (RuntimeError("x" * 900), f"generate stopped with RuntimeError: {'x' * 300}"),
        (NotImplementedError("finish Question 2.8 first"), "nothing to show yet: finish Question 2.8 first"),
        (CourseError("replace the é"), "replace the é"),
    ],
)
def test_every_error_becomes_one_line(error, message):
    with pytest.raises(CourseError) as caught:
        fail(error)
    assert str(caught.value) == message


def test_an_unfinished_function_is_named():
    def next_token_probabilities():
        raise NotImplementedError

    with pytest.raises(CourseError, match="finish `next_token_probabilities` above first"), in_one_line("it"):
        next_token_probabilities()


@pytest.mark.parametrize("fails", [False, True])
def test_each_part_gets_its_own_mode_back(fails):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model[1].eval()
    try:
        with evaluating(model) as place:
            assert place == torch.device("cpu")
            assert not any(part.training for part in model.modules())
            assert not model(torch.ones(1, 2)).requires_grad
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert [part.training for part in model.modules()] == [True, True, False]
    assert model(torch.ones(1, 2)).requires_grad


def test_a_model_without_weights_is_on_the_cpu():
    with evaluating(nn.Identity()) as place:
        assert place == torch.device("cpu")
