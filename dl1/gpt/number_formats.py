"""Floating-point formats of training, bit by bit: what a number becomes in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

# Blue, orange and green of Okabe and Ito's palette, told apart with every common kind of colour vision.
_SIGN, _EXPONENT, _FRACTION = "#009E73", "#D55E00", "#0072B2"
_FORMATS = {
    "FP32": (torch.float32, torch.int32, 8),
    "FP16": (torch.float16, torch.int16, 5),
    "BF16": (torch.bfloat16, torch.int16, 8),
}


@dataclass(frozen=True)
class Stored:
    """A number in a format.

    Attributes:
        name: of the format.
        bits: from the sign to the last one of the fraction.
        exponent_bits: how many follow the sign.
        value: what is stored, infinite where the number is too large.
        largest, step: the largest number of the format, and the distance from 1 to the next one.
    """

    name: str
    bits: str
    exponent_bits: int
    value: float
    largest: float
    step: float


def stored(value: float) -> list[Stored]:
    """A number in FP32, FP16 and BF16."""
    found = []
    for name, (dtype, whole, exponent_bits) in _FORMATS.items():
        number, facts = torch.tensor(value, dtype=torch.float64).to(dtype), torch.finfo(dtype)
        bits = format(int(number.view(whole)) % 2**facts.bits, f"0{facts.bits}b")
        found.append(Stored(name, bits, exponent_bits, float(number), facts.max, facts.eps))
    return found


def plot_number_formats(value: float) -> Figure:
    """A row of bits for each format, with what it stores in place of the number, and its range and step."""
    rows = stored(value)
    figure, axis = plt.subplots(figsize=(9.6, 0.9 * len(rows) + 0.9), layout="constrained")
    for row, each in enumerate(rows):
        _draw_bits(axis, row, each)
        kept = f"{each.value:.9g}"
        axis.text(33, row + 0.32, f"stored: {kept}", fontsize=9, va="center")
        axis.text(
            33, row + 0.72, f"largest {each.largest:.2g}, next after 1: 1 + {each.step:.1g}", fontsize=8, va="center"
        )
    axis.set(xlim=(-3.4, 48), ylim=(len(rows), -0.1))
    axis.set_axis_off()
    kinds = [("sign", _SIGN), ("exponent: the range", _EXPONENT), ("fraction: the precision", _FRACTION)]
    handles = [Patch(facecolor=colour, label=label) for label, colour in kinds]
    axis.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.4, 0), ncols=3, fontsize=8, frameon=False)
    axis.set_title(f"{value:g} in three formats", fontsize=10)
    return figure


def _draw_bits(axis: Axes, row: int, each: Stored) -> None:
    axis.text(-0.4, row + 0.5, each.name, ha="right", va="center", fontsize=10, family="monospace")
    for place, bit in enumerate(each.bits):
        colour = _SIGN if place == 0 else _EXPONENT if place <= each.exponent_bits else _FRACTION
        axis.add_patch(Rectangle((place, row + 0.12), 0.92, 0.76, facecolor=colour, alpha=1.0 if bit == "1" else 0.3))
        ink = "white" if bit == "1" else "black"
        axis.text(place + 0.46, row + 0.5, bit, ha="center", va="center", fontsize=8, color=ink)
