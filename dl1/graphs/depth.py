"""Depth on graphs: the same network with one to eight layers, and how alike the embeddings of papers become."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.data.citation_graph import CitationGraph
from dl1.graphs.training import MakeLayer

DEPTHS = (1, 2, 3, 4, 6, 8)
_HIDDEN, _STEPS, _DROPOUT = 16, 60, 0.5
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_MARKERS = ("o", "s", "^")


class PlainMean(nn.Module):
    """A GCN layer: the mean over a node and its neighbours, then one matrix; nothing of its own for the node itself."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        start, end = edge_index
        x = self.linear(x)  # (N, out)
        sums = x.index_add(0, end, x[start])
        degrees = torch.bincount(end, minlength=len(x)) + 1  # (N,)
        return sums / degrees[:, None]


class DeepNet(nn.Module):
    """A linear layer to 16 features, ``depth`` graph layers with ReLU between them, a linear layer to the classes.

    Each node's features are normalised after each layer. Otherwise they would shrink on the way, and what deep networks
    lose by that would pass for over-smoothing; it doesn't touch differences between nodes.
    """

    def __init__(self, make_layer: MakeLayer, in_features: int, classes: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, _HIDDEN, bias=False)
        self.layers = nn.ModuleList(make_layer(_HIDDEN, _HIDDEN) for _ in range(depth))
        self.last = nn.Linear(_HIDDEN, classes)

    def embeddings(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        """Sparse (N, in_features) -> (N, 16), before the last linear layer."""
        x = torch.sparse.mm(x, self.first.weight.T)
        x = F.dropout(x, _DROPOUT, self.training)
        for layer in self.layers:
            x = F.layer_norm(layer(F.relu(x), edge_index), (_HIDDEN,))
        return x

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.last(F.relu(self.embeddings(x, edge_index)))


def depth_experiment(
    layers: Mapping[str, MakeLayer], graph: CitationGraph, depths: tuple[int, ...] = DEPTHS, steps: int = _STEPS
) -> Figure:
    """Networks of each depth with each layer: validation accuracy, and how alike papers are before training.

    Args:
        layers: at most three, by name; called with x (N, in) and edge_index (2, E).
        graph: on the CPU.

    Raises:
        NotImplementedError: a layer is not finished.
    """
    threads = torch.get_num_threads()
    # Sixteen features are too few for a second thread to be of use.
    torch.set_num_threads(1)
    try:
        results = _measured_all(layers, graph, depths, steps)
    finally:
        torch.set_num_threads(threads)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.7), layout="constrained")
    for (name, found), colour, marker in zip(results.items(), _COLOURS, _MARKERS, strict=False):
        for axis, values in zip((left, right), zip(*found, strict=True), strict=True):
            axis.plot(depths, values, color=colour, marker=marker, label=name)
    left.set(ylabel="validation accuracy", ylim=(0, 1), title="after training")
    right.set(ylabel="mean cosine of two papers", ylim=(-0.05, 1.05), title="embeddings before training (1: all alike)")
    for axis in (left, right):
        axis.set(xlabel="graph layers", xticks=range(1, max(depths) + 1))
        axis.grid(alpha=0.3)
    left.legend(fontsize=8, loc="lower left")
    figure.suptitle(f"One to {max(depths)} layers on {graph.name} (one initialisation, {steps} epochs)", fontsize=11)
    return figure


def _measured_all(
    layers: Mapping[str, MakeLayer], graph: CitationGraph, depths: tuple[int, ...], steps: int
) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}
    with tqdm(total=len(layers) * len(depths), desc="depth", leave=False) as bar:
        for name, make_layer in layers.items():
            for depth in depths:
                found[name].append(measured(make_layer, graph, depth, steps))
                bar.update()
    return found


def measured(make_layer: Callable, graph: CitationGraph, depth: int, steps: int) -> tuple[float, float]:
    """Validation accuracy after the last epoch, and the mean cosine of two papers' embeddings before the first."""
    # A paper has about eighteen of the 1,433 words: dense products would take ten times as long.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PyTorch says of such forms that they are in beta; a product and its gradient are all that is asked of them.
        warnings.filterwarnings("ignore", "Sparse CS[RC]", UserWarning)
        x = graph.x.to_sparse_csr()
        torch.manual_seed(0)
        net = DeepNet(make_layer, graph.x.shape[1], graph.num_classes, depth)
        alike = _alike(net, x, graph.edge_index)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=5e-4)
        for _ in range(steps):
            loss = F.cross_entropy(net(x, graph.edge_index)[graph.train_mask], graph.y[graph.train_mask])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        right = net(x, graph.edge_index).argmax(dim=1) == graph.y
    return right[graph.val_mask].float().mean().item(), alike


@torch.no_grad()
def _alike(net: DeepNet, x: torch.Tensor, edge_index: torch.Tensor) -> float:
    net.eval()
    found = mean_cosine(net.embeddings(x, edge_index))
    net.train()
    return found


def mean_cosine(embeddings: torch.Tensor) -> float:
    """Mean cosine over all pairs of different rows (N, features): 1 where all point in one direction."""
    unit = F.normalize(embeddings.double(), dim=1)
    count = len(unit)
    # The square of the sum holds each pair twice, and each row with itself once.
    return ((unit.sum(0).square().sum() - unit.square().sum()) / (count * (count - 1))).item()
