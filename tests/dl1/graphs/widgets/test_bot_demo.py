import re

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn

from dl1.graphs.widgets import bot_demo as module
from dl1.graphs.widgets.bot_demo import BotDemo, bot_demo, show_sweep
from dl1.graphs.widgets.bot_network import HUMANS, Setting

pytestmark = pytest.mark.usefixtures("one_thread")


class Attention(nn.Linear):
    """A weight for each source, from its features."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features + 1)

    def forward(self, x, edge_index, debug=False):
        edges = torch.cat([edge_index, torch.arange(len(x)).expand(2, -1)], dim=1)
        sources, destinations = edges
        h = super().forward(x)
        weights = h[sources, -1].clamp(-20, 20).exp()
        weights = weights / torch.zeros(len(x)).index_add(0, destinations, weights)[destinations]
        result = torch.zeros(len(x), h.shape[1] - 1).index_add(0, destinations, weights[:, None] * h[sources, :-1])
        return (result, {"edge_index": edges, "attention": weights}) if debug else result


class Mean(nn.Linear):
    def forward(self, x, edge_index):
        sources, destinations = edge_index
        sums = torch.zeros_like(x).index_add(0, destinations, x[sources])
        return super().forward(x + sums / torch.bincount(destinations, minlength=len(x)).clamp(min=1)[:, None])


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    yield displayed
    plt.close("all")


def rows_of(demo):
    rows = re.findall(r"<tr>(<td.*?)</tr>", demo.table.value)
    return [re.findall(r">([^<]*)</td>", row) for row in rows]


def test_each_slider_trains_anew():
    demo = BotDemo(Attention, Mean)
    assert 'alt="10 bots with 20 links each; seed 0, disguise 0' in demo.picture.value
    pictures = {demo.picture.value}
    for slider, value in [(demo.disguise, 0.5), (demo.bots, 3), (demo.links, 6)]:
        slider.value = value
        pictures.add(demo.picture.value)
    assert len(pictures) == 4
    assert demo.setting == Setting(bots=3, links=6, disguise=0.5, seed=0)
    assert len(demo.outcome.received) == HUMANS + 3
    assert [row[:4] for row in rows_of(demo)] == [
        ["0", "3", "6", "0.50"],
        ["0", "3", "20", "0.50"],
        ["0", "10", "20", "0.50"],
        ["0", "10", "20", "0.00"],
    ]
    assert rows_of(demo)[0][4:] == [
        f"{demo.outcome.convolution:.0%}",
        f"{demo.outcome.attention:.0%}",
        f"{demo.outcome.bots_received:.2f}",
        f"{demo.outcome.auc:.2f}",
    ]


def test_another_network_has_another_seed_and_the_list_stays_short(monkeypatch):
    monkeypatch.setattr(module, "_LISTED", 3)
    demo = BotDemo(Attention, Mean)
    demo.bots.value = 0
    assert rows_of(demo)[0][6:] == ["–", "–"]
    for _ in range(3):
        demo.another.click()
    assert demo.setting.seed == 3
    assert len(rows_of(demo)) == 3


def test_a_layer_that_fails_later_says_so_in_place_of_the_picture():
    class NeedsBots(Mean):
        def forward(self, x, edge_index):
            if len(x) == HUMANS:
                raise ValueError("a < b")
            return super().forward(x, edge_index)

    demo = BotDemo(Attention, NeedsBots)
    demo.bots.value = 0
    assert demo.picture.value == ("Nothing to show: training NeedsBots stopped with ValueError: a &lt; b.")
    demo.bots.value = 1
    assert "<img" in demo.picture.value


@pytest.mark.parametrize("word", ["", "validate"])
def test_a_widget_only_where_somebody_can_move_it(monkeypatch, shown, word):
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    monkeypatch.setattr(module, "_SEEDS", 1)
    steps, real = [], module.measure
    monkeypatch.setattr(module, "measure", lambda *a: (steps.append(a[4] if len(a) > 4 else None), real(*a))[1])
    bot_demo(Attention, Mean)
    assert len(shown) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1
    # Under nbgrader: no bots, odd and disguised ones, a few steps each.
    assert steps == ([5, 5, 5] if word else [None, *[module.STEPS] * 5])


def test_a_layer_without_debug_output_is_a_line(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    bot_demo(Mean, Mean)
    out = capsys.readouterr().out
    assert out.startswith("Nothing to show yet: layer(x, edge_index, debug=True) stopped with TypeError")
    assert out.count("\n") == 1
    assert not plt.get_fignums()


def test_an_unfinished_layer_says_so_itself(monkeypatch):
    class Unfinished(nn.Linear):
        def forward(self, x, edge_index):
            raise NotImplementedError

    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(NotImplementedError):
        show_sweep(Attention, Unfinished)
