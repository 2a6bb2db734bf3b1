"""RoPE dial: pairs of channels turned by a student's rotary embedding, and the score that knows only the distance."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError
from dl1.notebook import runs

# Blue and vermilion of Okabe and Ito's palette, told apart with every common kind of colour vision.
_QUERY, _KEY, _GREY = "#0072B2", "#D55E00", "#8A8F94"
_POSITIONS, _BASE = 64, 10_000
# In radians per position: about how fast the pairs turn whose dials are shown; the slowest pair is the last.
_SPEEDS = (1.0, 0.3, 0.1, 0.0)
_SIDE, _RADIUS, _PLOT = 150, 58, (560, 190)
# Angles and sums of a few dozen products in float32, with room for a student's float32 table of speeds.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Turned:
    """The same query and the same key at every position, as the student's code turns them.

    Both are (1, 0) in each pair before, so that the angle of an arrow is the angle by which it was turned.

    Attributes:
        query, key: (T, head_size), float64.
    """

    query: torch.Tensor
    key: torch.Tensor

    @property
    def positions(self) -> int:
        return len(self.query)

    def speed(self, pair: int) -> float:
        """ω of a pair, in radians per position, as it should be: 10000^(-2i / head_size)."""
        return _BASE ** (-2 * pair / self.query.shape[1])

    def pairs(self) -> list[int]:
        """Numbers of the pairs whose dials are shown, from fast to slow."""
        count = self.query.shape[1] // 2
        chosen = {min(range(count), key=lambda pair: abs(self.speed(pair) - speed)) for speed in _SPEEDS}
        return sorted(chosen)

    def score(self, m: int, n: int) -> float:
        """q · k of the query at position m and the key at position n."""
        return float(self.query[m] @ self.key[n])

    def knows_distance_only(self) -> bool:
        """Whether all scores of one distance are the same."""
        scores = self.query @ self.key.T  # (T, T)
        return bool((scores[1:, 1:] - scores[:-1, :-1]).abs().max() < _TOLERANCE)

    def curve(self, n: int, moved: int, reach: int) -> list[tuple[int, float]]:
        """Distance m - n and score for queries at m = 0 to ``reach`` - 1, when both are moved by the same amount."""
        return [(m - n, self.score(m + moved, n + moved)) for m in range(reach)]


def turned_vectors(attention_class: Any, config: Any) -> Turned:
    """What ``apply_rotary_emb`` of a new layer makes of a query and a key at the positions 0 to 63, or fewer.

    Args:
        attention_class: the student's CausalSelfAttention.
        config: with n_embd, n_head and block_size.

    Raises:
        CourseError: the method is not finished, fails, or gives other shapes.
    """
    head_size = config.n_embd // config.n_head
    length = min(_POSITIONS, config.block_size)
    if head_size < 2 or length < 4:
        raise CourseError("the dial needs at least 4 positions (block_size) and heads of size 2 or more")
    given = torch.tensor([1.0, 0.0]).repeat(head_size // 2).expand(1, config.n_head, length, -1)  # (1, nh, T, hs)
    # Weights of the new layer must not take random numbers away from the notebook.
    with in_one_line("apply_rotary_emb"), torch.random.fork_rng(devices=[]):
        layer: nn.Module = attention_class(config)
        with evaluating(layer) as place:
            query, key = (given.to(place).clone() for _ in range(2))
            found = layer.apply_rotary_emb(query, key, length)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise CourseError("apply_rotary_emb must give two tensors: the turned queries and the turned keys")
    for name, vectors in zip(("queries", "keys"), found, strict=True):
        if not isinstance(vectors, torch.Tensor) or vectors.shape != given.shape:
            shape = tuple(vectors.shape) if isinstance(vectors, torch.Tensor) else type(vectors).__name__
            raise CourseError(f"apply_rotary_emb gave {shape} for the {name} {tuple(given.shape)}: keep the shape")
        if not vectors.isfinite().all():
            raise CourseError(f"apply_rotary_emb gave NaN or infinite numbers for the {name}")
    query, key = (vectors[0, 0].detach().cpu().double() for vectors in found)  # (T, hs)
    return Turned(query, key)


def rope_dial(attention_class: Any, config: Any) -> None:
    """Show pairs of channels as arrows that turn with the position, and the score of a query and a key below.

    Sliders move the query, the key, or both by the same amount. Below stands a figure for print. Where no one can move
    a slider, in a notebook that nbgrader runs, there is only the figure. What fails in the student's code is said in
    one line.

    Args:
        attention_class: the student's CausalSelfAttention, with ``apply_rotary_emb(xq, xk, T)``.
        config: the GPTConfig that it is made with.
    """
    try:
        turned = turned_vectors(attention_class, config)
    except CourseError as error:
        print(f"No dial: {error}.")
        return
    if not runs.is_rerun():
        # Imported here, because without a front end there is nothing to display in.
        from IPython.display import display

        display(RopeDial(turned).box)
    show_dials(turned)
    plt.show()


class RopeDial:
    """The widget and its parts.

    Attributes:
        m, n: sliders for the positions of query and key.
        both: slider for how far both are moved.
        picture: dials, score and curve.
        box: all of it.
    """

    def __init__(self, turned: Turned) -> None:
        self._turned = turned
        # Half of the positions are left for moving both.
        self._reach = turned.positions // 2
        described, wide = {"description_width": "9em"}, {"width": "34em"}
        self.m, self.n, self.both = (
            ipywidgets.IntSlider(value=value, min=0, max=most, description=name, style=described, layout=wide)
            for value, most, name in (
                (min(3, self._reach - 1), self._reach - 1, "query position m"),
                (1, self._reach - 1, "key position n"),
                (0, self._reach, "move both by"),
            )
        )
        self.picture = ipywidgets.HTML()
        for control in (self.m, self.n, self.both):
            control.observe(self._show, names="value")
        self.box = ipywidgets.VBox([self.m, self.n, self.both, self.picture])
        self._show()

    def _show(self, change: object = None) -> None:
        m, n, moved = self.m.value, self.n.value, self.both.value
        turned = self._turned
        dials = "".join(_dial_svg(turned, pair, m + moved, n + moved) for pair in turned.pairs())
        self.picture.value = (
            f'<div class="dl1-drawing" style="background:#fff;color:#000;padding:6px 10px">{dials}'
            f'<div style="font-size:15px;margin:4px 0">{html.escape(score_line(turned, m, n, moved))}</div>'
            '<div style="font-size:smaller">Score by distance; thick grey: before moving both, blue: now, circle: '
            "here.</div>"
            f"{_curve_svg(turned, m, n, moved, self._reach)}"
            '<div style="font-size:smaller">Blue, solid: query. Vermilion, dashed: key. Small circles: where the '
            "arrows should end. At position 0 both point to the right.</div></div>"
        )


def score_line(turned: Turned, m: int, n: int, moved: int) -> str:
    """The score in words, and whether moving both has changed it."""
    here = turned.score(m + moved, n + moved)
    words = f"q · k = {here:.3f} at positions {m + moved} and {n + moved}, distance m − n = {m - n}"
    if not moved:
        return words
    before = turned.score(m, n)
    end = "the same" if abs(here - before) < _TOLERANCE else "NOT the same: the score depends on more than the distance"
    return f"{words}. Before moving both by {moved}: {before:.3f}, {end}"


def show_dials(turned: Turned, m: int = 6, n: int = 2) -> Figure:
    """A figure of the dials for one query and key, and of the score by distance, for both moved by several amounts."""
    pairs = turned.pairs()
    reach = turned.positions // 2
    m, n = min(m, reach - 1), min(n, reach - 1)
    figure = plt.figure(figsize=(2.4 * max(3, len(pairs)), 5.2), layout="constrained")
    grid = figure.add_gridspec(2, len(pairs), height_ratios=(1, 1.1))
    for column, pair in enumerate(pairs):
        _draw_dial(figure.add_subplot(grid[0, column]), turned, pair, m, n)
    axis = figure.add_subplot(grid[1, :])
    # Lines on top of each other: a wide one below, narrower and broken ones above.
    looks = (("-", 6, "#BFD7E8"), ("--", 2.5, _QUERY), (":", 2, _KEY))
    for moved, (line, width, colour) in zip((0, reach // 3, reach), looks, strict=True):
        distances, scores = zip(*turned.curve(n, moved, reach), strict=True)
        axis.plot(distances, scores, line, linewidth=width, color=colour, label=f"key at position {n + moved}")
    axis.set(xlabel="distance m − n", ylabel="score q · k")
    axis.legend()
    verdict = "the score knows only m − n" if turned.knows_distance_only() else "the score depends on more than m − n"
    figure.suptitle(f"Your RoPE: query (solid) at m = {m}, key (dashed) at n = {n}; {verdict}")
    return figure


def _draw_dial(axis: Axes, turned: Turned, pair: int, m: int, n: int) -> None:
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=_GREY))
    for vectors, place, colour, line in ((turned.query, m, _QUERY, "-"), (turned.key, n, _KEY, "--")):
        x, y = vectors[place, 2 * pair : 2 * pair + 2].tolist()
        axis.annotate(
            "", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linestyle": line, "linewidth": 2}
        )
        angle = place * turned.speed(pair)
        axis.plot(math.cos(angle), math.sin(angle), "o", color=colour, markerfacecolor="none")
    axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    axis.set_axis_off()
    axis.set_title(f"channels {2 * pair}, {2 * pair + 1}\nω = {turned.speed(pair):.3g}", fontsize=10)


def _dial_svg(turned: Turned, pair: int, m: int, n: int) -> str:
    centre = _SIDE / 2
    parts = [f'<circle cx="{centre}" cy="{centre}" r="{_RADIUS}" fill="none" stroke="{_GREY}"/>']
    for vectors, place, colour, dash in ((turned.query, m, _QUERY, ""), (turned.key, n, _KEY, "7 4")):
        x, y = vectors[place, 2 * pair : 2 * pair + 2].tolist()
        x, y = centre + _RADIUS * x, centre - _RADIUS * y
        angle = place * turned.speed(pair)
        ideal = centre + _RADIUS * math.cos(angle), centre - _RADIUS * math.sin(angle)
        parts.append(
            f'<line x1="{centre}" y1="{centre}" x2="{x:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3" '
            f'stroke-dasharray="{dash}"/>{_head(centre, x, y, colour)}'
            f'<circle cx="{ideal[0]:.1f}" cy="{ideal[1]:.1f}" r="5" fill="none" stroke="{colour}"/>'
        )
    speed = turned.speed(pair)
    return (
        f'<figure style="display:inline-block;margin:0 6px;text-align:center"><svg role="img" aria-label="Channels '
        f'{2 * pair} and {2 * pair + 1}: query turned by {m * speed:.2f}, key by {n * speed:.2f} radians" '
        f'width="{_SIDE}" height="{_SIDE}">{"".join(parts)}</svg><figcaption style="font-size:12px;line-height:1.3">'
        f"channels {2 * pair}, {2 * pair + 1}: ω = {speed:.3g}<br>mω = {m * speed:.2f}, nω = {n * speed:.2f} rad"
        "</figcaption></figure>"
    )


def _head(centre: float, x: float, y: float, colour: str) -> str:
    """The tip of an arrow from the centre."""
    angle = math.atan2(y - centre, x - centre)
    corners = [(x, y)] + [(x - 11 * math.cos(angle + turn), y - 11 * math.sin(angle + turn)) for turn in (0.45, -0.45)]
    return f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}" fill="{colour}"/>'


def _curve_svg(turned: Turned, m: int, n: int, moved: int, reach: int) -> str:
    """Score by distance for the key where it is, and where it was before both were moved."""
    width, height = _PLOT
    largest = max(1.0, turned.query.shape[1] / 2)

    def place(distance: float, score: float) -> tuple[float, float]:
        x = 40 + (distance + reach - 1) / (2 * reach - 2) * (width - 50)
        return round(x, 1), round(height - 30 - (score / largest + 1) / 2 * (height - 40), 1)

    def line(shift: int) -> str:
        return " ".join("{},{}".format(*place(*point)) for point in turned.curve(n, shift, reach))

    x, y = place(m - n, turned.score(m + moved, n + moved))
    zero = place(0, 0)[1]
    step = 10 if reach > 12 else 2
    ticks = [
        f'<text x="{place(tick, 0)[0]}" y="{height - 14}" text-anchor="middle">{tick}</text>'
        for tick in range(-reach // step * step, reach, step)
        if abs(tick) < reach
    ]
    ticks += [
        f'<text x="36" y="{place(0, tick)[1]}" text-anchor="end" dy="4">{tick:g}</text>'
        for tick in (-largest, 0, largest)
    ]
    return (
        f'<svg role="img" aria-label="Score by distance" width="{width}" height="{height}" font-size="11">'
        f'<line x1="40" x2="{width - 10}" y1="{zero}" y2="{zero}" stroke="#ccc"/>{"".join(ticks)}'
        f'<text x="{width / 2}" y="{height - 1}" text-anchor="middle">distance m − n</text>'
        f'<polyline points="{line(0)}" fill="none" stroke="#B9C0C6" stroke-width="7"/>'
        f'<polyline points="{line(moved)}" fill="none" stroke="{_QUERY}" stroke-width="2"/>'
        f'<circle cx="{x}" cy="{y}" r="6" fill="#fff" stroke="#000" stroke-width="2"/></svg>'
    )
