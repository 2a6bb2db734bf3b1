"""Whether there is room, and the right to write: looked at before a submission is touched, not in its middle."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proctor.errors import ProctorError

# For what a submission makes in the temporary folder and in the course, apart from unusual ones.
BYTES = 64 * 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT}
# What is wrong with this machine, whatever was handed in.
_OF_MACHINE = {*_FULL, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def check(folders: Sequence[Path], least: int | None = None) -> None:
    """Whether a file can be written into each of these folders, and there is room for a submission.

    Args:
        folders: each exists.
        least: bytes that have to be free; as many as a submission usually takes if None.

    Raises:
        ProctorError: it can't; the message names the folder and says what to do.
    """
    least = BYTES if least is None else least
    for folder in folders:
        try:
            free = free_bytes(folder)
            if free < least:
                raise ProctorError(
                    f"{folder}: only {free / 2**20:.0f} MiB are free on its disk, and grading needs {least >> 20}; "
                    f"make room there (df -h {folder}), then run this command again"
                )
            with tempfile.TemporaryFile(dir=folder, prefix=".room-") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ProctorError(said(error, folder)) from error


def free_bytes(folder: Path) -> int:
    """What is free on a folder's disk for this account."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def of_machine(error: BaseException) -> bool:
    """Whether an error comes from this machine (a full disk, say) and not from what was graded."""
    return isinstance(error, OSError) and error.errno in _OF_MACHINE


def said(error: OSError, folder: Path | None = None) -> str:
    """What an error of a file means and what to do."""
    place = folder or _folder_of(error)
    if error.errno in _FULL:
        quota = " within your quota" if error.errno == errno.EDQUOT else ""
        return f"{place}: no room is left on this disk{quota}; make room (df -h {place}), then run this command again"
    if error.errno == errno.EROFS:
        return f"{place}: this disk can only be read; grade where the course can be written, or mount it again with rw"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{place}: you can't write there; correct its rights (python -m proctor doctor says which)"
    return f"{place}: {error.strerror or error}; correct that, then run this command again"


def _folder_of(error: OSError) -> str:
    """Where it happened; a copy that fails for want of room doesn't always say."""
    for name in (error.filename2, error.filename):
        if isinstance(name, str | bytes | os.PathLike):
            return os.path.dirname(os.fsdecode(name)) or os.fsdecode(name)
    return f"{tempfile.gettempdir()} or the course's folder"
