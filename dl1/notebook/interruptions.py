"""Interrupting long work between two of its steps, never in the middle of one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def noted_interruptions() -> Iterator[list[int]]:
    """Notes an interruption (Ctrl-C, or the notebook's stop button) instead of raising it; a second one is raised.

    A loop looks at the list after each step, and stops with everything in order. Outside the main thread, which is the
    only one that is ever interrupted, nothing changes.

    Yields:
        A list that is empty until somebody interrupts.

    Raises:
        KeyboardInterrupt: somebody interrupts twice.
    """
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:
        yield asked
        return
    try:
        yield asked
    finally:
        # None stands for a handler that Python didn't set and can't set again.
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
