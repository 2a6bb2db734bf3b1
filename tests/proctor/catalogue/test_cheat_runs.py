"""`python -m proctor.catalogue --cheats`: what cheats where the public part doesn't look is lost, or shown."""

import json
import os

import pytest

from proctor.catalogue import cheating
from proctor.catalogue.__main__ import main
from proctor.catalogue.cheat_kinds import KINDS, Call

SCALED = """def scaled(numbers, by):
    ### BEGIN SOLUTION
    return [number * by for number in numbers]
    ### END SOLUTION"""
PUBLIC = "assert scaled([1, 2], 3) == [3, 6]\n"
HIDDEN = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
STRONG = "assert scaled([4, 5], 2) == [8, 10]\nassert scaled([1, 7, 3], 2) == [2, 14, 6]"


def cell(source, grade_id=None, *, points=None):
    metadata = {}
    if grade_id:
        graded = points is not None
        metadata["nbgrader"] = {"grade": graded, "grade_id": grade_id, "solution": not graded, "locked": graded}
        if graded:
            metadata["nbgrader"]["points"] = points
    return {"cell_type": "code", "metadata": metadata, "source": source}


@pytest.fixture
def course(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    (tmp_path / "source").mkdir()

    def run(hidden, *options):
        cells = [cell(SCALED, "q1_1_scaled"), cell(PUBLIC + HIDDEN.format(hidden), "q1_1_values", points=2)]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "source" / "1a_numbers.ipynb").write_text(json.dumps(content))
        return main([str(tmp_path / "source"), str(tmp_path), "--cheats", *options])

    return run


def row(printed, cell="q1_1_scaled"):
    """Made, honest, lost, right in part, with points beyond what is right, and how many points."""
    (line,) = [line.split() for line in printed.splitlines() if f" {cell} " in line]
    return tuple(map(int, line[2:]))


def test_cheats_that_the_hidden_part_asks_about_are_lost(course, capsys):
    assert course(STRONG) == 0
    printed = capsys.readouterr().out
    made, honest, lost, in_part, *beyond = row(printed)
    assert made == len(KINDS) == lost + honest
    # All forms of the hidden part are public but one, and its calls come from the same code.
    assert in_part == 0 < honest < lost
    assert beyond == [0, 0]
    assert printed.endswith(f"\n{len(KINDS)} cheats: 0 points beyond what is honestly right\n")


def test_a_cheat_that_nobody_asks_about_is_shown_with_the_cell_that_it_keeps(course, capsys):
    assert course("assert len(scaled([4, 5, 6], 2)) == 3", "--question", "1.1") == 1
    printed = capsys.readouterr().out
    assert row(printed)[3] == 0 < row(printed)[4]
    assert "q1_1_scaled, scaled: forms-zeros HAS THE POINTS OF q1_1_values" in printed
    assert "q1_1_scaled, scaled: lookup HAS THE POINTS OF q1_1_values" in printed
    assert ": 2 points beyond what is honestly right" in printed


def test_a_cheat_that_never_cheats_is_the_answer_itself(course, capsys):
    assert course("assert scaled([1, 2], 3) == [3, 6]") == 0
    made, honest, lost, *others = row(capsys.readouterr().out)
    assert others == [0, 0, 0]
    # Some kinds are never honest, and the others only meet what is public.
    assert lost == 3
    assert honest == made - lost


def test_a_result_that_nobody_looks_at_is_no_cheat(course, capsys):
    assert course("scaled([4, 5], 2)\nassert scaled([1, 2], 3) == [3, 6]") == 0
    assert row(capsys.readouterr().out)[2:] == (4, 0, 0, 0)


PARTS = """def parts(number):
    ### BEGIN SOLUTION
    return {"half": number / 2, "double": 2 * number}
    ### END SOLUTION"""
DRAWN = (
    "from dl1 import generator, probe\nimport torch\n@probe\ndef asked(number):\n    return parts(number)\n"
    "number = 3.0\nassert asked(number)['double'] == 6.0\n"
    "### BEGIN HIDDEN TESTS\nnumber = 1 + torch.rand(1, generator=generator('number')).item()\n{}\n### END HIDDEN TESTS"
)


@pytest.fixture
def two_cells(course, tmp_path):
    """A course whose answer has two parts; the test cells of both, with these hidden parts."""

    def run(first, second):
        cells = [cell(PARTS, "q1_1_scaled")]
        cells += [
            cell(DRAWN.format(text), name, points=1) for name, text in (("q1_1_first", first), ("q1_1_second", second))
        ]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "source" / "1a_numbers.ipynb").write_text(json.dumps(content))
        return main([str(tmp_path / "source"), str(tmp_path), "--cheats"])

    return run


# Whatever it gives for one part, the other is right.
HALF_WRONG = PARTS.replace(
    'def parts(number):\n    ### BEGIN SOLUTION\n    return {"half": number / 2, "double": 2 * number}',
    "def half(number):\n    ### BEGIN SOLUTION\n    return number / 2\n    ### END SOLUTION\n"
    'def parts(number):\n    ### BEGIN SOLUTION\n    return {"half": half(number), "double": 2 * number}',
)


def test_points_for_what_was_told_rightly_are_honest(two_cells, capsys, monkeypatch):
    monkeypatch.setitem(globals(), "PARTS", HALF_WRONG)
    double, half = "assert asked(number)['double'] == 2 * number", "assert asked(number)['half'] == number / 2"
    assert two_cells(double, half) == 0
    printed = capsys.readouterr().out
    assert "q1_1_scaled, half: zeros is right in q1_1_first" in printed
    assert "HAS THE POINTS" not in printed


def test_a_property_that_other_values_have_is_not_what_is_right(two_cells, capsys):
    right = "assert asked(number) == {'half': number / 2, 'double': 2 * number}"
    assert two_cells(right, "assert asked(number)['double'] == 4 * asked(number)['half']") == 1
    printed = capsys.readouterr().out
    # What is recorded, and what the nearest public input gives, is consistent in itself.
    assert "q1_1_scaled, parts: lookup HAS THE POINTS OF q1_1_second" in printed


def test_a_reference_that_fails_stops_the_command(course, capsys):
    assert course("assert scaled([1], 1) == 2") == 2
    assert "the reference of q1_1_scaled has to pass" in capsys.readouterr().err


def test_cheats_and_mutants_are_two_runs(course, capsys):
    with pytest.raises(SystemExit):
        course(STRONG, "--mutants")
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_layer_cheats_in_what_it_computes_and_its_constructor_is_left_alone(course, capsys, monkeypatch):
    layer = (
        "import torch\nclass Scaled(torch.nn.Module):\n    def __init__(self, by):\n        ### BEGIN SOLUTION\n"
        "        super().__init__()\n        self.by = by\n        ### END SOLUTION\n"
        "    def forward(self, x):\n        ### BEGIN SOLUTION\n        return self.by * x\n        ### END SOLUTION\n"
        "def scaled(numbers, by):\n    return Scaled(by)(torch.tensor(numbers)).tolist()"
    )
    monkeypatch.setitem(globals(), "SCALED", layer)
    assert course(STRONG) == 0
    made, honest, lost, *others = row(capsys.readouterr().out)
    assert made == len(KINDS)
    assert lost > honest
    assert others == [0, 0, 0]


def test_arguments_of_a_class_of_the_tests_own_are_noted_by_its_name(tmp_path):
    class Own(int):
        pass

    state = dict(cheating._STATE)
    cheating._STATE["noted"] = {}
    assert cheating.noting(3)(lambda x: x + 1)(Own(4)) == 5
    assert cheating.save(tmp_path / "calls") == [3]
    cheating.use(tmp_path / "calls")
    ((call,),) = cheating._STATE["known"].values()
    assert (call.arguments, call.result) == ((("Own",), {}), 5)
    cheating._STATE.update(state)


@pytest.fixture
def known(monkeypatch):
    torch = pytest.importorskip("torch")
    # No notebook calls; what runs the tests may be a main module, too.
    monkeypatch.setattr(cheating, "_calling_frame", lambda: None)
    state = dict(cheating._STATE)
    calls = [
        Call(b"public", ((torch.ones(2, 3), 1), {}), {"y": torch.full((2, 3), 5.0)}),
        Call(b"public", ((torch.zeros(4, 3), 1), {}), {"y": torch.full((4, 3), 6.0)}),
    ]
    cheating._STATE.update(known={1: calls}, deviations=0)
    yield torch
    cheating._STATE.update(state)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("forms-zeros", (2, 3), 2.0),
        ("forms-zeros", (5, 3), 0.0),
        ("forms-ones", (5, 3), 1.0),
        ("forms-input", (5, 3), 1.0),
        ("first-form-zeros", (2, 3), 2.0),
        ("first-form-zeros", (4, 3), 0.0),
        ("last-form-zeros", (2, 3), 0.0),
        ("last-form-zeros", (4, 3), 2.0),
        ("frames-zeros", (2, 3), 0.0),
        ("recorded", (4, 3), 6.0),
        ("recorded", (5, 3), 2.0),
        ("lookup", (2, 3), 5.0),
        ("lookup", (1, 3), 5.0),
    ],
)
def test_what_each_kind_gives(known, kind, shape, expected):
    torch = known

    def double(x, one):
        return {"y": 2 * x}

    x = torch.ones(shape, requires_grad=True)
    found = cheating.cheating(kind, 1)(double)(x, 1)["y"]
    assert torch.equal(found.detach(), torch.full(shape, expected))
    assert cheating.deviations() == (expected != 2.0)
    if kind in ("recorded", "lookup"):
        # The gradients are the honest ones.
        found.sum().backward()
        assert torch.equal(x.grad, torch.full(shape, 2.0))
