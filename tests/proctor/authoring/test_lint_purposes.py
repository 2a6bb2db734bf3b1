"""Given cells say what they are for, and what is not run while grading takes nothing away from what is."""

import pytest

from proctor.authoring.lint import lint

SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
TEST = """from dl1 import check_close, probe


@probe
def doubled(x):
    return use(x)


check_close(doubled(2.0), 4.0)
### BEGIN HIDDEN TESTS
check_close(doubled(3.0), 6.0)
### END HIDDEN TESTS"""


def code(source: str, cell_id: str, *tags: str, **nbgrader) -> dict:
    metadata = {"tags": list(tags)}
    if nbgrader:
        metadata["nbgrader"] = {"grade_id": cell_id, "schema_version": 3, "task": False, **nbgrader}
    content = {"cell_type": "code", "id": cell_id, "source": source, "outputs": [], "execution_count": None}
    return content | {"metadata": metadata}


def solution(source: str = SOLUTION) -> dict:
    return code(source, "q1_double", grade=False, locked=False, solution=True)


def checking() -> dict:
    return code(TEST, "q1_values", "raises-exception", grade=True, locked=True, solution=False, points=2)


def messages(*cells: dict) -> list[str]:
    metadata = {"proctor": {"points": 2, "interface": ["double", "use"]}}
    notebook = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return [f"{finding.where}: {finding.message}" for finding in lint(notebook)]


def given(source: str, *tags: str, cell_id: str = "given-2") -> dict:
    return code(source, cell_id, *tags)


def findings(*cells: dict, reader: str = "def use(x):\n    return double(x)") -> list[str]:
    """Findings of a notebook with some cells between its definitions and its question."""
    return messages(code(reader, "given", "definitions"), *cells, solution(), checking())


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ((), "cell given-2: a given code cell doesn't say what it is for; tag it: definitions (other cells need its"),
        (("slow",), "doesn't say what it is for"),
        (("demo", "figure"), "has the tags demo and figure; leave one"),
    ],
)
def test_each_given_cell_has_one_purpose(tags, message):
    (found,) = findings(given("print('hello')", *tags))
    assert message in found
    assert findings(given("print('hello')", "demo", "slow")) == []


def test_answers_and_tests_have_none():
    answer = solution()
    answer["metadata"]["tags"] = ["demo"]
    found = messages(code("def use(x):\n    return double(x)", "given", "definitions"), answer, checking())
    assert found == ["cell q1_double: the tag demo is for given code cells; remove it here"]


# What a demo does to `shared` or `torch`, which a cell of definitions reads when it runs.
TAKEN = [
    "shared = 1",
    "import shared",
    "from json import loads as shared",
    "def shared():\n    pass",
    "class shared:\n    pass",
    "for shared in range(3):\n    pass",
    "with open('x') as shared:\n    pass",
    "print(shared := 4)",
    "[shared := 1 for i in range(3)]",
    "shared += 1",
    "del shared",
    "shared: int = 3",
    "(a, [*shared]) = (1, [2])",
    "def demo():\n    global shared\n    shared = 1\ndemo()",
    "def demo():\n    global shared\n    shared += 1\ndemo()",
    "try:\n    pass\nexcept ValueError as shared:\n    pass",
    "match 3:\n    case shared:\n        pass",
    "shared.size = 4",
    "shared['size'] = 4",
    "shared.sizes[0].append(4)",
    "def demo():\n    shared.update(a=1)\ndemo()",
    "setattr(shared, 'size', 3)",
    "shared.weight.zero_()",
    "torch.set_default_dtype(torch.float64)",
    "torch.backends.cudnn.enabled = False",
    "import torch\ntorch.set_printoptions(precision=1)",
    "import torch.nn as torch",
]


@pytest.mark.parametrize("source", TAKEN)
def test_a_demo_takes_nothing_away(source):
    reader = "import torch\ndef use(x):\n    return double(x) + shared + torch.zeros(())"
    found = findings(given(source, "demo"), reader=reader)
    assert len(found) >= 1
    assert all("cell given-2: line" in one and "and a demo is not run while grading; rename it" in one for one in found)
    assert findings(given(source, "definitions"), reader=reader) == []


@pytest.mark.parametrize(
    "source",
    [
        "def demo():\n    shared = {}\n    shared['a'] = 1\n    shared.update(b=2)\ndemo()",
        "def demo(shared):\n    shared.size = 3\n",
        "print([shared for shared in range(3)])",
        "import torch",
        "print(shared, torch.zeros(3))",
        "class Own:\n    def run(self):\n        self.shared = 1",
        "figure = torch.zeros(3)\nfigure[0] = 1\nfigure.zero_()",
    ],
)
def test_what_is_its_own_it_may_change(source):
    reader = "import torch\ndef use(x):\n    return double(x) + shared + torch.zeros(())"
    assert findings(given(source, "demo"), reader=reader) == []


def test_whoever_reads_it_is_named():
    def found(reader: list[dict]) -> list[str]:
        return messages(given("shared = 1\nuse = 2", "demo", cell_id="early"), *reader)

    rest = [solution(), checking()]
    answer = solution(rest[0]["source"].replace("return 2 * x", "return shared * x"))
    for cells, who in (
        ([given("print(shared)", "figure"), *rest], "which the figure given-2 reads"),
        ([given("print(shared)", "definitions"), *rest], "which the definitions cell given-2 reads"),
        ([answer, *rest[1:]], "which the answer q1_double reads"),
    ):
        told = found(cells)
        assert any(who in one and "binds `shared`" in one for one in told), told
    # Probes of the test, and what the notebook promises to them.
    told = found(rest)
    assert any("binds `use`, which the test cell q1_values reads" in one for one in told)
    assert any("tests may use `use` and this demo makes or changes it" in one for one in told)


def test_what_a_cell_has_bound_itself_it_does_not_take_from_a_demo():
    demo = given("axis = 1", "demo")
    assert findings(demo, given("axis = 2\nprint(axis)", "figure", cell_id="given-3")) == []
    assert findings(demo, given("for axis in range(3):\n    print(axis)", "figure", cell_id="given-3")) == []
    later = given("axis = 2\ndef draw():\n    print(axis)\n", "definitions", cell_id="given-3")
    assert len(findings(demo, later)) == 1


def test_a_figure_makes_names_for_figures_alone():
    figure = given("curve = [1, 2]", "figure")
    assert findings(figure, given("print(curve)", "figure", cell_id="given-3")) == []
    (found,) = findings(figure, given("print(curve)", "definitions", cell_id="given-3"))
    assert "this figure binds `curve`, which the definitions cell given-3 reads" in found


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("from math import *", "must not import with *"),
        ("globals()['x'] = 1", "don't stand in its text"),
        ("%matplotlib widget", "don't stand in its text"),
        ("exec('x = 1')", "don't stand in its text"),
        ("with open('x', 'w') as file:\n    print(file)", "writes a file"),
        ("from pathlib import Path\nPath('x').write_text('a')", "writes a file"),
    ],
)
def test_a_demo_shows_all_that_it_does(source, message):
    (found,) = findings(given(source, "demo"))
    assert message in found
    assert findings(given(source, "definitions")) == []


def test_a_demo_seeds_for_itself_alone():
    seeding = given("import torch\ntorch.manual_seed(0)\nprint(torch.rand(2))", "demo")
    drawing = "import torch\n{}noise = torch.rand(3)"
    assert findings(seeding) == []
    (found,) = findings(seeding, given(drawing.format(""), "definitions", cell_id="given-3"))
    assert "this demo seeds random numbers and given-3 below draws some" in found
    seeded = given(drawing.format("torch.manual_seed(1)\n"), "definitions", cell_id="given-3")
    assert findings(seeding, seeded) == []
