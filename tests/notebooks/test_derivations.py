"""What the notebooks derive on paper, by a few lines of float64: their formulas, tables and given slow versions."""

import ast
import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d

from dl1.padding.nets import CONV_TYPES, PaddingNet
from proctor.notebooks import cells as notebook_cells

SOURCE = Path(__file__).resolve().parents[2] / "source" / "assignment2"


def texts(stem: str) -> dict[str, str]:
    return {cell["id"]: notebook_cells.source(cell) for cell in notebook_cells.read(SOURCE / f"{stem}.ipynb")["cells"]}


def defined(stem: str, *beginnings: str) -> dict:
    """The functions of the cells that begin with these words, and nothing else of them."""
    names = {"math": math, "torch": torch, "F": F, "print": lambda *words: None}
    found = [text for text in texts(stem).values() for beginning in beginnings if text.startswith(beginning)]
    assert len(found) == len(beginnings)
    for text in found:
        functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)]
        exec(compile(ast.Module(functions, []), stem, "exec"), names)
    return names


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def test_both_sums_of_exercise_1_are_the_convolution():
    (text,) = [text for text in texts("1a_padding").values() if "f_{2,2} =" in text]
    g, h = np.random.default_rng(0).normal(size=(2, 5, 5))
    h, signs = h[:3, :3], {"-": 0, "0": 1, "+": 2}
    right = convolve2d(g, h, mode="same")
    for begin, end, row, missing in [("f_{2,2} =", "$$", 1, 0), ("f_{1,1} =", r"\end{aligned}", 0, 5)]:
        written = text.split(begin)[1].split(end)[0]
        terms = re.findall(r"g_\{(\d),(\d)\}h_\{(.),(.)\}", written)
        assert len(set(terms)) == 9
        kept = [(int(x) - 1, int(y) - 1, h[signs[m], signs[n]]) for x, y, m, n in terms if "0" not in (x, y)]
        assert len(kept) == 9 - missing
        assert sum(g[x, y] * weight for x, y, weight in kept) == pytest.approx(right[row, row], abs=1e-12)


def test_rows_after_each_layer_are_those_of_the_table():
    (text,) = [text for text in texts("1a_padding").values() if "rows after each layer" in text]
    written = dict(re.findall(r"^\| (\w+) \| \d \|.*\| (.+) \|$", text, re.MULTILINE))
    assert list(written) == list(CONV_TYPES)
    for conv_type in CONV_TYPES:
        maps = PaddingNet("Net1", conv_type).features(torch.zeros(1, 3, 32, 32))
        sizes = " → ".join(["32", *(str(one.shape[2]) for one in maps)])
        assert written[conv_type].replace("as fconv", written["fconv"]) == sizes


def met_by(conv_type: str, layer: int) -> torch.Tensor:
    """(rows, columns): how many of the nine weights of a layer meet each pixel that it reads."""
    net = PaddingNet("Net1", conv_type).double()
    maps = [torch.zeros(1, 3, 32, 32), *net.features(torch.zeros(1, 3, 32, 32).double())]
    x = torch.ones(1, 1, *maps[layer].shape[2:], dtype=torch.float64, requires_grad=True)
    convolution = net.convolutions[layer]
    out = F.conv2d(x, torch.ones(1, 1, 3, 3).double(), None, convolution.stride, convolution.padding)
    return torch.autograd.grad(out.sum(), x)[0][0, 0]


def test_which_weights_reach_the_border_is_what_the_model_answer_says():
    """1.1 (b) i: 1, 4, 9 at a corner; with stride 2, which borders lack weights beside the interior of like parity."""
    at_corner, at_edge = zip(*((met[0, 0], met[0, 9]) for met in (met_by(t, 0) for t in CONV_TYPES[:3])), strict=True)
    assert (at_corner, at_edge) == ((1, 4, 9), (3, 6, 9))
    for conv_type, lacking in [("valid", {"first", "last"}), ("sconv", {"last"}), ("fconv", set())]:
        for layer in (1, 2):
            met = met_by(conv_type, layer)
            inside, half = met[4:6, 4:6], len(met) // 2
            wanted = inside.repeat(half, half)  # the same parities over and over
            found = {name for name, row in (("first", 0), ("last", -1)) if (met[row, 4:6] != wanted[row, 4:6]).any()}
            assert found == lacking, (conv_type, layer)
            assert torch.equal(met, met.T)


def test_a_unit_of_layer_4_sees_17_rows():
    net = PaddingNet("Net1", "fconv").double()
    for convolution in net.convolutions:
        torch.nn.init.ones_(convolution.weight)
    images = torch.ones(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    (seen,) = torch.autograd.grad(net.features(images)[-1][0, 0, 3, 3], images)
    assert int((seen[0, 0].abs().sum(1) > 0).sum()) == 17


def test_slow_attention_is_equation_4_and_softmax_has_the_derivative_of_2_1_c(rng):
    slow = defined("2a_gpt_components", "def slow_attention")["slow_attention"]
    q, k, v = (torch.randn(6, 4, dtype=torch.float64, generator=rng) for _ in range(3))
    masked = (q @ k.T / 4**0.5).masked_fill(torch.ones(6, 6).triu(1).bool(), -math.inf)
    weights, outputs = slow(q.tolist(), k.tolist(), v.tolist())
    torch.testing.assert_close(torch.tensor(weights, dtype=torch.float64), masked.softmax(-1))
    torch.testing.assert_close(torch.tensor(outputs, dtype=torch.float64), masked.softmax(-1) @ v)
    p = q[0].softmax(0)
    derivative = torch.autograd.functional.jacobian(lambda scores: scores.softmax(0), q[0])
    torch.testing.assert_close(derivative, p[:, None] * (torch.eye(4) - p))


def test_slow_norm_forgets_the_scale_and_not_the_mean(rng):
    slow = defined("2a_gpt_components", "def slow_rms_norm")["slow_rms_norm"]
    x, gamma = torch.randn(2, 12, dtype=torch.float64, generator=rng).tolist()
    right = F.rms_norm(torch.tensor(x).double(), (12,), eps=0.3) * torch.tensor(gamma)
    assert slow(x, gamma, 0.3) == pytest.approx(right.tolist(), rel=1e-6)
    assert slow([10 * one for one in x], gamma, 0.0) == pytest.approx(slow(x, gamma, 0.0))
    assert slow([one + 3 for one in x], gamma, 0.0) != pytest.approx(slow(x, gamma, 0.0), rel=0.1)


def test_turns_add_up_and_scores_know_the_distance_only(rng):
    """Before 2.6: the transpose of a turn turns back, turns add up, and so the score depends on n - m."""
    slow = defined("2a_gpt_components", "def slow_rope")["slow_rope"]
    speeds = [10000 ** (-2 * i / 8) for i in range(4)]

    def turn(m):
        return torch.tensor([slow(row, m, speeds) for row in torch.eye(8).tolist()], dtype=torch.float64).T

    q, k = torch.randn(2, 8, dtype=torch.float64, generator=rng)
    for m, n in [(3, 7), (500, 20), (0, 9)]:
        torch.testing.assert_close(turn(m).T @ turn(n), turn(n - m), rtol=0, atol=1e-10)
        score = torch.tensor(slow(q.tolist(), m, speeds)) @ torch.tensor(slow(k.tolist(), n, speeds))
        assert float(score) == pytest.approx(float(q @ turn(n - m) @ k), abs=1e-5)
        assert (turn(m) @ q).norm() == pytest.approx(float(q.norm()))


def test_matrices_of_3_1_are_those_of_the_figure_and_powers_count_walks():
    names = defined("3a_graph_convolution", "def adjacency_first", "def squared_first", "def laplacian_second")
    (alt,) = [text for text in texts("3a_graph_convolution").values() if "two_graphs.svg" in text]
    drawn = []
    for sentence in re.findall(r"edges ([\d–, ]+)\.", alt):
        pairs = [(int(a), int(b)) for a, b in re.findall(r"(\d)–(\d)", sentence)]
        A = torch.zeros(max(map(max, pairs)) + 1, max(map(max, pairs)) + 1, dtype=torch.int64)
        for a, b in pairs:
            A[a, b] = A[b, a] = 1
        drawn.append(A)
    first, second = drawn
    assert names["adjacency_first"]() == first.tolist()
    assert names["adjacency_second"]() == second.tolist()
    assert names["squared_first"]() == (first @ first).tolist()
    assert names["laplacian_second"]() == (second.sum(1).diag() - second).tolist()
    for u, v in product(range(5), repeat=2):
        steps = [(u, *between, v) for between in product(range(5), repeat=2)]
        walks = sum(all(first[a, b] for a, b in zip(one, one[1:], strict=False)) for one in steps)
        assert walks == (first @ first @ first)[u, v]


def test_the_score_of_gat_ranks_alike_for_all_and_that_of_gatv2_does_not(rng):
    names = defined("3b_graph_attention", "def worked_example", "def gat(")
    h, a, weights = names["worked_example"]()
    scores = [sum(float(x) * float(y) for x, y in zip(a, [*h[1], *h[j]], strict=True)) for j in range(3)]
    exponentials = [math.exp(max(score, 0.2 * score)) for score in scores]
    assert weights.tolist() == pytest.approx([one / sum(exponentials) for one in exponentials], rel=1e-6)

    a = torch.randn(2, 2, dtype=torch.float64, generator=rng)
    queries, keys = (
        torch.tensor([[10.0, -10.0], [-10.0, 10.0]]).double(),
        torch.tensor([[1.0, 1.0], [0.0, 0.0]]).double(),
    )
    pairs = torch.stack([queries[:, None].expand(2, 2, 2), keys[None].expand(2, 2, 2)], dim=2)
    static = names["gat"](pairs, a).argsort(1)
    assert static[0].tolist() == static[1].tolist()
    # Of the first query, 1 less 0.2 for the first key; of the second one, 0.2 less 1: 0 for the other key.
    dynamic = names["gatv2"](pairs, torch.tensor([[1.0, -1.0], [0.0, 0.0]]).double())
    assert (dynamic[:, 0] - dynamic[:, 1]).tolist() == pytest.approx([0.8, -0.8])
