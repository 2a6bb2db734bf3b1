"""Handing in through nbgrader's exchange, by nbgrader's own command."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

from dl1.errors import CourseError
from dl1.handing_in.folder import Folder

_SECONDS = 600
_SUBMITTED = re.compile(r"Submitted as: (.+)$", re.MULTILINE)
_ERROR = re.compile(r"\| (?:ERROR|CRITICAL)\] (.+)$", re.MULTILINE)


def why_not(folder: Folder) -> str:
    """Why nothing can be handed in through an exchange here, as far as that is known before; empty if it may be."""
    given = folder.given
    if sys.platform == "win32":
        return "nbgrader's exchange doesn't exist on Windows"
    if given is None or not given.course:
        return "the folder doesn't say which course it is of"
    if importlib.util.find_spec("nbgrader") is None:
        return "nbgrader isn't installed here"
    if folder.path.name != given.name:
        return f"the folder has to be called {given.name} for nbgrader, and is called {folder.path.name}"
    size = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    if size > given.limits.get("folder_bytes", size):
        return f"nbgrader takes {given.limits['folder_bytes'] / 2**20:.0f} MiB, and the folder has {size / 2**20:.0f}"
    return ""


def submit(folder: Folder) -> str:
    """Hand the folder in.

    Returns:
        As what nbgrader has it: course, assignment and time.

    Raises:
        CourseError: it was not handed in; the message says what nbgrader has said.
    """
    command = [sys.executable, "-m", "nbgrader", "submit", folder.name, "--course", folder.given.course]
    try:
        done = subprocess.run(
            command, cwd=folder.path.parent, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CourseError(f"nbgrader did not hand it in ({type(error).__name__}: {error})") from None
    told = f"{done.stdout}\n{done.stderr}"
    found = _SUBMITTED.search(told)
    if done.returncode or not found:
        said = _ERROR.findall(told) or told.strip().splitlines()[-1:] or ["it says nothing"]
        raise CourseError(f"nbgrader did not hand it in: {said[0].strip()[:300]}")
    return found.group(1).strip()
