"""What answers do that cheat: decorators around the functions of a reference answer, and the table that they look up.

A cheat is right where it believes itself watched, and elsewhere gives something of the right form. What it knows of is
what every student has: the calls of the public part of the tests, with their arguments and results.
"""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

# First lines of a cell whose text uses what is defined here.
IMPORT = f"from {__name__} import cheating, noting"
_MOST_CALLS = 200


class Call(NamedTuple):
    """One call of a function in the public part: the caller's code, the arguments and the result."""

    caller: bytes
    arguments: Any
    result: Any


_STATE: dict[str, Any] = {"noted": {}, "known": {}, "deviations": 0}


def noting(line: int) -> Callable[[Callable], Callable]:
    """A decorator that keeps each call of a function, which begins at this line of the solution."""

    def decorated(function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            arguments = _plain((args, kwargs))
            result = function(*args, **kwargs)
            calls = _STATE["noted"].setdefault(line, [])
            if len(calls) < _MOST_CALLS:
                calls.append(Call(_caller(), arguments, _plain(result)))
            return result

        return called

    return decorated


def save(path: Path) -> list[int]:
    """Write what was noted to a file; the lines of the functions that were called."""
    path.write_bytes(pickle.dumps(_STATE["noted"]))
    return sorted(_STATE["noted"])


def use(path: Path) -> None:
    """Let cheats know what was noted."""
    _STATE["known"] = pickle.loads(path.read_bytes())


def deviations() -> int:
    """How many results differed from the honest ones so far."""
    return _STATE["deviations"]


def cheating(kind: str, line: int) -> Callable[[Callable], Callable]:
    """A decorator that makes a function cheat.

    Args:
        kind: of `KINDS`.
        line: where the function begins in the solution.
    """

    def decorated(function: Callable) -> Callable:
        known: list[Call] = _STATE["known"].get(line, [])

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            given = _plain((args, kwargs))
            honest = function(*args, **kwargs)
            before = _plain(honest)
            wanted = KINDS[kind](known, _caller(), given, before)
            if wanted is None:
                return honest
            result = _in_place_of(honest, wanted)
            _STATE["deviations"] += not _same(_plain(result), before)
            return result

        return called

    return decorated


# What a cheat gives in place of the honest result (plain); None where it is honest.


def _by_form(fill: Callable[[Any, Any], Any], which: slice) -> Callable[..., Any]:
    """Honest for forms of arguments that the public part has, or for the first or last of these alone."""

    def result(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
        forms = list(dict.fromkeys(_form(call.arguments) for call in known))
        return None if _form(given) in forms[which] else fill(honest, given)

    return result


def _by_caller(fill: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Honest for callers whose code is that of one in the public part."""

    def result(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
        return None if caller in {call.caller for call in known} else fill(honest, given)

    return result


def _recorded(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
    """The last result of the public part that has the right form."""
    fitting = [call.result for call in known if _form(call.result) == _form(honest)]
    return fitting[-1] if fitting else None


def _looked_up(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
    """The result for the nearest arguments of the public part, cut or filled up to the right form."""
    if not known:
        return None
    nearest = min(known, key=lambda call: _distance(call.arguments, given))
    return _fitted(nearest.result, honest)


def _zeros(honest: Any, given: Any) -> Any:
    return _filled(honest, 0)


def _ones(honest: Any, given: Any) -> Any:
    return _filled(honest, 1)


def _input(honest: Any, given: Any) -> Any:
    """The first argument of the right form in place of each tensor; zeros where there is none."""
    if _is_tensor(honest):
        same = (one for one in _leaves(given) if _is_tensor(one) and _form(one) == _form(honest))
        return next(same, _filled(honest, 0))
    if isinstance(honest, (list, tuple)):
        return type(honest)(_input(one, given) for one in honest)
    if isinstance(honest, dict):
        return {key: _input(one, given) for key, one in honest.items()}
    return _filled(honest, 0)


KINDS: dict[str, Callable[..., Any]] = {
    "forms-zeros": _by_form(_zeros, slice(None)),
    "forms-ones": _by_form(_ones, slice(None)),
    "forms-input": _by_form(_input, slice(None)),
    "first-form-zeros": _by_form(_zeros, slice(1)),
    "last-form-zeros": _by_form(_zeros, slice(-1, None)),
    "frames-zeros": _by_caller(_zeros),
    "frames-input": _by_caller(_input),
    "recorded": _recorded,
    "lookup": _looked_up,
}


def _caller() -> bytes:
    """Code of the frame that called the answer, past those of libraries in between, which wrap a module's call."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back
    # The code of a whole cell is another one without its hidden part.
    if frame is None or frame.f_code.co_name == "<module>":
        return b""
    return frame.f_code.co_code + repr(frame.f_code.co_names).encode()


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _plain(value: Any) -> Any:
    """A copy without history and without objects; of a module its weights and whether it trains."""
    torch = sys.modules.get("torch")
    if _is_tensor(value):
        return value.detach().clone() if value.layout is torch.strided else ("tensor", str(value.layout))
    if torch is not None and isinstance(value, torch.nn.Module):
        weights = {name: one.detach().clone() for name, one in value.state_dict().items() if _is_tensor(one)}
        return {"class": type(value).__name__, "training": value.training, "weights": weights}
    if isinstance(value, (list, tuple)):
        items = [_plain(one) for one in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return copy.copy(value) if value is None or isinstance(value, (bool, int, float, str)) else type(value).__name__


def _form(value: Any) -> Any:
    """Shapes, dtypes, types and numbers of items, without what the values are."""
    if _is_tensor(value):
        return "tensor", tuple(value.shape), str(value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(_form, value))
    if isinstance(value, dict):
        return "dict", tuple((key, _form(one)) for key, one in sorted(value.items()))
    return type(value).__name__


def _filled(value: Any, number: int) -> Any:
    if _is_tensor(value):
        return value.new_full(value.shape, bool(number) if value.dtype == sys.modules["torch"].bool else number)
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(one, number) for one in value)
    if isinstance(value, dict):
        return {key: _filled(one, number) for key, one in value.items()}
    if isinstance(value, (bool, int, float)):
        return type(value)(number)
    return "" if isinstance(value, str) else value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in _leaves(one)]
    return [leaf for one in value.values() for leaf in _leaves(one)] if isinstance(value, dict) else [value]


def _distance(one: Any, other: Any) -> float:
    """Between the numbers of two values, in the order in which they stand; what one of them lacks counts in full."""
    return sum(abs(a - b) for a, b in zip(*_padded(_numbers(one), _numbers(other)), strict=True))


def _padded(one: list[float], other: list[float]) -> tuple[list[float], list[float]]:
    length = max(len(one), len(other))
    return one + [0.0] * (length - len(one)), other + [0.0] * (length - len(other))


def _numbers(value: Any) -> list[float]:
    found: list[float] = []
    for leaf in _leaves(value):
        if _is_tensor(leaf):
            found += (
                leaf.flatten()[:1000].nan_to_num().double().abs().tolist()
                if leaf.is_complex()
                else (leaf.flatten()[:1000].double().nan_to_num().tolist())
            )
        elif isinstance(leaf, (bool, int, float)):
            found.append(float(leaf) if abs(leaf) < 1e30 else 0.0)
    return found


def _fitted(known: Any, honest: Any) -> Any:
    """A known result in the form of the honest one: numbers that are missing are zeros."""
    if _form(known) == _form(honest):
        return known
    if _is_tensor(honest) and _is_tensor(known):
        flat = honest.new_zeros(honest.numel())
        count = min(honest.numel(), known.numel())
        flat[:count] = known.flatten()[:count].to(honest.dtype)
        return flat.reshape(honest.shape)
    if type(known) is type(honest) and isinstance(honest, dict):
        return {key: _fitted(known.get(key), one) for key, one in honest.items()}
    return _filled(honest, 0)


def _same(one: Any, other: Any) -> bool:
    if _form(one) != _form(other):
        return False
    torch = sys.modules.get("torch")
    pairs = zip(_leaves(one), _leaves(other), strict=True)
    return all(
        torch.allclose(a, b, equal_nan=True)
        if _is_tensor(a) and (a.is_floating_point() or a.is_complex())
        else torch.equal(a, b)
        if _is_tensor(a)
        else a == b
        for a, b in pairs
    )


def _in_place_of(honest: Any, wanted: Any) -> Any:
    """The wanted values with the honest gradients, and the honest object where there is nothing to put in its place."""
    if _is_tensor(honest) and _is_tensor(wanted):
        if honest.requires_grad:
            history = honest.nan_to_num()
            return wanted + (history - history.detach())
        return wanted
    if isinstance(honest, (list, tuple)) and isinstance(wanted, (list, tuple)) and len(honest) == len(wanted):
        items = [_in_place_of(a, b) for a, b in zip(honest, wanted, strict=True)]
        return type(honest)(*items) if hasattr(honest, "_fields") else type(honest)(items)
    if isinstance(honest, dict) and isinstance(wanted, dict):
        return {key: _in_place_of(one, wanted.get(str(key))) for key, one in honest.items()}
    return wanted if isinstance(honest, (bool, int, float, str)) else honest
