"""Rules for the inside of test cells: a mistake alone gives one finding at its line, the proper form gives none."""

import pytest

from proctor.authoring.lint_tests import cell_findings

INTERFACE = ("Layer", "Block", "make", "check_sizes")
HEAD = "import torch, dl1\nfrom dl1 import check_close, check_raises, generator, probe"
TAIL = """\
@probe
def plain(x):
    return Layer(x)
check_close(plain(1), 2)
### BEGIN HIDDEN TESTS
assert plain(2) == 4
### END HIDDEN TESTS"""


def found(middle: str, head: str = HEAD, tail: str = TAIL) -> list[tuple[int, str]]:
    """Findings of a cell, with lines counted in `middle` from 1."""
    before = head.count("\n") + 1
    return [(line - before, message) for line, message in cell_findings(f"{head}\n{middle}\n{tail}", INTERFACE)]


PROPER = {
    "nothing more": "",
    "imports of the cell and own ones": "@probe\ndef f(x):\n    import math\n    return torch.relu(x), math.pi",
    "own names of every kind": (
        "@probe\ndef f(x, *rest, key=None, **more):\n"
        "    for i, (a, b) in enumerate(x):\n        pass\n"
        "    with open(a) as handle:\n        pass\n"
        "    try:\n        pass\n    except ValueError as error:\n        print(error)\n"
        "    def hook(module):\n        return x, module\n"
        "    class Own(torch.nn.Module):\n        size = 1\n        sizes = [size]\n"
        "    total = [y for z in x if (y := z)] + [y]\n"
        "    return i, b, handle, hook, Own, total, rest, key, more, lambda q: q + a"
    ),
    "generators inside": "@probe\ndef f(x):\n    def walk():\n        yield x\n    return [*walk()], sum(y for y in x)",
    "raising in a probe": "@probe\ndef f(x):\n    raise NotImplementedError",
    "an answer whose name begins like a check": "@probe\ndef f(x):\n    return check_sizes(x)",
    "a method whose name begins like a check": "@probe\ndef f(x):\n    return Layer(x).check_sizes()",
    "a default written out": "@probe\ndef f(x, dtype=torch.float32, n=3):\n    return x",
    "what an answer may not use": (
        "from dl1 import without_ready_made\n@probe\ndef f(x):\n"
        "    with without_ready_made('torch.relu', 'torch.nn.ReLU'):\n        return Layer(x)"
    ),
    "doubles": (
        "class Double(torch.nn.Module):\n    def forward(self, x):\n        return Layer.scale * x\n"
        "def made(n):\n    return n\n"
        "@probe(given={'Block': Double, 'Layer.forward': made, 'make': made})\ndef f(x):\n    return make(x)"
    ),
    "a helper for the checker": "def expected(x):\n    return x + shift\nshift = torch.ones(1)\nexpected(1)",
    "checks through the module": "dl1.check_close(1, 1)",
    "decorators that make no probe": "@torch.no_grad()\ndef g(x):\n    return x + shift\nshift = 1\ng(1)",
    "a decorated double": (
        "class Double:\n    @staticmethod\n    @torch.no_grad()\n    def scaled(x):\n        return Layer(x)\n"
        "@probe(given={'Block': Double})\ndef f(x):\n    return Block.scaled(x)"
    ),
    "a call of what a call gives": "torch.nn.Linear(1, 1)(torch.ones(1))",
    "unfinished where nothing is expected": "print(NotImplementedError)",
    "an expected error": "check_raises(lambda: plain(-1), ValueError, TypeError)",
    "a double that is not finished": (
        "class Double:\n    def forward(self):\n        raise NotImplementedError\n"
        "@probe(given={'Layer': Double})\ndef f():\n    return Layer()"
    ),
}


@pytest.mark.parametrize("middle", PROPER.values(), ids=PROPER)
def test_proper(middle):
    assert found(middle) == []


IN_PROBE = "@probe\ndef f(x):\n    "
MISTAKES = {
    # Names of the checker.
    "interface at top level": ("Layer(1)", 1, "`Layer` is the student's"),
    "interface in a helper": ("def g():\n    return [Layer(i) for i in range(2)]", 2, "call it inside a probe"),
    "interface in a lambda": ("check_raises(lambda: Layer(1), ValueError)", 1, "call it inside a probe"),
    "interface as a base of a double": (
        "class Double(Layer):\n    pass\n@probe(given={'Block': Double})\ndef f():\n    return Block()",
        1,
        "`Layer` is the student's",
    ),
    "interface in an annotation": ("@probe\ndef f(x: Layer):\n    return x", 2, "`Layer` is the student's"),
    "unknown in a class that is no double": ("class Plain:\n    def m(self):\n        return gone", 3, "not bound"),
    "unknown before": ("display(1)", 1, "`display` is not bound in this cell"),
    "a name that is only increased": ("count += 1", 1, "`count` is not bound"),
    "a comprehension's own name": ("[i for i in 'ab']\ni", 2, "`i` is not bound"),
    "binding an answer": ("Layer = torch.nn.Linear", 1, "binds `Layer`"),
    "importing over an answer": ("from torch.nn import Linear as Layer", 1, "binds `Layer`"),
    "binding an answer in a loop": ("for make in 'ab':\n    pass", 1, "binds `make`"),
    "all of a module": ("from torch import *", 1, "import the names"),
    "global": ("def g():\n    global a\n    a = 1", 2, "global a"),
    # Names in a probe.
    "constant of the cell": (f"size = 3\n{IN_PROBE}return x * size", 4, "`size` of this cell"),
    "helper of the cell": (f"def g():\n    return 1\n{IN_PROBE}return [g() for _ in x]", 5, "`g` of this cell"),
    "itself": (f"{IN_PROBE}return f(x)", 3, "`f` of this cell"),
    "import in a block": (
        f"if torch.cuda.is_available():\n    import math\nelse:\n    import math\n{IN_PROBE}return math.pi",
        7,
        "`math` of this cell",
    ),
    "unknown": (f"{IN_PROBE}return lambda: gone", 3, "probe `f` uses `gone`, which is not there"),
    "class-level name in a method": (
        f"{IN_PROBE}class A:\n        size = 1\n        def m(self):\n            return size",
        6,
        "`size`, which is not there",
    ),
    "generator of dl1": (f"{IN_PROBE}return generator('a')", 3, "`generator` of dl1"),
    "dl1 itself": (f"{IN_PROBE}return dl1.notebook.places", 3, "`dl1` of dl1"),
    "import of dl1": (f"{IN_PROBE}import dl1.notebook.places\n    return x", 3, "imports from dl1"),
    "import from dl1": (f"{IN_PROBE}from dl1.notebook.places import data\n    return data", 3, "imports from dl1"),
    "global default": ("size = 3\n@probe\ndef f(x, n=size):\n    return x", 3, "`size` of this cell in defaults"),
    "verdict": (f"{IN_PROBE}if x:\n        assert x\n    return x", 4, "gives a verdict"),
    # Names in a double.
    "constant in a double": (
        "size = 3\nclass Double:\n    def m(self):\n        return size\n"
        "@probe(given={'Layer': Double})\ndef f():\n    return Layer()",
        4,
        "double `Double` uses `size` of this cell",
    ),
    "unknown in a double": (
        "def made():\n    return gone\n@probe(given={'make': made})\ndef f():\n    return make()",
        2,
        "double `made` uses `gone`",
    ),
    "base from the cell": (
        "class Base: pass\nclass Double(Base): pass\n@probe(given={'Layer': Double})\ndef f():\n    return Layer()",
        2,
        "`Base` of this cell in defaults, bases",
    ),
    # The form of a probe.
    "nested in a function": (
        "def g():\n    @probe\n    def f(x):\n        return x\n    return f",
        3,
        "must be a function at",
    ),
    "in a block": ("if torch:\n    @probe\n    def f(x):\n        return x", 3, "must be a function at top level"),
    "method": ("class A:\n    @probe\n    def f(x):\n        return x", 3, "must be a function at top level"),
    "class": ("@probe\nclass A:\n    pass", 2, "must be a function at top level"),
    "called, not decorating": ("f = probe(lambda x: x)", 1, "only as a decorator"),
    "another name": ("from dl1 import probe as p", 1, "under its own name"),
    "what may not be used is no literal": (
        "from dl1 import without_ready_made\nnames = ['torch.relu']\n@probe\ndef f(x, names):\n"
        "    with without_ready_made(*names):\n        return Layer(x)",
        5,
        "needs literal names",
    ),
    "what may not be used, outside of a probe": (
        "from dl1 import without_ready_made\nwith without_ready_made('torch.relu'):\n    plain(1)",
        2,
        "outside of a probe",
    ),
    "what may not be used, under another name": (
        "from dl1 import without_ready_made as w\nw('torch.relu')",
        1,
        "under its own name",
    ),
    "async": ("@probe\nasync def f(x):\n    return x", 2, "async or a generator"),
    "generator": (f"{IN_PROBE}for y in x:\n        yield y", 2, "async or a generator"),
    "delegating generator": (f"{IN_PROBE}yield from x", 2, "async or a generator"),
    "through the module": ("@dl1.probe\ndef f(x):\n    return x", 1, "write the decorator as"),
    "called without arguments": ("@probe()\ndef f(x):\n    return x", 1, "write the decorator as"),
    "no doubles": ("@probe(given={})\ndef f(x):\n    return x", 1, "write the decorator as"),
    "doubles from a variable": (
        "doubles = {}\n@probe(given=doubles)\ndef f(x):\n    return x",
        2,
        "write the decorator",
    ),
    "another keyword": ("@probe(twice={'Layer': 1})\ndef f(x):\n    return x", 1, "write the decorator as"),
    "two keywords": (
        "def d():\n    pass\n@probe(given={'Layer': d}, n=1)\ndef f(x):\n    return x",
        3,
        "write the decorator as",
    ),
    "positional doubles": (
        "def d():\n    pass\n@probe({'a': 1}, given={'Layer': d})\ndef f(x):\n    return x",
        3,
        "write the decorator as",
    ),
    "doubles through the module": (
        "def d():\n    pass\n@dl1.probe(given={'Layer': d})\ndef f(x):\n    return x",
        3,
        "write the decorator as",
    ),
    "two decorators": ("@torch.no_grad()\n@probe\ndef f(x):\n    return x", 1, "write the decorator as"),
    "two decorators, probe first": ("@probe\n@torch.no_grad()\ndef f(x):\n    return x", 1, "write the decorator as"),
    "a wrapped probe": ("@(probe or 1)\ndef f(x):\n    return x", 1, "write the decorator as"),
    # The form of doubles.
    "key that is no promise": (
        "def d():\n    pass\n@probe(given={'f': d})\ndef f(x):\n    return x",
        3,
        "given key 'f'",
    ),
    "method of no promise": (
        "def d():\n    pass\n@probe(given={'f.a': d})\ndef f(x):\n    return x",
        3,
        "given key 'f.a'",
    ),
    "key with a hole": (
        "def d():\n    pass\n@probe(given={'Layer.': d})\ndef f(x):\n    return x",
        3,
        "given key 'Layer.'",
    ),
    "key with two dots": ("def d():\n    pass\n@probe(given={'Layer.a.b': d})\ndef f():\n    return 1", 3, "given key"),
    "computed key": (
        "def d():\n    pass\n@probe(given={'La' + 'yer': d})\ndef f():\n    return 1",
        3,
        "literal string",
    ),
    "number as a key": ("def d():\n    pass\n@probe(given={3: d})\ndef f():\n    return 1", 3, "given key 3"),
    "literal as a double": ("@probe(given={'Layer': 3})\ndef f():\n    return 1", 1, "given value 3"),
    "import as a double": ("@probe(given={'Layer': torch})\ndef f():\n    return 1", 1, "given value torch"),
    "variable as a double": ("d = len\n@probe(given={'make': d})\ndef f():\n    return 1", 2, "given value d"),
    "double in a block": (
        "if torch:\n    def d():\n        pass\n@probe(given={'make': d})\ndef f():\n    return 1",
        4,
        "given value d",
    ),
    "probe as a double": (
        "@probe\ndef p():\n    return 1\n@probe(given={'make': p})\ndef f():\n    return 1",
        4,
        "given value p",
    ),
    # The checks.
    "unfinished is an error": ("check_raises(lambda: plain(1), NotImplementedError)", 1, "an unfinished answer"),
    "unfinished among others": ("check_raises(plain, ValueError, *(NotImplementedError,))", 1, "an unfinished answer"),
    "unfinished through the module": ("dl1.check_raises(plain, NotImplementedError)", 1, "an unfinished answer"),
}


@pytest.mark.parametrize(("middle", "line", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(middle, line, words):
    findings = found(middle)
    assert [where for where, _ in findings] == [line], findings
    assert words in findings[0][1]


def test_check_in_a_probe_is_a_verdict_and_a_name_of_the_checker():
    for call in ("check_close(x, 1)", "dl1.check_close(x, 1)"):
        messages = [message for _, message in found(f"{IN_PROBE}{call}\n    return x")]
        assert len(messages) == 2
        assert "of dl1" in "".join(messages)
        assert "gives a verdict" in "".join(messages)


def test_spread_doubles_are_two_mistakes():
    findings = found("@probe(given={**{}})\ndef f(x):\n    return x")
    assert [message.split(":")[0] for _, message in findings] == ["given key **", "given value {}"]


def test_a_name_taken_twice_by_probes_and_doubles():
    twice = "def d():\n    return 1\n" * 2
    findings = found(f"{twice}@probe(given={{'make': d}})\ndef f():\n    return make()\n@probe\ndef f():\n    return 2")
    assert [line for line, message in findings if "more than once" in message] == [3, 6, 9]
    assert len(findings) == 3
    assert found("def helper():\n    return 1\n" * 2) == []


def test_other_packages_beside_dl1_in_one_import_travel():
    assert found(f"{IN_PROBE}return torch.relu(x)", head="import dl1, torch\nfrom dl1 import check_close, probe") == []
    renamed = found(
        f"{IN_PROBE}return d.places", head="import dl1.notebook.places as d\nfrom dl1 import check_close, probe"
    )
    assert [(line, "`d` of dl1" in message) for line, message in renamed] == [(3, True)]


PUBLIC, HIDDEN = "the public part checks nothing", "the hidden part checks nothing"
PROBE = "@probe\ndef plain(x):\n    return Layer(x)\n"


@pytest.mark.parametrize(
    ("public", "hidden", "missing"),
    [
        ("check_close(plain(1), 1)", "check_close(plain(1), 1)", []),
        ("assert plain(1) == 1", "dl1.check_close(plain(1), 1)", []),
        ("for i in range(2):\n    check_close(plain(i), 1)", "with torch.no_grad():\n    assert plain(1)", []),
        ("[check_close(plain(i), 1) for i in range(2)]", "if torch:\n    assert plain(1)", []),
        ("def agree(x):\n    assert x\nagree(plain(1))", "agree(plain(2))", []),
        ("def inner(x):\n    assert x\ndef agree(x):\n    inner(x)\nagree(plain(1))", "agree(plain(2))", []),
        ("def check_all(x):\n    return x\ncheck_all(plain(1))", "assert plain(1)", [PUBLIC]),
        ("def agree(x):\n    assert x", "agree(plain(2))", [PUBLIC]),
        ("def agree(x):\n    assert x\nagree(plain(1))", "plain(2)", [HIDDEN]),
        ("print(plain(1))", "assert plain(1)", [PUBLIC]),
        ("assert plain(1)", "print(plain(1))", [HIDDEN]),
        ("lambda: check_close(plain(1), 1)", "class A:\n    def m(self):\n        assert self", [PUBLIC, HIDDEN]),
        ("assert True", "assert 'text'", [PUBLIC, HIDDEN]),
        ("torch.check_close(plain(1))", "plain(1).check_close()", [PUBLIC, HIDDEN]),
        # What runs beside the student's code is no check of the checker.
        (
            "def made(x):\n    assert x\n@probe(given={'make': made})\ndef f():\n    return make(1)",
            "f()",
            [PUBLIC, HIDDEN],
        ),
    ],
)
def test_both_parts_check(public, hidden, missing):
    tail = f"{PROBE}{public}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    assert [message for _, message in found("", tail=tail) if "checks nothing" in message] == [
        f"{part}; add a check_* call or an assert outside of the probes" for part in missing
    ]


def test_the_missing_check_is_placed_at_its_part():
    tail = f"{PROBE}### BEGIN HIDDEN TESTS\nplain(1)\n### END HIDDEN TESTS"
    assert [line for line, _ in cell_findings(f"{HEAD}\n{tail}", INTERFACE)] == [1, 6]


def test_the_public_part_stands_by_itself():
    hidden = "### BEGIN HIDDEN TESTS\nimport math\nwanted = 1\nassert plain(2)\n### END HIDDEN TESTS"
    findings = found(f"{IN_PROBE}return math.pi\ncheck_close(f(1), wanted)", tail=f"{PROBE}{hidden}")
    assert [(line, message.partition(": ")[2].split("`")[1::2]) for line, message in findings] == [
        (3, ["f", "math"]),
        (4, ["wanted"]),
    ]
    assert all(message.startswith("in the students' version, which lacks the hidden tests") for _, message in findings)


def test_a_mistake_of_both_versions_is_said_once():
    assert len(found("Layer(1)")) == 1


def test_markers_inside_a_statement():
    tail = (
        f"{PROBE}assert plain(1)\nfor i in range(2):\n### BEGIN HIDDEN TESTS\n    assert plain(2)\n### END HIDDEN TESTS"
    )
    assert [message for _, message in found("", tail=tail)] == [
        "does not parse without its hidden tests; put the markers around whole statements"
    ]


def test_a_cell_that_does_not_parse_is_left_to_the_other_rules():
    assert found("def f(:") == []
    assert found("%matplotlib inline\nLayer(1)") == []
