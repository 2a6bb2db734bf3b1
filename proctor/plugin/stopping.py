"""A run that is told to stop (Ctrl-C, SIGTERM, a terminal that was closed) ends what it has begun, and says so."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class Stopping:
    """Whether the run was told to stop; while it ends, further signals change nothing.

    Attributes:
        number: of the signal; None if there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._ending = False

    @property
    def name(self) -> str:
        return _SIGNALS.get(self.number, "Ctrl-C")

    @property
    def status(self) -> int:
        """Exit status of a command that was ended by this signal."""
        return 128 + (self.number or signal.SIGINT)

    def check(self) -> None:
        """Stop here, should the exception have been lost where it was raised (in a destructor, say).

        Raises:
            KeyboardInterrupt: the run was told to stop.
        """
        if self.number is not None:
            raise KeyboardInterrupt

    def end(self) -> None:
        """From now on only what is needed to end."""
        self._ending = True

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self._ending:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Signals raise KeyboardInterrupt; one that is ignored (nohup) stays so, and so do all in other threads."""
        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, self._heard)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
