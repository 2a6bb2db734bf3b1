"""The terms of a convolution: which pixels each number needs, and what stands beyond the border.

The formula is f(x, y) = Σ_m Σ_n g(x−m, y−n) h(m, n) with m and n from −1 to 1 and places in g counted from 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from dl1.errors import CourseError

MODES = {
    "valid": "valid: nothing beyond the border",
    "zeros": "zeros: 0 beyond the border",
    "circular": "circular: the opposite side",
    "reflect": "reflect: mirrored, without the edge",
    "replicate": "replicate: the edge again",
}
# No two weights are alike, so that it shows where each of them lands; digits are easy to multiply in one's head.
EXAMPLE_IMAGE = (
    (3.0, 1.0, 4.0, 1.0, 5.0),
    (9.0, 2.0, 6.0, 5.0, 3.0),
    (5.0, 8.0, 9.0, 7.0, 9.0),
    (3.0, 2.0, 3.0, 8.0, 4.0),
    (6.0, 2.0, 6.0, 4.0, 3.0),
)
EXAMPLE_KERNEL = ((1.0, 2.0, 3.0), (-1.0, 0.5, -2.0), (4.0, -3.0, -4.0))

_SIGNS = {-1: "-", 0: "0", 1: "+"}
_LARGEST = 8

Grid = list[list[float]]


@dataclass(frozen=True)
class Product:
    """One of the nine terms of f(x, y): g(x−m, y−n) · h(m, n).

    Attributes:
        place: row and column in g, from 1, possibly outside.
        offset: (m, n), each of −1, 0 and 1.
        value: what stands at ``place``; None if it is missing.
        weight: h(m, n).
        source: the pixel of the image that the value is taken from: ``place`` itself inside the image, None where the
            value is missing or the constant 0.
        padded: whether the value was put there by padding.
    """

    place: tuple[int, int]
    offset: tuple[int, int]
    value: float | None
    weight: float
    source: tuple[int, int] | None
    padded: bool

    @property
    def g(self) -> str:
        """Name of the pixel, such as g_{2,3}."""
        return f"g_{{{self.place[0]},{self.place[1]}}}"

    @property
    def h(self) -> str:
        """Name of the weight, such as h_{-,0}."""
        return f"h_{{{_SIGNS[self.offset[0]]},{_SIGNS[self.offset[1]]}}}"

    @property
    def missing(self) -> bool:
        return self.value is None

    @property
    def result(self) -> float | None:
        """The product; None if the pixel is missing."""
        return None if self.value is None else self.value * self.weight


def padded_value(image: torch.Tensor, row: int, column: int, mode: str) -> float | None:
    """The value at a place that may lie outside the image.

    Args:
        image: (H, W).
        row, column: counted from 1; 0, for one, is just outside.
        mode: one of :data:`MODES`, filled as ``torch.nn.functional.pad`` does.

    Returns:
        None where the value is missing: outside, in mode "valid".

    Raises:
        CourseError: the image is no matrix, or there is no such mode.
    """
    grid = grid_of(image)
    check_mode(mode, grid)
    return look_up(grid, row, column, mode)[0]


def products(image: torch.Tensor, kernel: torch.Tensor, row: int, column: int, mode: str) -> list[Product]:
    """The nine terms of f_{row,column}, in the order of the formula: m, then n, from −1 to 1.

    Args:
        image: (H, W).
        kernel: (3, 3), with h(−1, −1) first.
        row, column: place in the image, from 1.
        mode: one of :data:`MODES`.

    Raises:
        CourseError: a shape, the place or the mode is none of these.
    """
    grid, weights = grid_of(image), weights_of(kernel)
    check_mode(mode, grid)
    check_place(grid, row, column)
    return terms_at(grid, weights, row, column, mode)


def grid_of(image: torch.Tensor) -> Grid:
    """The numbers of an image (H, W); a CourseError if it is no such matrix."""
    matrix = _numbers(image, "image")
    if matrix.ndim != 2 or matrix.numel() == 0:
        raise CourseError(
            f"the image has shape {tuple(matrix.shape)}: pass a matrix (H, W), such as one channel of one image"
        )
    return matrix.tolist()


def weights_of(kernel: torch.Tensor) -> Grid:
    """The numbers of a kernel (3, 3), with h(−1, −1) first; a CourseError if it has another shape."""
    matrix = _numbers(kernel, "kernel")
    if matrix.shape != (3, 3):
        raise CourseError(f"the kernel has shape {tuple(matrix.shape)}: pass one of shape (3, 3)")
    return matrix.tolist()


def _numbers(matrix: torch.Tensor, name: str) -> torch.Tensor:
    if not isinstance(matrix, torch.Tensor):
        raise CourseError(f"the {name} is a {type(matrix).__name__}: make it a tensor with torch.tensor(...)")
    if matrix.is_complex():
        raise CourseError(f"the {name} has complex numbers: pass real ones")
    matrix = matrix.detach().cpu().double()
    if not torch.isfinite(matrix).all():
        raise CourseError(f"the {name} has infinite or NaN numbers: pass finite ones")
    return matrix


def check_mode(mode: str, grid: Grid) -> None:
    """Raises a CourseError if there is no such mode, or none for an image of this size."""
    if mode not in MODES:
        raise CourseError(f"there is no padding mode {mode!r}: choose one of {', '.join(MODES)}")
    if mode == "reflect" and min(len(grid), len(grid[0])) < 2:
        raise CourseError("an image of one row or column can't be mirrored: pass a larger one, or use another mode")


def check_place(grid: Grid, row: int, column: int) -> None:
    """Raises a CourseError if the place, from 1, is outside the image."""
    if not (1 <= row <= len(grid) and 1 <= column <= len(grid[0])):
        raise CourseError(
            f"f has no place ({row}, {column}): "
            f"choose a row from 1 to {len(grid)} and a column from 1 to {len(grid[0])}"
        )


def check_size(grid: Grid) -> None:
    """Raises a CourseError if the image is too large to be drawn with its numbers."""
    if max(len(grid), len(grid[0])) > _LARGEST:
        raise CourseError(
            f"an image of {len(grid)}×{len(grid[0])} is too large to be read: "
            f"pass a part of it, at most {_LARGEST}×{_LARGEST}"
        )


def look_up(grid: Grid, row: int, column: int, mode: str) -> tuple[float | None, tuple[int, int] | None]:
    """The value at a place, and the pixel that it is taken from."""
    rows, columns = len(grid), len(grid[0])
    source = _inside(row, rows, mode), _inside(column, columns, mode)
    if None in source:
        return (0.0 if mode == "zeros" else None), None
    return grid[source[0] - 1][source[1] - 1], source


def _inside(place: int, size: int, mode: str) -> int | None:
    """The place from 1 to ``size`` that stands in for one outside; None if none does."""
    if 1 <= place <= size:
        return place
    if mode == "circular":
        return (place - 1) % size + 1
    if mode == "replicate":
        return min(max(place, 1), size)
    if mode == "reflect":
        # There and back again is one period: the outermost pixels aren't repeated.
        there = (place - 1) % (2 * size - 2)
        return min(there, 2 * size - 2 - there) + 1
    return None


def terms_at(grid: Grid, weights: Grid, row: int, column: int, mode: str) -> list[Product]:
    """As :func:`products`, for numbers that are checked already."""
    terms = []
    for m in (-1, 0, 1):
        for n in (-1, 0, 1):
            place = row - m, column - n
            value, source = look_up(grid, *place, mode)
            padded = value is not None and source != place
            terms.append(Product(place, (m, n), value, weights[m + 1][n + 1], source, padded))
    return terms


def total_of(terms: list[Product]) -> float | None:
    """The sum of the terms; None if one of them is missing."""
    results = [term.result for term in terms]
    return None if None in results else math.fsum(results)


def number(value: float | None) -> str:
    """A number with at most two decimals, from 10000 on as 1e+04; ? if it is missing."""
    if value is None:
        return "?"
    short = f"{round(value, 2) or 0.0:.2f}".rstrip("0").rstrip(".")  # never -0
    return (short if abs(value) < 1e4 else f"{value:.0e}").replace("-", "−")


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def in_words(term: Product) -> str:
    """A term with its names and its numbers, such as g_{2,1}·h_{-,0} = 9·2 = 18."""
    worked_out = f"{number(term.value)}·{_factor(term.weight)}"
    return f"{term.g}·{term.h} = {worked_out}" + ("" if term.missing else f" = {number(term.result)}")


def note(term: Product) -> str:
    """Where a value from outside comes from; nothing for those inside."""
    if term.missing:
        return "missing"
    if not term.padded:
        return ""
    return "padded with 0" if term.source is None else f"from g_{{{term.source[0]},{term.source[1]}}}"


def sum_line(terms: list[Product], row: int, column: int) -> str:
    """The sum as one line, with how many values are padding, or with what is missing for it."""
    name = f"f_{{{row},{column}}}"
    total = total_of(terms)
    if total is None:
        missing = [term.g for term in terms if term.missing]
        return f"{name} can't be computed: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    results = [term.result for term in terms]
    added = number(results[0]) + "".join(f" {'−' if r < 0 else '+'} {number(abs(r))}" for r in results[1:])
    padded = sum(term.padded for term in terms)
    made_up = f"   ({padded} of the nine values of g {'is' if padded == 1 else 'are'} padding)" if padded else ""
    return f"{name} = {added} = {number(total)}{made_up}"
