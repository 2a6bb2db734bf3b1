"""Tracebacks of a student's mistake under a check: the cell, the probe and the student's lines, and none of the kit.

The exception stays the very one, with all its frames, for debuggers and for whoever catches it; only what IPython
shows is shorter.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator

from dl1.contract.sealed_hints import help_for

_PACKAGE = __name__.partition(".")[0]
# Its frames come before the cell's.
_LEFT_OUT = {_PACKAGE, "IPython", "ipykernel"}
_HOOK = "_render_traceback_"


def is_of_answer(error: BaseException) -> bool:
    """Whether an exception came out of a probe, and is shown as such."""
    return getattr(getattr(error, _HOOK, None), "func", None) is _lines


@contextlib.contextmanager
def shown_without_own_frames() -> Iterator[None]:
    """Lets an exception of the block be shown by IPython without the frames of this package.

    Raises:
        Exception: that of the block, the same object.
    """
    try:
        yield
    except Exception as error:
        # Classes can refuse attributes.
        with contextlib.suppress(Exception):
            # What says itself how it is shown, as the kit's own errors do, has no need of this.
            if not hasattr(error, _HOOK):
                setattr(error, _HOOK, functools.partial(_lines, error))
        raise


def others(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without the frames of this package and of IPython; None if there are no others."""
    kept = []
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _LEFT_OUT:
            kept.append(traceback)
        traceback = traceback.tb_next
    made = None
    for one in reversed(kept):
        made = types.TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made


def _lines(error: Exception) -> list[str]:
    from IPython import get_ipython

    shower = get_ipython().InteractiveTB
    lines = shower.structured_traceback(type(error), error, others(error.__traceback__), tb_offset=0)
    return [*lines, f"  help: {known}"] if (known := help_for(error)) else lines
