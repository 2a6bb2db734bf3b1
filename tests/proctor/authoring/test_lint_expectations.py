"""An expectation that an answer has come into, or has chosen, is found; what a test computes itself is left alone."""

import ast

import pytest

from proctor.authoring.lint_expectations import expectation_findings

HEAD = """\
import torch
from dl1 import check_close, check_equal, check_shape, check_true, check_gradients, probe
@probe
def ask(x):
    return answer(x)
x = torch.ones(3)
expected = 2 * x
"""


def found(text: str) -> list[tuple[int, str]]:
    """Findings, with lines counted after the head from 1."""
    before = HEAD.count("\n")
    return sorted((line - before, message) for line, message in expectation_findings(ast.parse(HEAD + text)))


REFUSED = {
    "itself": "check_close(ask(x), ask(x))",
    "a name": "found = ask(x)\ncheck_close(x, found)",
    "the other way round": "check_close(expected, ask(x))",
    "a part of it": "found = ask(x)\ncheck_close(found['y'], found['p'] @ found['v'])",
    "by keyword": "check_close(ask(x), expected=ask(2 * x))",
    "a tolerance": "found = ask(x)\ncheck_close(found, expected, atol=float(found.max()))",
    "its shape": "found = ask(x)\ncheck_shape(found, found.shape)",
    "its size": "found = ask(x)\ncheck_equal(found, torch.zeros_like(found))",
    "through an operation": "found = ask(x)\nright = found.softmax(-1) + 1\ncheck_close(x, right)",
    "unpacked": "a, b = ask(x), x\ncheck_close(b, a)",
    "starred": "a, *b = ask(x)\ncheck_close(a, b)",
    "in a list": "known = []\nknown.append(ask(x))\ncheck_close(x, known)",
    "in a dict": "known = {}\nknown['y'] = ask(x)\ncheck_close(x, known)",
    "under its key": "known = {1: x}\ncheck_close(x, known[ask(x)])",
    "stored under its key": "known = {}\nknown[ask(x)] = 1\ncheck_close(x, known)",
    "added to": "total = x\ntotal += ask(x)\ncheck_close(x, total)",
    "changed in place": "total = x.clone()\ntotal.add_(ask(x))\ncheck_close(x, total)",
    "added under if": "known = []\nif ask(x) is None:\n    known.append(1)\ncheck_close(x, known)",
    "a comprehension": "right = [2 * y for y in ask(x)]\ncheck_close(x, right)",
    "a filter": "right = [y for y in (1, 2) if y > ask(x)]\ncheck_close(x, right)",
    "a walrus": "if (y := ask(x)) is not None:\n    pass\ncheck_close(x, y)",
    "a loop": "for y in ask(x):\n    check_close(x, y)",
    "a zip": "for y, z in zip(x, ask(x)):\n    check_close(y, z)",
    "later in the loop": "right = x\nfor _ in range(2):\n    check_close(x, right)\n    right = ask(x)",
    "a helper's result": "def double(y):\n    return 2 * y\ncheck_close(x, double(ask(x)))",
    "a helper that asks": "def number():\n    return int(ask(x))\ncheck_close(x, [expected, x][number()])",
    "a helper that checks": "def compare(a, b):\n    check_close(a, b)\ncompare(ask(x), ask(x))",
    "a helper's helper": "def f(y):\n    return g(y)\ndef g(y):\n    return y\ncheck_close(x, f(ask(x)))",
    "a helper that knows it": "known = ask(x)\ndef right():\n    return known\ncheck_close(x, right())",
    "a generator": "def walk(y):\n    for one in y:\n        yield one\ncheck_close(x, list(walk(ask(x))))",
    "a lambda": "right = lambda y: y + 1\ncheck_close(x, right(ask(x)))",
    "a probe as a value": "for f in (ask,):\n    check_close(x, f(x))",
    "a probe through map": "check_close(x, list(map(ask, x)))",
    "chosen by if": "if ask(x) is None:\n    right = x\nelse:\n    right = expected\ncheck_close(x, right)",
    "kept by if": "right = x\nif ask(x) is None:\n    right = expected\ncheck_close(x, right)",
    "chosen in one line": "check_close(ask(x), x if ask(x) is None else expected)",
    "chosen by and": "check_close(ask(x), (ask(x) is None and x) or expected)",
    "chosen by next": "check_close(x, next(y for y in (x, expected) if torch.equal(y, ask(x))))",
    "chosen by min": "check_close(ask(x), min((x, expected), key=lambda y: (y - ask(x)).abs().sum()))",
    "chosen by a loop": (
        "for right in (x, expected):\n    if torch.equal(right, ask(x)):\n        break\ncheck_close(x, right)"
    ),
    "chosen by a return": (
        "def which(y):\n    for n in range(3):\n        if y == n:\n            return n\n    return 0\n"
        "check_close(x, [x, expected, 1][which(ask(x))])"
    ),
    "chosen by match": (
        "match ask(x):\n    case 1:\n        right = x\n    case _:\n        right = expected\ncheck_close(x, right)"
    ),
    "kept by match": "right = x\nmatch ask(x):\n    case 1:\n        right = expected\ncheck_close(x, right)",
    "chosen by an error": (
        "try:\n    ask(x)\n    right = x\nexcept Exception:\n    right = expected\ncheck_close(x, right)"
    ),
    "chosen while": "right = x\nwhile ask(right) is None:\n    right = right + 1\ncheck_close(x, right)",
}
# What keeps a check from taking place.
SKIPPED = {
    "under if": "if ask(x) is not None:\n    check_close(ask(x), expected)",
    "after continue": "for y in (1, 2):\n    if ask(y) is None:\n        continue\n    check_close(ask(y), expected)",
    "after return": (
        "def compare(y):\n    found = ask(y)\n    if found is None:\n"
        "        return\n    check_close(found, expected)\ncompare(x)"
    ),
    "in a loop over an answer": "for y in ask(x):\n    check_close(y, expected)",
    "in a loop over its items": "for name, y in ask(x).items():\n    check_close(y, expected)",
    "in a loop of its length": "for _ in range(len(ask(x))):\n    check_close(ask(x), expected)",
    "after an error": "try:\n    ask(x)\nexcept Exception:\n    pass\nelse:\n    check_close(x, expected)",
    "another after the first": (
        "try:\n    check_close(ask(x), expected)\nexcept AssertionError:\n    check_close(x, expected)"
    ),
}
PROPER = {
    "the usual": "check_close(ask(x), expected)",
    "names and inputs": "found = ask(x)\ncheck_close(found, expected, name=str(found), inputs={'x': found})",
    "a relation of two answers": "a, b = ask(x), ask(2 * x)\ncheck_true(bool((a != b).any()), name='differ', found=a)",
    "twice the same": "found = ask([x, x])\ncheck_true(torch.equal(found[0], found[1]), name='twice', found=found)",
    "asserted": "assert ask(x) == ask(x)",
    "a property": "found = ask(x)\ncheck_close(found.sum(-1), torch.ones(3))",
    "a name that was an answer before": "right = ask(x)\nright = expected\ncheck_close(ask(x), right)",
    "a name that was an answer before, on both ways": (
        "right = ask(x)\nfor y in (1, 2):\n    if y == 1:\n        right = x\n    else:\n        right = expected\n"
        "    check_close(ask(y), right)"
    ),
    "a pair": "for found, case in [(ask(x), 'a'), (ask(2 * x), 'b')]:\n    check_equal(found, case)",
    "a pair of a name": (
        "pairs = [(ask(x), 'a'), (ask(2 * x), 'b')]\nfor found, case in pairs:\n    check_equal(found, case)"
    ),
    "a zip": "for found, right in zip(ask(x), expected, strict=True):\n    check_close(found, right)",
    "numbered": "found = ask(x)\nfor i, right in enumerate(expected):\n    check_close(found[i], right)",
    "a helper": (
        "def compare(y, right):\n    found = ask(y)\n"
        "    check_shape(found, tuple(y.shape))\n    check_close(found, right)\n"
        "for y in (x, 2 * x):\n    compare(y, right=2 * y)"
    ),
    "what is missing": "missing = [n for n, g in ask(x).items() if g is None]\ncheck_equal(missing, [])",
    "chosen by the test": "for y in (1, 2):\n    right = x if y == 1 else expected\n    check_close(ask(y), right)",
    "skipped by the test": "for y in (1, 2):\n    if y == 2:\n        continue\n    check_close(ask(y), expected)",
    "an argument that is an answer": "check_close(ask(ask(x)), expected)",
    "candidates": "check_close_to_one_of(ask(x), [x, expected])",
    "several of one": "found = ask(x)\nfor key in 'ab':\n    check_close(found[key], expected)",
    "a function of a library": "torch.equal(ask(x), x)\ncheck_close(ask(x), torch.ones(3))",
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_expectation_from_an_answer_is_refused(case):
    assert any("of check_" in message for _, message in found(REFUSED[case])), found(REFUSED[case])


@pytest.mark.parametrize("case", SKIPPED)
def test_a_check_that_an_answer_can_skip_is_refused(case):
    assert any("takes place" in message for _, message in found(SKIPPED[case])), found(SKIPPED[case])


@pytest.mark.parametrize("case", PROPER)
def test_an_expectation_of_the_tests_own_is_left_alone(case):
    assert found(PROPER[case]) == []


def test_the_finding_names_the_check_the_argument_and_the_line_of_the_probe():
    ((line, message),) = found("y = ask(x)\n\ncheck_close(\n    x,\n    y,\n)")
    assert line == 3
    assert message.startswith("argument 2 of check_close comes from the answer of a probe (line 8)")
