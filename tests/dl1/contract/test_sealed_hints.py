"""Sealed hints: who computes a wrong answer reads what it is about, and nobody else anything, at a bounded cost."""

import base64
import linecache
import os
import sys
import types

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from dl1.contract import cards, sealed_hints
from dl1.contract.sealed_hints import MARKER, opened, sealed_line, secrets
from dl1.errors import CheckFailed

# log2 of scrypt's N: no time for a test.
CHEAP = 2
WORDS = "you forgot the factor"
X = torch.tensor([1.0, 2.0, 3.0, 4.0])
HEAD = "from dl1 import check_close, check_equal, check_gradients, check_raises, check_true, probe\nimport torch\n"
HANGS = 300


def sealed(*hints) -> str:
    return sealed_line(hints, CHEAP)


def run(text: str, **names) -> CheckFailed:
    """The failure of a check cell, run as a notebook's."""
    file = f"<cell {len(linecache.cache)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType("__main__")
    vars(module).update(names)
    with pytest.raises(CheckFailed) as caught:
        exec(compile(HEAD.replace("\n", "; ", 1) + text, file, "exec", dont_inherit=True), vars(module))
    return caught.value


def test_a_wrong_answer_opens_its_own_hint_and_no_other():
    answers = [X * 2, X + 1, X.double(), X[:3], X.tolist(), {"x": X}, [X, 1, None], ["a", "word", "or", "two"]]
    line = sealed(*(("name", answer, [f"hint {number}"]) for number, answer in enumerate(answers)))
    for number, answer in enumerate(answers):
        assert opened(line, "name", answer) == [f"hint {number}"]
        assert opened(line, "another name", answer) == []
    for answer in (X, X * 2.01, X.int(), X[:2], None, [], "a", torch.tensor([float("nan")] * 4)):
        assert opened(line, "name", answer) == []


def test_mistakes_that_answer_alike_share_their_hints():
    line = sealed(("name", X, ["one"]), ("name", X * (1 + 1e-7), ["two"]), ("name", -X, ["three"]))
    assert opened(line, "name", X) == ["one", "two"]
    assert sealed_hints.in_words(["one", "two"]) == "This mistake is known, as one of: one; or two."


def test_what_another_machine_computes_opens_the_same_hint():
    noise = torch.Generator().manual_seed(3)
    values = torch.randn(50, generator=noise)
    line = sealed(("name", values, [WORDS]))
    for _ in range(20):
        assert opened(line, "name", values * (1 + 1e-7 * torch.randn(50, generator=noise))) == [WORDS]
    # A number that lies between two steps, which rounds to either of them.
    between = torch.tensor([2.0, 3.0, (500.5 - sealed_hints._SHIFT) / 1000, 1.0], dtype=torch.float64)
    sides = [between + torch.tensor([0, 0, shift, 0]) for shift in (-3e-6, 3e-6)]
    assert secrets("name", sides[0])[0] != secrets("name", sides[1])[0]
    for side in sides:
        assert [opened(sealed(("name", side, [WORDS])), "name", other) for other in sides] == [[WORDS]] * 2


def test_nothing_can_be_read_off_the_line():
    lines = [sealed(*(("name", X + i, [WORDS]) for i in range(1, count + 1))) for count in (1, 2, 3)]
    assert len({len(line) for line in lines}) == 1
    content = base64.b64decode(lines[0].removeprefix(MARKER))
    assert WORDS.encode() not in content
    assert WORDS not in lines[0]
    # Of texts of different lengths all are as long as the longest one.
    short, both = sealed(("name", X, ["x" * 300])), sealed(("name", X, ["x" * 300]), ("name", -X, ["y"]))
    assert len(short) == len(both)
    # The same hints are another line the next time.
    assert sealed(("name", X, [WORDS])) != sealed(("name", X, [WORDS]))


COSTLY = MARKER + base64.b64encode(b"\1\x3f\0\1" + b"x" * 60).decode()


@pytest.mark.parametrize("line", ["", MARKER, MARKER + "????", MARKER + "AQ==", COSTLY])
def test_a_line_that_was_damaged_opens_nothing(line):
    assert opened(line, "name", X) == []


def test_without_the_library_there_are_no_hints(monkeypatch):
    line = sealed(("name", X, [WORDS]))
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert opened(line, "name", X) == []


@pytest.fixture
def keys(monkeypatch) -> list:
    """Grows by one for each key that is made."""
    made, cipher = [], sealed_hints._cipher
    monkeypatch.setattr(sealed_hints, "_cipher", lambda *given: made.append(1) or cipher(*given))
    return made


def test_a_failing_check_costs_one_key_and_all_else_none(keys):
    line = sealed(("the sum", 2 * X, [WORDS]), ("gradient of x", {"x": 2 * X}, ["doubled"]))
    keys.clear()
    right = "check_close(torch.ones(4), torch.ones(4), name='the sum')\n"
    wrong = "check_close(answer, answer / 2, name='the sum')\n"
    nested = "check_gradients({'x': answer}, {'x': answer / 2})\n"
    assert run(right + wrong, answer=2 * X).help == ""
    assert keys == []
    failed = run(right + wrong + line, answer=2 * X)
    assert failed.help == f"This mistake is known: {WORDS}."
    assert failed.help in cards.text(failed)
    assert failed.help in cards.card(failed)
    assert len(keys) == 1
    assert run(right + nested + line, answer=2 * X).help == "This mistake is known: doubled."
    assert len(keys) == 2
    assert run(right + wrong + line, answer=3 * X).help == ""
    assert "follow it through your code" in cards.help_text(run(right + wrong + line, answer=3 * X))


def test_a_check_that_looks_at_little_goes_by_the_whole_answer_of_its_probe():
    ask = "@probe\ndef asked():\n    return answer()\n\nfound = asked()\n"
    checks = (
        "check_equal(found['kind'], 'Frame', name='kind')\n",
        "check_true(found['kind'] == 'Frame', name='kind')\n",
        "check_raises(lambda: found, ValueError, name='kind')\n",
    )
    for check in checks:
        failed = run(ask + check, answer=lambda: {"kind": "Series", "values": [1, 2]})
        line = sealed((failed.name, failed.answer, [WORDS]))
        assert WORDS in run(ask + check + line, answer=lambda: {"kind": "Series", "values": [1, 2]}).help
        assert run(ask + check + line, answer=lambda: {"kind": "Series", "values": [1, 3]}).help == ""


def test_cells_of_a_kernel_show_the_hint_of_a_failure_and_of_an_exception(tmp_path):
    ask = HEAD + "@probe\ndef asked(x):\n    return double(x)\n\n"
    check = ask + "check_equal(asked(torch.ones(4)), 2 * torch.ones(4), name='double')\n"
    sums = "def double(x):\n    return x + 2"
    raises = "def double(x):\n    return inner(x)\n\ndef inner(x):\n    return x @ torch.ones(3)"
    text = (
        "inconsistent tensor size, expected tensor [4] and src [3] to have the same number of elements, but got 4 and 3"
    )
    answer = ["RuntimeError", text + " elements respectively", ["asked", "double", "inner"]]
    line = sealed(("double", torch.ones(4) + 2, ["you add two"]), ("an exception", answer, ["four is not three"]))
    right = "def double(x):\n    return 2 * x"
    check = f"# Check\n{line}\n{check}"
    sources = [sums, check, raises, check, sums.replace("2", "3"), check, right, check]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=HANGS, allow_errors=True, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [str(cell.outputs) for cell in notebook.cells]
    assert [("you add two" in text, "four is not three" in text) for text in shown[1::2]] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ], shown
    assert "Take the smallest input" in shown[5]
    assert shown[7] == "[]"
    assert not any(MARKER in text for text in shown)


def test_an_exception_that_says_nothing_has_no_help():
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError(os.name)

    assert sealed_hints.help_for(Silent()) == ""
    assert sealed_hints.help_for(NotImplementedError("later")) == ""
