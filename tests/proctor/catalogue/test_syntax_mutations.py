"""Mutations of any Python: a case for each operator."""

import pytest

from proctor.catalogue import syntax_mutations
from proctor.catalogue.solution_text import SolutionText


def made(*lines):
    """Operator and changed lines for each mutation of a function whose solution these lines are."""
    body = "\n".join(f"    {line}" for line in lines)
    cell = SolutionText(f"def f(x, y):\n    x = g(1, 2)\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION")
    found = []
    for name, text in syntax_mutations.mutations(cell):
        assert text.startswith("def f(x, y):\n    x = g(1, 2)\n"), "what lies outside of the solution stays"
        found.append((name, [line.strip() for line in text.split("\n")[2:]]))
    return found


def of(operator, *lines):
    return [changed for name, changed in made(*lines) if name == operator]


@pytest.mark.parametrize(
    ("operator", "lines", "expected"),
    [
        ("statement-dropped", ["y.sort()"], ["pass"]),
        ("statements-swapped", ["y = g(x)", "x = g(y)"], ["x = g(y)", "y = g(x)"]),
        ("call-dropped", ["return g(x)"], ["return x"]),
        ("call-dropped", ["return (x + y).sum(0)"], ["return (x + y)"]),
        ("call-dropped", ["return g(x + y, 1) * 2"], ["return (x + y) * 2"]),
        ("arguments-swapped", ["return g(x, y)"], ["return g(y, x)"]),
        ("arguments-swapped", ["x, y = g"], ["y, x = g"]),
        ("argument-dropped", ["return g(x, dtype=y)"], ["return g(x)"]),
        ("argument-dropped", ["return g(x, dtype=y)"], ["return g(dtype=y)"]),
        ("argument-dropped", ["return {1: x, 2: y}"], ["return {2: y}"]),
        ("argument-dropped", ["return [", "1,", "2,", "]"], ["return [", "1,", "]"]),
        ("operands-swapped", ["return x - y * 2"], ["return ((y * 2) - x)"]),
        ("operands-swapped", ["return x @ y"], ["return (y @ x)"]),
        ("operand-dropped", ["return x + y"], ["return y"]),
        ("operand-dropped", ["return x and y"], ["return x"]),
        ("operand-dropped", ["return x if y else 0"], ["return (0)"]),
        ("axis-moved", ["return x.sum(dim=-1)"], ["return x.sum(dim=-2)"]),
        ("axis-moved", ["return x.sum(axis=1)"], ["return x.sum(axis=2)"]),
        ("slice-moved", ["return x[:y]"], ["return x[:y + 1]"]),
        ("slice-moved", ["return x[1:]"], ["return x[0:]"]),
        ("slice-moved", ["return x[1:]"], ["return x[:]"]),
        ("condition-forced", ["if x: return y"], ["if True: return y"]),
        ("condition-forced", ["while x: x = g(x)"], ["while False: x = g(x)"]),
        ("loop-cut", ["for y in x: g(y)"], ["for y in list(x)[:-1]: g(y)"]),
        ("loop-cut", ["for y in x: g(y)"], ["for y in list(x)[::-1]: g(y)"]),
        ("text-changed", ["return 'name'"], ["return 'namex'"]),
        ("text-changed", ["return 'name'"], ["return 'Name'"]),
    ],
)
def test_each_operator(operator, lines, expected):
    assert expected in of(operator, *lines)


def test_assignments_that_use_nothing_of_each_other_are_not_swapped():
    assert of("statements-swapped", "a = g(x)", "b = g(y)") == []
    assert of("statements-swapped", "a = g(x)", "x = g(y)") == [["x = g(y)", "a = g(x)"]]
    # The order of parts is that of their weights.
    assert len(of("statements-swapped", "x.a = g(1)", "x.b = g(2)")) == 1


def test_a_transposition_is_not_mutated_into_itself():
    assert of("arguments-swapped", "return x.transpose(1, 2)") == []


def test_letters_of_more_than_one_byte_move_nothing():
    assert ["return 'Grüße', g(x, 'é')"] in of("call-dropped", "return 'Grüße', h(g(x, 'é'))")
