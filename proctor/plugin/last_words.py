"""How nbgrader's commands end after an accident: in a line that says what to do, without a traceback.

nbgrader's own classes and hooks run inside of its commands, so their end is the one place where all accidents come by.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.api import InvalidEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.apps.nbgraderapp import NbGraderApp, NoStart
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SAWarning

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import gradebook_file, room
from proctor.staff_files import staff_only

_STOPPED = 130
# What nbgrader lets out of its gradebook: its own errors around those of the database, a driver that is not installed.
OF_GRADEBOOK = (DBAPIError, InvalidEntry, ModuleNotFoundError, NoSuchModuleError)
_MAX_DETAILS = 2**20


def install() -> None:
    """Let every command of nbgrader in this process end so; once is enough, and more does nothing."""
    # Of nbgrader's own code, at each submission, and nothing that anybody could do about.
    warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")
    gradebook_file.wait_for_others()
    if not hasattr(NbGraderApp.start, "__wrapped__"):
        NbGraderApp.start = _ending_in_a_line(NbGraderApp.start)


def meaning(error: Exception, db_url: str) -> str | None:
    """What an error says to staff, with what to do; None if it is not one that was foreseen."""
    if isinstance(error, OF_GRADEBOOK):
        return gradebook_file.said(error, db_url)
    if isinstance(error, OSError) and (room.of_machine(error) or isinstance(error, PermissionError)):
        return room.said(error)
    return str(error) if isinstance(error, ProctorError) else None


def unforeseen(error: Exception) -> str:
    """One line about an error that nobody has foreseen; its traceback goes to a file of this account's alone."""
    return kept(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def kept(said: str, details: str) -> str:
    """The same for an error of another process, from what that has said of it."""
    said = printable(said, 300)
    try:
        descriptor, path = tempfile.mkstemp(prefix="nbgrader-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(details[:_MAX_DETAILS])
    except OSError as full:
        return f"{said} (nobody has foreseen this; details could not be written: {full.strerror})"
    return f"{said} (nobody has foreseen this: tell whoever looks after the kit; details are in {path})"


@contextlib.contextmanager
def _shared(app: NbGrader) -> Iterator[None]:
    """A gradebook that was made meanwhile is for the group as well; SQLite makes it for its owner."""
    path = gradebook_file.path_of(app.coursedir.db_url) if app.coursedir.groupshared else None
    before = path is None or path.exists()
    try:
        yield
    finally:
        if not before and path.exists():
            path.chmod(0o660)


def _ending_in_a_line(start: Callable[[NbGraderApp], None]) -> Callable[[NbGraderApp], None]:
    @functools.wraps(start)
    def started(self: NbGraderApp) -> None:
        app = self.subapp if isinstance(self.subapp, NbGrader) else self
        try:
            gradebook_file.refuse_lost(app.coursedir.db_url, Path(app.coursedir.root))
            # What goes into the exchange gets its modes from nbgrader one by one.
            with staff_only(app.coursedir.groupshared), _shared(app):
                start(self)
        except NoStart:
            # How Jupyter's commands say that all is done.
            raise
        except KeyboardInterrupt:
            app.log.error("stopped by Ctrl-C; run the command again")
            sys.exit(_STOPPED)
        except Exception as error:
            app.log.error(meaning(error, app.coursedir.db_url) or unforeseen(error))
            sys.exit(1)

    return started
