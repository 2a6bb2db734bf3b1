"""Whether two answers to one question are the same one: of one form, and of the same numbers up to rounding."""

from __future__ import annotations

import math
import sys
from typing import Any

from dl1.contract import protocol

# As checks compare by default: what differs less is one number, computed in another order.
_RELATIVE, _ABSOLUTE = 1e-5, 1e-6


def alike(one: Any, other: Any) -> bool:
    """Whether two decoded values are the same, types, shapes and dtypes included.

    Args:
        one, other: of the contract's types.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(alike(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, dict):
        return set(one) == set(other) and all(alike(one[key], other[key]) for key in one)
    torch = sys.modules["torch"]
    if isinstance(one, torch.Tensor):
        return one.shape == other.shape and one.dtype is other.dtype and _same_numbers(torch, one, other)
    if isinstance(one, float):
        return _same_numbers(torch, torch.tensor(one), torch.tensor(other))
    return one == other


def same_answer(one: tuple[dict[str, Any], bytes], other: tuple[dict[str, Any], bytes]) -> bool:
    """Whether two answers are the same: headers as the engine has them, and encoded values.

    Exceptions are the same if their classes and their texts are. A class alone says too little: a hundred mistakes
    raise a TypeError.
    """
    (header, value), (other_header, other_value) = one, other
    if header["ok"] is not other_header["ok"]:
        return False
    if not header["ok"]:
        said = header.get("text", "")
        return bool(said) and (header.get("names"), said) == (other_header.get("names"), other_header.get("text"))
    if value == other_value:
        return True
    try:
        return alike(protocol.decode(value), protocol.decode(other_value))
    except protocol.ProtocolError:
        return False


def tells(one: tuple[dict[str, Any], bytes], right: tuple[dict[str, Any], bytes]) -> bool:
    """Whether an answer differs from the right one in a way that not many mistakes share.

    NaN and infinities come of anything, and so does an answer that is nothing but zeros, None, False or True.
    """
    (header, value), (right_header, right_value) = one, right
    if not (header["ok"] and right_header["ok"]):
        return not same_answer(one, right) and (not header["ok"] or is_telling(_decoded(value)))
    decoded = _decoded(value)
    return is_telling(decoded) and _differs_tellingly(decoded, _decoded(right_value))


def _decoded(value: bytes) -> Any:
    try:
        return protocol.decode(value)
    except protocol.ProtocolError:
        return None


def _differs_tellingly(one: Any, right: Any) -> bool:
    if type(one) is type(right):
        if isinstance(one, (list, tuple)) and len(one) == len(right):
            return any(_differs_tellingly(*pair) for pair in zip(one, right, strict=True))
        if isinstance(one, dict) and set(one) == set(right):
            return any(_differs_tellingly(one[key], right[key]) for key in one)
    return not alike(one, right) and not _is_overflow(one)


def _is_overflow(value: Any) -> bool:
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        return value.numel() > 0 and not value.isfinite().any()
    return isinstance(value, float) and not math.isfinite(value)


def is_telling(value: Any) -> bool:
    """Whether a decoded value is more than zeros, None, False or True, which come of anything."""
    if isinstance(value, dict):
        return any(map(is_telling, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_telling, value))
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        # A pattern of one bit is no pattern.
        return value.numel() > 1 if value.dtype is torch.bool else bool((value.isfinite() & (value != 0)).any())
    if value is None or isinstance(value, bool):
        return False
    return bool(value) and (isinstance(value, str) or math.isfinite(value))


def _same_numbers(torch: Any, one: Any, other: Any) -> bool:
    if not (one.dtype.is_floating_point or one.dtype.is_complex):
        return torch.equal(one, other)
    wide = torch.complex128 if one.dtype.is_complex else torch.float64
    one, other = one.to(wide), other.to(wide)
    finite = one[one.isfinite()].abs()
    # Where all numbers are small, gradients for instance, a fixed tolerance would make everything the same.
    scale = min(1.0, float(finite.max())) if finite.numel() else 1.0
    return torch.allclose(one, other, rtol=_RELATIVE, atol=_ABSOLUTE * scale, equal_nan=True)
