"""How nbgrader's commands end after an accident: in a line that says what to do, without a traceback.

nbgrader's own classes and hooks run inside of its commands, so their end is the one place where all accidents come by.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.api import InvalidEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.apps.nbgraderapp import NbGraderApp
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SAWarning

from proctor.errors import ProctorError
from proctor.plugin import gradebook_file, room
from proctor.staff_files import staff_only

_STOPPED = 130
# What nbgrader lets out of its gradebook: its own errors around those of the database, a driver that is not installed.
OF_GRADEBOOK = (DBAPIError, InvalidEntry, ModuleNotFoundError, NoSuchModuleError)


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
        except KeyboardInterrupt:
            app.log.error("stopped by Ctrl-C; run the command again")
            sys.exit(_STOPPED)
        except Exception as error:
            said = meaning(error, app.coursedir.db_url)
            if said is None:
                raise
            app.log.error(said)
            sys.exit(1)

    return started
