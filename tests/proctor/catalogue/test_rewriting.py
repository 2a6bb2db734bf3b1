"""Right answers by rule: what the rules make, that it computes the same, and the command that runs them."""

import json
import os

import pytest
import torch
from torch import nn
from torch.nn import functional

from proctor.catalogue import recording, rewriting, rewritten
from proctor.catalogue.__main__ import main
from proctor.catalogue.mutants import mutants_of
from proctor.catalogue.solution_text import SolutionText

CELL = """class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.inner = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
        self.outer = nn.Linear(6, 4)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        hidden = self.inner(x).view(len(x), 2, 3).transpose(1, 2)
        weights = (hidden.mT @ hidden / 3**0.5).masked_fill(self.mask, float("-inf")).softmax(dim=-1)
        norm = torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + 1e-6)
        return norm * self.outer((hidden @ weights).flatten(-2)) + 0.5 * torch.exp(x)
        ### END SOLUTION


def share(x):
    ### BEGIN SOLUTION
    with torch.no_grad():
        positive = (x > 0).sum().item()
    return [positive / len(x), len(x) ** 0.5]
    ### END SOLUTION


def fused(q, k, v):
    ### BEGIN SOLUTION
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    ### END SOLUTION"""
RULES = {
    "product", "operator-as-function", "operands-in-another-order", "times-the-inverse", "method-as-function",
    "function-as-method", "module-as-function", "softmax-by-hand", "function-as-module", "root", "reshaped",
    "transposed", "masked", "heads-one-by-one", "children", "extra-state", "storage", "number", "gradients-off",
    "row-by-row",
}  # fmt: skip


def answers(text):
    """What the cell's functions give, with fixed weights."""
    namespace = {"nn": nn, "torch": torch, "F": functional}
    torch.manual_seed(0)
    exec(f"{rewriting.IMPORT}\n{text}", namespace)
    layer = namespace["Layer"]()
    layer.mask = torch.tensor([[False, True], [False, False]])
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    q = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    return layer(x), torch.tensor(namespace["share"](x)), namespace["fused"](q, q + 1, q - 1)


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recording, "_SEEN", {"kinds": {}, "values": {}, "drawing": []})
        answers(recording.with_recording(SolutionText(CELL)))
        seen = recording.seen(recording.taken(), recording.taken())
    return mutants_of("q", CELL, seen, rewriting.rewritings)


def test_every_rule_finds_its_place(made):
    assert {one.operator for one in made} == RULES
    assert len(made) > 80


def test_what_is_rewritten_computes_the_same(made):
    expected = answers(SolutionText(CELL).text)
    for one in made:
        for found, value in zip(answers(one.source), expected, strict=True):
            torch.testing.assert_close(
                found, value, rtol=1e-5, atol=1e-6, msg=lambda text, one=one: f"{one.shown}{text}"
            )


@pytest.mark.parametrize(("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4))])
@pytest.mark.parametrize("way", ["product_by_einsum", "product_by_loops", "product_by_sums"])
def test_products(way, a, b):
    a, b = torch.randn(a), torch.randn(b)
    torch.testing.assert_close(getattr(rewritten, way)(a, b), a @ b)


def test_the_storage_is_another_one():
    x = torch.randn(3, 4)
    assert not rewritten.spread_out(x).is_contiguous()
    assert rewritten.part_of_another(x).storage_offset() > 0
    assert torch.equal(rewritten.spread_out(x), x)
    assert torch.equal(rewritten.part_of_another(x), x)


def test_a_number_is_rounded_as_a_float32_wherever_it_stands():
    (row, third), other = rewritten.numbers_in_float32(lambda: ([{"a": 0.1}, 1 / 3], 7))()
    assert row["a"] == torch.tensor(0.1).item() != 0.1
    assert (third, other) == (torch.tensor(1 / 3).item(), 7)


def test_rows_are_asked_one_by_one_only_where_that_gives_the_same():
    sizes = []

    def doubled(x):
        sizes.append(len(x))
        return 2 * x

    rewritten.row_by_row(doubled)(torch.ones(3, 2))
    assert sizes == [3, 1, 1, 1]
    centred = rewritten.row_by_row(lambda x: x - x.mean(dim=0))
    x = torch.randn(3, 2)
    assert torch.equal(centred(x), x - x.mean(dim=0))


KEYED = """from dl1.contract import protocol
assert protocol.seed("x") != {seed}
assert third(1.0) == 1 / 3"""


@pytest.mark.parametrize("what", [[], ["--mutants"], ["--rewritten"], ["--cheats"]])
def test_each_of_the_runs_draws_from_the_key_that_it_is_given(tmp_path, capsys, monkeypatch, what):
    from dl1.contract import protocol

    entry = """[[wrong]]\nname = "half"\ncell = "q1_1_third"\nloses = ["q1_1_value"]\nhint = "x / 2"
change = [["x / 3", "x / 2"]]\n"""
    write_course(tmp_path, KEYED.format(seed=protocol.seed("x")), monkeypatch)
    (tmp_path / "1a_numbers.toml").write_text(entry)
    assert main([str(tmp_path), str(tmp_path), *what]) == 2
    assert "the reference" in capsys.readouterr().err
    assert main([str(tmp_path), str(tmp_path), *what, "--key", "another"]) != 2


def write_course(folder, test_source, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    solution = {"grade": False, "grade_id": "q1_1_third", "solution": True, "locked": False}
    test = {"grade": True, "grade_id": "q1_1_value", "solution": False, "locked": True, "points": 1}
    source = "def third(x):\n    ### BEGIN SOLUTION\n    return x / 3\n    ### END SOLUTION"
    cells = [
        {"cell_type": "code", "metadata": {"nbgrader": solution}, "source": source},
        {"cell_type": "code", "metadata": {"nbgrader": test}, "source": test_source},
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "1a_numbers.ipynb").write_text(json.dumps(content))


TEST = """assert abs(third(1.0) - 1 / 3) < {tolerance}"""


@pytest.mark.parametrize(("tolerance", "status", "hurt"), [("1e-6", 0, 0), ("1e-12", 1, 2)])
def test_the_command_fails_if_a_right_answer_loses_points(tmp_path, capsys, monkeypatch, tolerance, status, hurt):
    write_course(tmp_path, TEST.format(tolerance=tolerance), monkeypatch)
    assert main([str(tmp_path), str(tmp_path), "--rewritten"]) == status
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].endswith(f"{2 - hurt} unharmed, {hurt} hurt")
    assert ("AssertionError" in printed) == bool(hurt)
