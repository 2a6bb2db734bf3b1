"""Matrices as students write them down."""

import re

import pytest
import torch

from dl1.contract.matrix_answers import check_matrix
from dl1.errors import CheckFailed


def test_a_matrix_of_whole_numbers_passes():
    check_matrix([[0, -1, 2], [3, 4, 10**6]], 2, 3)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (((0, 1), (1, 0)), "wrong type", "a tuple: write square brackets"),
        ([(0, 1), [1, 0]], "wrong type", "row 0"),
        ([[0.0, 1.0], [1, 0]], "wrong type", "without a decimal point"),
        ([[0, 1], [1, float("nan")]], "wrong type", "row 1, column 1"),
        (["01", "10"], "wrong type", "leave the quotes out"),
        ("0110", "wrong type", "leave the quotes out"),
        ([["0", "1"], [1, 0]], "wrong type", "leave the quotes out"),
        ([[True, False], [1, 0]], "wrong type", "write 1 or 0"),
        ([[0, 1], [1]], "wrong shape", "1 in this one"),
        ([[0, 1], [1, 0, 0]], "wrong shape", "row 1"),
        ([[0, 1]], "wrong shape", "1 rows"),
        ([], "wrong shape", "0 rows"),
        ([[0, 1], [[1], 0]], "wrong type", "a pair of brackets too much"),
        ([0, 1], "wrong type", "each row a list"),
        ({0: [0, 1]}, "wrong type", "in place of curly ones"),
        (None, "wrong type", "is the return missing?"),
        (torch.eye(2), "wrong type", "a Tensor: write the numbers as lists"),
    ],
)
def test_what_is_no_matrix_is_told_in_words(answer, kind, says):
    with pytest.raises(CheckFailed, match=re.escape(says)) as caught:
        check_matrix(answer, 2, 2, name="adjacency matrix")
    assert caught.value.kind == kind
    assert str(caught.value).startswith("adjacency matrix")


def test_long_answers_are_cut():
    with pytest.raises(CheckFailed) as caught:
        check_matrix("0" * 10_000, 2, 2)
    assert len(str(caught.value)) < 300
