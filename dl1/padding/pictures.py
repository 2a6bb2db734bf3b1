"""Figures of the padding experiment: its images, its table as bars, and what happens at the border."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from dl1.data.squares import squares
from dl1.padding.nets import CONV_TYPES, PADDING, PaddingNet

_COLOURS = ("#0072B2", "#D55E00")
_GUESS = "#F0E442"


def show_samples(columns: int = 6) -> Figure:
    """Images of both classes from the training and the test set, a row for each."""
    figure, axes = plt.subplots(4, columns, figsize=(1.5 * columns, 6.6), layout="constrained")
    for block, split in enumerate(("train", "test")):
        images, labels = squares(split)
        for label in (0, 1):
            row = axes[2 * block + label]
            for axis, image in zip(row, images[labels == label], strict=False):
                axis.imshow(image.permute(1, 2, 0))  # (3, 32, 32) -> (32, 32, 3)
                axis.set(xticks=[], yticks=[])
            row[0].set_ylabel(f"{split}\nclass {label}")
    return figure


def accuracy_chart(
    tables: Mapping[str, pd.DataFrame], note: str = "", guesses: Mapping[str, Mapping[str, float]] | None = None
) -> Figure:
    """Mean and standard deviation of validation and test accuracy as bars.

    Args:
        tables: by name of the net, a row per conv_type and the columns "validation mean", "validation std", "test
            mean" and "test std", in percent.
        note: what stands in the title, such as "quick profile".
        guesses: by name of the net, what was expected of the test accuracy of each conv_type, drawn as diamonds.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(6.2 * len(tables), 3.6), layout="constrained", squeeze=False, sharey=True
    )
    for axis, (net_type, table) in zip(axes[0], tables.items(), strict=True):
        for shift, split, colour in [(-0.2, "validation", _COLOURS[0]), (0.2, "test", _COLOURS[1])]:
            places = [place + shift for place in range(len(table))]
            means, deviations = table[f"{split} mean"], table[f"{split} std"]
            axis.bar(places, means, 0.4, yerr=deviations, color=colour, label=split, capsize=3)
            for place, mean in zip(places, means, strict=True):
                axis.text(place, min(mean, 100) + 1.5, f"{mean:.0f}", ha="center", fontsize=8)
        guessed = [(place, (guesses or {}).get(net_type, {}).get(name)) for place, name in enumerate(table.index)]
        # To the right of the bar, whose number stays readable.
        if guessed := [(place + 0.47, guess) for place, guess in guessed if guess is not None]:
            axis.scatter(
                *zip(*guessed, strict=True),
                marker="D",
                s=45,
                color=_GUESS,
                edgecolor="black",
                zorder=3,
                label="your guess",
            )
        axis.set(title=net_type, xticks=range(len(table)), ylim=(0, 112), xlabel="conv_type")
        axis.set_xticklabels(table.index)
    axes[0, 0].set_ylabel("accuracy (%)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    if note:
        figure.suptitle(f"Result of a smaller experiment: {note}", fontsize=10)
    return figure


def border_maps(image: torch.Tensor, seed: int = 0) -> Figure:
    """What each kind of padding puts around an image, and what the third layer makes of the same image at the border.

    The image is moved up until its upper square touches the border. Above: the image as the first layer reads it.
    Below: the strongest answer over all 64 channels of the third layer of an untrained network.

    Args:
        image: (3, 32, 32).
        seed: of the kernels, which are the same for all kinds of padding.
    """
    figure, axes = plt.subplots(2, len(CONV_TYPES), figsize=(2.3 * len(CONV_TYPES), 4.7), layout="constrained")
    first_row = int(image.amax((0, 2)).argmax())
    image = image.roll(-first_row, dims=1)
    maps = {}
    for conv_type in CONV_TYPES:
        torch.manual_seed(seed)
        with torch.no_grad():
            third = PaddingNet("Net1", conv_type).features(image[None])[2]  # (1, 64, rows, columns)
        maps[conv_type] = third[0].amax(0)  # (rows, columns)
    largest = max(float(values.max()) for values in maps.values())
    for (above, below), conv_type in zip(axes.T, CONV_TYPES, strict=True):
        width = PADDING[conv_type][1]
        around = padded(image[None], conv_type)[0]
        above.imshow(around.permute(1, 2, 0))  # (3, H, W) -> (H, W, 3)
        frame = plt.Rectangle((width - 0.5, width - 0.5), 32, 32, fill=False, edgecolor="white", linestyle=":")
        above.add_patch(frame)
        above.set(title=conv_type, xticks=[], yticks=[])
        below.imshow(maps[conv_type], cmap="magma", vmin=0, vmax=largest)
        below.set(xticks=[], yticks=[], xlabel=f"{len(maps[conv_type])} × {len(maps[conv_type])}")
    axes[0, 0].set_ylabel("what layer 1 reads")
    axes[1, 0].set_ylabel("layer 3, untrained,\nsame random kernels")
    return figure


def padded(images: torch.Tensor, conv_type: str) -> torch.Tensor:
    """(B, C, H, W) -> (B, C, H + 2p, W + 2p), with the p of the conv_type."""
    mode, width = PADDING[conv_type]
    return F.pad(images, (width,) * 4, mode="constant" if mode == "zeros" else mode)
