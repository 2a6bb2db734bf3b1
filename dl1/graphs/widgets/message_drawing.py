"""One step of message passing as a figure: messages to a node, and the row of the matrix product that equals them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dl1.graphs.drawing import HIGHLIGHT, LINES, PALE, draw_arrow, draw_graph

# Size of the figure, in inches and in pixels per inch.
WIDTH, HEIGHT, DPI = 10.2, 4.5, 100
_CELL = 0.5  # inches
_NEIGHBOUR, _NEIGHBOUR_PALE, _CHOSEN_PALE = "#0072B2", "#CFE5F3", "#FBE3D3"
# Vermilion for small letters, which need more contrast than lines.
_CHOSEN_INK, _FAINT, _MISSING = "#A34700", "#C9CED3", "#6B6B6B"
_NODE = 560.0  # square points
_PLAIN = re.compile(r"-?0(\.0*)?$")


@dataclass(frozen=True)
class Steps:
    """What is drawn.

    Attributes:
        adjacency: (N, N), zeros and ones, symmetric.
        features: H, (N, d).
        places: of the nodes, (N, 2).
        means: D⁻¹AH, (N, d), zeros for a node without neighbours.
    """

    adjacency: torch.Tensor
    features: torch.Tensor
    places: torch.Tensor
    means: torch.Tensor

    def neighbours(self, node: int) -> list[int]:
        return self.adjacency[node].nonzero().flatten().tolist()


def short(value: float) -> str:
    """A number with at most two decimals, without zeros at the end."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if _PLAIN.match(text) else text.replace("-", "−")


def vector(values: torch.Tensor) -> str:
    return f"({', '.join(short(value) for value in values.tolist())})"


def mean_line(steps: Steps, node: int) -> str:
    """How the mean of a node comes about, such as "mean of node 1 = ((1, 0) + (0, 3)) / 2 = (0.5, 1.5)"."""
    heard = steps.neighbours(node)
    if not heard:
        return f"node {node} has no neighbours: its message is {vector(steps.means[node])}"
    terms = " + ".join(vector(steps.features[other]) for other in heard)
    total = f"({terms}) / {len(heard)}" if len(heard) > 1 else terms
    return f"mean for node {node} = {total} = {vector(steps.means[node])}"


def make_figure() -> Figure:
    """An empty figure for :func:`draw_step`."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def draw_step(figure: Figure, steps: Steps, node: int, verdict: str, agrees: bool) -> None:
    """Draws the step of a node in place of what the figure held before.

    Args:
        verdict: what to say about the student's result; empty for nothing.
        agrees: whether that is good.
    """
    figure.clear()
    _draw_messages(figure, steps, node)
    _draw_product(figure, steps, node)
    line = mean_line(steps, node)
    # The mean width of a letter of DejaVu Sans is 0.58 of its size.
    size = min(11.5, 72 * (WIDTH - 0.5) / (0.58 * len(line)))
    figure.text(0.025, 0.105, line, fontsize=size, color=_CHOSEN_INK, label="mean", parse_math=False)
    colour = "#00704F" if agrees else _CHOSEN_INK
    figure.text(0.025, 0.035, verdict, fontsize=10.5, color=colour, label="verdict", parse_math=False)


def _draw_messages(figure: Figure, steps: Steps, node: int) -> None:
    axis = figure.add_axes((0.02, 0.17, 0.36, 0.70), label="graph")
    edges = steps.adjacency.nonzero().T  # (2, E)
    heard, nodes = steps.neighbours(node), len(steps.adjacency)
    # The messages are drawn as arrows over these lines.
    plain = [0.0 if node in edge else 1.6 for edge in edges.T.tolist()]
    colours = [_CHOSEN_PALE if n == node else _NEIGHBOUR_PALE if n in heard else "white" for n in range(nodes)]
    draw_graph(
        axis,
        edges,
        steps.places,
        node_colours=colours,
        node_sizes=[_NODE] * nodes,
        edge_widths=plain,
        edge_colours=[_FAINT] * len(plain),
        highlighted=[node],
    )
    for other in heard:
        start, end = steps.places[other], steps.places[node]
        draw_arrow(axis, start, end, _NODE, _NODE, width=2.2, color=_NEIGHBOUR, label="message")
        x, y = (0.52 * start + 0.48 * end).tolist()
        style = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
        text = vector(steps.features[other])
        axis.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=9.5 if len(text) < 12 else 7.5,
            color=_NEIGHBOUR,
            bbox=style,
            zorder=2.5,
        )
    axis.set_title(f"messages to node {node}: the h of its neighbours", fontsize=10.5)


def _draw_product(figure: Figure, steps: Steps, node: int) -> None:
    nodes, width = steps.features.shape
    heard = steps.neighbours(node)
    cell = min(_CELL, 4.5 / (nodes + 2 * width), 2.9 / nodes)
    bottom = 1.15 + (2.75 - nodes * cell) / 2
    left = 4.2
    texts = [[_share(steps, row, column) for column in range(nodes)] for row in range(nodes)]
    longest = max(len(short(value)) for value in torch.cat([steps.features, steps.means]).flatten().tolist())
    # A digit of DejaVu Sans is 0.64 of its size wide.
    size = min(9.5, 72 * cell / (0.75 * longest))
    axis = _panel(figure, "D⁻¹A", left, bottom, nodes, nodes, cell)
    axis.set_ylabel("to node", fontsize=8.5, color=_MISSING, labelpad=1)
    for row in range(nodes):
        for column in range(nodes):
            picked = row == node and column in heard
            colour = _NEIGHBOUR_PALE if picked else _CHOSEN_PALE if row == node else "white"
            faint = row != node and texts[row][column] == "0"
            _cell(axis, row, column, texts[row][column], colour, 9.5, _MISSING if faint else "black")
    _frame(axis, node, nodes)
    left += nodes * cell + 0.6
    _sign(figure, "·", left - 0.37, bottom + nodes * cell / 2)
    axis = _panel(figure, "H", left, bottom, nodes, width, cell)
    for row in range(nodes):
        for column, value in enumerate(steps.features[row].tolist()):
            picked = row in heard
            _cell(axis, row, column, short(value), _NEIGHBOUR_PALE if picked else "white", size)
    left += width * cell + 0.65
    _sign(figure, "=", left - 0.41, bottom + nodes * cell / 2)
    axis = _panel(figure, "D⁻¹A H", left, bottom, nodes, width, cell)
    for row in range(nodes):
        for column, value in enumerate(steps.means[row].tolist()):
            colour = _CHOSEN_PALE if row == node else PALE if row < node else "white"
            _cell(axis, row, column, short(value) if row <= node else "", colour, size)
    _frame(axis, node, width)
    figure.text(0.41, 0.885, f"row {node} of D⁻¹A picks rows of H", fontsize=10.5)


def _share(steps: Steps, row: int, column: int) -> str:
    """1/degree where there is an edge, as a fraction."""
    degree = len(steps.neighbours(row))
    if not steps.adjacency[row, column]:
        return "0"
    return "1" if degree == 1 else f"1/{degree}"


def _panel(figure: Figure, name: str, left: float, bottom: float, rows: int, columns: int, cell: float) -> Axes:
    box = (left / WIDTH, bottom / HEIGHT, columns * cell / WIDTH, rows * cell / HEIGHT)
    axis = figure.add_axes(box, label=name)
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), yticks=range(rows), xticks=[])
    axis.tick_params(length=0, labelsize=8, labelcolor=_MISSING, pad=2)
    axis.set_xlabel(name, fontsize=11)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return axis


def _cell(axis: Axes, row: int, column: int, text: str, colour: str, size: float, ink: str = "black") -> None:
    corner = (column - 0.5, row - 0.5)
    axis.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="#B0B0B0", linewidth=0.8))
    axis.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def _frame(axis: Axes, row: int, columns: int) -> None:
    corner = (-0.5, row - 0.5)
    box = Rectangle(corner, columns, 1, fill=False, edgecolor=HIGHLIGHT, linewidth=2.5, clip_on=False, zorder=3)
    axis.add_patch(box)


def _sign(figure: Figure, text: str, x: float, y: float) -> None:
    figure.text(x / WIDTH, y / HEIGHT, text, fontsize=17, ha="center", va="center", color=LINES)
