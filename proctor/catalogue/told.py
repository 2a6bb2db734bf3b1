"""What an answer tells a test cell, and whether what is right of it is enough for the points.

A cell asks an answer through probes. Of two runs of a cell with the same inputs, what the probes gave is compared
number by number. Where a cheat told something else than the reference, and the cell gives its points, the cell is run
with the reference and with rubbish in place of those very numbers: if it gives the points again, they are for the
other ones, and those are right.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from proctor.catalogue.plain_values import form

# What stands in place of numbers that a cell is thought not to ask about: nothing at all, and numbers like any other.
RUBBISH = ("nan", "noise")


class Call(NamedTuple):
    """One call of a probe: its name, what it was given, what came back, and how often a cheat was not honest in it."""

    probe: str
    given: bytes
    told: Any
    deviations: int


@contextlib.contextmanager
def listening(change: Callable[[int, Any], Any] | None, count: Callable[[], int]) -> Iterator[list[Call]]:
    """Notes each call of a probe in the block.

    Args:
        change: makes what the test is told, from the number of calls that are noted and from what came back.
        count: how often a cheat was not honest so far.
    """
    from dl1.contract import protocol

    calls: list[Call] = []

    def carried(probe: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        # Bytes, so that nothing that the test does with its own values can change them.
        given, before = protocol.encode((tuple(args), kwargs)), count()
        protocol.use_transport(None)
        try:
            value = probe(*args, **kwargs)
        except Exception as error:
            calls.append(Call(probe.__name__, given, ("raised", type(error).__name__), count() - before))
            raise
        finally:
            protocol.use_transport(carried)
        if change is not None:
            value = change(len(calls), value)
        calls.append(Call(probe.__name__, given, protocol.decode(protocol.encode(value)), count() - before))
        return value

    outer = protocol.transport()
    protocol.use_transport(carried)
    try:
        yield calls
    finally:
        protocol.use_transport(outer)


def save(path: Path, cells: dict[str, list[Call]]) -> None:
    """Write the calls of some cells to a file."""
    path.write_bytes(pickle.dumps(cells))


def load(path: Path) -> dict[str, list[Call]]:
    """What :func:`save` has written."""
    return pickle.loads(path.read_bytes())


def are_alike(one: list[Call], other: list[Call]) -> bool:
    """Whether two runs of a cell asked the same, and were told values of the same form."""
    return len(one) == len(other) and all(
        (a.probe, a.given) == (b.probe, b.given) and form(a.told) == form(b.told)
        for a, b in zip(one, other, strict=True)
    )


def differ(one: list[Call], other: list[Call]) -> bool:
    """Whether two runs that are alike were told something else."""
    return any(_differs_somewhere(a.told, b.told) for a, b in zip(one, other, strict=True))


def spoiled(right: list[Call], other: list[Call], rubbish: str, number: int, value: Any) -> Any:
    """What was told, with rubbish in place of all that differs between two runs of a cell.

    Args:
        right, other: the runs, that are alike.
        rubbish: of `RUBBISH`.
        number: of the call.
    """
    if number >= len(right) or form(value) != form(right[number].told):
        return value
    return _spoiled(value, right[number].told, other[number].told, rubbish)


def _spoiled(value: Any, right: Any, other: Any, rubbish: str) -> Any:
    torch = _torch()
    if isinstance(value, torch.Tensor):
        return torch.where(_differs(right, other), _rubbish_like(value, rubbish), value)
    if isinstance(value, (list, tuple)):
        parts = zip(value, right, other, strict=True)
        return type(value)(_spoiled(*part, rubbish) for part in parts)
    if isinstance(value, dict):
        return {key: _spoiled(value[key], right[key], other[key], rubbish) for key in value}
    return value if _is_same(right, other) else _rubbish_for(value, rubbish)


def _differs_somewhere(one: Any, other: Any) -> bool:
    if isinstance(one, _torch().Tensor):
        return bool(_differs(one, other).any())
    if isinstance(one, dict):
        return any(_differs_somewhere(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return any(_differs_somewhere(*pair) for pair in zip(one, other, strict=True))
    return not _is_same(one, other)


def _differs(right: Any, other: Any) -> Any:
    torch = _torch()
    if right.is_floating_point() or right.is_complex():
        return ~torch.isclose(right, other, rtol=1e-5, atol=1e-8, equal_nan=True)
    return right != other


def _is_same(right: Any, other: Any) -> bool:
    # A nan is not equal to itself.
    return right == other or (right != right and other != other)


def _rubbish_like(value: Any, rubbish: str) -> Any:
    torch = _torch()
    if value.dtype is torch.bool:
        return ~value
    noise = torch.rand(value.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if value.is_floating_point() or value.is_complex():
        return torch.full_like(value, float("nan")) if rubbish == "nan" else (10 * noise - 5).to(value.dtype)
    return value + 1 if rubbish == "nan" else (100 * noise).to(value.dtype)


def _rubbish_for(value: Any, rubbish: str) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + (1 if rubbish == "nan" else 12345)
    if isinstance(value, float):
        return float("nan") if rubbish == "nan" else 3.21 * value + 1.23
    return f"{value} and more" if isinstance(value, str) else value


def _torch() -> Any:
    # Loaded where it is needed: forks that run notebooks have it, whoever asks for help does not.
    import torch

    return torch
