"""What a button of the formgrader starts: the same command as in a terminal, in a process beside the server.

The server writes what was asked to the input, pickled, and reads from the output what nbgrader's own API answers.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import signal
import sys
from typing import Any, NamedTuple

from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader
from traitlets.config import Config

_PR_SET_PDEATHSIG = 1


class Asked(NamedTuple):
    """What is to be done.

    Attributes:
        command: of nbgrader's API.
        words: assignment and student.
        config: what the server was started with; the course's own settings are read anew.
        server: its process id.
    """

    command: str
    words: tuple[str, ...]
    config: dict[str, dict[str, Any]]
    server: int


class Pressed(NbGrader):
    """Reads a course's settings as the formgrader does."""

    name = "nbgrader-button"
    description = "Does what a button of the formgrader is for"

    def answer(self, command: str, words: tuple[str, ...]) -> dict[str, Any]:
        """What nbgrader's API answers: whether it worked, its log, and a traceback if it didn't."""
        self.initialize([])
        self.start()
        api = NbGraderAPI(self.coursedir, self.authenticator, parent=self)
        return getattr(api, command)(*words)


def main() -> None:
    """Do what stands in the input, and write the answer to the output, which nothing else may write to."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        asked: Asked = pickle.load(sys.stdin.buffer)
        # A server that is stopped stops what it has begun; that ends in a line, as after Ctrl-C.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != asked.server:
            sys.exit("the server has ended; nothing was done")
        json.dump(Pressed(config=Config(asked.config)).answer(asked.command, asked.words), answers)
