"""Node classification on a citation graph with a student's layers, and its results under ``runs/``."""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm.auto import tqdm

from dl1.data.citation_graph import CitationGraph
from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.notebook.places import output_folder

# Initialisations of each profile.
PROFILES = {"quick": 1, "full": 10}
_EPOCHS_WITHOUT_RUN = 2
_CURVES = ("loss", "training", "validation", "test")

MakeLayer = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """A network of two layers and how it is trained.

    Attributes:
        hidden: features of each head in the first layer.
        heads: layers side by side in the first place, whose results are concatenated; the last layer is one.
        dropout: on the input of each layer.
        edge_dropout: share of the edges that each layer and head doesn't get in a training step.
        activation: "relu" or "elu", between the layers.
        learning_rate, weight_decay: of Adam.
        epochs: steps, each with all labelled nodes.
    """

    hidden: int
    heads: int
    dropout: float
    edge_dropout: float
    activation: str
    learning_rate: float
    weight_decay: float
    epochs: int


# Sizes and rates as in the papers: Kipf and Welling (2017), Veličković et al. (2018). The second drops attention
# weights inside of the layer, which a student's layer knows nothing of: edges are dropped before they get there.
RECIPES = {
    "convolution": Recipe(16, 1, 0.5, 0.0, "relu", 0.01, 5e-4, 200),
    "attention": Recipe(8, 8, 0.6, 0.5, "elu", 0.005, 5e-4, 200),
}
# Test accuracy on Cora's public split in those papers.
PUBLISHED = {"convolution": 0.815, "attention": 0.830}


@dataclass
class Training:
    """What became of the initialisations of one network.

    Attributes:
        name: of the layer, for figures.
        recipe: key of :data:`RECIPES`.
        data: name of the graph.
        curves: for each initialisation "loss", "training", "validation" and "test", a number per epoch; accuracies
            in [0, 1].
        note: what a figure's title has to add about data and profile; empty for ten initialisations on Cora.
    """

    name: str
    recipe: str
    data: str
    curves: list[dict[str, list[float]]] = field(default_factory=list)
    note: str = ""

    def test_accuracies(self) -> list[float]:
        """For each initialisation, the test accuracy after the last epoch: nothing is chosen by looking."""
        return [curve["test"][-1] for curve in self.curves]


class GraphNet(nn.Module):
    """Two layers of one kind, from (N, in_features) and (2, E) to logits (N, classes)."""

    def __init__(self, make_layer: MakeLayer, in_features: int, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.heads = nn.ModuleList(make_layer(in_features, recipe.hidden) for _ in range(recipe.heads))
        self.last = make_layer(recipe.hidden * recipe.heads, classes)
        self.dropout, self.edge_dropout = recipe.dropout, recipe.edge_dropout
        self.activation = getattr(F, recipe.activation)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        x = F.dropout(x, self.dropout, self.training)
        x = torch.cat([head(x, self._some(edge_index)) for head in self.heads], dim=1)  # (N, heads * hidden)
        x = F.dropout(self.activation(x), self.dropout, self.training)
        return self.last(x, self._some(edge_index))

    def _some(self, edge_index: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.edge_dropout:
            return edge_index
        return edge_index[:, torch.rand(edge_index.shape[1]) >= self.edge_dropout]


def train_layer(
    make_layer: MakeLayer,
    graph: CitationGraph,
    name: str,
    recipe: str,
    experiment: str,
    profile: str | None = None,
) -> Training:
    """Train networks of a layer to name the topic of each paper, or load what was trained before.

    Each initialisation is kept under ``runs/<experiment>`` as soon as it is finished, and logged for TensorBoard.
    Interrupt whenever you like: the next call takes what is there and trains the rest. It begins anew where the layer
    computes something else than it did. While nbgrader validates or grades, nothing is trained: the curves are those
    that were handed in, and where there are none, those of two epochs.

    Args:
        make_layer: from (in_features, out_features) to a layer, called with x (N, in_features) and edge_index (2, E).
        graph: runs on the CPU, where this takes seconds.
        name: of the result, such as "messages".
        recipe: "convolution" or "attention".
        experiment: folder under ``runs/``.
        profile: "quick" (one initialisation) or "full" (ten); the full one with a GPU, else the quick one, if left out.

    Raises:
        CourseError: there is no such recipe or profile, the layer returns something else than it should, or a file
            with results is damaged.
        NotImplementedError: the layer is not finished.
    """
    if recipe not in RECIPES:
        raise CourseError(f"there is no recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
    path = runs.run_folder(experiment) / f"{name.replace(' ', '_')}.json"
    if runs.is_rerun():
        return _handed_in(make_layer, graph, name, recipe, path)
    chosen = runs.choose_profile(profile, list(PROFILES))
    count = PROFILES[chosen]
    key = _key(make_layer, graph, recipe)
    training = Training(name, recipe, graph.name, note=_note(graph, chosen))
    training.curves = _load(path, key)[:count]
    if len(training.curves) == count:
        print(f"{name}: trained before ({_initialisations(count)} on {graph.name}); loaded from {path.name}")
    for seed in range(len(training.curves), count):
        title = f"{name} {seed + 1}/{count}"
        training.curves.append(_train(make_layer, graph, RECIPES[recipe], seed, title, RECIPES[recipe].epochs))
        kept = {"key": key, "data": graph.name, "note": training.note, "recipe": asdict(RECIPES[recipe])}
        runs.save_result(path, {**kept, "curves": training.curves})
        runs.log_curves(
            experiment, f"{path.stem}_{seed}", {f"accuracy/{k}": training.curves[-1][k] for k in _CURVES[1:]}
        )
    return training


def mean_convolution() -> MakeLayer:
    """The student's ``MessageGraphConvolution`` from ``graph_cnn.py``; where there is none, PyG's layer of that kind.

    It says which one it is.
    """
    layer = _exported_convolution()
    if layer is not None:
        print("graph convolution: your MessageGraphConvolution from graph_cnn.py")
        return layer
    from dl1.data.citation_graph import quiet_torch_geometric

    with quiet_torch_geometric():
        from torch_geometric.nn import SAGEConv
    print("graph convolution: SAGEConv of PyTorch Geometric, because graph_cnn.py has no finished one of yours")
    return lambda in_features, out_features: SAGEConv(in_features, out_features, aggr="mean", bias=False)


def _exported_convolution() -> MakeLayer | None:
    try:
        # Run anew, not imported: the notebook may have exported again since.
        layer = runpy.run_path(str(output_folder() / "graph_cnn.py"))["MessageGraphConvolution"]
        finished = layer(2, 3)(torch.ones(2, 2), torch.tensor([[0], [1]])).shape == (2, 3)
    # Whatever a student's module makes of itself, the notebook goes on with PyG's layer.
    except Exception:
        return None
    return layer if finished else None


def _train(
    make_layer: MakeLayer, graph: CitationGraph, recipe: Recipe, seed: int, title: str, epochs: int
) -> dict[str, list[float]]:
    curves: dict[str, list[float]] = {name: [] for name in _CURVES}
    # Initialisation and dropout draw from the global generator, whose state belongs to the notebook.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = GraphNet(make_layer, graph.x.shape[1], graph.num_classes, recipe)
        optimizer = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        bar = tqdm(range(epochs), desc=title, leave=False, disable=runs.is_rerun())
        for _ in bar:
            net.train()
            logits = _logits(net, graph)
            loss = F.cross_entropy(logits[graph.train_mask], graph.y[graph.train_mask])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curves["loss"].append(round(loss.item(), 5))
            for split, accuracy in _accuracies(net, graph):
                curves[split].append(round(accuracy, 5))
            bar.set_postfix(validation=f"{curves['validation'][-1]:.1%}")
    return curves


def _logits(net: GraphNet, graph: CitationGraph) -> torch.Tensor:
    logits = net(graph.x, graph.edge_index)
    shape = (len(graph.x), graph.num_classes)
    if not isinstance(logits, torch.Tensor) or logits.shape != shape or not torch.isfinite(logits).all():
        found = f"{tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise CourseError(
            f"the layer should return finite numbers of shape (N, out_features); two layers gave {found} in place of "
            f"{shape}, or infinities: run the checks of the layer first"
        )
    return logits


@torch.no_grad()
def _accuracies(net: GraphNet, graph: CitationGraph) -> Iterator[tuple[str, float]]:
    net.eval()
    right = _logits(net, graph).argmax(dim=1) == graph.y  # (N,)
    for split, mask in zip(_CURVES[1:], (graph.train_mask, graph.val_mask, graph.test_mask), strict=True):
        yield split, right[mask].float().mean().item()


def _handed_in(make_layer: MakeLayer, graph: CitationGraph, name: str, recipe: str, path: Path) -> Training:
    saved = runs.load_result(path)
    if saved is not None:
        # Whose result it is stands in the file: the graph here may be another one.
        note = str(saved.get("note", ""))[:200]
        return Training(name, recipe, str(saved.get("data", "?"))[:100], _checked(saved.get("curves"), path), note)
    print(f"{name}: no results were handed in; {_EPOCHS_WITHOUT_RUN} epochs are trained.")
    curves = _train(make_layer, graph, RECIPES[recipe], 0, name, _EPOCHS_WITHOUT_RUN)
    return Training(name, recipe, graph.name, [curves], "no results were handed in")


def _load(path: Path, key: str) -> list[dict[str, list[float]]]:
    saved = runs.load_result(path)
    if saved is None or saved.get("key") != key:
        return []
    return _checked(saved.get("curves"), path)


def _checked(curves: Any, path: Path) -> list[dict[str, list[float]]]:
    try:
        found = [{name: [float(value) for value in curve[name]] for name in _CURVES} for curve in curves]
        if not found or any(not curve["validation"] or len(set(map(len, curve.values()))) > 1 for curve in found):
            raise ValueError
    except (TypeError, ValueError, KeyError):
        raise CourseError(f"{path} holds no curves: delete this file, then run the cell again") from None
    return found


@torch.no_grad()
def _key(make_layer: MakeLayer, graph: CitationGraph, recipe: str) -> str:
    """Changes with whatever the result depends on; of the layer, with what it computes on a small graph."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = make_layer(6, 4)
        x = torch.rand(5, 6) - 0.5
        result = layer(x, torch.tensor([[0, 1, 1, 2, 3, 0], [1, 0, 2, 1, 2, 3]]))
    rounded = (result.double() * 1e3).round().int().tolist() if isinstance(result, torch.Tensor) else type(result)
    parts = [graph.name, tuple(graph.x.shape), graph.edge_index.shape[1], asdict(RECIPES[recipe]), rounded]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _note(graph: CitationGraph, profile: str) -> str:
    parts = [_initialisations(PROFILES[profile])] if profile != "full" else []
    parts += [f"embedded data: {graph.name}"] if graph.is_embedded else []
    return ", ".join(parts)


def _initialisations(count: int) -> str:
    return "one initialisation" if count == 1 else f"{count} initialisations"
