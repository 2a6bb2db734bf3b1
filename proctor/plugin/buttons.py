"""The formgrader's buttons (generate, release, collect, autograde, feedback) in processes beside the server.

nbgrader does what a button is for in the server's only thread: until a submission is graded, or three hundred pages are
made, no other TA gets a page. One after the other they are done here as well, but the server goes on serving.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from nbgrader.server_extensions.formgrader import apihandlers
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, check_notebook_dir, check_xsrf
from tornado import web
from traitlets.config import Config, LazyConfigValue

from proctor.plugin.pressed import Asked

_COMMANDS = {
    apihandlers.AssignHandler: "generate_assignment",
    apihandlers.UnReleaseHandler: "unrelease",
    apihandlers.ReleaseHandler: "release_assignment",
    apihandlers.CollectHandler: "collect",
    apihandlers.AutogradeHandler: "autograde",
    apihandlers.GenerateAllFeedbackHandler: "generate_feedback",
    apihandlers.ReleaseAllFeedbackHandler: "release_feedback",
    apihandlers.GenerateFeedbackHandler: "generate_feedback",
    apihandlers.ReleaseFeedbackHandler: "release_feedback",
}
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from proctor.plugin.pressed import main; main()"
_LOST = (
    "The command was ended before it was done (status {status}); the log of the server says why. What was finished "
    "stays; press the button again for the rest."
)
# One command at a time, as in nbgrader's own server: each may use all cores.
_TURN = asyncio.Lock()


def press_beside() -> None:
    """Change nbgrader's handlers of this server process; once is enough, and more does nothing."""
    for handler, command in _COMMANDS.items():
        handler.post = _beside(command)


def _beside(command: str) -> Any:
    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    async def post(self: BaseApiHandler, *words: str) -> None:
        # What the formgrader was started with, a command line say, as it has it itself.
        started = self.coursedir.parent.parent
        asked = Asked(command, words, passed_on(started.config), os.getpid())
        async with _TURN:
            answer = await _asked(asked)
        self.write(json.dumps(answer))

    return post


def passed_on(config: Config) -> dict[str, dict[str, Any]]:
    """Settings of one process for another: all values that can be passed on."""
    found: dict[str, dict[str, Any]] = {}
    for section, values in config.items():
        for name, value in values.items() if isinstance(values, Config) else ():
            if isinstance(value, LazyConfigValue):
                continue
            try:
                pickle.dumps(value)
            # Hooks and classes of a file of settings; whoever reads the file has them.
            except Exception:
                continue
            found.setdefault(section, {})[name] = value
    return found


async def _asked(asked: Asked) -> dict[str, Any]:
    # Not a pool's thread: those are waited for when a server ends, and this process shall end with it.
    folder = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def wait() -> None:
        said, _ = process.communicate(pickle.dumps(asked))
        # The server may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set_result, said)

    threading.Thread(target=wait, daemon=True, name="proctor-button").start()
    said = await ended
    try:
        return json.loads(said)
    except ValueError:
        return {"success": False, "error": _LOST.format(status=process.returncode), "log": ""}
