"""Figures of the coordinator's report as SVG, in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 900, 260, 46, 40, 12


def distribution(bins: Sequence[tuple[float, float, int, int]], what: str) -> str:
    """Bars of submissions by points: the final ones filled, on top of them the others, only outlined.

    Args:
        bins: lower and upper end, number of final and of other submissions.
        what: is shown, in words, for who can't see it.
    """
    highest = max([final + other for _, _, final, other in bins], default=0) or 1
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if highest / one <= 6)
    top = -(-highest // step) * step
    width = (_WIDTH - _LEFT - 8) / len(bins)
    across = _HEIGHT - _BOTTOM - _TOP
    parts = []
    for count in range(0, top + 1, step):
        y = _TOP + across * (1 - count / top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{count}</text>')
    for number, (low, high, final, other) in enumerate(bins):
        x, tall, more = _LEFT + number * width + 1.5, across * final / top, across * other / top
        base = _TOP + across - tall
        said = f"<title>{low:g} to {high:g} points: {final} final, {other} not final</title>"
        if final:
            parts.append(
                f'<rect class="final" x="{x:.1f}" y="{base:.1f}" width="{width - 3:.1f}" height="{tall:.1f}">{said}'
                "</rect>"
            )
        if other:
            parts.append(
                f'<rect class="other" x="{x + 0.75:.1f}" y="{base - more + 0.75:.1f}" width="{width - 4.5:.1f}" '
                f'height="{max(0.0, more - 1.5):.1f}">{said}</rect>'
            )
    every = 5 if len(bins) > 10 else 1
    for number in range(0, len(bins) + 1, every):
        points = bins[number][0] if number < len(bins) else bins[-1][1]
        x, y = _LEFT + number * width, _HEIGHT - _BOTTOM + 20
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{points:.4g}</text>')
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">points</text>')
    label = escape(what)
    return f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def share_bar(share: float | None) -> str:
    """A share from 0 to 1 as a bar; nothing without one."""
    if share is None:
        return ""
    return (
        '<svg class="bar" viewBox="0 0 100 12" aria-hidden="true"><rect class="rest" width="100" height="12"/>'
        f'<rect class="final" width="{100 * min(1.0, max(0.0, share)):.1f}" height="12"/></svg>'
    )


def spread_line(mean: float, spread: float | None) -> str:
    """A mean from 0 to 1 as a dot, with a line of one standard deviation to each side."""
    low, high = (100 * min(1.0, max(0.0, mean + sign * (spread or 0.0))) for sign in (-1, 1))
    return (
        '<svg class="bar" viewBox="-5 0 110 12" aria-hidden="true"><rect class="rest" width="100" height="12"/>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="6" y2="6"/>'
        f'<circle class="final" cx="{100 * min(1.0, max(0.0, mean)):.1f}" cy="6" r="4.5"/></svg>'
    )
