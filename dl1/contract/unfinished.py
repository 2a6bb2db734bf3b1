"""Saying which part is not finished, in place of a bare ``NotImplementedError`` from a stub somewhere above."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

ADVICE = "finish `{}` above first"


def unfinished_part(traceback: TracebackType | None) -> str:
    """Name of the function, as ``RMSNorm.forward``, in the innermost frame of a traceback."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "the answer"
    frame = traceback.tb_frame
    owner, name = frame.f_locals.get("self"), frame.f_code.co_name
    if name == "<module>":
        return "the answer"
    return name if owner is None else f"{type(owner).__name__}.{name}"


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Lets a ``NotImplementedError`` of the block say what to finish, in one line without a traceback.

    Raises:
        NotImplementedError: the same, with a text such as "finish `RMSNorm.forward` above first".
    """
    try:
        yield
    except NotImplementedError as error:
        message = str(error) or ADVICE.format(unfinished_part(error.__traceback__))
        readable = NotImplementedError(message)
        # IPython looks this hook up on the exception and prints its lines in place of a traceback.
        readable._render_traceback_ = lambda: [f"NotImplementedError: {message}"]
        raise readable from None


@contextlib.contextmanager
def told_if_unfinished() -> Iterator[None]:
    """Prints what to finish if the block meets an unfinished part, so that demos above an answer stay calm."""
    try:
        with explained():
            yield
    except NotImplementedError as error:
        print(f"Nothing to show yet: {error}.")
