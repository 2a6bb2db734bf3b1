"""Where the height leaks in: a trained network's answer while the squares slide, and a linear probe for their row."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dl1.data.squares import IMAGE_SIZE, SQUARE
from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.padding import kept_nets
from dl1.padding.nets import CONV_TYPES, PaddingNet
from dl1.padding.runs import EXPERIMENT, kept_results

_NET = "Net1"
HEIGHTS = IMAGE_SIZE - SQUARE + 1
# Rows of the upper edges in training, of both classes: see dl1.data.squares.
_BANDS = ((3, 10), (19, 26))
_RED_LEFT, _GREEN_LEFT = "#D55E00", "#009E73"
_PALE, _DARK = "#9DB7CF", "#0072B2"
# Columns of the squares while they slide; images of the probe, half of them to fit it, and how much it is regularised.
_PAIRS, _PROBED, _RIDGE = 24, 1_600, 1e-2


def height_leaks() -> Figure:
    """Six panels: the logit of class 1 less that of class 0 while both squares slide down; below, a probe for the row.

    The networks are the first initialisations of Net1 under ``runs/``, so that nothing is trained here.

    Raises:
        NotImplementedError: Net1 has not been trained yet.
    """
    nets = {conv_type: _trained(conv_type) for conv_type in CONV_TYPES}
    figure = plt.figure(figsize=(11, 7.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.75, 1))
    panels = top.subplots(2, 3, sharex=True)
    for axis, (conv_type, net) in zip(panels.flat, nets.items(), strict=True):
        _draw_slide(axis, slid_logits(net))
        axis.set_title(conv_type, fontsize=10)
    panels[0, 0].legend(fontsize=8)
    top.supxlabel("row of both squares (0: top)", fontsize=9)
    top.supylabel("logit of class 1 − logit of class 0", fontsize=9)
    top.suptitle("The squares slide from top to bottom (grey: rows of the training images)", fontsize=11)
    _draw_probes(bottom.subplots(1, 1), nets)
    return figure


@torch.no_grad()
def slid_logits(net: PaddingNet) -> torch.Tensor:
    """Difference of the logits (2, HEIGHTS, pairs): red square left, then green; by the row; for several columns."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randint(0, 10, (_PAIRS,), generator=generator)
    right = left + 5 + torch.randint(0, 8, (_PAIRS,), generator=generator)
    rows = torch.arange(HEIGHTS)[:, None].expand(HEIGHTS, _PAIRS)  # (HEIGHTS, pairs)
    found = []
    for first in (0, 1):
        images = torch.stack([painted(row, left, right, first) for row in rows])  # (HEIGHTS, pairs, 3, 32, 32)
        logits = torch.cat([net(part) for part in images])  # (HEIGHTS * pairs, 2)
        found.append((logits[:, 1] - logits[:, 0]).view(HEIGHTS, _PAIRS))
    return torch.stack(found)


def painted(rows: torch.Tensor, left: torch.Tensor, right: torch.Tensor, first: int) -> torch.Tensor:
    """Images (N, 3, 32, 32) with both squares in the same row; ``first`` is the colour channel of the left one."""
    images = torch.zeros(len(rows), 3, IMAGE_SIZE, IMAGE_SIZE)
    for image, row, one, other in zip(images, rows.tolist(), left.tolist(), right.tolist(), strict=True):
        image[first, row : row + SQUARE, one : one + SQUARE] = 1
        image[1 - first, row : row + SQUARE, other : other + SQUARE] = 1
    return images


@torch.no_grad()
def row_probe(net: PaddingNet) -> float:
    """How well one linear layer reads the row of the squares off the 64 maxima: R² on images that it was not fitted to.

    1 is a perfect reading; 0 is no better than always saying the mean row.
    """
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(0, HEIGHTS, (_PROBED,), generator=generator)
    left = torch.randint(0, 10, (_PROBED,), generator=generator)
    right = left + 5 + torch.randint(0, 8, (_PROBED,), generator=generator)
    orders = torch.arange(_PROBED) % 2
    images = torch.empty(_PROBED, 3, IMAGE_SIZE, IMAGE_SIZE)
    for first in (0, 1):
        chosen = orders == first
        images[chosen] = painted(rows[chosen], left[chosen], right[chosen], first)
    maxima = torch.cat([net.features(part)[-1].amax(dim=(2, 3)) for part in images.split(100)]).double()  # (N, 64)
    maxima = (maxima - maxima.mean(0)) / (maxima.std(0) + 1e-6)
    half, target = _PROBED // 2, rows.double()
    inputs = torch.cat([maxima, torch.ones(_PROBED, 1, dtype=torch.float64)], dim=1)  # (N, 65)
    fitted = inputs[:half]
    gram = fitted.T @ fitted + _RIDGE * half * torch.eye(65, dtype=torch.float64)
    said = inputs[half:] @ torch.linalg.solve(gram, fitted.T @ target[:half])
    missed = (said - target[half:]).square().mean() / (target[half:] - target[:half].mean()).square().mean()
    return 1 - missed.item()


def _trained(conv_type: str) -> PaddingNet:
    folder = runs.run_folder(EXPERIMENT)
    epochs, kept = kept_results(folder, _NET, conv_type)
    if not kept:
        raise NotImplementedError(f"train {_NET} first, with {conv_type} and all other kinds of padding")
    try:
        weights = kept_nets.load_weights(folder / kept_nets.weights_file(_NET, conv_type, epochs))
        return kept_nets.net_of(_NET, conv_type, weights)
    except CourseError as error:
        raise NotImplementedError(str(error)) from None


def _untrained(conv_type: str) -> PaddingNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(kept_nets.KEPT_SEED)
        return PaddingNet(_NET, conv_type).eval()


def _draw_slide(axis: Axes, differences: torch.Tensor) -> None:
    for first, last in _BANDS:
        axis.axvspan(first, last, color="#808080", alpha=0.15, linewidth=0)
    axis.axhline(0, color="#808080", linewidth=1)
    labels = ("red left of green (class 0)", "green left of red (class 1)")
    for each, colour, label in zip(differences, (_RED_LEFT, _GREEN_LEFT), labels, strict=True):
        mean, spread = each.mean(1), each.std(1)
        axis.plot(range(HEIGHTS), mean, color=colour, label=label)
        axis.fill_between(range(HEIGHTS), mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


def _draw_probes(axis: Axes, nets: dict[str, PaddingNet]) -> None:
    both = [("before training", _PALE, map(_untrained, nets)), ("trained", _DARK, nets.values())]
    for shift, (label, colour, measured) in zip((-0.2, 0.2), both, strict=True):
        values = [row_probe(net) for net in measured]
        axis.bar([place + shift for place in range(len(values))], values, 0.4, color=colour, label=label)
        for place, value in enumerate(values):
            axis.text(place + shift, max(value, 0) + 0.02, f"{value:.2f}", ha="center", fontsize=8)
    axis.set(xticks=range(len(nets)), ylim=(min(0, axis.get_ylim()[0]), 1.15), ylabel="R² of the row")
    axis.set_xticklabels(list(nets))
    axis.axhline(0, color="#808080", linewidth=1)
    axis.legend(fontsize=8, loc="upper right", ncols=2)
    axis.set_title("A linear probe: can the row be read off the 64 maxima?", fontsize=11)
