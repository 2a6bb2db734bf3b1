"""Depth on graphs: what is measured, on a graph of twelve nodes."""

import matplotlib.pyplot as plt
import pytest
import torch

from dl1.data.citation_graph import CitationGraph
from dl1.graphs.depth import PlainMean, depth_experiment, mean_cosine, measured

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def graph() -> CitationGraph:
    """Two rings of six papers, a topic and words of its own for each."""
    ring = torch.arange(6)
    one = torch.stack([torch.cat([ring, ring.roll(1)]), torch.cat([ring.roll(1), ring])])
    y = torch.arange(12) // 6
    masks = [torch.arange(12) % 3 == part for part in range(3)]
    x = torch.nn.functional.one_hot(y, 4).float()
    return CitationGraph("two rings", x, y, torch.cat([one, one + 6], 1), *masks, num_classes=2)


def test_a_cosine_of_all_pairs():
    assert mean_cosine(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.5, 0.0]])) == pytest.approx(1)
    assert mean_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])) == pytest.approx(-1 / 3)


def test_the_plain_mean_is_over_a_node_and_what_it_hears():
    layer = PlainMean(1, 1)
    layer.linear.weight.data.fill_(2.0)
    x = torch.tensor([[1.0], [3.0], [8.0]])
    found = layer(x, torch.tensor([[0, 1], [1, 2]]))
    torch.testing.assert_close(found, torch.tensor([[2.0], [4.0], [11.0]]))


def test_it_learns_topics_that_the_words_give_away(graph):
    assert measured(PlainMean, graph, depth=1, steps=60)[0] == 1.0


def test_papers_become_alike_with_depth_before_anything_is_trained(graph):
    once, often = (measured(PlainMean, graph, depth, steps=0)[1] for depth in (1, 8))
    assert once < often


def test_no_warning_of_pytorch_stands_above_the_figure(graph, recwarn):
    torch.set_warn_always(True)
    try:
        measured(PlainMean, graph, depth=1, steps=1)
    finally:
        torch.set_warn_always(False)
    assert [str(one.message) for one in recwarn] == []


def test_a_line_for_each_layer_and_a_point_for_each_depth(graph):
    figure = depth_experiment({"one": PlainMean, "two": PlainMean}, graph, depths=(1, 3), steps=1)
    for axis in figure.axes:
        assert [line.get_xdata().tolist() for line in axis.lines] == [[1, 3]] * 2
    assert "two rings" in figure.get_suptitle()
    plt.close(figure)
