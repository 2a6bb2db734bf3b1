"""How far a run is, for whoever waits for it: a line at the bottom of a terminal, and a file for other commands."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from proctor.intake.copier import printable
from proctor.plugin import busy
from proctor.plugin.run_state import RunState, StateFile
from proctor.plugin.run_times import RunTimes, trouble

_SECONDS_BETWEEN = 1.0
_SHOWN = 4
_FORMAT = "{desc}: {n_fmt} of {total_fmt} |{bar:20}| {elapsed}, {remaining} left{postfix}"


class Progress:
    """How far a run is.

    Args:
        root: of the course.
        total: number of submissions that the run looks at.
        times: of the run, which know who is being graded.
        log: for a line for each submission.
        file: of a terminal, on which there is a line that changes; without one there is none.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        root: Path,
        assignment: str,
        workers: int,
        total: int,
        times: RunTimes,
        log: Any,
        file: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        holder = busy.me("graded")
        self.state = RunState(holder, assignment, workers, total)
        self._file, self._times, self._log, self._clock = StateFile(root, holder), times, log, clock
        self._began = self._shown = clock()
        self._graded = 0
        shown = total > 1 and file is not None and file.isatty()
        how = {"disable": not shown, "dynamic_ncols": True, "leave": False, "bar_format": _FORMAT}
        self._bar = tqdm(total=total, desc=assignment, file=file, **how)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show it, and let lines of the log stand above it."""
        logger = getattr(self._log, "logger", self._log)
        own = not self._bar.disable and isinstance(logger, logging.Logger)
        try:
            with _above_the_line(logger) if own else contextlib.nullcontext():
                self._show()
                yield
        finally:
            self._bar.close()
            self._file.remove()

    def ended(self, student: str, said: str, graded: bool) -> None:
        """A submission is done with.

        Args:
            said: what became of it, as in the table.
            graded: whether this run has tried to grade it.
        """
        self.state.done += 1
        self._graded += graded
        if trouble(said):
            self.state.trouble[student] = said
        if graded:
            each = (self._clock() - self._began) / self._graded
            self.state.left = each * (self.state.total - self.state.done)
            place = f"{self.state.done} of {self.state.total}, {self.state.left_words()}"
            self._log.info("%s: %s  %s", place, printable(student), printable(said, 300))
        self._bar.update()
        self._show()

    def look(self, judged: Mapping[str, tuple[int, int]] = MappingProxyType({})) -> None:
        """Show who is being graded, now and then, and when another notebook is judged.

        Args:
            judged: by student how many notebooks are, and of how many.
        """
        news = {name: list(one) for name, one in judged.items() if one[0]} != self.state.judged
        self.state.judged = {name: list(one) for name, one in judged.items() if one[0]}
        if news or self._clock() - self._shown >= _SECONDS_BETWEEN:
            self._show()

    def _show(self) -> None:
        self._shown = self._clock()
        self.state.running = self._times.running()
        self._file.write(self.state)
        words = [
            f"{printable(name, 20)} {seconds:.0f} s{self.state.judged_words(name, '')}"
            for name, seconds in self.state.running[:_SHOWN]
        ]
        if self.state.trouble:
            names = ", ".join(printable(name, 20) for name in list(self.state.trouble)[-_SHOWN:])
            words.append(f"trouble: {len(self.state.trouble)} ({names})")
        self._bar.set_postfix_str(", ".join(words))


@contextlib.contextmanager
def _above_the_line(logger: logging.Logger) -> Iterator[None]:
    before = list(logger.handlers)
    with logging_redirect_tqdm([logger]):
        for handler in logger.handlers:
            if handler not in before:
                # What the console doesn't show is not shown now either.
                handler.setLevel(max((one.level for one in before if one not in logger.handlers), default=0))
        yield


def terminal() -> Any:
    """Where a line can be shown that changes: the error output, if it is a terminal."""
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
