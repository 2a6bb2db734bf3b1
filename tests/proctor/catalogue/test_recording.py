"""What is recorded of a reference's expressions while it runs."""

import sys

import pytest
import torch

from proctor.catalogue import recording
from proctor.catalogue.recording import Seen
from proctor.catalogue.solution_text import SolutionText, position

CELL = """def scaled(x, mask, layer):
    ### BEGIN SOLUTION
    size = x.shape[-1]  # a comment
    drawn = torch.rand(size) * 0
    return x[mask] / size + drawn.sum(), f"{size} numbers"
    ### END SOLUTION"""


@pytest.fixture
def seen(monkeypatch):
    """Runs the recording cell's function with these arguments and gives what was seen."""
    monkeypatch.setattr(recording, "_SEEN", {"kinds": {}, "values": {}, "drawing": []})
    cell = SolutionText(CELL)
    namespace = {"torch": torch}
    exec(recording.with_recording(cell), namespace)

    def run(*arguments):
        result = namespace["scaled"](*arguments)
        taken = recording.taken()
        return cell, recording.seen(taken, taken), result

    return run


def of(cell, seen, text):
    """Kinds and values of the first expression with this text."""
    node = next(node for node in cell.expressions() if cell.segment(node) == text)
    return seen.kinds[position(node)], seen.values.get(position(node))


def test_kinds_and_values_are_those_of_the_run_and_the_result_is_the_same(seen):
    x, mask = torch.tensor([2.0, 4.0, 6.0]), torch.tensor([True, False, True])
    cell, found, result = seen(x, mask, torch.nn.Linear(1, 1))
    assert torch.equal(result[0], torch.tensor([2.0, 6.0]) / 3)
    assert result[1] == "3 numbers"
    assert of(cell, found, "x.shape[-1]") == (frozenset(), ("3",))
    assert of(cell, found, "mask") == ({"tensor", "bool"}, None)
    # Nobody asked for a gradient, but one would flow.
    assert of(cell, found, "x[mask]") == ({"tensor", "real", "graded"}, None)
    assert of(cell, found, "torch.rand(size) * 0")[0] == {"tensor", "real"}
    assert found.drawing == {1}


def test_a_value_that_changes_and_another_dtype_are_seen(seen):
    seen(torch.ones(2), torch.tensor([True, False]), None)
    cell, found, _ = seen(torch.ones(3, dtype=torch.float64), torch.tensor([True] * 3), None)
    assert of(cell, found, "x.shape[-1]")[1] == ("2", "3")
    assert "other" in of(cell, found, "x[mask]")[0]


def test_what_was_seen_goes_through_json_and_values_that_cannot_be_written_down_are_left_out():
    record = {"kinds": {"1:0:1:1": ["real"]}, "values": {"1:0:1:1": ["3"], "2:0:2:1": [None]}, "drawing": [1]}
    assert recording.seen(record, record) == Seen({"1:0:1:1": frozenset({"real"})}, {"1:0:1:1": ("3",)}, frozenset({1}))


def test_values_that_stand_for_themselves():
    written = [recording._text(value) for value in (3, 0.5, True, None, torch.float32, torch.device("cpu"))]
    assert written == ["3", "0.5", "True", "None", "torch.float32", "torch.device(type='cpu')"]
    assert recording._text(torch.ones(1)) is None


def test_a_cached_function_gives_the_first_result_for_the_same_shapes():
    layer = object()
    twice = recording.cached(lambda layer, x: x * 2)
    assert torch.equal(twice(layer, torch.ones(2)), torch.full((2,), 2.0))
    assert torch.equal(twice(layer, torch.zeros(2)), torch.full((2,), 2.0))
    assert torch.equal(twice(layer, torch.zeros(3)), torch.zeros(3))
    assert torch.equal(twice(object(), torch.zeros(2)), torch.zeros(2))


def test_a_notebook_without_torch_is_recorded_too(monkeypatch):
    monkeypatch.setattr(recording, "_SEEN", {"kinds": {}, "values": {}, "drawing": []})
    monkeypatch.delitem(sys.modules, "torch")
    namespace = {}
    exec(recording.with_recording(SolutionText("def f(x):\n    return x + 1")), namespace)
    assert namespace["f"](2) == 3
    assert recording.taken() == {
        "kinds": {"2:11:2:16": [], "2:11:2:12": []},
        "values": {"2:11:2:16": ["3"], "2:11:2:12": ["2"]},
        "drawing": [],
    }
