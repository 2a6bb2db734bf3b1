"""How nbgrader's commands end after an accident: in a line that says what to do, without a traceback.

nbgrader's own classes and hooks run inside of its commands, so their end is the one place where all accidents come by.
"""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from nbgrader.apps.nbgraderapp import NbGraderApp
from sqlalchemy.exc import DBAPIError, SAWarning

from proctor.errors import ProctorError
from proctor.plugin import gradebook_file, room

_STOPPED = 130


def install() -> None:
    """Let every command of nbgrader in this process end so; once is enough, and more does nothing."""
    # Of nbgrader's own code, at each submission, and nothing that anybody could do about.
    warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")
    gradebook_file.wait_for_others()
    if not hasattr(NbGraderApp.start, "__wrapped__"):
        NbGraderApp.start = _ending_in_a_line(NbGraderApp.start)


def meaning(error: Exception, db_url: str) -> str | None:
    """What an error says to staff, with what to do; None if it is not one that was foreseen."""
    if isinstance(error, DBAPIError):
        return gradebook_file.said(error, db_url)
    if isinstance(error, OSError) and (room.of_machine(error) or isinstance(error, PermissionError)):
        return room.said(error)
    return str(error) if isinstance(error, ProctorError) else None


def _ending_in_a_line(start):
    @functools.wraps(start)
    def started(self: NbGraderApp) -> None:
        app = self.subapp if isinstance(self.subapp, NbGrader) else self
        try:
            gradebook_file.refuse_lost(app.coursedir.db_url, Path(app.coursedir.root))
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
