"""Pictures of a question: input, expected and yours side by side, drawn with whatever the student's code returns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dl1.contract.unfinished import explained

# Blue and vermilion of Okabe and Ito's palette, told apart with every common kind of colour vision.
AGREES, DIFFERS = "#0072B2", "#D55E00"
_ANNOTATED = 64
# Of the panels of a comparison, in inches: a cell, the tallest and the widest, what a title or an error needs, gaps.
_CELL, _HIGHEST, _WIDEST = 0.5, 3.0, 10.0
_NARROWEST, _LOWEST, _BETWEEN = 1.9, 1.2, 0.55
_TITLE_WIDTH = 26
# Of a panel with bars, in inches.
_BARS_WIDE, _BARS_HIGH = 2.6, 1.7


def compare(
    inputs: Mapping[str, torch.Tensor],
    expected: torch.Tensor,
    yours: Callable[[], torch.Tensor],
    *,
    title: str = "",
    rows: str = "",
    columns: str = "",
    tolerance: float = 1e-4,
    bars: bool = False,
) -> None:
    """Draws inputs, the expected result and the result of ``yours()``, and frames the numbers that differ.

    Unfinished or failing code becomes a line of text in its panel, so that the notebook goes on.

    Args:
        inputs: matrices (or vectors, shown as one row) by their name.
        expected: matrix (rows, columns).
        yours: computes a matrix of the same shape with the student's code.
        rows, columns: what the axes of the result stand for.
        tolerance: absolute difference from which a number counts as different.
        bars: vectors of probabilities as bars, where a 0 is what was cut.
    """
    # Copies, because code that changes its input in place must not change what it is compared with.
    expected = expected.detach().clone()
    panels = [*inputs.items(), ("expected", expected)]
    shapes = [tuple(_matrix(value).shape) for _, value in [*panels, panels[-1]]]
    figure, axes = _bar_panels(len(shapes), bool(title)) if bars else _equal_cells(shapes, bool(title))
    for axis, (name, value) in zip(axes, panels, strict=False):
        (_draw_bars if bars else heat_map)(axis, value, "\n".join(textwrap.wrap(name, width=_TITLE_WIDTH)))
    result, problem = _evaluate(yours, expected)
    if result is None:
        _draw_problem(axes[-1], problem)
    else:
        _draw_compared(axes[-1], result, expected, tolerance, bars)
    for axis, shape in zip(axes, shapes, strict=True):
        # An input of the same shape has the same axes.
        if (axis.images or axis.containers) and shape == shapes[-1]:
            axis.set(xlabel=columns, ylabel=rows)
        if axis.images:
            axis.set_aspect("equal")
    if title:
        figure.suptitle(title)
    plt.show()
    # Other backends close a figure when it has been shown, or keep it because it is still on the screen.
    if matplotlib.get_backend().lower() == "agg":
        plt.close(figure)


def _equal_cells(shapes: list[tuple[int, int]], titled: bool) -> tuple[Figure, list[Axes]]:
    """A figure with axes (rows, columns) side by side whose cells all have one size, with their upper edges in line."""
    high = max(rows for rows, _ in shapes)
    cell = min(_CELL, _HIGHEST / high, _WIDEST / sum(columns for _, columns in shapes))
    slots = [max(columns * cell, _NARROWEST) for _, columns in shapes]
    width = sum(slots) + _BETWEEN * (len(slots) + 1)
    above = 0.5 + (0.35 if titled else 0)
    height = above + max(high * cell, _LOWEST) + 0.55
    figure = plt.figure(figsize=(width, height))
    axes, left = [], _BETWEEN
    for (rows, columns), slot in zip(shapes, slots, strict=True):
        box = (left + (slot - columns * cell) / 2, height - above - rows * cell, columns * cell, rows * cell)
        left += slot + _BETWEEN
        axes.append(figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height)))
    return figure, axes


def _bar_panels(count: int, titled: bool) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side that have one scale."""
    width = (_BARS_WIDE + _BETWEEN) * count + _BETWEEN
    above = 0.4 + (0.35 if titled else 0)
    height = above + _BARS_HIGH + 0.55
    figure, axes = plt.figure(figsize=(width, height)), []
    for number in range(count):
        left = _BETWEEN + number * (_BARS_WIDE + _BETWEEN)
        box = (left / width, 0.55 / height, _BARS_WIDE / width, _BARS_HIGH / height)
        axes.append(figure.add_axes(box, ylim=(0, 1.12)))
    return figure, axes


def _draw_bars(axis: Axes, values: torch.Tensor, title: str) -> None:
    numbers = _matrix(values)[0].tolist()
    axis.bar(range(len(numbers)), numbers, color=AGREES)
    for place, number in enumerate(numbers):
        text = f"{number:.3f}".rstrip("0").rstrip(".") if number else "cut"
        axis.text(
            place,
            min(max(number, 0), 1) + 0.02,
            text,
            ha="center",
            fontsize=7.5,
            color="black" if number else "#5B6570",
        )
    axis.set_title(title, fontsize=10)
    axis.set_xticks(range(len(numbers)))
    axis.tick_params(labelsize=8)


def _draw_problem(axis: Axes, problem: str) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_title("yours", fontsize=10)
    # Room for the words, whatever the matrix would have had.
    box, (width, height) = axis.get_position(), axis.figure.get_size_inches()
    wide, high = max(box.width, _NARROWEST / width), max(box.height, _LOWEST / height)
    axis.set_position(((box.x0 + box.x1 - wide) / 2, box.y1 - high, wide, high))
    # Not parsed, because matplotlib would read $ as the beginning of a formula.
    style = {"ha": "center", "va": "center", "color": DIFFERS, "fontsize": 9, "parse_math": False}
    axis.text(0.5, 0.5, problem, transform=axis.transAxes, **style)


def _draw_compared(axis: Axes, result: torch.Tensor, expected: torch.Tensor, tolerance: float, bars: bool) -> None:
    different = ~torch.isclose(result, _matrix(expected), rtol=0, atol=tolerance)
    count = int(different.sum())
    verdict = "the same" if count == 0 else f"{count} of {different.numel()} differ"
    if bars:
        _draw_bars(axis, result, f"yours: {verdict}")
        for bar, differs in zip(axis.patches, different[0].tolist(), strict=True):
            bar.set_color(DIFFERS if differs else AGREES)
    else:
        heat_map(axis, result, f"yours: {verdict}", like=expected)
    axis.title.set_color(DIFFERS if count else AGREES)
    for row, column in [] if bars else different.nonzero().tolist():
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=DIFFERS, linewidth=2))


def heat_map(axis: Axes, values: torch.Tensor, title: str = "", like: torch.Tensor | None = None) -> None:
    """Draws a matrix, or a vector as one row, with the numbers written in if there are few.

    Args:
        values: (rows, columns) or (columns,), finite.
        like: matrix that sets the colour range in place of ``values``.
    """
    matrix, scale = _matrix(values), _matrix(values if like is None else like)
    low, high = float(scale.min()), float(scale.max())
    if low < 0:
        low, high, colours = -max(-low, high), max(-low, high), "RdBu_r"
    else:
        low, high, colours = 0.0, high or 1.0, "Blues"
    axis.imshow(matrix.numpy(), vmin=low, vmax=high, cmap=colours, aspect="equal" if min(matrix.shape) > 1 else "auto")
    axis.set_title(title, fontsize=10)
    axis.set(xticks=range(matrix.shape[1]), yticks=range(matrix.shape[0]))
    axis.tick_params(labelsize=8, length=0)
    if max(matrix.shape) > 16:
        axis.set(xticks=[], yticks=[])
    if matrix.numel() <= _ANNOTATED and matrix.shape[1] <= 10:
        for row in range(matrix.shape[0]):
            for column in range(matrix.shape[1]):
                value = float(matrix[row, column])
                strong = abs(value) > 0.6 * high
                short = f"{round(value, 2) or 0.0:.2f}".rstrip("0").rstrip(".")  # never -0
                text = short if abs(value) < 1e4 else f"{value:.0e}"
                axis.text(
                    column, row, text, ha="center", va="center", fontsize=7.5, color="white" if strong else "black"
                )


def _evaluate(yours: Callable[[], torch.Tensor], expected: torch.Tensor) -> tuple[torch.Tensor | None, str]:
    """The result as a matrix, or None and the reason why there is none to draw."""
    try:
        with explained(), torch.random.fork_rng(devices=[]):
            result = yours()
    except NotImplementedError as error:
        return None, _wrapped(f"nothing yet: {error}")
    # A picture must not stop a notebook over an error that the check below it reports in full.
    except Exception as error:
        try:
            text = str(error)
        except Exception:
            text = "(its text can't be made)"
        return None, _wrapped(f"{type(error).__name__}: {text}")
    try:
        return _drawable(result, expected)
    # A sparse tensor, for one, or one without numbers refuses questions like these.
    except Exception:
        return None, _wrapped(f"a {type(result).__name__} that can't be drawn: make it dense")


def _drawable(result: Any, expected: torch.Tensor) -> tuple[torch.Tensor | None, str]:
    if not isinstance(result, torch.Tensor):
        return None, _wrapped(f"a {type(result).__name__} in place of a tensor")
    if result.shape != expected.shape:
        return None, _wrapped(f"shape {tuple(result.shape)}, expected {tuple(expected.shape)}")
    if result.is_complex() and not expected.is_complex():
        return None, _wrapped(f"{result.dtype}, expected {expected.dtype}")
    matrix = _matrix(result)
    return (matrix, "") if torch.isfinite(matrix).all() else (None, "infinite or NaN numbers")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, width=26, max_lines=7, placeholder=" …"))


def _matrix(values: torch.Tensor) -> torch.Tensor:
    values = values.detach().cpu().double()
    return values[None] if values.ndim == 1 else values
