"""Whether what stands in JupyterLab is what lies on the disk: as far as that can be known from outside of a browser.

Changes that were not saved are in the browser alone. What can be known: a notebook that was run after its file was
written last has something that the file has not; and a text that has just run and stands in no cell of the file.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dl1.handing_in.folder import Folder

# What comes to the server when a notebook was run; the file is written a little after that at the earliest.
_SLACK_SECONDS = 3
_WAIT_SECONDS = 10


def opened_notebooks() -> list[dict[str, Any]]:
    """Of each notebook that is open in a Jupyter server of this account: its path, whether it computes, its last use.

    Returns:
        Entries "path" (absolute), "busy" and "used" (seconds since 1970); none where no server can be asked.
    """
    found = []
    for server in _servers():
        for session in _sessions(server):
            try:
                path = Path(server["root_dir"], session["path"])
                used = datetime.datetime.fromisoformat(session["kernel"]["last_activity"]).timestamp()
                busy = session["kernel"]["execution_state"] == "busy"
            except (KeyError, TypeError, ValueError):
                continue
            found.append({"path": path, "busy": busy, "used": used})
    return found


def unsaved(folder: Folder, opened: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Notebook and line for each that may not have been saved, or is still computing."""
    for one in opened:
        path = next((path for path in folder.files if _same(folder.path / path, one["path"])), None)
        if path is None:
            continue
        saved = (folder.path / path).stat().st_mtime
        if one["busy"]:
            yield path, "is still computing: wait until it is done, and save it"
        elif one["used"] > saved + _SLACK_SECONDS:
            yield path, f"was used at {_clock(one['used'])} and saved at {_clock(saved)}: save it if you have not"


def not_in_file(ran: str, sources: list[str]) -> bool:
    """Whether a text that has just run stands in no cell of the file."""
    return bool(ran.strip()) and ran.strip() not in {source.strip() for source in sources}


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _clock(seconds: float) -> str:
    moment, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if moment[:3] == now[:3] else "%Y-%m-%d %H:%M", moment)


def _servers() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "jupyter", "server", "list", "--json"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in told.splitlines():
        try:
            server = json.loads(line)
        except ValueError:
            continue
        if isinstance(server, dict) and "url" in server and "root_dir" in server:
            yield server


def _sessions(server: dict[str, Any]) -> list[dict[str, Any]]:
    address = urllib.parse.urljoin(server["url"], "api/sessions")
    asked = urllib.request.Request(address, headers={"Authorization": f"token {server.get('token', '')}"})
    try:
        with urllib.request.urlopen(asked, timeout=_WAIT_SECONDS) as answer:
            found = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
