"""Which cells are run: demos only where something of the student's may need them, and never at the cost of points."""

import json

import exercise
import pytest

from proctor.intake.rebuild import rebuild
from proctor.running import needed
from proctor.running.session import CellOutcome

ANSWER = "def answer(x):\n    return x"


def cell(name: str, source: str, *tags: str, **nbgrader) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    if nbgrader:
        metadata["nbgrader"] = {"grade_id": name, **nbgrader}
    return {"cell_type": "code", "id": name, "source": source, "metadata": metadata}


def cells(answer: str = ANSWER, *added: str, demo: str = "scale = 3\ntorch.manual_seed(0)") -> list[dict]:
    """Definitions, a demo, an answer, cells of the student's, a test, and another demo."""
    return [
        cell("setup", "import torch\nimport math", "definitions", locked=True),
        cell("first", demo, "demo"),
        cell("q1", answer, solution=True),
        *(cell(f"added-{number}", source) for number, source in enumerate(added)),
        cell("q1_test", "check", grade=True, locked=True),
        cell("last", "import math\nprint(math.pi)", "demo"),
    ]


def test_demos_are_skipped_where_nothing_needs_them():
    plan = needed.plan(cells(), run_demos=False)
    assert (plan.skipped, plan.own, plan.names, plan.why) == ({1, 4}, {2}, {"scale"}, "")


@pytest.mark.parametrize(
    "notebook", [cells(), [one for one in cells() if "demo" not in one["metadata"].get("tags", [])]]
)
def test_everything_is_run_where_a_course_wants_it_and_where_there_are_none(notebook):
    plan = needed.plan(notebook, run_demos=len(notebook) == len(cells()))
    assert (plan.skipped, plan.why) == (set(), "")


NEEDING = [
    ("def answer(x):\n    return scale * x", "q1 uses `scale`"),
    ("def answer(x):\n    def inner():\n        return [scale for _ in x]\n    return inner()", "q1 uses `scale`"),
    ("size = scale", "q1 uses `scale`"),
    ("scale += 1", "q1 uses `scale`"),
    ("del scale", "q1 uses `scale`"),
    ("class A:\n    size = scale", "q1 uses `scale`"),
    ("def answer(x, size=scale):\n    return x", "q1 uses `scale`"),
    ("try:\n    scale\nexcept NameError:\n    scale = 1", "q1 uses `scale`"),
    # Bound anew by a demo before it is called.
    ("scale = 1\ndef answer(x):\n    return scale * x", "q1 uses `scale`"),
    ("%%time\nprint(scale)", "q1 uses `scale`"),
    ("print(globals().get('sca' + 'le'))", "don't stand in its text"),
    ("size = eval('sca' + 'le')", "don't stand in its text"),
    ("import __main__ as notebook", "don't stand in its text"),
    ("import sys\nnotebook = sys.modules[__name__]", "don't stand in its text"),
    ("print(_)", "don't stand in its text"),
    ("print(Out[3])", "don't stand in its text"),
    ("%time print(1)", "don't stand in its text"),
    ("calls = []\ndef answer(x):\n    calls.append(x)\n    return x", "keeps something in `calls`"),
    ("def answer(x):\n    global calls\n    calls = 1\n    return x", "keeps something in `calls`"),
    ("def answer(x):\n    answer.last = x\n    return x", "keeps something in `answer`"),
    ("order = torch.randperm(3)", "draws random numbers"),
    ("x = " + "(" * 150 + ")" * 150 + "\nprint(scale)", ""),
]


@pytest.mark.parametrize(("answer", "why"), NEEDING)
def test_what_may_need_a_demo_brings_all_of_them(answer, why):
    plan = needed.plan(cells(answer), run_demos=False)
    assert plan.skipped == set()
    assert plan.why.startswith("everything was run, demos too: ")
    assert why in plan.why


@pytest.mark.parametrize(
    "answer",
    [
        "scale = 1\nprint(scale)",
        "for scale in range(3):\n    print(scale)",
        "def answer(scale):\n    return scale",
        "def answer(x):\n    scale = 2\n    return scale * x",
        "class A:\n    def __init__(self):\n        self.scale = 1\n    def call(self, x):\n        self.scale += 1",
        "def answer(x):\n    seen = []\n    seen.append(math.pi)\n    return [y for y, _ in seen]",
        "torch.manual_seed(1)\norder = torch.randperm(3)",
        "def answer(model):\n    model.eval()\n    return model.modules(), x.compile()",
        "raise NotImplementedError()",
        "%%time\ndef answer(x):\n    return x",
        "def (",
    ],
)
def test_what_is_its_own_needs_none(answer):
    assert needed.plan(cells(answer), run_demos=False).skipped == {1, 4}


def test_an_added_cell_between_demos_may_see_what_they_do():
    plan = needed.plan(cells(ANSWER, "print('hello')"), run_demos=False)
    assert "cell 4, which was added or changed, stands between demos" in plan.why
    # Words alone do nothing, and a part of an answer is no cell of its own.
    assert needed.plan(cells(ANSWER, "# nothing"), run_demos=False).skipped
    part = cells(ANSWER, "def more(x):\n    return x")
    part[3]["metadata"]["proctor_parts"] = ["q1"]
    assert needed.plan(part, run_demos=False).skipped
    below = [*cells(), cell("added-9", "print('hello')")]
    assert needed.plan(below, run_demos=False).skipped


@pytest.mark.parametrize("demo", ["from math import *", "exec('scale = 3')", "%matplotlib widget", "scale = ("])
def test_a_demo_whose_doing_nobody_can_see_is_run(demo):
    assert needed.plan(cells(demo=demo), run_demos=False).skipped == {4}


def test_much_code_is_not_looked_at():
    for answer in ("x = 1\n" * 5_000, "x = '" + "a" * 2**18 + "'"):
        assert "too much code" in needed.plan(cells(answer), run_demos=False).why


def outcome(kind: str = "", text: str = "") -> CellOutcome:
    error = {"output_type": "error", "ename": kind, "evalue": text, "traceback": []}
    return CellOutcome([error], ok=False) if kind else CellOutcome()


def missed(plan: needed.Plan, number: int, kind: str, text: str = "") -> str | None:
    outcomes = [outcome() for _ in range(5)]
    outcomes[number] = outcome(kind, text)
    return plan.missed(["setup", "first", "q1", "q1_test", "last"], outcomes)


def test_a_cell_of_the_students_own_that_raises_is_tried_with_demos():
    plan = needed.plan(cells(), run_demos=False)
    assert missed(plan, 2, "ValueError") == "without them q1 raised ValueError"
    assert missed(plan, 2, "NameError", "name 'scale' is not defined") == "without them q1 raised NameError"
    assert missed(plan, 0, "NameError", "name 'scale' is not defined") is not None
    assert missed(plan, 2, "\x1b<b>", "") == "without them q1 raised an exception"
    for number, kind, text in [
        (2, "NameError", "name 'other' is not defined"),
        (2, "NotImplementedError", ""),
        (2, "SyntaxError", ""),
        (0, "ValueError", ""),
    ]:
        assert missed(plan, number, kind, text) is None
    assert missed(plan.with_everything("so"), 2, "ValueError") is None
    assert plan.missed(["q1"], [CellOutcome(ok=False, note="it was stopped")]) is None


def test_an_answer_that_misses_something_is_tried_with_demos():
    plan = needed.plan(cells(), run_demos=False)
    for names, text in [
        (["NameError"], "name 'scale' is not defined. Did you mean: 'size'?"),
        (["FileNotFoundError", "OSError"], ""),
        (["ModuleNotFoundError", "ImportError"], ""),
        (["AttributeError"], ""),
        (["KeyError", "LookupError"], ""),
    ]:
        assert plan.may_be_to_blame(names, text)
        assert not plan.with_everything("so").may_be_to_blame(names, text)
    for names, text in [
        (["NameError"], "name 'other' is not defined"),
        (["UnboundLocalError", "NameError"], ""),
        (["NotImplementedError", "RuntimeError"], ""),
        (["ValueError"], ""),
        ([], ""),
    ]:
        assert not plan.may_be_to_blame(names, text)


def test_purposes_come_from_the_instructor_alone():
    instructor = exercise.instructor_notebook()
    handed = json.loads(json.dumps(instructor))
    for one in handed["cells"]:
        one["metadata"]["tags"] = ["demo"]
    handed["cells"].insert(1, cell("own", "print(1)", "demo"))
    made = rebuild(instructor, json.dumps(handed).encode()).notebook
    tags = {one["id"]: one["metadata"].get("tags") for one in made["cells"] if "tags" in one["metadata"]}
    assert tags == {
        "setup": ["definitions"],
        "scale-demo": ["demo"],
        "bars": ["figure"],
        "late-demo": ["demo"],
    }
