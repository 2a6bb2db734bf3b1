"""The kinds of cheats: what each gives in place of the honest result, and None where it is honest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from proctor.catalogue.plain_values import distance, filled, fitted, form, is_tensor, leaves


class Call(NamedTuple):
    """One call of a function in the public part: the caller's code, the arguments and the result."""

    caller: bytes
    arguments: Any
    result: Any


def _by_form(fill: Callable[[Any, Any], Any], which: slice) -> Callable[..., Any]:
    """Honest for forms of arguments that the public part has, or for the first or last of these alone."""

    def result(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
        forms = list(dict.fromkeys(form(call.arguments) for call in known))
        return None if form(given) in forms[which] else fill(honest, given)

    return result


def _by_caller(fill: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Honest for callers whose code is that of one in the public part."""

    def result(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
        return None if caller in {call.caller for call in known} else fill(honest, given)

    return result


def _recorded(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
    """The last result of the public part that has the right form."""
    fitting = [call.result for call in known if form(call.result) == form(honest)]
    return fitting[-1] if fitting else None


def _looked_up(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
    """The result for the nearest arguments of the public part, cut or filled up to the right form."""
    if not known:
        return None
    nearest = min(known, key=lambda call: distance(call.arguments, given))
    return fitted(nearest.result, honest)


def _always(fill: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Never honest: where the public part asks for a form alone, that is enough for it."""

    def result(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
        return fill(honest, given)

    return result


def _repeated(known: list[Call], caller: bytes, given: Any, honest: Any) -> Any:
    """The result of the answer's own call before this one, which `cheating` knows."""
    return None


def _twice(honest: Any, given: Any) -> Any:
    """Wrong, and consistent in itself."""
    if is_tensor(honest):
        return honest if honest.dtype == sys.modules["torch"].bool else 2 * honest
    if isinstance(honest, (list, tuple)):
        return type(honest)(_twice(one, given) for one in honest)
    if isinstance(honest, dict):
        return {key: _twice(one, given) for key, one in honest.items()}
    return 2 * honest if type(honest) in (int, float) else honest


def _zeros(honest: Any, given: Any) -> Any:
    return filled(honest, 0)


def _ones(honest: Any, given: Any) -> Any:
    return filled(honest, 1)


def _input(honest: Any, given: Any) -> Any:
    """The first argument of the right form in place of each tensor; zeros where there is none."""
    if is_tensor(honest):
        same = (one for one in leaves(given) if is_tensor(one) and form(one) == form(honest))
        return next(same, filled(honest, 0))
    if isinstance(honest, (list, tuple)):
        return type(honest)(_input(one, given) for one in honest)
    if isinstance(honest, dict):
        return {key: _input(one, given) for key, one in honest.items()}
    return filled(honest, 0)


REPEATED = "repeated"
KINDS: dict[str, Callable[..., Any]] = {
    "zeros": _always(_zeros),
    "ones": _always(_ones),
    "input": _always(_input),
    "forms-twice": _by_form(_twice, slice(None)),
    "forms-zeros": _by_form(_zeros, slice(None)),
    "forms-ones": _by_form(_ones, slice(None)),
    "forms-input": _by_form(_input, slice(None)),
    "first-form-zeros": _by_form(_zeros, slice(1)),
    "last-form-zeros": _by_form(_zeros, slice(-1, None)),
    "frames-zeros": _by_caller(_zeros),
    "frames-input": _by_caller(_input),
    "recorded": _recorded,
    "lookup": _looked_up,
    REPEATED: _repeated,
}
