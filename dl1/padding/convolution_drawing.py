"""One step of a convolution as a figure: the image under the kernel, the nine products, f as far as it is computed."""

from __future__ import annotations

import re
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dl1.padding.convolution_terms import (
    Grid,
    Product,
    check_mode,
    check_place,
    check_size,
    grid_of,
    in_words,
    look_up,
    note,
    number,
    sum_line,
    terms_at,
    total_of,
    weights_of,
)

# Size of the figure, in inches and in pixels per inch.
WIDTH, HEIGHT, DPI = 10.2, 4.35, 100
_CELL, _LISTED = 0.46, 3.35  # inches
# Vermilion, green and blue of Okabe and Ito's palette, told apart with every common kind of colour vision.
_PRESENT, _PADDED, _COMPUTED = "#D55E00", "#009E73", "#0072B2"
# The same hues for small letters, which need more contrast than lines.
_PRESENT_INK, _PADDED_INK = "#A34700", "#00704F"
_MISSING, _LINES, _PALE = "#6B6B6B", "#B0B0B0", "#D9D9D9"
_SUBSCRIPTS = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
# Mean width of a letter over the font size, in DejaVu Sans, which comes with matplotlib: in short numbers (with a
# margin, as small letters are drawn in whole pixels), and in sentences and formulas.
_DIGIT, _LETTER = 0.75, 0.58


def draw_step(image: torch.Tensor, kernel: torch.Tensor, row: int, column: int, mode: str) -> Figure:
    """Draws how f_{row,column} comes about: the image under the kernel, the nine products, f as far as it is computed.

    Args: as for :func:`dl1.padding.convolution_terms.products`, with an image of at most 8×8.

    Raises:
        CourseError: as that function does, and for an image too large to be drawn.
    """
    grid, weights = grid_of(image), weights_of(kernel)
    check_mode(mode, grid)
    check_place(grid, row, column)
    check_size(grid)
    figure = make_figure(grid, weights)
    draw(figure, grid, weights, row, column, mode)
    return figure


def make_figure(grid: Grid, weights: Grid) -> Figure:
    """The figure with all that is the same at each step; :func:`draw` adds the rest."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(figure)
    side = 7 * _CELL
    ringed, plain = (
        (range(len(grid) + 2), range(len(grid[0]) + 2)),
        (range(1, len(grid) + 1), range(1, len(grid[0]) + 1)),
    )
    _matrix_axes(_panel(figure, "image", 0.3, 0.6, side, side), *ringed)
    listed = _panel(figure, "products", 3.9, 0.6, _LISTED, side)
    listed.set(xlim=(0, 1), ylim=(9, 0), xticks=[], yticks=[])
    _matrix_axes(_panel(figure, "f", 7.6, 0.6 + 2 * _CELL, 5 * _CELL, 5 * _CELL), *plain)
    given = _panel(figure, "h", 7.6 + 5 * _CELL - 0.75, 0.6, 0.75, 0.75)
    _matrix_axes(given, range(-1, 2), range(-1, 2))
    given.set(xticklabels=["−", "0", "+"], yticklabels=["−", "0", "+"])
    given.set_ylabel("h, as given", fontsize=9, rotation=0, ha="right", va="center", labelpad=4)
    size = _fitting(7.5, [number(weight) for line in weights for weight in line], 72 * 0.25)
    for m in (-1, 0, 1):
        for n in (-1, 0, 1):
            _cell(given, m, n, facecolor="white")
            _write(given, n, m, number(weights[m + 1][n + 1]), size, color=_PRESENT_INK)
    return figure


def draw(figure: Figure, grid: Grid, weights: Grid, row: int, column: int, mode: str) -> None:
    """Puts a step in place of the one drawn before, in a figure of :func:`make_figure`."""
    image, listed, result, _ = figure.axes
    for axis in (image, listed, result):
        for artist in (*axis.patches, *axis.texts, *axis.lines):
            artist.remove()
    for text in (*figure.texts,):
        text.remove()
    terms = terms_at(grid, weights, row, column, mode)
    _draw_image(image, grid, terms, row, column, mode)
    _draw_products(listed, terms, row, column)
    _draw_result(result, grid, weights, row, column, mode)
    ink = _PRESENT_INK if total_of(terms) is None else _COMPUTED
    line = _set(sum_line(terms, row, column))
    size = _fitting(12, [line], 72 * (WIDTH - 0.6), _LETTER)
    figure.text(0.03, 0.045, line, fontsize=size, color=ink, label="sum")


def _set(text: str) -> str:
    """Names such as h_{-,0} with small indices: Unicode's, because matplotlib takes long to set formulas."""
    return re.sub(r"_\{(.*?)\}", lambda index: index[1].translate(_SUBSCRIPTS), text)


def _fitting(size: float, texts: list[str], width: float, letter: float = _DIGIT) -> float:
    """A font size of at most ``size`` with which each text is about ``width`` points wide or less."""
    return min(size, width / (letter * max(map(len, texts))))


def _panel(figure: Figure, label: str, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes without lines, placed in inches: working a layout out at each step would take longer than all else."""
    axis = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT), label=label)
    axis.tick_params(length=0, labelsize=8, labelcolor=_MISSING, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return axis


def _matrix_axes(axis: Axes, rows: range, columns: range) -> None:
    axis.set(xlim=(columns[0] - 0.55, columns[-1] + 0.55), ylim=(rows[-1] + 0.55, rows[0] - 0.55), aspect="equal")
    axis.set(xticks=columns, yticks=rows)
    axis.xaxis.tick_top()


def _cell(axis: Axes, row: float, column: float, **style: Any) -> None:
    axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **{"edgecolor": _LINES, "linewidth": 0.8, **style}))


def _write(axis: Axes, x: float, y: float, text: str, size: float, **style: Any) -> None:
    axis.text(x, y, text, fontsize=size, **{"ha": "center", "va": "center", **style})


def _frame(axis: Axes, row: int, column: int, reach: float, label: str) -> None:
    corner, side = (column - reach, row - reach), 2 * reach
    axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=_PRESENT, linewidth=2.5, zorder=3, label=label))


def _shade(value: float, low: float, high: float) -> Any:
    # Never so dark that black numbers are hard to read.
    return colormaps["Blues"](0.08 + 0.37 * (value - low) / ((high - low) or 1.0))


def _draw_image(axis: Axes, grid: Grid, terms: list[Product], row: int, column: int, mode: str) -> None:
    rows, columns = range(len(grid) + 2), range(len(grid[0]) + 2)
    low, high = min(map(min, grid)), max(map(max, grid))
    weights = {term.place: term.weight for term in terms}
    cell = 72 * 7 * _CELL / max(len(rows), len(columns))
    size = _fitting(10, [number(value) for line in grid for value in line], cell)
    small = _fitting(7.5, [f"×{number(term.weight)}" for term in terms], cell)
    for r in rows:
        for c in columns:
            value, source = look_up(grid, r, c, mode)
            if value is None:
                _cell(axis, r, c, facecolor="#F7F7F7", edgecolor=_PALE, hatch="////", label="missing")
                ink = _MISSING
            elif source == (r, c):
                _cell(axis, r, c, facecolor=_shade(value, low, high), label="pixel")
                ink = "black"
            else:
                _cell(axis, r, c, facecolor="#EAF6F1", edgecolor=_PADDED, linestyle=":", label="padded")
                ink = _PADDED_INK
            weight = weights.get((r, c))
            if weight is None:
                _write(axis, c, r, "" if value is None else number(value), size, color=ink)
            else:
                _write(axis, c, r - 0.16, number(value), size, color=ink)
                _write(axis, c, r + 0.27, f"×{number(weight)}", small, color=_PRESENT_INK)
    _frame(axis, row, column, 1.5, "window")
    axis.set_title(f"g under the turned h, padding: {mode}", fontsize=10)


def _draw_products(axis: Axes, terms: list[Product], row: int, column: int) -> None:
    # As high as the titles of the panels with numbers above them.
    axis.set_title(_set(f"the nine products of f_{{{row},{column}}}"), fontsize=10, pad=16)
    size = _fitting(11.5, [_set(in_words(term)) for term in terms], 0.72 * 72 * _LISTED, _LETTER)
    for line, term in enumerate(terms):
        y = line + 0.5
        ink = _MISSING if term.missing else _PADDED_INK if term.padded else "black"
        words = _set(in_words(term))
        _write(axis, 0.0, y, words, size, ha="left", color=ink)
        _write(axis, 0.74, y, _set(note(term)), 10, ha="left", color=ink)
        if term.missing:
            # About as long as the words: to measure them would take longer than to draw them.
            axis.plot([0.0, 0.002 * size * len(words)], [y, y], color=_LINES, linewidth=1.2, zorder=1, label="struck")


def _draw_result(axis: Axes, grid: Grid, weights: Grid, row: int, column: int, mode: str) -> None:
    rows, columns = range(1, len(grid) + 1), range(1, len(grid[0]) + 1)
    totals = {(r, c): total_of(terms_at(grid, weights, r, c, mode)) for r in rows for c in columns}
    # Fitted to all of f, so that it doesn't change on the way.
    size = _fitting(9.5, [number(total) for total in totals.values()], 72 * 5 * _CELL / max(len(rows), len(columns)))
    for r in rows:
        for c in columns:
            total = totals[r, c]
            if total is None:
                _cell(axis, r, c, facecolor="#F7F7F7", edgecolor=_PALE, hatch="////", label="missing")
            elif (r, c) <= (row, column):
                _cell(axis, r, c, facecolor="#E3EEF6", label="computed")
                _write(axis, c, r, number(total), size, color=_COMPUTED)
            else:
                _cell(axis, r, c, facecolor="white", label="to come")
    if totals[row, column] is None:
        _write(axis, column, row, "?", size, color=_PRESENT_INK)
    _frame(axis, row, column, 0.5, "present")
    axis.set_title("f so far", fontsize=10)
