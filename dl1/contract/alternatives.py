"""Checks for answers with several acceptable outcomes: other readings of what was paid for elsewhere, and dropout.

All that is acceptable is computed from the test's own inputs. Which of it an answer shows is never asked of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from dl1.contract.checks import check_close, check_gradients, check_true
from dl1.contract.sealed_hints import with_hints
from dl1.errors import CheckFailed


@with_hints
def check_close_to_one_of(
    actual: Any,
    candidates: Iterable[Any],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    name: str = "value",
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Close to one of the candidates as a whole, as :func:`~dl1.contract.checks.check_close` says for each of them.

    Args:
        actual: from a probe: tensor, number, or list, tuple or dict of them. What has to fit together stands in one
            dict: queries, keys and values are all read in one layout, or none fits.
        candidates: each with the structure of ``actual``, the one of the rules first; a generator makes only as many as
            are looked at.
        name: what is checked, in words.
        inputs: shown when the check fails, so that the case can be repeated by hand.

    Raises:
        CheckFailed: none is close; text and kind are those of the comparison with the first candidate.
        TypeError: there is no candidate.
    """

    def compare(candidate: Any) -> None:
        check_close(actual, candidate, rtol=rtol, atol=atol, name=name, inputs=inputs)

    _one_of(candidates, compare)


@with_hints
def check_gradients_close_to_one_of(
    actual: Any,
    candidates: Iterable[Mapping[str, torch.Tensor]],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    name: str = "gradient",
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """As :func:`check_close_to_one_of`, for what :func:`~dl1.contract.checks.check_gradients` compares.

    Raises:
        CheckFailed: none is close; text and kind, such as "no gradient", are those of the first candidate.
        TypeError: there is no candidate.
    """

    def compare(candidate: Mapping[str, torch.Tensor]) -> None:
        check_gradients(actual, candidate, rtol=rtol, atol=atol, name=name, inputs=inputs)

    _one_of(candidates, compare)


@with_hints
def check_dropout(
    actual: Any,
    whole: torch.Tensor,
    rate: float,
    *,
    together: tuple[int, ...] = (),
    rtol: float = 1e-5,
    atol: float = 1e-6,
    name: str = "dropout",
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Each number was dropped or divided by ``1 - rate``, by its own draw, and as many were dropped as the rate says.

    Args:
        actual: from a probe.
        whole: what it would be without dropout, no number of it 0. Where each axis is cut, at least fifty draws have to
            lie on one side, or two of them are alike by chance.
        rate: probability of being dropped, in (0, 1).
        together: axes along which one draw decides about all numbers: the channels of a value whose weight is dropped.
        name: what is dropped, in words.
        inputs: shown when the check fails, so that the case can be repeated by hand.

    Raises:
        CheckFailed: kind of the first difference found; "wrong value" for a wrong share, or numbers that go together.
    """
    scaled = whole / (1 - rate)
    # Dropped or not is all that is taken from the answer: the numbers themselves are the test's.
    shaped = isinstance(actual, torch.Tensor) and actual.shape == whole.shape
    kept = actual.abs() > scaled.abs() / 2 if shaped else torch.ones_like(whole, dtype=torch.bool)
    if together:
        kept = kept.amax(together, keepdim=True).expand(whole.shape)
    check_close(actual, torch.where(kept, scaled, 0.0), rtol=rtol, atol=atol, name=name, inputs=inputs)
    draws = kept.amax(together, keepdim=True) if together else kept
    count, wanted = int(draws.sum()), draws.numel() * (1 - rate)
    # Fair coins: five standard deviations of a binomial distribution.
    check_true(
        abs(count - wanted) <= 5 * (wanted * rate) ** 0.5,
        name=f"{name}: share of what is dropped",
        wanted=f"about {wanted:.0f} of {draws.numel()} are kept",
        found=count,
        inputs=inputs,
    )
    for axis in range(draws.ndim):
        alike = draws.shape[axis] > 1 and bool((draws == draws.narrow(axis, 0, 1)).all())
        check_true(
            not alike,
            name=f"{name}: one by one",
            wanted="a draw for each",
            found=f"the same draws all along axis {axis}",
            inputs=inputs,
        )


def _one_of(candidates: Iterable[Any], compare: Callable[[Any], None]) -> None:
    first = None
    for candidate in candidates:
        try:
            compare(candidate)
        except CheckFailed as failed:
            first = first or failed
        else:
            return
    if first is None:
        raise TypeError("give at least one candidate: what the rules of the question ask for")
    raise first
