"""Mutations by cosmic-ray's operators: which of them are used, and that they stay inside the solution."""

import builtins

import pytest

from proctor.catalogue import library_mutations
from proctor.catalogue.solution_text import SolutionText
from proctor.errors import ProctorError


def made(line):
    """Operator and changed line for each mutation of a function whose solution is this one line."""
    cell = SolutionText(f"def f(x, y):\n    y = x + 1\n    ### BEGIN SOLUTION\n    {line}\n    ### END SOLUTION")
    found = []
    for name, text in library_mutations.mutations(cell):
        first, second, changed = text.split("\n")
        assert (first, second) == ("def f(x, y):", "    y = x + 1"), "what lies outside of the solution stays"
        found.append((name, " ".join(changed.split())))
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return x - y", ("binary-sub-add", "return x + y")),
        ("return x / y", ("binary-div-mul", "return x * y")),
        ("return x ** y", ("binary-pow-mul", "return x * y")),
        ("return x & y", ("binary-bitand-bitor", "return x | y")),
        ("return x < y", ("comparison-lt-lte", "return x <= y")),
        ("return x is None", ("comparison-is-isnot", "return x is not None")),
        ("return x and y", ("and-with-or", "return x or y")),
        ("return not x", ("unary-delete-not", "return x")),
        ("return -x", ("unary-usub-uadd", "return +x")),
        ("return True", ("true-with-false", "return False")),
        ("return 3", ("number", "return 4")),
        ("return 3", ("number", "return 2")),
        ("return x if y else 0", ("add-not", "return x if not y else 0")),
        ("for x in y: pass", ("zero-iteration-for-loop", "for x in []: pass")),
    ],
)
def test_operators_that_fit(line, expected):
    assert expected in made(line)


def test_what_can_never_be_a_number_is_not_made():
    changed = {text for _, text in made("return x / y")}
    assert changed == {f"return x {operator} y" for operator in ("+", "-", "*", "//", "**", "%")}


def test_a_negative_number_and_the_space_in_front_of_a_number_stay_readable():
    assert [text for name, text in made("return f(dim=-1)") if name == "number"] == [
        "return f(dim=-2)",
        "return f(dim=-0)",
    ]


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("cosmic_ray"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ProctorError, match="need the library cosmic-ray: pip install"):
        made("return 3")
