"""Averages of the bot demo: the names that a notebook guesses by, and the mean of the single networks."""

import pytest

from dl1.graphs.widgets import bot_averages
from dl1.graphs.widgets.bot_network import Setting


class Outcome:
    def __init__(self, setting: Setting) -> None:
        self.convolution, self.attention = 0.25 * setting.seed, 0.5
        self.bots_received = None if setting.seed == 1 else setting.disguise + setting.seed


def test_means_over_seeds_in_percent(monkeypatch):
    monkeypatch.setattr(bot_averages, "make_network", lambda setting: setting)
    monkeypatch.setattr(bot_averages, "measure", lambda attention, mean, network, seed: Outcome(network))
    assert bot_averages.bot_averages(None, None, seeds=3) == pytest.approx(
        {
            "attention to a bot, disguise 0": 1.0,
            "accuracy of the mean, disguise 0 (%)": 25.0,
            "accuracy of attention, disguise 0 (%)": 50.0,
            "attention to a bot, disguise 1": 2.0,
            "accuracy of the mean, disguise 1 (%)": 25.0,
            "accuracy of attention, disguise 1 (%)": 50.0,
        }
    )
