"""Small graphs on a matplotlib axis: numbered nodes, edges with or without a direction, and where to put the nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch

from dl1.errors import CourseError

# Okabe and Ito's palette, told apart with every common kind of colour vision, without its black.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
PALE, LINES, HIGHLIGHT = "#EAF3FA", "#5B6570", "#D55E00"
# White is easier to read than black only on the darkest of these colours.
_DARK = "#0072B2"
_CENTRE_PULL = 1.0


def colour_of(number: int) -> str:
    """Colour of a class; beyond seven classes they repeat, so write the number beside it."""
    return PALETTE[number % len(PALETTE)]


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour of :data:`PALETTE`."""
    return "white" if colour == _DARK else "black"


def on_circle(num_nodes: int, start: float = 90.0) -> torch.Tensor:
    """Places (N, 2) at equal distances on the unit circle, clockwise from an angle in degrees."""
    angles = math.radians(start) - 2 * math.pi * torch.arange(num_nodes, dtype=torch.float64) / max(num_nodes, 1)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def layout(edge_index: torch.Tensor, num_nodes: int, steps: int = 300) -> torch.Tensor:
    """Places for the nodes of a small graph, the same for the same graph.

    Fruchterman and Reingold (1991): all nodes push each other away, edges pull, and the nodes move ever less. They
    begin on a circle. A pull to the centre, which is not in the paper, keeps parts without a connection in the picture.

    Args:
        edge_index: (2, E), int64; directions don't matter.
        num_nodes: N, dozens rather than thousands: each step compares all pairs.

    Returns:
        (N, 2), float64, within [-1, 1], with the middle of the graph at (0, 0).

    Raises:
        CourseError: an edge has a node that isn't there.
    """
    _check_edges(edge_index, num_nodes)
    # Radii a little different, because forces can't break the symmetry of a perfect circle.
    places = on_circle(num_nodes) * (1 + 0.02 * torch.arange(num_nodes, dtype=torch.float64))[:, None]
    if num_nodes < 2:
        return torch.zeros(num_nodes, 2, dtype=torch.float64)
    joined = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    joined[edge_index[0], edge_index[1]] = joined[edge_index[1], edge_index[0]] = 1
    ideal = math.sqrt(4 / num_nodes)
    for step in range(steps):
        apart = places[:, None] - places[None]  # (N, N, 2)
        distance = apart.norm(dim=2).clamp(min=1e-3)  # (N, N)
        force = ideal**2 / distance - joined * distance**2 / ideal
        shift = (apart / distance[..., None] * force[..., None]).sum(1) - _CENTRE_PULL * places  # (N, 2)
        length = shift.norm(dim=1, keepdim=True).clamp(min=1e-9)
        places = places + shift / length * length.clamp(max=0.2 * (1 - step / steps))
    places = places - (places.amax(0) + places.amin(0)) / 2
    return places / places.abs().max().clamp(min=1e-9)


def draw_graph(
    axis: Axes,
    edge_index: torch.Tensor,
    positions: torch.Tensor,
    *,
    directed: bool = False,
    labels: Sequence[str] | None = None,
    node_colours: Sequence[str] | None = None,
    node_sizes: Sequence[float] | None = None,
    node_markers: Sequence[str] | None = None,
    edge_widths: Sequence[float] | None = None,
    edge_colours: Sequence[str] | None = None,
    highlighted: Sequence[int] = (),
    font_size: float = 11,
) -> None:
    """Draws a graph, with its nodes numbered unless other labels are given.

    Args:
        edge_index: (2, E), int64, rows source and destination.
        positions: (N, 2).
        directed: arrows; otherwise one line for each pair, of which the wider of its two directions counts.
        labels: N texts; empty ones for no text.
        node_colours: N colours.
        node_sizes: N areas in square points; 520 if left out.
        node_markers: N markers of matplotlib, so that kinds of nodes differ in more than colour; circles if left out.
        edge_widths: E widths in points; an edge of width 0 isn't drawn.
        edge_colours: E colours.
        highlighted: numbers of nodes with a thick outline.
        font_size: of the labels, in points.

    Raises:
        CourseError: the sizes don't fit together.
    """
    nodes, edges = len(positions), edge_index.shape[1]
    _check_edges(edge_index, nodes)
    _check_counts(
        nodes, "nodes", labels=labels, node_colours=node_colours, node_sizes=node_sizes, node_markers=node_markers
    )
    _check_counts(edges, "edges", edge_widths=edge_widths, edge_colours=edge_colours)
    sizes = list(node_sizes) if node_sizes is not None else [520.0] * nodes
    widths = list(edge_widths) if edge_widths is not None else [1.8] * edges
    colours = list(edge_colours) if edge_colours is not None else [LINES] * edges
    drawn = [
        (u, v, widths[e], colours[e]) for e, (u, v) in enumerate(edge_index.T.tolist()) if u != v and widths[e] > 0
    ]
    if directed:
        _draw_arrows(axis, drawn, positions, sizes)
    else:
        _draw_lines(axis, drawn, positions)
    _draw_nodes(axis, positions, sizes, node_colours, node_markers, set(highlighted))
    for node, (x, y) in enumerate(positions.tolist()):
        text = str(node) if labels is None else labels[node]
        ink = ink_on(node_colours[node]) if node_colours is not None else "black"
        if text:
            axis.text(x, y, text, ha="center", va="center", fontsize=font_size, color=ink, zorder=4, parse_math=False)
    axis.set(xticks=[], yticks=[], aspect="equal")
    # Room for the outermost nodes, whose size is in points.
    axis.margins(0.16)
    for spine in axis.spines.values():
        spine.set_visible(False)


def draw_arrow(
    axis: Axes,
    start: torch.Tensor,
    end: torch.Tensor,
    start_size: float = 520.0,
    end_size: float = 520.0,
    *,
    width: float = 1.8,
    color: str = LINES,
    bend: float = 0.0,
    **style: Any,
) -> None:
    """An arrow between two nodes (places (2,), sizes in square points) that ends where their outlines are."""
    arrow = FancyArrowPatch(
        tuple(start.tolist()),
        tuple(end.tolist()),
        arrowstyle="-|>",
        mutation_scale=8 + 2.5 * width,
        connectionstyle=f"arc3,rad={bend}",
        # The radius of a marker of this area, and the half of its outline.
        shrinkA=math.sqrt(start_size / math.pi) + 1,
        shrinkB=math.sqrt(end_size / math.pi) + 1,
        linewidth=width,
        color=color,
        **{"zorder": 2, **style},
    )
    axis.add_patch(arrow)


def _check_counts(count: int, what: str, **given: Sequence | None) -> None:
    for name, values in given.items():
        if values is not None and len(values) != count:
            raise CourseError(f"draw_graph got {len(values)} {name} for {count} {what}: give one for each")


def _draw_arrows(
    axis: Axes, edges: list[tuple[int, int, float, str]], positions: torch.Tensor, sizes: Sequence[float]
) -> None:
    """Of two edges in opposite directions each is bent, so that both are seen."""
    both = {(u, v) for u, v, _, _ in edges}
    for u, v, width, colour in edges:
        bend = 0.18 if (v, u) in both else 0.0
        draw_arrow(axis, positions[u], positions[v], sizes[u], sizes[v], width=width, color=colour, bend=bend)


def _draw_lines(axis: Axes, drawn: list[tuple[int, int, float, str]], positions: torch.Tensor) -> None:
    widest: dict[tuple[int, int], tuple[float, str]] = {}
    for u, v, width, colour in drawn:
        pair = (min(u, v), max(u, v))
        if pair not in widest or width > widest[pair][0]:
            widest[pair] = (width, colour)
    places = positions.tolist()
    lines = LineCollection(
        [(places[u], places[v]) for u, v in widest],
        linewidths=[width for width, _ in widest.values()],
        colors=[colour for _, colour in widest.values()],
        capstyle="round",
        zorder=1,
    )
    axis.add_collection(lines)


def _draw_nodes(
    axis: Axes,
    positions: torch.Tensor,
    sizes: list[float],
    colours: Sequence[str] | None,
    markers: Sequence[str] | None,
    highlighted: set[int],
) -> None:
    kinds = list(markers) if markers is not None else ["o"] * len(positions)
    for kind in dict.fromkeys(kinds):
        group = [node for node, marker in enumerate(kinds) if marker == kind]
        axis.scatter(
            positions[group, 0].tolist(),
            positions[group, 1].tolist(),
            s=[sizes[node] for node in group],
            c=[colours[node] if colours is not None else PALE for node in group],
            marker=kind,
            # Black where the fill would hide the outline.
            edgecolors=[
                LINES if node not in highlighted else "black" if colours and colours[node] == HIGHLIGHT else HIGHLIGHT
                for node in group
            ],
            linewidths=[3.0 if node in highlighted else 1.0 for node in group],
            zorder=3,
            clip_on=False,
        )


def _check_edges(edge_index: torch.Tensor, num_nodes: int) -> None:
    if edge_index.ndim != 2 or len(edge_index) != 2:
        raise CourseError(f"edge_index has shape {tuple(edge_index.shape)}: it should be (2, E)")
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
        raise CourseError(
            f"edge_index has nodes from {int(edge_index.min())} to {int(edge_index.max())}, but there are {num_nodes}"
        )
