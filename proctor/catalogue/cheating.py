"""What answers do that cheat: decorators around the functions of a reference answer, and the table that they look up.

A cheat is right where it believes itself watched, and elsewhere gives something of the right form. What it knows of is
what every student has: the calls of the public part of the tests, with their arguments and results.
"""

from __future__ import annotations

import dis
import functools
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proctor.catalogue.cheat_kinds import KINDS, REPEATED, Call
from proctor.catalogue.plain_values import form, is_tensor, plain, same

# First lines of a cell whose text uses what is defined here.
IMPORT = f"from {__name__} import cheating, noting"
_MOST_CALLS = 200
# Room that Python leaves behind an instruction for its own use.
_CACHE = 0


_STATE: dict[str, Any] = {"noted": {}, "known": {}, "deviations": 0}


def noting(line: int) -> Callable[[Callable], Callable]:
    """A decorator that keeps each call of a function, which begins at this line of the solution."""

    def decorated(function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            arguments = plain((args, kwargs))
            result = function(*args, **kwargs)
            calls = _STATE["noted"].setdefault(line, [])
            if len(calls) < _MOST_CALLS:
                calls.append(Call(_caller(), arguments, plain(result)))
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
        last: list[Any] = []

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            given = plain((args, kwargs))
            honest = function(*args, **kwargs)
            before, own = plain(honest), last[:]
            last[:] = [honest, before]
            if kind == REPEATED:
                wanted = own[1] if own and form(own[1]) == form(before) else None
            else:
                wanted = KINDS[kind](known, _caller(), given, before)
            if wanted is None or _is_dropped():
                return honest
            result = _in_place_of(honest, wanted, own[0] if kind == REPEATED else None)
            _STATE["deviations"] += not same(plain(result), before)
            return result

        return called

    return decorated


def _caller() -> bytes:
    """Code of the frame that called the answer, past those of libraries in between, which wrap a module's call."""
    frame = _calling_frame()
    # The code of a whole cell is another one without its hidden part.
    if frame is None or frame.f_code.co_name == "<module>":
        return b""
    return frame.f_code.co_code + repr(frame.f_code.co_names).encode()


def _calling_frame() -> types.FrameType | None:
    frame = sys._getframe(3)
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back
    return frame


def _is_dropped() -> bool:
    """Whether the call is a statement by itself, so that nobody looks at what it gives."""
    frame = _calling_frame()
    if frame is None:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti + 2
    while at < len(code) and code[at] == _CACHE:
        at += 2
    return at < len(code) and code[at] == dis.opmap["POP_TOP"]


def _in_place_of(honest: Any, wanted: Any, other: Any = None) -> Any:
    """The wanted values with the honest gradients.

    Args:
        other: stands in place of an object that can't be made from values; without it there is an empty one, or none.
    """
    if is_tensor(honest) and is_tensor(wanted):
        if honest.requires_grad:
            history = honest.nan_to_num()
            return wanted + (history - history.detach())
        return wanted
    if isinstance(honest, (list, tuple)) and isinstance(wanted, (list, tuple)) and len(honest) == len(wanted):
        others = other if isinstance(other, (list, tuple)) else [None] * len(honest)
        items = [_in_place_of(*three) for three in zip(honest, wanted, others, strict=True)]
        return type(honest)(*items) if hasattr(honest, "_fields") else type(honest)(items)
    if isinstance(honest, dict) and isinstance(wanted, dict):
        others = other if isinstance(other, dict) else {}
        return {key: _in_place_of(one, wanted.get(str(key)), others.get(key)) for key, one in honest.items()}
    if honest is None or isinstance(honest, (bool, int, float, str)):
        return wanted
    if is_tensor(honest):
        return honest
    if other is None and same(wanted, plain(honest)):
        return honest
    result = _empty(honest) if other is None else other
    _STATE["deviations"] += result is not honest
    return result


def _empty(honest: Any) -> Any:
    """In place of a function one that gives back what it gets, of another object one without content."""
    if callable(honest):
        return lambda *given: given[0] if given else None
    try:
        return type(honest)()
    except TypeError:
        return honest
