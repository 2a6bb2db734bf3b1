import math

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.errors import CourseError
from dl1.graphs.widgets.bot_network import COMMUNITIES, HUMANS, Outcome, Setting, make_network, measure, rank_auc
from dl1.graphs.widgets.bot_pictures import draw_outcome, draw_sweep, places_of, sentence

pytestmark = pytest.mark.usefixtures("one_thread")


class Attention(nn.Module):
    """Veličković et al. (2018), one head."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_features, in_features)))
        self.a = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 2 * out_features)))

    def forward(self, x, edge_index, debug=False):
        edges = torch.cat([torch.arange(len(x)).expand(2, -1), edge_index], dim=1)
        sources, destinations = edges
        h = x @ self.W.T
        scores = F.leaky_relu(torch.cat([h[destinations], h[sources]], dim=1) @ self.a[0], 0.2)
        dense = torch.full((len(x), len(x)), -torch.inf).index_put((destinations, sources), scores).softmax(1)
        result = dense @ h
        return (result, {"edge_index": edges, "attention": dense[destinations, sources]}) if debug else result


class Mean(nn.Module):
    """Kipf and Welling's idea with a mean, and the node itself."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_features, in_features)))
        self.B = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out_features, in_features)))

    def forward(self, x, edge_index):
        adjacency = torch.zeros(len(x), len(x)).index_put((edge_index[1], edge_index[0]), torch.tensor(1.0))
        return adjacency / adjacency.sum(1, keepdim=True).clamp(min=1) @ x @ self.W.T + x @ self.B.T


class Even(Attention):
    """Pays every neighbour the same attention, as a mean does."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.a.data.zero_()
        self.a.requires_grad_(False)


class Broken(Mean):
    def forward(self, x, edge_index):
        return super().forward(x, edge_index) / 0


def test_bots_join_a_network_that_stays_as_it_is():
    network = make_network(Setting(bots=3, links=7))
    assert network.x.shape == (HUMANS + 3, COMMUNITIES + 1)
    sources, destinations = network.edge_index
    for bot in range(HUMANS, HUMANS + 3):
        assert int((sources == bot).sum()) == int((destinations == bot).sum()) == 7
        assert bool((sources[destinations == bot] < HUMANS).all())
    pairs = set(map(tuple, network.edge_index.T.tolist()))
    assert len(pairs) == network.edge_index.shape[1]
    assert pairs == {(v, u) for u, v in pairs}
    assert not any(u == v for u, v in pairs)
    more = make_network(Setting(bots=5, links=7, disguise=1.0))
    assert torch.equal(more.x[:HUMANS], network.x[:HUMANS])
    assert pairs <= set(map(tuple, more.edge_index.T.tolist()))
    assert torch.equal(more.labelled, network.labelled)
    assert [int(network.labelled[network.y == community].sum()) for community in range(COMMUNITIES)] == [5] * 4


def test_humans_know_their_own_community_and_another_seed_is_another_network():
    network, other = make_network(Setting(bots=0)), make_network(Setting(bots=0, seed=1))
    same = network.y[network.edge_index[0]] == network.y[network.edge_index[1]]
    # A pair inside a community (180 pairs) is linked 15 times as often as one across (600): expected is 0.82.
    assert 0.6 < float(same.float().mean()) < 0.95
    assert not torch.equal(network.x, other.x)


def test_disguise_moves_features_from_odd_to_human():
    activity = [make_network(Setting(disguise=disguise)).x[HUMANS:, -1].mean() for disguise in (0.0, 0.5, 1.0)]
    # Ten bots post 3 more than humans, whose spread of 0.3 is 0.1 in their mean.
    assert activity[0] == pytest.approx(3, abs=0.5)
    assert activity[2] == pytest.approx(0, abs=0.5)
    assert activity[1] == pytest.approx(float(activity[0] + activity[2]) / 2, rel=1e-4)


@pytest.mark.parametrize("wrong", [{"bots": -1}, {"links": 41}, {"disguise": 1.5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(CourseError, match="disguise from 0 to 1, please"):
        make_network(Setting(**wrong))


def test_area_under_the_curve_counts_pairs():
    low, high = torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([0.5, 0.7, 0.05])
    pairs = [1.0 if a < b else 0.5 if a == b else 0.0 for a in low.tolist() for b in high.tolist()]
    assert rank_auc(low, high) == pytest.approx(sum(pairs) / len(pairs))
    assert rank_auc(torch.tensor([0.0, 1.0]), torch.tensor([2.0])) == 1
    assert rank_auc(torch.tensor([2.0]), torch.tensor([0.0, 1.0])) == 0
    assert rank_auc(torch.ones(3), torch.ones(5)) == 0.5
    assert rank_auc(torch.tensor([math.nan, 0.0]), torch.ones(2)) == 1
    assert rank_auc(torch.tensor([math.nan]), torch.ones(2)) is None


def test_even_attention_is_a_mean_and_finds_nobody():
    network = make_network(Setting())
    outcome = measure(Even, Mean, network, steps=3)
    # Multiples of 1/degree, in float32.
    assert outcome.relative.tolist() == pytest.approx([1.0] * network.edge_index.shape[1], abs=1e-4)
    assert outcome.bots_received == pytest.approx(1, abs=1e-4)


def test_relative_attention_averages_to_one_at_each_node():
    network = make_network(Setting())
    outcome = measure(Attention, Mean, network, steps=5)
    destinations = network.edge_index[1]
    sums = torch.zeros(len(network.x), dtype=torch.float64).index_add(0, destinations, outcome.relative)
    degrees = torch.bincount(destinations, minlength=len(network.x))
    assert torch.allclose(sums / degrees.clamp(min=1), (degrees > 0).double(), atol=1e-6)
    bot = HUMANS + 2
    paid = outcome.relative[network.edge_index[0] == bot]
    assert float(outcome.received[bot]) == pytest.approx(float(paid.mean()))


def test_the_phenomenon_shows_over_several_seeds():
    found = {}
    for disguise in (0.0, 1.0):
        outcomes = [
            measure(Attention, Mean, make_network(Setting(disguise=disguise, seed=seed)), seed) for seed in range(8)
        ]
        found[disguise] = [
            sum(getattr(outcome, name) for outcome in outcomes) / len(outcomes)
            for name in ("auc", "bots_received", "attention", "convolution")
        ]
    # Over 24 seeds: areas of 0.92 ± 0.09 and 0.58 ± 0.07, received 0.27 ± 0.14 and 0.65 ± 0.23, accuracies without
    # disguise 0.79 ± 0.12 and 0.70 ± 0.12. The mean of eight is at most three standard errors away.
    assert found[0.0][0] > 0.8
    assert 0.5 < found[1.0][0] < 0.66
    assert found[0.0][1] < 0.45
    assert found[1.0][1] > found[0.0][1]
    assert found[0.0][2] > found[0.0][3]


def test_measuring_is_repeatable_and_leaves_the_notebooks_numbers_alone():
    state = torch.get_rng_state()
    one, other = (measure(Attention, Mean, make_network(Setting(bots=2)), 3, steps=4) for _ in range(2))
    assert torch.equal(one.relative, other.relative)
    assert (one.attention, one.convolution) == (other.attention, other.convolution)
    assert torch.equal(state, torch.get_rng_state())


def test_without_bots_there_is_nobody_to_find():
    setting = Setting(bots=0)
    network = make_network(setting)
    outcome = measure(Attention, Mean, network, steps=2)
    assert outcome.auc is None
    assert outcome.bots_received is None
    assert sentence(outcome, setting).endswith("; no bots")
    assert len(draw_outcome(network, outcome, setting).axes) == 3
    assert places_of(network).shape == (HUMANS, 2)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda i, o: nn.Bilinear(i, 1, o), "training <lambda> stopped with RuntimeError"),
        (lambda i, o: Broken(i, o), r"shape \(50, 4\); it gave infinities or NaN"),
        (lambda i, o: Mean(i, o + 1), r"Mean should give finite numbers of shape \(50, 4\); it gave \(50, 5\)"),
        (Mean, "stopped with TypeError"),
    ],
)
def test_layers_that_do_not_fit_are_named(layer, words):
    with pytest.raises(CourseError, match=words):
        measure(layer, Mean, make_network(Setting()), steps=1)


def test_sentences_say_what_was_measured():
    received = torch.ones(HUMANS + 1)
    received[-1] = 0.5
    worse = Outcome(0.9, 0.85, torch.ones(1), received, 1.0)
    assert sentence(worse, Setting(disguise=0.5, seed=3)) == (
        "seed 3, disguise 0.5: attention loses 5 points; a bot gets 0.50 times the attention of a plain mean; "
        "detecting bots by low attention: AUC 1.00"
    )
    assert "no difference" in sentence(Outcome(0.9, 0.9, torch.ones(1), received, 1.0), Setting())


def test_the_figure_over_disguises_draws_the_means():
    settings = [Setting(disguise=disguise, seed=seed) for disguise in (0.0, 1.0) for seed in (0, 1)]
    outcomes = {s: measure(Attention, Mean, make_network(s), s.seed, steps=3) for s in settings}
    sweep = {d: [outcomes[Setting(disguise=d, seed=seed)] for seed in (0, 1)] for d in (0.0, 1.0)}
    examples = [(make_network(s), outcomes[s], s) for s in settings[::2]]
    alone = [measure(Attention, Mean, make_network(Setting(bots=0)), steps=3)]
    figure = draw_sweep(examples, sweep, alone)
    accuracy, received, found = figure.axes[2:]
    assert [axis.get_title()[:10] for axis in figure.axes[:2]] == ["disguise 0", "disguise 1"]
    lines = {line.get_label(): line.get_ydata() for line in accuracy.get_lines()}
    assert float(lines["attention"][1]) == pytest.approx(sum(o.attention for o in sweep[1.0]) / 2)
    assert float(lines["mean, no bots"][0]) == pytest.approx(alone[0].convolution)
    assert float(received.get_lines()[0].get_ydata()[0]) == pytest.approx(sum(o.bots_received for o in sweep[0.0]) / 2)
    assert float(found.get_lines()[0].get_ydata()[1]) == pytest.approx(sum(o.auc for o in sweep[1.0]) / 2)
    plt.close(figure)
