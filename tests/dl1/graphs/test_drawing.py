import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from dl1.errors import CourseError
from dl1.graphs.drawing import HIGHLIGHT, PALETTE, draw_arrow, draw_graph, ink_on, layout, on_circle

TRIANGLE_AND_TAIL = torch.tensor([[0, 1, 2, 2, 1], [1, 2, 0, 3, 0]])


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def lines_of(axis):
    (lines,) = [collection for collection in axis.collections if hasattr(collection, "get_segments")]
    return lines


def nodes_of(axis):
    return [collection for collection in axis.collections if not hasattr(collection, "get_segments")]


def contrast(one, other):
    """Contrast of two colours by the Web Content Accessibility Guidelines 2."""
    luminances = []
    for colour in (one, other):
        parts = [int(to_hex(colour)[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        luminances.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_each_pair_is_one_line_with_the_wider_width(axis):
    draw_graph(axis, TRIANGLE_AND_TAIL, on_circle(4), edge_widths=[1, 2, 3, 4, 5])
    lines = lines_of(axis)
    assert len(lines.get_segments()) == 4
    assert sorted(lines.get_linewidths()) == [2, 3, 4, 5]
    assert sorted(text.get_text() for text in axis.texts) == ["0", "1", "2", "3"]


def test_directed_edges_are_arrows_bent_where_there_are_two(axis):
    draw_graph(axis, TRIANGLE_AND_TAIL, on_circle(4), directed=True)
    arrows = [patch for patch in axis.patches if isinstance(patch, FancyArrowPatch)]
    bent = [arrow for arrow in arrows if arrow.get_connectionstyle().rad]
    assert (len(arrows), len(bent)) == (5, 2)


def test_an_edge_without_width_and_a_self_loop_are_not_drawn(axis):
    draw_graph(axis, torch.tensor([[0, 1, 2], [1, 2, 2]]), on_circle(3), edge_widths=[0, 2, 2])
    assert len(lines_of(axis).get_segments()) == 1


def test_colours_markers_labels_and_highlights(axis):
    colours = [PALETTE[0], PALETTE[5], PALETTE[1], "white"]
    draw_graph(
        axis,
        TRIANGLE_AND_TAIL,
        on_circle(4),
        labels=["$a", "b", "", "d"],
        node_colours=colours,
        node_markers=["o", "o", "s", "o"],
        node_sizes=[100, 200, 300, 400],
        highlighted=[0, 1],
    )
    circles, squares = nodes_of(axis)
    assert [to_hex(colour) for colour in circles.get_facecolor()] == ["#0072b2", "#d55e00", "#ffffff"]
    # The second node has the outline's own colour.
    assert [to_hex(colour) for colour in circles.get_edgecolor()][:2] == [HIGHLIGHT.lower(), "#000000"]
    assert circles.get_sizes().tolist() == [100, 200, 400]
    assert squares.get_sizes().tolist() == [300]
    assert [text.get_text() for text in axis.texts] == ["$a", "b", "d"]
    axis.figure.canvas.draw()


@pytest.mark.parametrize("colour", PALETTE)
def test_numbers_can_be_read_on_each_colour(colour):
    # 4.5 is what the guidelines want for small text.
    assert contrast(ink_on(colour), colour) >= 4.5


def test_an_arrow_ends_at_the_outlines(axis):
    draw_arrow(axis, torch.zeros(2), torch.ones(2), 100, 900)
    (arrow,) = axis.patches
    assert arrow.shrinkB - 1 == pytest.approx(3 * (arrow.shrinkA - 1))


def test_layout_is_the_same_again_and_keeps_nodes_apart():
    places = layout(TRIANGLE_AND_TAIL, 6)
    assert torch.equal(places, layout(TRIANGLE_AND_TAIL, 6))
    assert places.shape == (6, 2)
    assert float(places.abs().max()) == pytest.approx(1)
    distances = torch.pdist(places)
    # Six nodes in a square of side 2: a fifth of that keeps the numbers apart.
    assert float(distances.min()) > 0.4
    assert not torch.equal(places, layout(TRIANGLE_AND_TAIL[:, :3], 6))


def test_layout_puts_neighbours_closer_than_strangers():
    clique = torch.combinations(torch.arange(4)).T
    edges = torch.cat([clique, clique + 4, torch.tensor([[0], [4]])], dim=1)
    distances = torch.cdist(*2 * [layout(edges, 8)])
    inside = distances[:4, :4].sum() / 12
    assert inside < 0.6 * distances[:4, 4:].mean()


@pytest.mark.parametrize("nodes", [0, 1, 2])
def test_layout_of_next_to_nothing(nodes):
    places = layout(torch.zeros(2, 0, dtype=torch.int64), nodes)
    assert places.shape == (nodes, 2)
    assert torch.isfinite(places).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda axis: draw_graph(axis, torch.zeros(3, 2), on_circle(3)), r"\(3, 2\): it should be \(2, E\)"),
        (lambda axis: draw_graph(axis, torch.tensor([[0], [3]]), on_circle(3)), "nodes from 0 to 3, but there are 3"),
        (lambda axis: layout(torch.tensor([[0], [-1]]), 3), "from -1 to 0"),
        (lambda axis: draw_graph(axis, TRIANGLE_AND_TAIL, on_circle(4), labels=["a"]), "1 labels for 4 nodes"),
        (lambda axis: draw_graph(axis, TRIANGLE_AND_TAIL, on_circle(4), edge_widths=[1]), "1 edge_widths for 5 edges"),
    ],
)
def test_what_does_not_fit_together_is_refused(axis, call, words):
    with pytest.raises(CourseError, match=words):
        call(axis)
