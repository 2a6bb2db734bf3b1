"""Static attention: a task in which each query has to find a key of its own, which GAT's score can't express."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.figure import Figure

KEYS, _HIDDEN, _STEPS, _SLOPE = 6, 16, 300, 0.2

Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def compare_scores(scores: dict[str, Score], seed: int = 0) -> Figure:
    """Trains each way of scoring to let query i attend to key i, and draws the attention that comes out.

    After Brody, Alon and Yahav, "How attentive are graph attention networks?", ICLR 2022. Queries and keys are
    one-hot; W is a linear layer, a vector ``a`` of parameters.

    Args:
        scores: by name, a function of the pairs (KEYS, KEYS, 2, hidden), of W h_i and W h_j, and of a
            (2, hidden): it gives e (KEYS, KEYS).
    """
    figure, axes = plt.subplots(1, len(scores), figsize=(3.6 * len(scores), 3.5), layout="constrained", squeeze=False)
    for axis, (name, score) in zip(axes[0], scores.items(), strict=True):
        attention = trained_attention(score, seed)
        axis.imshow(attention, cmap="Reds", vmin=0, vmax=1)
        for query, row in enumerate(attention.tolist()):
            for key, weight in enumerate(row):
                ink = "white" if weight > 0.6 else "black"
                axis.text(key, query, f"{weight:.2f}", ha="center", va="center", fontsize=7.5, color=ink)
        right = int((attention.argmax(1) == torch.arange(KEYS)).sum())
        axis.set(title=f"{name}: {right} of {KEYS} find their key", xlabel="key", ylabel="query")
        axis.title.set_fontsize(10)
    figure.suptitle("Query i is trained to attend to key i", fontsize=11)
    return figure


def trained_attention(score: Score, seed: int = 0) -> torch.Tensor:
    """Attention of each query over the keys, (KEYS, KEYS), after 300 steps of Adam."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transform = nn.Linear(2 * KEYS, _HIDDEN, bias=False)
        a = nn.Parameter(torch.randn(2, _HIDDEN) / _HIDDEN**0.5)
        optimizer = torch.optim.Adam([*transform.parameters(), a], lr=0.02)
        nodes = torch.eye(2 * KEYS)
        for _ in range(_STEPS):
            h = transform(nodes)
            pairs = torch.stack(
                [h[:KEYS, None].expand(KEYS, KEYS, -1), h[None, KEYS:].expand(KEYS, KEYS, -1)], dim=2
            )  # (KEYS, KEYS, 2, hidden)
            e = score(pairs, a)
            loss = F.cross_entropy(e, torch.arange(KEYS))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return e.softmax(dim=1).detach()
