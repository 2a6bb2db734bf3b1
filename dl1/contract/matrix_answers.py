"""Matrices that students work out by hand and write down as lists of rows: is it one, before its numbers are judged."""

from __future__ import annotations

from typing import Any

from dl1.contract.cards import failure
from dl1.contract.sealed_hints import with_hints

_EXAMPLE = "[[1, 2], [3, 4]]"


@with_hints
def check_matrix(answer: Any, rows: int, columns: int, *, name: str = "matrix") -> None:
    """A list of ``rows`` lists with ``columns`` whole numbers each; what else it is, is said in words.

    Args:
        answer: from a probe, whatever it is.
        name: what the matrix is, in words.

    Raises:
        CheckFailed: kind "wrong type" or "wrong shape".
    """
    if type(answer) is not list:
        _fail("wrong type", name, f"a list of rows, such as {_EXAMPLE}", _described(answer))
    if len(answer) != rows:
        _fail("wrong shape", name, f"{rows} rows", f"{len(answer)} rows")
    for number, row in enumerate(answer):
        place = f"{name}, row {number}"
        if type(row) is not list:
            _fail("wrong type", place, f"each row a list, such as {[0] * columns}", _described(row))
        if len(row) != columns:
            _fail("wrong shape", place, f"{columns} numbers in each row", f"{len(row)} in this one")
        for column, entry in enumerate(row):
            if type(entry) is not int:
                _fail("wrong type", f"{place}, column {column}", "a whole number, such as 0", _described(entry))


def _described(value: Any) -> str:
    """What stands there, and what to write in its place."""
    if value is None:
        return "None: is the return missing?"
    text = repr(value)
    short = text if len(text) <= 60 else text[:60] + " …"
    advice = {
        str: "a string: leave the quotes out",
        tuple: "a tuple: write square brackets in place of round ones",
        float: "a float: write it without a decimal point",
        bool: "True or False: write 1 or 0",
        set: "a set: write square brackets in place of curly ones",
        dict: "a dict: write square brackets in place of curly ones",
        list: "a list: is there a pair of brackets too much?",
    }
    kind = advice.get(type(value), f"a {type(value).__name__}: write the numbers as lists, such as {_EXAMPLE}")
    return f"{short}, {kind}"


def _fail(kind: str, name: str, expected: str, got: str) -> None:
    raise failure(kind, name, expected, got)
