"""Values without history and objects, as cheats compare and copy them: their forms, and others in their place."""

from __future__ import annotations

import sys
from typing import Any


def is_tensor(value: Any) -> bool:
    """Whether it is a tensor; where torch is not loaded, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def plain(value: Any) -> Any:
    """A copy without history and without objects; of a module its weights and whether it trains."""
    torch = sys.modules.get("torch")
    if is_tensor(value):
        usual = type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout is torch.strided
        return value.detach().clone() if usual else ("tensor", type(value).__name__, str(value.layout))
    if torch is not None and isinstance(value, torch.nn.Module):
        weights = {name: plain(one) for name, one in value.state_dict().items()}
        return {"class": type(value).__name__, "training": value.training, "weights": weights}
    if isinstance(value, (list, tuple)):
        items = [plain(one) for one in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    # Not of a subclass: a test's own class can't be written to a file.
    return value if value is None or type(value) in (bool, int, float, str) else type(value).__name__


def form(value: Any) -> Any:
    """Shapes, dtypes, types and numbers of items, without what the values are."""
    if is_tensor(value):
        return "tensor", tuple(value.shape), str(value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(form, value))
    if isinstance(value, dict):
        return "dict", tuple((key, form(one)) for key, one in sorted(value.items()))
    return type(value).__name__


def filled(value: Any, number: int) -> Any:
    """A plain value of the same form with 0 or 1 in place of each number, and without texts."""
    if is_tensor(value):
        return value.new_full(value.shape, bool(number) if value.dtype == sys.modules["torch"].bool else number)
    if isinstance(value, (list, tuple)):
        return type(value)(filled(one, number) for one in value)
    if isinstance(value, dict):
        return {key: filled(one, number) for key, one in value.items()}
    if isinstance(value, (bool, int, float)):
        return type(value)(number)
    return "" if isinstance(value, str) else value


def leaves(value: Any) -> list[Any]:
    """What is left of a value without its lists, tuples and dicts, in order."""
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in leaves(one)]
    return [leaf for one in value.values() for leaf in leaves(one)] if isinstance(value, dict) else [value]


def distance(one: Any, other: Any) -> float:
    """Between the numbers of two values, in the order in which they stand; what one of them lacks counts in full."""
    return sum(abs(a - b) for a, b in zip(*_padded(_numbers(one), _numbers(other)), strict=True))


def _padded(one: list[float], other: list[float]) -> tuple[list[float], list[float]]:
    length = max(len(one), len(other))
    return one + [0.0] * (length - len(one)), other + [0.0] * (length - len(other))


def _numbers(value: Any) -> list[float]:
    found: list[float] = []
    for leaf in leaves(value):
        if is_tensor(leaf):
            found += (
                leaf.flatten()[:1000].nan_to_num().double().abs().tolist()
                if leaf.is_complex()
                else (leaf.flatten()[:1000].double().nan_to_num().tolist())
            )
        elif isinstance(leaf, (bool, int, float)):
            found.append(float(leaf) if abs(leaf) < 1e30 else 0.0)
    return found


def fitted(known: Any, honest: Any) -> Any:
    """A known result in the form of the honest one: numbers that are missing are zeros."""
    if form(known) == form(honest):
        return known
    if is_tensor(honest) and is_tensor(known):
        flat = honest.new_zeros(honest.numel())
        count = min(honest.numel(), known.numel())
        flat[:count] = known.flatten()[:count].to(honest.dtype)
        return flat.reshape(honest.shape)
    if type(known) is type(honest) and isinstance(honest, dict):
        return {key: fitted(known.get(key), one) for key, one in honest.items()}
    return filled(honest, 0)


def same(one: Any, other: Any) -> bool:
    """Whether two plain values have one form and, up to rounding, the same numbers."""
    if form(one) != form(other):
        return False
    torch = sys.modules.get("torch")
    pairs = zip(leaves(one), leaves(other), strict=True)
    return all(
        torch.allclose(a, b, equal_nan=True)
        if is_tensor(a) and (a.is_floating_point() or a.is_complex())
        else torch.equal(a, b)
        if is_tensor(a)
        else a == b
        for a, b in pairs
    )
