"""The reference layers of 3a and 3b against PyTorch Geometric's own and against loops in float64."""

import ast
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from proctor.catalogue import inprocess
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.code import bound_names, parse, reads
from proctor.notebooks.purposes import has_effect

with warnings.catch_warnings():
    # PyTorch Geometric announces on import that it will change a default.
    warnings.simplefilter("ignore")
    from torch_geometric.nn import GATConv, SAGEConv
    from torch_geometric.utils import add_self_loops

SOURCE = Path(__file__).resolve().parents[2] / "source" / "assignment2"
# float32 sums of some dozen products of size 1, in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
NOTEBOOKS = ("3a_graph_convolution", "3b_graph_attention")
NO_EDGES = torch.zeros(2, 0, dtype=torch.int64)


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """The module that both notebooks export to, one after the other."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in NOTEBOOKS:
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


def test_debug_agrees_with_loops_in_float64(layers, graph):
    """Edges in the given order, then the self-loops, as the course's published unit tests count on it."""
    x, edge_index = graph
    layer = layers.GraphAttention(7, 4)
    result, debug = layer(x, edge_index, debug=True)
    torch.testing.assert_close(result, layer(x, edge_index))
    edges = [*edge_index.T.tolist(), *([i, i] for i in range(len(x)))]
    assert debug["edge_index"].T.tolist() == edges
    transformed = [layer.W.double() @ row.double() for row in x]
    numerators = []
    for j, i in edges:
        score = layer.a.double() @ torch.cat([transformed[i], transformed[j]])
        numerators.append((score if score > 0 else 0.2 * score).exp().item())
    denominators = [sum(n for n, (_, k) in zip(numerators, edges, strict=True) if k == i) for i in range(len(x))]
    weights = [n / denominators[i] for n, (_, i) in zip(numerators, edges, strict=True)]
    for key, expected in {
        "edge_weights": torch.tensor(numerators),  # (E + N,)
        "softmax_weights": torch.tensor(denominators),  # (N,)
        "attention": torch.tensor(weights),  # (E + N,)
        "messages": torch.stack([transformed[j] for j, _ in edges]).float(),  # (E + N, out)
    }.items():
        torch.testing.assert_close(debug[key], expected, rtol=1e-4, atol=1e-5, msg=lambda text, key=key: key + text)


def test_what_the_published_unit_tests_ask_of_debug(layers):
    """Their ring of four nodes: shapes, and weights put together from numerators and denominators."""
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    _, debug = layers.GraphAttention(3, 5)(torch.randn(4, 3, requires_grad=True), edge_index, debug=True)
    shapes = {key: tuple(debug[key].shape) for key in ("edge_weights", "softmax_weights", "messages")}
    assert shapes == {"edge_weights": (8,), "softmax_weights": (4,), "messages": (8, 5)}
    with_loops, _ = add_self_loops(edge_index)
    weights = debug["edge_weights"] / debug["softmax_weights"][with_loops[1]]
    sums = torch.zeros(4).index_add(0, with_loops[1], weights)
    torch.testing.assert_close(sums, torch.ones(4), **CLOSE)


@pytest.mark.parametrize("name", ["MessageGraphConvolution", "MatrixGraphConvolution", "GraphAttention"])
def test_input_stays_as_it_was(layers, graph, name):
    x, edge_index = (part.clone() for part in graph)
    getattr(layers, name)(7, 4)(x, edge_index)
    assert torch.equal(x, graph[0])
    assert torch.equal(edge_index, graph[1])


def test_no_tensor_is_made_on_the_cpu_for_one_that_is_elsewhere(layers):
    """On the meta device whatever is not there is refused, on any machine."""
    with torch.device("meta"):
        x, edge_index = torch.empty(5, 7), torch.zeros(2, 6, dtype=torch.int64)
        attention, matrices = layers.GraphAttention(7, 4), layers.MatrixGraphConvolution(7, 4)
    assert attention(x, edge_index).is_meta
    assert matrices.make_adjacency_matrix(edge_index, 5).is_meta


def given_code(notebook: dict) -> list[tuple[str, ast.Module]]:
    """Name and code of each cell that students neither answer nor are tested by, in order."""
    return [
        (cell["id"], parse(notebook_cells.source(cell)).tree)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and notebook_cells.role(cell) not in ("solution", "test")
    ]


def variables(code: ast.Module) -> set[str]:
    """Names that a cell leaves behind, without imports, functions and classes."""
    lasting = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return bound_names(ast.Module([part for part in code.body if not isinstance(part, lasting)], []))


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_given_cells_leave_no_variable_that_could_hide_a_missing_one(stem):
    """An answer that forgets to define a name must not find it in the notebook: what stays is used further down."""
    cells = given_code(notebook_cells.read(SOURCE / f"{stem}.ipynb"))
    for number, (_, code) in enumerate(cells):
        used_below = set().union(*(reads(later) for _, later in cells[number + 1 :]))
        assert variables(code) <= used_below & {"graph", "trainings"}


def test_a_variable_that_a_given_cell_leaves_is_seen():
    demo = ast.parse("import torch\nfor t in range(3):\n    pass\nx = 1\ndef f():\n    y = 2\n")
    assert variables(demo) == {"t", "x"}


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_what_answers_use_is_imported(stem):
    """The same three names in both, so that an answer of one notebook runs in the other."""
    (_, first), *_ = given_code(notebook_cells.read(SOURCE / f"{stem}.ipynb"))
    assert {"torch", "nn", "F"} <= bound_names(first)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the graph layers were not run on one")
@pytest.mark.parametrize("name", ["MessageGraphConvolution", "MatrixGraphConvolution", "GraphAttention"])
def test_cuda_gives_the_same(layers, graph, name):
    x, edge_index = graph
    layer = getattr(layers, name)(7, 4)
    expected = layer(x, edge_index)
    torch.testing.assert_close(layer.cuda()(x.cuda(), edge_index.cuda()).cpu(), expected, rtol=1e-4, atol=1e-5)
