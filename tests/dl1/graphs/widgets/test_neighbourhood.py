import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn
from matplotlib.colors import to_hex

from dl1.errors import CourseError
from dl1.graphs.drawing import PALETTE
from dl1.graphs.widgets.neighbourhood import (
    MOST_SHOWN,
    NeighbourhoodExplorer,
    NeighbourhoodWeights,
    explore_neighbourhood,
)
from dl1.graphs.widgets.neighbourhood_picture import (
    NeighbourhoodPicture,
    content_of,
    draw_neighbourhood,
    line_width,
    places_of,
)


class Attention(nn.Module):
    """Weights from the sources' first feature; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, edge_index, debug=False):
        self.calls += 1
        loops = torch.arange(len(x))
        sources, destinations = torch.cat([edge_index, loops.expand(2, -1)], dim=1)
        scores = x[sources, 0].exp()
        attention = scores / torch.zeros(len(x)).index_add(0, destinations, scores)[destinations]
        return x, {"edge_index": torch.stack([sources, destinations]), "attention": attention}


def star(leaves):
    """Node 0 with leaves, and an edge between the first two of them."""
    ends = torch.arange(1, leaves + 1)
    pairs = torch.cat([torch.stack([torch.zeros_like(ends), ends]), torch.tensor([[1], [2]])], dim=1)
    edges = torch.cat([pairs, pairs.flip(0)], dim=1)
    x = torch.arange(leaves + 1).float()[:, None] / 10
    return SimpleNamespace(x=x, y=torch.arange(leaves + 1) % 3, edge_index=edges, name="Star", num_classes=3)


@pytest.fixture
def explorer():
    return NeighbourhoodExplorer(NeighbourhoodWeights(Attention(), star(30)), 0)


def test_neighbours_come_by_weight_and_some_are_left_out():
    graph = star(30)
    shown = NeighbourhoodWeights(Attention(), graph).around(0)
    assert shown.neighbours == tuple(range(30, 30 - MOST_SHOWN, -1))
    assert shown.topics == tuple(number % 3 for number in shown.neighbours)
    # All the weights of a node sum to 1, in float32.
    assert shown.own + sum(shown.weights) + shown.left_out_weight == pytest.approx(1, abs=1e-5)
    exact = graph.x[:, 0].double().softmax(0)
    assert shown.own == pytest.approx(exact[0].item(), rel=1e-5)
    assert shown.weights[0] == pytest.approx(exact[30].item(), rel=1e-5)
    assert shown.left_out == 5
    assert shown.left_out_weight == pytest.approx(exact[1:6].sum().item(), rel=1e-5)
    assert "30 neighbours" in shown.caption()
    assert "Shown are the 25 with the largest weights; 5 left out have" in shown.caption()
    assert shown.even == pytest.approx(1 / 31)


def test_edges_between_neighbours_are_found_once():
    shown = NeighbourhoodWeights(Attention(), star(8)).around(0)
    assert shown.neighbours == (8, 7, 6, 5, 4, 3, 2, 1)
    assert shown.between == ((6, 7),)
    assert NeighbourhoodWeights(Attention(), star(8)).around(5).between == ()


def test_only_edges_that_arrive_count():
    graph = SimpleNamespace(
        x=torch.zeros(3, 1), y=torch.zeros(3), edge_index=torch.tensor([[0, 0], [1, 2]]), name="", num_classes=1
    )
    weights = NeighbourhoodWeights(Attention(), graph)
    assert weights.around(0).neighbours == ()
    assert weights.around(0).own == 1
    assert weights.around(1).neighbours == (0,)
    assert "1 neighbour, 50.0% of its attention on itself" in weights.around(1).caption()


def test_the_most_uneven_node_has_a_handful_of_neighbours():
    graph = star(8)
    assert NeighbourhoodWeights(Attention(), graph).most_uneven() == 0
    # Too many neighbours, and no other node has enough: then the one with the most.
    assert NeighbourhoodWeights(Attention(), star(30)).most_uneven() == 0
    ring = torch.arange(20)
    edges = torch.cat([torch.stack([(ring + step) % 20, ring]) for step in (1, 2, 3, 4, 5, 6, 7)], dim=1)
    graph = SimpleNamespace(x=torch.zeros(20, 1), y=ring, edge_index=edges, name="", num_classes=20)
    graph.x[4] = 5
    found = NeighbourhoodWeights(Attention(), graph)
    uneven = found.most_uneven()
    assert 4 in (uneven, *found.around(uneven).neighbours)


def test_a_click_moves_there_and_back(explorer):
    before = explorer.picture.content
    assert before["nodes"][0]["number"] == 0
    assert explorer.back.disabled
    explorer.picture.chosen = 7
    assert explorer.node == explorer.number.value == 7
    assert [node["number"] for node in explorer.picture.content["nodes"]] == [7, 0]
    assert not explorer.back.disabled
    explorer.picture.chosen = 0
    explorer.back.click()
    assert (explorer.node, explorer.picture.chosen) == (7, 7)
    explorer.back.click()
    assert explorer.picture.content == before
    assert explorer.back.disabled


def test_the_field_and_the_random_button_choose_any_node(explorer):
    explorer.number.value = 12
    assert explorer.picture.chosen == explorer.node == 12
    explorer.number.value = 400
    assert explorer.node == 30
    state = torch.get_rng_state()
    seen = set()
    for _ in range(8):
        explorer.random.click()
        assert explorer.picture.content["nodes"][0]["number"] == explorer.node
        seen.add(explorer.node)
    assert len(seen) > 4
    assert torch.equal(state, torch.get_rng_state())
    explorer.go(99)
    explorer.go(-1)
    assert explorer.node in seen


def test_the_layer_is_called_once():
    layer = Attention()
    explorer = NeighbourhoodExplorer(NeighbourhoodWeights(layer, star(9)), 0)
    for node in range(1, 9):
        explorer.go(node)
    assert layer.calls == 1


def test_what_the_browser_gets_fits_together(explorer):
    content = explorer.picture.content
    assert len(content["nodes"]) == len(content["bars"]) == MOST_SHOWN + 1
    # The star's edges among the shown, and none between its first two leaves, which are left out.
    assert len(content["lines"]) == MOST_SHOWN
    assert content["loop"] == pytest.approx(line_width(explorer._weights.around(0).own))
    assert content["bars"][0]["go"] is None
    assert [bar["go"] for bar in content["bars"][1:]] == [node["number"] for node in content["nodes"][1:]]
    longest = max(bar["width"] for bar in content["bars"])
    assert content["bars"][1]["width"] == longest
    for node in content["nodes"]:
        assert 20 < node["x"] < 480
        assert 20 < node["y"] < content["height"] - 20
    # Bars end before their numbers begin, and the last one is inside.
    assert 640 + longest < 890
    assert content["bars"][-1]["y"] + 16 < content["height"]


def test_line_widths_say_the_weights():
    widths = [line[4] for line in content_of(NeighbourhoodWeights(Attention(), star(8)).around(0))["lines"][1:]]
    assert widths == sorted(widths, reverse=True)
    assert line_width(0.4) - line_width(0.2) == pytest.approx(line_width(0.2) - line_width(0.0))


def test_the_program_in_the_browser_loads_nothing_from_elsewhere():
    program = NeighbourhoodPicture._esm
    assert not re.findall(r"^\s*import\b|import\(|fetch\(", str(program), re.MULTILINE)
    assert re.findall(r"https?://[^\"]+", str(program)) == ["http://www.w3.org/2000/svg"]
    # Names become text, never markup.
    assert "innerHTML" not in str(program)


@pytest.mark.parametrize("count", [0, 1, 2, 25])
def test_the_place_above_the_middle_is_free(count):
    places = places_of(count)
    assert places.shape == (count + 1, 2)
    assert places[0].tolist() == [0, 0]
    above = torch.tensor([0.0, 1.0], dtype=torch.float64)
    # Twenty-six places on a circle of radius 1 are 0.24 apart.
    assert all(float((place - above).norm()) > 0.2 for place in places[1:])


def test_the_figure_for_print():
    shown = NeighbourhoodWeights(Attention(), star(8)).around(0)
    figure = draw_neighbourhood(shown)
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["0", "8", "7", "6", "5", "4", "3", "2", "1"]
    assert [bar.get_width() for bar in right.patches] == pytest.approx([shown.own, *shown.weights])
    assert to_hex(right.patches[1].get_facecolor()) == PALETTE[8 % 3].lower()
    assert right.get_yticklabels()[1].get_text() == "node 8, class 2"
    plt.close(figure)


@pytest.mark.parametrize("word", ["", "autograde"])
def test_a_widget_only_where_somebody_can_click(monkeypatch, capsys, word):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    explore_neighbourhood(Attention(), star(8))
    assert len(displayed) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1
    assert "Node 0 of Star: among those with 6 to 12 neighbours" in capsys.readouterr().out
    plt.close("all")


def test_a_chosen_start_needs_no_explanation(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    explore_neighbourhood(Attention(), star(8), start=3)
    assert capsys.readouterr().out == ""
    assert plt.gcf().get_suptitle().startswith("Node 3, class 0: 1 neighbour,")
    plt.close("all")


def test_a_layer_without_debug_output_is_a_line(capsys):
    explore_neighbourhood(nn.Linear(1, 2), star(8))
    out = capsys.readouterr().out
    assert out.startswith("Nothing to show yet: layer(x, edge_index, debug=True) stopped with TypeError")
    assert out.count("\n") == 1
    assert not plt.get_fignums()


def test_a_start_that_is_not_there_is_refused():
    with pytest.raises(CourseError, match="no node 9: choose one from 0 to 8"):
        explore_neighbourhood(Attention(), star(8), start=9)
