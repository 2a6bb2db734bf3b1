"""Comparisons for test cells: shape, dtype and finiteness exactly, then values with a stated tolerance.

A check raises :class:`dl1.errors.CheckFailed` and otherwise returns ``None``. It runs on the checker's side of a
probe, on plain data. Its ``name`` is what a student may read about a hidden check, so a name says what is checked and
nothing about how.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from dl1.contract.cards import failure
from dl1.contract.protocol import ProbeError
from dl1.contract.sealed_hints import with_hints
from dl1.errors import CourseError

KINDS = (
    "wrong value",
    "wrong shape",
    "wrong dtype",
    "wrong type",
    "not finite",
    "no gradient",
    "exception",
    "no exception",
)
# A Python number doesn't tell in which dtype it was computed, and students compute in torch's default one. A mean, a
# deviation or a difference of a few dozen float32 numbers is off by some units in the last place of the largest.
FLOAT32_RESOLUTION = 8 * torch.finfo(torch.float32).eps
# None can be what was found.
_NOTHING = object()


@with_hints
def check_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    name: str = "value",
    inputs: Mapping[str, Any] | None = None,
    finite: bool = True,
) -> None:
    """``|actual − expected| ≤ atol + rtol·|expected|``, element by element, after shape, dtype and finiteness.

    For Python numbers the tolerance is never below what float32 resolves: :data:`FLOAT32_RESOLUTION` times the number,
    or times the largest number of the same list. What has to be exact is for :func:`check_equal`; what has to be
    precise comes back as a tensor, which has its dtype.

    Args:
        actual: from a probe: tensor, number, or list, tuple or dict of them.
        expected: the same structure. The default tolerances suit a few float32 operations on numbers near 1.
        name: what is checked, in words.
        inputs: shown when the check fails, so that the case can be repeated by hand.
        finite: infinities and NaN are an error by themselves; ``False`` compares them like values.

    Raises:
        CheckFailed: with the kind of the first difference found.
    """
    _check_close(actual, expected, 0.0, name, {"rtol": rtol, "atol": atol, "inputs": inputs, "finite": finite})


def _check_close(actual: Any, expected: Any, scale: float, name: str, options: dict[str, Any]) -> None:
    """The scale is the largest number of the list that a number stands in; 0 outside of a list."""
    inputs, finite = options["inputs"], options["finite"]
    if isinstance(expected, dict):
        _same_type(actual, expected, name, inputs)
        if set(actual) != set(expected):
            _fail("wrong type", name, _keys(actual), _keys(expected), inputs)
        for key in expected:
            _check_close(actual[key], expected[key], 0.0, f"{name}, {key}", options)
    elif isinstance(expected, (list, tuple)):
        _same_type(actual, expected, name, inputs)
        if len(actual) != len(expected):
            _fail("wrong shape", name, f"{len(actual)} items", f"{len(expected)} items", inputs)
        largest = max(map(_magnitude, expected), default=0.0)
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _check_close(a, e, largest, f"{name}, item {i}", options)
    elif isinstance(expected, torch.Tensor):
        _compare_tensors(actual, expected, options["rtol"], options["atol"], name, inputs, finite)
    else:
        if type(actual) not in (int, float):
            _fail("wrong type", name, _kind(actual), _kind(expected), inputs)
        if finite and type(actual) is float and not math.isfinite(actual):
            _fail("not finite", name, _show(actual), _show(expected), inputs)
        # A whole number is exact in every dtype.
        least = FLOAT32_RESOLUTION * max(scale, _magnitude(expected)) if type(actual) is float else 0.0
        if not _close(actual, expected, options["rtol"], max(options["atol"], least)):
            _fail("wrong value", name, _show(actual), _show(expected), inputs)


@with_hints
def check_equal(actual: Any, expected: Any, *, name: str = "value", inputs: Mapping[str, Any] | None = None) -> None:
    """Exactly equal, type included: for counts, names, flags, integer and bool tensors, exact zeros. NaN equals NaN.

    Raises:
        CheckFailed: with the kind of the first difference found.
    """
    if isinstance(expected, torch.Tensor):
        _compare_tensors(actual, expected, 0.0, 0.0, name, inputs, finite=False)
        return
    _same_type(actual, expected, name, inputs)
    if isinstance(expected, (list, tuple)) and len(actual) == len(expected):
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            check_equal(a, e, name=f"{name}, item {i}", inputs=inputs)
    elif isinstance(expected, dict) and set(actual) == set(expected):
        for key in expected:
            check_equal(actual[key], expected[key], name=f"{name}, {key}", inputs=inputs)
    elif actual != expected and not _both_nan(actual, expected):
        _fail("wrong value", name, _show(actual), _show(expected), inputs)


@with_hints
def check_shape(
    actual: Any, shape: tuple[int, ...], *, name: str = "shape", inputs: Mapping[str, Any] | None = None
) -> None:
    """A tensor of exactly this shape.

    Raises:
        CheckFailed: kind "wrong type" or "wrong shape".
    """
    if not isinstance(actual, torch.Tensor):
        _fail("wrong type", name, _kind(actual), "a tensor", inputs)
    if tuple(actual.shape) != tuple(shape):
        _fail("wrong shape", name, tuple(actual.shape), tuple(shape), inputs)


@with_hints
def check_dtype(
    actual: Any, dtype: torch.dtype, *, name: str = "dtype", inputs: Mapping[str, Any] | None = None
) -> None:
    """A tensor of exactly this dtype.

    Raises:
        CheckFailed: kind "wrong type" or "wrong dtype".
    """
    if not isinstance(actual, torch.Tensor):
        _fail("wrong type", name, _kind(actual), "a tensor", inputs)
    if actual.dtype is not dtype:
        _fail("wrong dtype", name, actual.dtype, dtype, inputs)


@with_hints
def check_gradients(
    actual: Any,
    expected: Mapping[str, torch.Tensor],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    name: str = "gradient",
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Gradients that a probe computed and returned, by the name of what they belong to.

    Args:
        actual: dict of tensors; ``None`` where no gradient arrived.
        expected: dict of tensors. A gradient sums many rounded terms: the default tolerance is wider than for values.

    Raises:
        CheckFailed: kind "no gradient", or that of the first difference.
    """
    _same_type(actual, dict(expected), name, inputs)
    for key, gradient in expected.items():
        if actual.get(key) is None:
            _fail("no gradient", f"{name} of {key}", "none: is something detached or rebuilt?", "a gradient", inputs)
        check_close(actual[key], gradient, rtol=rtol, atol=atol, name=f"{name} of {key}", inputs=inputs)


@with_hints
def check_true(
    condition: bool,
    *,
    name: str,
    wanted: str = "it holds",
    found: Any = _NOTHING,
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """A property that the checker computed from a probe's data, such as "rows sum to 1".

    Args:
        condition: whether it holds.
        name: what is checked, in words.
        wanted: the property in words, shown as what was expected: 'a text with the word "angle"'.
        found: what the condition was computed from, shown as the student's.
        inputs: shown when the check fails, so that the case can be repeated by hand.

    Raises:
        CheckFailed: kind "wrong value".
    """
    if condition is not True:
        _fail("wrong value", name, "it does not hold" if found is _NOTHING else _show(found), wanted, inputs)


@with_hints
def check_raises(call: Callable[[], Any], *exceptions: type[Exception], name: str = "error for bad input") -> None:
    """The call raises one of the exceptions.

    A stub's ``NotImplementedError`` is never the answer and passes through, and so does what the kit itself has to say.

    Raises:
        CheckFailed: kind "no exception" or "exception".
        CourseError: the call did not get as far as the code under test, or its result may not cross.
    """
    wanted = {e.__name__ for e in exceptions}
    if not wanted or "NotImplementedError" in wanted:
        raise TypeError("check_raises needs exception types other than NotImplementedError")
    try:
        call()
    except NotImplementedError:
        raise
    except Exception as error:
        if isinstance(error, CourseError) and not isinstance(error, ProbeError):
            raise
        names = error.names if isinstance(error, ProbeError) else tuple(c.__name__ for c in type(error).__mro__)
        if "NotImplementedError" in names:
            raise
        if not wanted & set(names):
            _fail("exception", name, names[0], " or ".join(sorted(wanted)), None)
        return
    _fail("no exception", name, "no error", " or ".join(sorted(wanted)), None)


def _compare_tensors(actual, expected: torch.Tensor, rtol: float, atol: float, name: str, inputs, finite: bool) -> None:
    check_shape(actual, tuple(expected.shape), name=name, inputs=inputs)
    check_dtype(actual, expected.dtype, name=name, inputs=inputs)
    if finite and not torch.isfinite(actual).all():
        bad = int((~torch.isfinite(actual)).sum())
        _fail("not finite", name, f"{bad} of {actual.numel()} numbers are infinite or NaN", "finite numbers", inputs)
    if expected.is_floating_point() or expected.is_complex():
        # In a narrow dtype the tolerance itself would be rounded, a small one to 0.
        wide = torch.complex128 if expected.is_complex() else torch.float64
        close = torch.isclose(actual.to(wide), expected.to(wide), rtol=rtol, atol=atol, equal_nan=not finite)
    else:
        close = actual == expected
    if close.all():
        return
    where = tuple(int(i) for i in (~close).nonzero()[0])
    place = f"[{', '.join(map(str, where))}]" if where else ""
    wrong = int((~close).sum())
    first = f"the first at {place}: " if place else ""
    got = f"{_show(actual)}\n  {wrong} of {close.numel()} numbers differ, {first}{_show(actual[where])}"
    _fail("wrong value", name, got, f"{_show(expected)}\n  there: {_show(expected[where])}", inputs)


def _close(actual: float, expected: float, rtol: float, atol: float) -> bool:
    if actual == expected or _both_nan(actual, expected):
        return True
    try:
        difference = abs(actual - expected)
        # Without this, every number would be close to an infinite one: inf <= atol + rtol * inf.
        return math.isfinite(difference) and difference <= atol + rtol * abs(expected)
    except OverflowError:  # an int that is too large for a float
        return False


def _magnitude(value: Any) -> float:
    """Absolute value of a Python number; 0 for what is none, and for what no float holds exactly."""
    if type(value) is int:
        return float(abs(value)) if abs(value) < 2**53 else 0.0
    return abs(value) if type(value) is float and math.isfinite(value) else 0.0


def _both_nan(actual: Any, expected: Any) -> bool:
    return type(actual) is type(expected) is float and math.isnan(actual) and math.isnan(expected)


def _same_type(actual: Any, expected: Any, name: str, inputs) -> None:
    if type(actual) is not type(expected):
        _fail("wrong type", name, _kind(actual), _kind(expected), inputs)


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"{type(value).__name__} {_show(value)}"


def _keys(value: dict) -> str:
    return f"keys {_show(sorted(value, key=str))}"


def _show(value: Any) -> str:
    try:
        text = _numbers(value) if isinstance(value, torch.Tensor) else repr(value)
    # Whatever a value is, its message has to arrive.
    except Exception:
        text = f"a {type(value).__name__} that can't be written out"
    return text if len(text) <= 800 else text[:800] + " …"


def _numbers(value: torch.Tensor) -> str:
    if value.ndim == 0:
        return f"{value.item():.6g}" if value.dtype.is_floating_point else str(value.item())
    if value.numel() > 64:
        return f"tensor of shape {tuple(value.shape)}"
    # repr would follow the caller's print options, which a notebook may have changed
    return str(_rounded(value.tolist()))


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(v) for v in values]
    return float(f"{values:.4g}") if isinstance(values, float) else values


def _fail(kind: str, name: str, got: Any, expected: Any, inputs: Mapping[str, Any] | None) -> None:
    raise failure(kind, name, expected, got, {key: _show(value) for key, value in (inputs or {}).items()})
