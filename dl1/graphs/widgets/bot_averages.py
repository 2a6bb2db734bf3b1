"""What the bot demo measures, averaged over several networks, so that a guess has a number to stand beside."""

from __future__ import annotations

from dl1.graphs.widgets.bot_network import MakeLayer, Setting, make_network, measure

SEEDS = 8


def bot_averages(make_attention: MakeLayer, make_mean: MakeLayer, seeds: int = SEEDS) -> dict[str, float]:
    """Means over networks with 10 bots of 20 links each, by name: attention to a bot, and accuracies in percent.

    Args:
        make_attention, make_mean: from (in_features, out_features) to a layer.
        seeds: networks, for each disguise.

    Raises:
        CourseError: a layer returns something else than it should.
        NotImplementedError: a layer is not finished.
    """
    found = {}
    for disguise in (0, 1):
        settings = [Setting(disguise=float(disguise), seed=seed) for seed in range(seeds)]
        outcomes = [measure(make_attention, make_mean, make_network(setting), setting.seed) for setting in settings]
        received = [outcome.bots_received for outcome in outcomes if outcome.bots_received is not None]
        found[f"attention to a bot, disguise {disguise}"] = sum(received) / len(received)
        for name, kind in (("the mean", "convolution"), ("attention", "attention")):
            values = [getattr(outcome, kind) for outcome in outcomes]
            found[f"accuracy of {name}, disguise {disguise} (%)"] = 100 * sum(values) / seeds
    return found
