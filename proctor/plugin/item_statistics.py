"""What a table of points says about its questions and about those who marked: plain statistics, with their n.

Small samples say nothing about single questions, so below `FEW` there is no discrimination and no comparison of
markers, and the number of what there is stands in its place.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# Fewer submissions, or marked answers, than this say nothing.
FEW = 10
# A question that waits in more than this share of the submissions is no part of the total that others are compared to.
_WAITING = 0.1

Row = Mapping[Hashable, float | None]


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        most: points that it can earn.
        n: submissions in which it is graded.
        mean: of their points; None without any.
        difficulty: mean share of the points that were earned, so 1 is the easiest; None without any.
        full, none: shares of these submissions with all points, and with 0.
        discrimination: Pearson's correlation of its points and those of all other questions together (the corrected
            item-total correlation); None with fewer than `FEW` submissions, or if everybody has the same.
        n_discrimination: submissions that it was computed from, or would have been.
    """

    most: float
    n: int
    mean: float | None
    difficulty: float | None
    full: float | None
    none: float | None
    discrimination: float | None
    n_discrimination: int


@dataclass(frozen=True)
class Marking:
    """One answer that a person gave points to.

    Attributes:
        marker: who.
        answer: which; the same for two people who marked the same answer of the same student.
        question: which it answers.
        share: of the question's points that were given.
    """

    marker: str
    answer: Hashable
    question: Hashable
    share: float


@dataclass(frozen=True)
class Marker:
    """How one person marks beside the others.

    Attributes:
        n: marked answers.
        mean, spread: of the shares of the points that were given, and their standard deviation (with n - 1; None for
            one answer).
        n_compared: those of them whose question at least one other person has marked, too.
        lenience: mean over these of the share given, less the mean share that the others gave on the same question;
            None if `n_compared` is below `FEW`.
    """

    n: int
    mean: float
    spread: float | None
    n_compared: int
    lenience: float | None


def items(rows: Sequence[Row], most: Mapping[Hashable, float]) -> dict[Hashable, Item]:
    """Statistics of each question.

    Args:
        rows: of each submission the points by question; None where there are none yet.
        most: points that each question can earn.
    """
    compared = [one for one in most if sum(row[one] is None for row in rows) <= _WAITING * len(rows)]
    return {one: _item(one, rows, most[one], [other for other in compared if other != one]) for one in most}


def _item(question: Hashable, rows: Sequence[Row], most: float, others: Sequence[Hashable]) -> Item:
    points = [row[question] for row in rows if row[question] is not None]
    whole = [row for row in rows if all(row[one] is not None for one in (question, *others))] if others else []
    pairs = [(row[question], sum(row[one] for one in others)) for row in whole]
    mean = statistics.fmean(points) if points else None
    return Item(
        most,
        len(points),
        mean,
        mean / most if points and most else None,
        sum(one >= most for one in points) / len(points) if points else None,
        sum(one <= 0 for one in points) / len(points) if points else None,
        _correlation(pairs),
        len(pairs),
    )


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < FEW:
        return None
    try:
        return statistics.correlation(*zip(*pairs, strict=True))
    except statistics.StatisticsError:
        # Everybody has the same.
        return None


def markers(found: Iterable[Marking]) -> dict[str, Marker]:
    """How people mark, by their names, those of most answers first."""
    own: dict[str, list[Marking]] = defaultdict(list)
    given: dict[Hashable, list[Marking]] = defaultdict(list)
    for one in found:
        own[one.marker].append(one)
        given[one.question].append(one)
    return {name: _marker(name, own[name], given) for name in sorted(own, key=lambda name: (-len(own[name]), name))}


def _marker(name: str, own: Sequence[Marking], given: Mapping[Hashable, Sequence[Marking]]) -> Marker:
    others = {
        question: [one.share for one in given[question] if one.marker != name]
        for question in {one.question for one in own}
    }
    differences = [one.share - statistics.fmean(others[one.question]) for one in own if others[one.question]]
    shares = [one.share for one in own]
    return Marker(
        len(own),
        statistics.fmean(shares),
        statistics.stdev(shares) if len(shares) > 1 else None,
        len(differences),
        statistics.fmean(differences) if len(differences) >= FEW else None,
    )


def twice_marked(found: Iterable[Marking]) -> list[float]:
    """How far two people are apart, as a share of the points, on each answer that at least two have marked.

    Of each person the last word counts; the difference is that of the highest and the lowest.
    """
    last: dict[Hashable, dict[str, float]] = defaultdict(dict)
    for one in found:
        last[one.answer][one.marker] = one.share
    return [max(shares.values()) - min(shares.values()) for shares in last.values() if len(shares) > 1]


def histogram(values: Iterable[float], most: float) -> list[tuple[float, float, int]]:
    """Lower end, upper end and number of values of each bin from 0 to `most`, at round numbers, and of at most 25.

    An upper end belongs to the next bin; in the last one is everything that is more.
    """
    if most <= 0:
        return []
    width = next(step * 10**power for power in range(-2, 9) for step in (1, 2, 5) if most / (step * 10**power) <= 25)
    bins = math.ceil(most / width - 1e-9)
    # A sum of floats may end just below the edge that it stands for.
    counts = Counter(min(bins - 1, max(0, int(value / width + 1e-9))) for value in values)
    return [(number * width, (number + 1) * width, counts[number]) for number in range(bins)]
