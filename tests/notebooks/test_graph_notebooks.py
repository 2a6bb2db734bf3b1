"""The reference layers of 3a and 3b against PyTorch Geometric's own and against loops in float64."""

import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from proctor.catalogue import inprocess

with warnings.catch_warnings():
    # PyTorch Geometric announces on import that it will change a default.
    warnings.simplefilter("ignore")
    from torch_geometric.nn import GATConv, SAGEConv

SOURCE = Path(__file__).resolve().parents[2] / "source" / "assignment2"
# float32 sums of some dozen products of size 1, in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
NO_EDGES = torch.zeros(2, 0, dtype=torch.int64)


def has_effect(cell: dict) -> bool:
    """Leaves the demos out: they show pictures and train."""
    return "demo" not in cell["metadata"].get("tags", [])


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """The module that both notebooks export to, one after the other."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("3a_graph_convolution", "3b_graph_attention"):
            results = inprocess.run(SOURCE / f"{name}.ipynb", cells=has_effect)
            assert [result.error_text for result in results if not result.ok] == []
        patch.syspath_prepend(folder)
        import graph_cnn
    yield graph_cnn
    del sys.modules["graph_cnn"]


def random_graph(nodes: int, share: float, seed: int, directed: bool = True, lonely: int = 0) -> torch.Tensor:
    """edge_index without self-loops; the last ``lonely`` nodes, the highest numbers, have no edges."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(nodes, nodes, generator=generator) < share
    dense = dense if directed else dense | dense.T
    dense.fill_diagonal_(False)
    dense[nodes - lonely :], dense[:, nodes - lonely :] = False, False
    destinations, sources = dense.nonzero().T
    return torch.stack([sources, destinations])


GRAPHS = {
    "undirected": (9, random_graph(9, 0.3, 0, directed=False)),
    "directed": (30, random_graph(30, 0.1, 1)),
    "isolated": (12, random_graph(12, 0.2, 2, lonely=4)),
    "one node": (1, NO_EDGES),
    "no edges": (5, NO_EDGES),
    "one direction": (4, torch.tensor([[0, 0, 1], [1, 2, 2]])),
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    """(x, edge_index) of each kind of graph."""
    nodes, edge_index = GRAPHS[request.param]
    return torch.randn(nodes, 7, generator=torch.Generator().manual_seed(nodes)), edge_index


@pytest.mark.parametrize("name", ["MessageGraphConvolution", "MatrixGraphConvolution"])
def test_convolutions_agree_with_pyg(layers, graph, name):
    x, edge_index = graph
    layer = getattr(layers, name)(7, 4)
    theirs = SAGEConv(7, 4, aggr="mean", bias=False)
    theirs.lin_l.weight.data, theirs.lin_r.weight.data = layer.W.data, layer.B.data
    torch.testing.assert_close(layer(x, edge_index), theirs(x, edge_index), **CLOSE)


def test_attention_agrees_with_pyg(layers, graph):
    x, edge_index = graph
    layer = layers.GraphAttention(7, 4)
    theirs = GATConv(7, 4, heads=1, negative_slope=0.2, add_self_loops=True, bias=False)
    theirs.lin.weight.data = layer.W.data
    # Theirs keeps the half for the destination and that for the source apart.
    theirs.att_dst.data, theirs.att_src.data = layer.a.data[:4].view(1, 1, 4), layer.a.data[4:].view(1, 1, 4)
    torch.testing.assert_close(layer(x, edge_index), theirs(x, edge_index), **CLOSE)


def test_attention_agrees_with_loops_in_float64(layers, graph):
    x, edge_index = graph
    layer = layers.GraphAttention(7, 4)
    transformed = [layer.W.double() @ row.double() for row in x]
    for i in range(len(x)):
        heard = [j for j, k in edge_index.T.tolist() if k == i] + [i]
        scores = [
            F.leaky_relu(layer.a.double() @ torch.cat([transformed[i], transformed[j]]), 0.2).item() for j in heard
        ]
        weights = torch.tensor(scores, dtype=torch.float64).softmax(0)
        expected = sum(w * transformed[j] for w, j in zip(weights, heard, strict=True))
        torch.testing.assert_close(layer(x, edge_index)[i].double(), expected, **CLOSE)


def test_both_convolutions_agree_in_result_and_gradients(layers, graph):
    x, edge_index = graph
    one, other = layers.MessageGraphConvolution(7, 4), layers.MatrixGraphConvolution(7, 4)
    other.load_state_dict(one.state_dict())
    found = []
    for layer in (one, other):
        inputs = x.clone().requires_grad_()
        result = layer(inputs, edge_index)
        found.append([result, *torch.autograd.grad(result.square().sum(), [inputs, layer.W, layer.B])])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("name", ["MessageGraphConvolution", "MatrixGraphConvolution", "GraphAttention"])
def test_renumbering_the_nodes_renumbers_the_result(layers, graph, name):
    x, edge_index = graph
    layer = getattr(layers, name)(7, 4)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(5))
    number = torch.empty_like(order)
    number[order] = torch.arange(len(x))
    torch.testing.assert_close(layer(x[order], number[edge_index]), layer(x, edge_index)[order], **CLOSE)


def test_debug_weights_sum_to_one(layers, graph):
    x, edge_index = graph
    result, debug = layers.GraphAttention(7, 4)(x, edge_index, debug=True)
    assert debug["edge_index"].shape == (2, edge_index.shape[1] + len(x))
    sums = torch.zeros(len(x)).index_add(0, debug["edge_index"][1], debug["attention"].detach())
    torch.testing.assert_close(sums, torch.ones(len(x)), **CLOSE)
    assert result.shape == (len(x), 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the graph layers were not run on one")
@pytest.mark.parametrize("name", ["MessageGraphConvolution", "GraphAttention"])
def test_cuda_gives_the_same(layers, graph, name):
    x, edge_index = graph
    layer = getattr(layers, name)(7, 4)
    expected = layer(x, edge_index)
    torch.testing.assert_close(layer.cuda()(x.cuda(), edge_index.cuda()).cpu(), expected, rtol=1e-4, atol=1e-5)
