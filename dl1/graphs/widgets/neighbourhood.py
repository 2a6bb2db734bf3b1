"""Walking through a citation graph: a node, its neighbours, and how a student's attention weighs them."""

from __future__ import annotations

import random
from typing import Protocol

import ipywidgets
import matplotlib.pyplot as plt
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.graphs.attention_weights import attention_weights
from dl1.graphs.widgets.neighbourhood_picture import Neighbourhood, NeighbourhoodPicture, content_of, draw_neighbourhood
from dl1.notebook.runs import is_rerun

MOST_SHOWN = 25
# Neighbours of the node to begin with: enough to compare, and few enough to see each.
_FEWEST, _MOST = 6, 12


class Graph(Protocol):
    """What is needed of a graph: features (N, F), classes (N,), edge_index (2, E)."""

    x: torch.Tensor
    y: torch.Tensor
    edge_index: torch.Tensor
    name: str
    num_classes: int


def explore_neighbourhood(layer: nn.Module, graph: Graph, start: int | None = None) -> None:
    """Show a node's neighbours with the attention it pays to each; a click on a neighbour moves there.

    A number chooses any node, and everything also works from the keyboard: neighbours can be reached with Tab and
    chosen with Enter. Below stands a figure of the first node for print. Where no one can click, in a notebook that
    nbgrader runs, there is only the figure. If the layer's debug output can't be used, a line says why.

    Args:
        layer: attention layer; ``layer(x, edge_index, debug=True)`` is called once, in eval mode.
        graph: with x (N, F), y (N,), edge_index (2, E).
        start: number of the first node; if left out, the one with six to twelve neighbours whose weights are the
            furthest from equal.

    Raises:
        CourseError: there is no such node.
        NotImplementedError: the layer is not finished.
    """
    if start is not None and not 0 <= start < len(graph.x):
        raise CourseError(f"there is no node {start}: choose one from 0 to {len(graph.x) - 1}")
    try:
        weights = NeighbourhoodWeights(layer, graph)
    except CourseError as error:
        print(f"Nothing to show yet: {error}.")
        return
    if start is None:
        start = weights.most_uneven()
        print(
            f"Node {start} of {graph.name}: among those with {_FEWEST} to {_MOST} neighbours, its weights differ the "
            "most from equal ones. Other nodes may look duller."
        )
    if not is_rerun():
        # Imported here, because without a front end there is nothing to display in.
        from IPython.display import display

        display(NeighbourhoodExplorer(weights, start).box)
    draw_neighbourhood(weights.around(start))
    plt.show()


class NeighbourhoodWeights:
    """A layer's weights on a graph, computed once.

    Raises:
        CourseError: the layer's debug output can't be used.
        NotImplementedError: the layer is not finished.
    """

    def __init__(self, layer: nn.Module, graph: Graph) -> None:
        self.nodes = len(graph.x)
        self._topics = graph.y.tolist()
        self._given = graph.edge_index.cpu()
        self._edges, self._weights = attention_weights(layer, graph.x, graph.edge_index)

    def most_uneven(self) -> int:
        """The node with six to twelve neighbours whose weights differ the most from equal ones."""
        arriving = torch.bincount(self._edges[1], minlength=self.nodes)  # (N,), self-loops included
        distance = (self._weights - 1 / arriving[self._edges[1]]).abs()  # (E + N,)
        uneven = torch.zeros(self.nodes, dtype=distance.dtype).index_add(0, self._edges[1], distance)
        fits = (arriving > _FEWEST) & (arriving <= _MOST + 1)
        # Where no node has that many neighbours, the one with the most.
        return int(uneven.where(fits, -1.0).argmax() if fits.any() else arriving.argmax())

    def around(self, node: int) -> Neighbourhood:
        """The neighbours of a node, at most 25: those with the largest weights."""
        arriving = (self._edges[1] == node).nonzero().flatten()
        sources, weights = self._edges[0, arriving], self._weights[arriving]
        own = float(weights[sources == node].sum())
        sources, weights = sources[sources != node], weights[sources != node]
        order = weights.argsort(descending=True, stable=True)
        shown, rest = order[:MOST_SHOWN], order[MOST_SHOWN:]
        neighbours = sources[shown].tolist()
        place = {number: index for index, number in enumerate(neighbours)}
        among = torch.isin(self._given, sources[shown]).all(0)
        pairs = {tuple(sorted((place[u], place[v]))) for u, v in self._given[:, among].T.tolist() if u != v}
        return Neighbourhood(
            node=node,
            topic=self._topics[node],
            own=own,
            neighbours=tuple(neighbours),
            topics=tuple(self._topics[number] for number in neighbours),
            weights=tuple(weights[shown].tolist()),
            left_out=len(rest),
            left_out_weight=float(weights[rest].sum()),
            between=tuple(sorted(pairs)),
        )


class NeighbourhoodExplorer:
    """The widget and its parts.

    Attributes:
        node: number of the node in the middle.
        picture: to be clicked.
        number: field for the number of any node.
        back, random: buttons.
        box: all of it.
    """

    def __init__(self, weights: NeighbourhoodWeights, start: int) -> None:
        self._weights = weights
        self._visited: list[int] = []
        # Of its own, so that the notebook's random numbers stay as they are.
        self._random = random.Random(0)
        self.node = start
        self.picture = NeighbourhoodPicture()
        self.number = ipywidgets.BoundedIntText(
            value=start, min=0, max=weights.nodes - 1, description="Node", layout={"width": "12em"}
        )
        self.back = ipywidgets.Button(description="Back", icon="arrow-left", layout={"width": "7em"})
        self.random = ipywidgets.Button(description="Random", icon="random", layout={"width": "8em"})
        hint = ipywidgets.HTML("Click a neighbour to go there, or use Tab and Enter.")
        row = ipywidgets.HBox(
            [self.number, self.back, self.random, hint], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        self.box = ipywidgets.VBox([row, self.picture])
        self._show()
        self.picture.observe(lambda change: self.go(change.new), "chosen")
        self.number.observe(lambda change: self.go(change.new), "value")
        self.back.on_click(lambda _: self._go_back())
        self.random.on_click(lambda _: self.go(self._random.randrange(weights.nodes)))

    def go(self, node: int) -> None:
        """Move to a node; where there is none of that number, stay."""
        if node != self.node and 0 <= node < self._weights.nodes:
            self._visited.append(self.node)
            self.node = node
            self._show()

    def _go_back(self) -> None:
        if self._visited:
            self.node = self._visited.pop()
            self._show()

    def _show(self) -> None:
        with self.picture.hold_sync():
            self.picture.content = content_of(self._weights.around(self.node))
            self.picture.chosen = self.node
        self.number.value = self.node
        self.back.disabled = not self._visited
