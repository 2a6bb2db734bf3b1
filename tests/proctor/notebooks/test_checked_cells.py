"""Taking a test cell apart: what travels with a probe, what is hidden, what counts as a check."""

import ast

import pytest

from proctor.authoring.lint_tests import CHECKING_PACKAGE as PACKAGE_OF_THE_LINTER
from proctor.errors import ProctorError
from proctor.notebooks.checked_cells import ASSERT_COUNTER, CHECKING_PACKAGE, read_cell, with_counted_asserts

CELL = '''\
import functools, dl1
import torch
from dl1 import check_close, probe
from torch import (
    nn,  # with a comment
)


@functools.cache
class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def shifted(self, x):
    return x + 1


@probe
def plain(x):
    """Text with a # and
        odd   spacing."""
    return Layer()(x)


@probe(given={"Norm": Doubled, "Layer.forward": shifted})
def block(x):
    return Block()(x)


check_close(plain(1.0), 1.0)
### BEGIN HIDDEN TESTS
import itertools

@probe
def later(x):
    return Layer()(itertools.chain(x))

for x in range(3):
    assert later(x) == x, "later"
### END HIDDEN TESTS
print("after")
'''


def probes(source):
    return {name: probe for (name, _), probe in read_cell(source).probes.items()}


def neutral(expression):
    return f"def _():\n    try:\n        return {expression}\n    except BaseException as _0:\n        return _0\n"


def test_source_of_a_probe_is_a_neutral_text():
    source = probes(CELL)["plain"].source
    assert source == neutral("Layer()(_0)").replace("_()", "_(*, _0)", 1).replace("as _0", "as _1").replace(
        "        return _0\n", "        return _1\n"
    )


def test_line_is_the_one_that_python_gives_the_function():
    source = (
        "from dl1 import probe\n\n@probe\ndef f():\n    return 1\n\n@probe(\n    given={}\n)\ndef g():\n    return 2\n"
    )
    namespace = {}
    exec(source, namespace)
    lines = {(name, namespace[name].function.__code__.co_firstlineno) for name in "fg"}
    assert set(read_cell(source).probes) == lines


def test_imports_travel_without_the_checking_package_and_without_the_hidden_ones():
    found = probes(CELL)
    assert found["plain"].imports == ()
    assert found["block"].imports == ("import functools", "from torch import nn")
    assert found["later"].imports == ("import itertools",)
    assert CHECKING_PACKAGE == PACKAGE_OF_THE_LINTER


def test_what_refuses_ready_made_parts_travels_although_it_is_of_the_checking_package():
    source = "from dl1 import check_true, probe, without_ready_made\n@probe\ndef f():\n    with {}:\n        return 1\n"
    for used, imports in (("without_ready_made('torch.relu')", 1), ("other()", 0)):
        found = probes(source.format(used))["f"].imports
        assert found == ("from dl1 import without_ready_made",) * imports


def test_doubles_travel_with_their_decorators():
    doubles = probes(CELL)["block"].doubles
    assert set(doubles) == {"Norm", "Layer.forward"}
    assert doubles["Layer.forward"] == "def forward(self, x):\n    return x + 1\n"
    assert doubles["Norm"].startswith("@functools.cache\nclass Doubled(nn.Module):\n\n    def forward(self, x)")


def test_statements_are_public_or_hidden_by_the_markers():
    cell = read_cell(CELL)
    hidden = [ast.unparse(node).split("\n")[0] for node, hidden in cell.statements if hidden]
    assert hidden == ["import itertools", "@probe", "for x in range(3):"]
    assert cell.has_hidden
    assert [probe.hidden for probe in cell.probes.values()] == [False, False, True]
    assert not read_cell("assert f()").has_hidden


def test_a_statement_that_only_touches_a_hidden_region_is_hidden():
    source = "if True:\n    a = 1\n    ### BEGIN HIDDEN TESTS\n    b = 2\n    ### END HIDDEN TESTS\nc = 3\n"
    assert [hidden for _, hidden in read_cell(source).statements] == [True, False]


@pytest.mark.parametrize("marker", ["### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"])
def test_unpaired_markers_hide_everything(marker):
    assert all(hidden for _, hidden in read_cell(f"a = 1\n{marker}\nb = 2\n").statements)


def test_of_two_definitions_of_a_probe_both_are_known_by_their_lines():
    source = "@probe\ndef f():\n    return 1\nx = f()\n@probe\ndef f():\n    return 2\ny = f()\n"
    found = read_cell(source).probes
    assert {line: probe.source for (_, line), probe in found.items()} == {
        1: neutral("1"),
        5: neutral("2"),
    }


def test_double_is_the_last_one_above_the_probe():
    source = "\n".join(
        [
            *("class D:\n    a = 1", "class D:\n    a = 2"),
            *('@probe(given={"X": D})\ndef f():\n    return X.a', "class D:\n    a = 3"),
        ]
    )
    assert probes(source)["f"].doubles["X"] == "class D:\n    a = 2\n"


@pytest.mark.parametrize(
    "decorator",
    [
        *(
            "@probe(given=doubles)",
            '@probe(given={"X": make()})',
            "@probe(given={**more})",
            '@probe(given={"X": Absent})',
        ),
        *("@probe(other=1)", "@probe(1)"),
    ],
)
def test_a_decorator_that_cannot_be_read_from_the_text_is_refused(decorator):
    with pytest.raises(ProctorError, match="probe f"):
        read_cell(f"{decorator}\ndef f():\n    return 1\n")


@pytest.mark.parametrize("source", ["x = (\n", "%matplotlib inline\n", "x = '\0'\n", "(" * 1000 + ")" * 1000])
def test_what_is_not_python_is_refused_in_one_line(source):
    with pytest.raises(ProctorError) as raised:
        read_cell(source)
    assert "\n" not in str(raised.value)


def test_future_imports_go_with_doubles():
    source = (
        "from __future__ import annotations\nclass D:\n    a: Later\n"
        '@probe(given={"X": D})\ndef f(x: Later):\n    return x\n'
    )
    probe = probes(source)["f"]
    assert probe.imports == ()
    assert "Later" not in probe.source
    assert probe.doubles["X"] == "from __future__ import annotations\nclass D:\n    a: Later\n"


@pytest.mark.parametrize(
    ("source", "checks"),
    [
        (CELL, 2),
        ("", 0),
        ("assert True", 0),
        ("print('all pass')", 0),
        ("@probe\ndef f():\n    assert g() == 1\n    check_close(g(), 1)\n", 0),
        ("def helper(x):\n    dl1.check_equal(x, 1)\nhelper(1)", 1),
    ],
)
def test_number_of_checks_in_the_text(source, checks):
    assert read_cell(source).checks == checks


def counted(source):
    held = []
    namespace = {ASSERT_COUNTER: lambda: held.append(1)}
    for statement in read_cell(source).statements:
        exec(compile(with_counted_asserts(statement.node), "cell", "exec"), namespace)
    return len(held)


def test_asserts_are_counted_where_they_run():
    assert counted("for i in range(3):\n    assert i < 3, 'small'\n    if i > 5:\n        assert i > 6\n") == 3
    assert counted("assert True\nassert 'text'\n") == 0
    assert counted("def f():\n    assert f\nf()\nf()\n") == 2


def test_an_assert_that_fails_is_not_counted_and_keeps_its_line():
    held = []
    (statement,) = read_cell("\n\nassert 1 > 2").statements
    with pytest.raises(AssertionError) as raised:
        exec(compile(with_counted_asserts(statement.node), "cell", "exec"), {ASSERT_COUNTER: lambda: held.append(1)})
    assert not held
    assert raised.traceback[-1].lineno + 1 == 3


def test_whoever_sends_nothing_is_told_which_probes_are_public():
    whole, told = read_cell(CELL), read_cell(CELL, travelling=False)
    assert told.public_probes == {key for key, probe in whole.probes.items() if not probe.hidden}
    assert told.public_probes
    assert not told.probes
