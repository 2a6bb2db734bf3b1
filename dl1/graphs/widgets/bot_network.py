"""A made-up social network with bots in it, and what a graph convolution and graph attention learn on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.errors import CourseError
from dl1.graphs.attention_weights import attention_weights

HUMANS, COMMUNITIES = 40, 4
# Chosen so that over many seeds a correct attention layer tells undisguised bots from humans, and disguised ones not.
STEPS = 100
_LABELLED = 5  # in each community
_FRIENDS, _STRANGERS = 0.45, 0.03  # share of the pairs that are linked, inside a community and across
_NOISE, _BOT_NOISE, _ACTIVITY_NOISE, _BOT_ACTIVITY = 0.7, 1.5, 0.3, 3.0
_LEARNING_RATE, _WEIGHT_DECAY = 0.15, 0.01

MakeLayer = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Setting:
    """What can be changed about the network.

    Attributes:
        bots: how many there are.
        links: to how many humans each bot is linked.
        disguise: from 0, where bots have odd features, to 1, where they have those of a human of some community.
        seed: of the network and of the layers' first weights.
    """

    bots: int = 10
    links: int = 20
    disguise: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class BotNetwork:
    """Humans come first, then bots.

    Attributes:
        x: (N, 5); how much somebody posts on the interest of each community, and how much in all.
        edge_index: (2, E), each link in both directions.
        y: communities of the humans, (40,).
        labelled: which humans' communities are used for training, (40,), bool.
    """

    x: torch.Tensor
    edge_index: torch.Tensor
    y: torch.Tensor
    labelled: torch.Tensor


@dataclass(frozen=True)
class Outcome:
    """What was measured on one network.

    Attributes:
        convolution, attention: share of the unlabelled humans whose community is named rightly.
        relative: (E,), for each edge the attention that its destination pays to its source, as a multiple of
            1/degree, which is what each neighbour gets in a mean. The self-loop is left out, so that the average over
            the neighbours of a node is 1.
        received: (N,), for each node the average of those numbers over the humans linked to it; NaN without any.
        auc: how well low received attention tells bots from humans: the probability that a bot gets less than a
            human, 0.5 for a coin; None without bots.
    """

    convolution: float
    attention: float
    relative: torch.Tensor
    received: torch.Tensor
    auc: float | None

    @property
    def bots_received(self) -> float | None:
        """Average of ``received`` over the bots; None without bots."""
        found = self.received[HUMANS:]
        found = found[~found.isnan()]
        return float(found.mean()) if len(found) else None


def make_network(setting: Setting) -> BotNetwork:
    """The network of a setting. Humans and whom they know depend on the seed only, so that settings can be compared.

    Raises:
        CourseError: a number is out of range.
    """
    if setting.bots < 0 or not 0 <= setting.links <= HUMANS or not 0 <= setting.disguise <= 1:
        raise CourseError(f"bots ≥ 0, links from 0 to {HUMANS} and disguise from 0 to 1, please; not {setting}")
    rng = torch.Generator().manual_seed(setting.seed)
    y = torch.arange(HUMANS) % COMMUNITIES
    share = torch.where(y[:, None] == y[None], _FRIENDS, _STRANGERS)  # (40, 40)
    friends = torch.triu(torch.rand(HUMANS, HUMANS, generator=rng) < share, diagonal=1).nonzero()  # (pairs, 2)
    people = _human_features(y, rng)
    labelled = torch.zeros(HUMANS, dtype=torch.bool)
    for community in range(COMMUNITIES):
        members = (y == community).nonzero().flatten()
        labelled[members[torch.randperm(len(members), generator=rng)[:_LABELLED]]] = True
    # Bots one by one, so that more bots are the same ones and others.
    links, bots = [friends], [people]
    for bot in range(setting.bots):
        rng = torch.Generator().manual_seed(1_000_003 * (setting.seed + 1) + bot)
        targets = torch.randperm(HUMANS, generator=rng)[: setting.links]
        links.append(torch.stack([targets, torch.full_like(targets, HUMANS + bot)], dim=1))
        human_like = _human_features(torch.randint(COMMUNITIES, (1,), generator=rng), rng)
        odd = _BOT_NOISE * torch.randn(1, COMMUNITIES + 1, generator=rng)
        odd[:, -1] = _BOT_ACTIVITY + _ACTIVITY_NOISE * torch.randn(1, generator=rng)
        bots.append((1 - setting.disguise) * odd + setting.disguise * human_like)
    pairs = torch.cat(links).T  # (2, pairs)
    return BotNetwork(torch.cat(bots), torch.cat([pairs, pairs.flip(0)], dim=1), y, labelled)


def measure(
    make_attention: MakeLayer, make_mean: MakeLayer, network: BotNetwork, seed: int = 0, steps: int = STEPS
) -> Outcome:
    """Train one layer of each kind to name the community of each human, and look at what the attention layer does.

    Args:
        make_attention, make_mean: from (in_features, out_features) to a layer.
        seed: of the first weights.
        steps: of Adam, each with all labelled humans.

    Raises:
        CourseError: a layer returns something else than it should.
        NotImplementedError: a layer is not finished.
    """
    _, convolution = _train(make_mean, network, seed, steps)
    layer, attention = _train(make_attention, network, seed, steps)
    relative = _relative(layer, network)
    sources, destinations = network.edge_index
    nodes = len(network.x)
    heard = destinations < HUMANS
    sums = torch.zeros(nodes, dtype=relative.dtype).index_add(0, sources[heard], relative[heard])
    received = sums / torch.bincount(sources[heard], minlength=nodes)  # (N,)
    return Outcome(convolution, attention, relative, received, rank_auc(received[HUMANS:], received[:HUMANS]))


def rank_auc(low: torch.Tensor, high: torch.Tensor) -> float | None:
    """The probability that one of ``low`` (A,) is below one of ``high`` (B,), ties half: area under the ROC curve.

    From the sum of ranks, after Mann and Whitney (1947). NaN are left out; None if nothing is left on one side.
    """
    low, high = low[~low.isnan()], high[~high.isnan()]
    if not len(low) or not len(high):
        return None
    values = torch.cat([low, high])
    # Equal values share the mean of their ranks.
    below, equal = values[None] < values[:, None], values[None] == values[:, None]
    ranks = below.sum(1).double() + (equal.sum(1).double() + 1) / 2
    above = float(ranks[: len(low)].sum()) - len(low) * (len(low) + 1) / 2
    return 1 - above / (len(low) * len(high))


def _human_features(y: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    interests = F.one_hot(y, COMMUNITIES) + _NOISE * torch.randn(len(y), COMMUNITIES, generator=rng)
    return torch.cat([interests, _ACTIVITY_NOISE * torch.randn(len(y), 1, generator=rng)], dim=1)  # (n, 5)


def _train(make_layer: MakeLayer, network: BotNetwork, seed: int, steps: int) -> tuple[nn.Module, float]:
    try:
        # Initialisation draws from the global generator, whose state belongs to the notebook.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = make_layer(network.x.shape[1], COMMUNITIES)
            optimizer = torch.optim.Adam(layer.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
            for _ in range(steps):
                loss = F.cross_entropy(_logits(layer, network)[network.labelled], network.y[network.labelled])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                right = _logits(layer, network).argmax(dim=1) == network.y  # (40,)
    except (CourseError, NotImplementedError):
        raise
    # A demo must not end in the traceback of an error that the checks of the layer report in full.
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        name = getattr(make_layer, "__name__", "the layer")
        raise CourseError(f"training {name} stopped with {type(error).__name__}: {words}") from None
    return layer, right[~network.labelled].float().mean().item()


def _logits(layer: nn.Module, network: BotNetwork) -> torch.Tensor:
    """Of the humans, (40, 4)."""
    logits = layer(network.x, network.edge_index)
    shape = (len(network.x), COMMUNITIES)
    if not isinstance(logits, torch.Tensor) or logits.shape != shape or not torch.isfinite(logits).all():
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        found = "infinities or NaN" if found == shape else found
        name = type(layer).__name__
        raise CourseError(f"{name} should give finite numbers of shape {shape}; it gave {found}: run its checks first")
    return logits[:HUMANS]


def _relative(layer: nn.Module, network: BotNetwork) -> torch.Tensor:
    edges, weights = attention_weights(layer, network.x, network.edge_index)
    nodes = len(network.x)
    # In the order of the network's own edges, whatever order the layer has.
    table = torch.zeros(nodes, nodes, dtype=weights.dtype)
    table[edges[0], edges[1]] = weights
    sources, destinations = network.edge_index
    paid = table[sources, destinations]  # (E,)
    totals = torch.zeros(nodes, dtype=paid.dtype).index_add(0, destinations, paid)
    degrees = torch.bincount(destinations, minlength=nodes)
    return paid / totals[destinations].clamp(min=1e-12) * degrees[destinations]
