"""Figures of the bot demo: one trained network, and what becomes of the measures as the bots hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dl1.graphs.drawing import colour_of, draw_graph, layout
from dl1.graphs.widgets.bot_network import COMMUNITIES, HUMANS, BotNetwork, Outcome, Setting

CONVOLUTION, ATTENTION = "#0072B2", "#D55E00"
_BOT = "#1A1A1A"
# Where the logarithmic axis begins; what is smaller is drawn there.
_LOWEST = 0.01
_HUMAN_EDGE, _BOT_EDGE = "#8C96A0", "#D55E00"


def places_of(network: BotNetwork) -> torch.Tensor:
    """Places (N, 2): humans by their links among each other, bots on a circle around them."""
    among = (network.edge_index < HUMANS).all(dim=0)
    humans = layout(network.edge_index[:, among], HUMANS)
    angles = torch.linspace(0, 2 * torch.pi, len(network.x) - HUMANS + 1, dtype=torch.float64)[:-1]
    bots = 1.45 * torch.stack([angles.cos(), angles.sin()], dim=1)  # (bots, 2)
    return torch.cat([humans, bots])


def draw_network(axis: Axes, network: BotNetwork, outcome: Outcome, title: str) -> None:
    """The network: nodes as large as the attention that they receive from humans, edges as wide as the humans pay."""
    bots = len(network.x) - HUMANS
    sources, destinations = network.edge_index
    # What bots pay doesn't change what humans become.
    paid = torch.where(destinations < HUMANS, outcome.relative.clamp(max=4), 0.0)  # (E,)
    received = outcome.received.nan_to_num(0).clamp(max=4)
    draw_graph(
        axis,
        network.edge_index,
        places_of(network),
        labels=[""] * len(network.x),
        node_colours=[colour_of(community) for community in network.y.tolist()] + [_BOT] * bots,
        node_sizes=(25 + 90 * received).tolist(),
        node_markers=["o"] * HUMANS + ["s"] * bots,
        edge_widths=(1.1 * paid).tolist(),
        edge_colours=[_BOT_EDGE if source >= HUMANS else _HUMAN_EDGE for source in sources.tolist()],
    )
    axis.set_title(title, fontsize=10)


def draw_outcome(network: BotNetwork, outcome: Outcome, setting: Setting) -> Figure:
    """One trained network: the graph, the attention that humans and bots receive, and both layers' accuracy."""
    # Not by pyplot, which would show the figure a second time below the controls.
    figure = Figure(figsize=(10.2, 4.4), layout="constrained")
    graph, strip, bars = figure.subplots(1, 3, width_ratios=(1.55, 1, 0.7))
    draw_network(graph, network, outcome, "attention paid by people: edge widths, node sizes")
    _legend(graph)
    _draw_received(strip, outcome)
    values = [outcome.convolution, outcome.attention]
    bars.bar(range(2), values, color=[CONVOLUTION, ATTENTION], width=0.6)
    unlabelled = int((~network.labelled).sum())
    for place, value in enumerate(values):
        bars.text(place, value + 0.02, f"{round(value * unlabelled)}/{unlabelled}", ha="center", fontsize=9)
    bars.axhline(1 / COMMUNITIES, color="black", linestyle=":", linewidth=1)
    bars.set(xticks=range(2), ylim=(0, 1.08), xlabel="dotted: guessing")
    bars.set_xticklabels(["mean", "attention"])
    bars.set_title("people assigned to\nthe right community", fontsize=10)
    figure.suptitle(sentence(outcome, setting), fontsize=10)
    return figure


def draw_sweep(
    examples: Sequence[tuple[BotNetwork, Outcome, Setting]],
    sweep: Mapping[float, Sequence[Outcome]],
    without: Sequence[Outcome],
) -> Figure:
    """Two networks, and below them the measures over the disguise: the mean and one standard deviation over seeds.

    Args:
        examples: a network with odd bots and one with disguised ones.
        sweep: outcomes of several seeds by disguise.
        without: outcomes of the same seeds without bots.
    """
    figure = plt.figure(figsize=(10.2, 8.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    for axis, (network, outcome, setting) in zip(top.subplots(1, 2), examples, strict=True):
        draw_network(axis, network, outcome, f"disguise {setting.disguise:g}: {_auc_words(outcome)}")
    _legend(top.axes[0])
    accuracy, received, found = bottom.subplots(1, 3)
    disguises = list(sweep)
    for name, colour, marker in [("convolution", CONVOLUTION, "o"), ("attention", ATTENTION, "s")]:
        rows = [[getattr(outcome, name) for outcome in outcomes] for outcomes in sweep.values()]
        label = "mean" if name == "convolution" else "attention"
        _band(accuracy, disguises, rows, colour, marker, label)
        alone = _mean([getattr(outcome, name) for outcome in without])
        accuracy.axhline(alone, color=colour, linestyle=":", linewidth=1.2, label=f"{label}, no bots")
    accuracy.set(ylabel="accuracy", ylim=(0, 1.02))
    accuracy.legend(fontsize=7.5, loc="lower right")
    _band(received, disguises, [[o.bots_received for o in outcomes] for outcomes in sweep.values()], _BOT, "s", "bots")
    received.axhline(1, color=CONVOLUTION, linewidth=1.2, label="with a plain mean")
    received.set(ylabel="attention to bots · degree", ylim=(0, None))
    received.legend(fontsize=7.5)
    _band(found, disguises, [[o.auc for o in outcomes] for outcomes in sweep.values()], _BOT, "s", "")
    found.axhline(0.5, color="black", linestyle=":", linewidth=1)
    found.text(0, 0.46, "a coin", fontsize=8, va="top")
    found.set(ylabel="area under the ROC curve", ylim=(0, 1.02))
    titles = ["people assigned to the right community", "attention paid to bots", "detecting bots by low attention"]
    for axis, title in zip((accuracy, received, found), titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("disguise")
    return figure


def sentence(outcome: Outcome, setting: Setting) -> str:
    """The numbers of one network in words."""
    better = outcome.attention - outcome.convolution
    verdict = (
        "no difference"
        if better == 0
        else f"attention {'gains' if better > 0 else 'loses'} {100 * abs(better):.0f} points"
    )
    line = f"seed {setting.seed}, disguise {setting.disguise:g}: {verdict}"
    if outcome.bots_received is None:
        return f"{line}; no bots"
    return f"{line}; a bot gets {outcome.bots_received:.2f} times the attention of a plain mean; {_auc_words(outcome)}"


def _auc_words(outcome: Outcome) -> str:
    return "no bots" if outcome.auc is None else f"detecting bots by low attention: AUC {outcome.auc:.2f}"


def _draw_received(axis: Axes, outcome: Outcome) -> None:
    for place, values in enumerate([outcome.received[:HUMANS], outcome.received[HUMANS:]]):
        values = values[~values.isnan()].sort()[0]
        # Side by side in a fixed order, so that equal values can be told apart.
        shift = torch.tensor([0.0, 0.16, -0.16, 0.08, -0.08]).repeat(len(values) // 5 + 1)[: len(values)]
        marker, colour = ("o", "#8C96A0") if place == 0 else ("s", _BOT)
        axis.scatter(
            (place + shift).tolist(), values.clamp(min=_LOWEST).tolist(), s=22, marker=marker, color=colour, alpha=0.8
        )
    axis.axhline(1, color=CONVOLUTION, linewidth=1.2)
    axis.text(1.48, 1.05, "with a plain mean", color=CONVOLUTION, fontsize=8, ha="right", va="bottom")
    axis.set(xticks=range(2), xlim=(-0.5, 1.5), yscale="log", ylim=(0.8 * _LOWEST, None))
    axis.set_ylabel(f"logarithmic, from {_LOWEST:g}", fontsize=8)
    axis.set_xticklabels(["people", "bots"])
    axis.set_title("attention received · degree", fontsize=10)


def _legend(axis: Axes) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour_of(community), label=f"community {community}")
        for community in range(COMMUNITIES)
    ]
    handles.append(Line2D([], [], marker="s", linestyle="", color=_BOT, label="bot"))
    handles.append(Line2D([], [], color=_BOT_EDGE, label="to a bot"))
    axis.legend(handles=handles, fontsize=7, loc="lower left", ncols=3, bbox_to_anchor=(0, -0.14), frameon=False)


def _band(
    axis: Axes, places: Sequence[float], rows: Sequence[Sequence[float | None]], colour: str, marker: str, label: str
) -> None:
    # Where bots have no links there is nothing to average.
    kept = [[value for value in row if value is not None] or [float("nan")] for row in rows]
    values = torch.tensor([_mean(row) for row in kept])
    spread = torch.tensor([torch.tensor(row).std(correction=0).item() for row in kept])
    axis.plot(places, values, color=colour, marker=marker, label=label)
    axis.fill_between(places, values - spread, values + spread, color=colour, alpha=0.15, linewidth=0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
