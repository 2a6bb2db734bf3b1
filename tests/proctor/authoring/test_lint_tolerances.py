"""Tolerances below float32 are refused, unless the cell's text says that the answer is float64."""

import ast

import pytest

from dl1.contract.checks import FLOAT32_RESOLUTION
from proctor.authoring import lint_tolerances
from proctor.authoring.lint_tests import cell_findings


def lines(source: str) -> list[int]:
    return [line for line, _ in lint_tolerances.tolerance_findings(ast.parse(source))]


@pytest.mark.parametrize(
    "source",
    [
        "check_close(found, [0.5], atol=1e-9, rtol=0)",
        "check_close(found, expected, rtol=0.0, atol=1e-8)",
        "check_close(found, expected, rtol=1e-7, atol=1e-9)",
        "check_close(found, expected=expected, rtol=0, atol=0)",
        "dl1.check_close(found, expected, rtol=0, atol=1e-9)",
        "check_gradients(found, expected, rtol=0, atol=1e-9)",
        "check_close_to_one_of(found, expected, rtol=0, atol=1e-9)",
        "check_gradients_close_to_one_of(found, expected, rtol=0, atol=1e-9)",
        "check_dropout(found, expected, 0.5, rtol=0, atol=1e-9)",
        "expected = x.double().tolist()\ncheck_close(found, expected, rtol=0, atol=1e-9)",
        "x = torch.rand(3, dtype=torch.float64)\ne = [float(v) for v in x]\ncheck_close(found, e, rtol=0, atol=1e-9)",
        "check_close(found, right.double().float(), rtol=0, atol=1e-9)",
    ],
)
def test_tolerances_below_float32_are_refused(source):
    assert lines(source) == [source.count("\n") + 1]


@pytest.mark.parametrize(
    "source",
    [
        # the defaults leave 1e-5 of the value
        "check_close(found, expected)",
        "check_close(found, expected, atol=1e-9)",
        "check_close(found, expected, rtol=0, atol=1e-6)",
        "check_gradients(found, expected, rtol=0, atol=1e-6)",
        # what a name holds is not known here
        "check_close(found, expected, rtol=0, atol=tolerance)",
        "check_close(found, expected, **exactly)",
        # a float64 tensor, said at once or where it comes from
        "check_close(found, right.double(), rtol=0, atol=1e-9)",
        "x = torch.rand(3, dtype=torch.float64)\ny = 2 * x\ncheck_close(found, y, rtol=0, atol=1e-9)",
        "check_close(found, expected=torch.ones(2, dtype=torch.complex128), rtol=0, atol=1e-9)",
        # exactly equal is for numbers that are not computed
        "check_equal(found, expected)",
        "other(found, expected, rtol=0, atol=1e-9)",
    ],
)
def test_other_tolerances_are_left_alone(source):
    assert lines(source) == []


def test_the_rule_asks_for_what_the_check_allows_anyway():
    assert lint_tolerances._LEAST == FLOAT32_RESOLUTION


def test_the_rule_looks_into_both_parts_of_a_test_cell():
    source = """\
from dl1 import check_close, probe
@probe
def answer(x):
    return solve(x)
check_close(answer(1), 0.5, rtol=0, atol=1e-9)
### BEGIN HIDDEN TESTS
check_close(answer(2), 0.5, rtol=0, atol=1e-9)
### END HIDDEN TESTS"""
    found = [(line, message) for line, message in cell_findings(source, ["solve"]) if "below float32" in message]
    assert [line for line, _ in found] == [5, 7]
    assert all("check_close with tolerances" in message for _, message in found)
