"""Copies what a student has put into a folder: regular files only, never through a link, with caps.

The folder belongs to the student, who may change it while it is copied. So every step is taken from an open descriptor
of the folder before, without following links, and what was opened is looked at before it is read.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from proctor.errors import ProctorError

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Caps:
    """The most that is copied: number of files, bytes of all files, and levels of folders."""

    files: int = 2_000
    total_bytes: int = 200 * 2**20
    depth: int = 8
    name_bytes: int = 150


def copy_tree(source: Path, target: Path, caps: Caps = Caps()) -> list[str]:  # noqa: B008 (it can't change)
    """Copies a folder; the target appears whole, or not at all, in place of an older one.

    Returns:
        A plain line for everything that was left out.

    Raises:
        ProctorError: the source is no folder, or the target can't be written.
    """
    try:
        descriptor = os.open(source, _READ | os.O_DIRECTORY)
    except OSError as error:
        raise ProctorError(f"{source}: is no readable folder ({error.strerror})") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    try:
        copy = _Copy(caps, os.fstat(descriptor).st_uid)
        copy.folder(descriptor, draft, "", 1)
        draft.chmod(0o755)
        if target.exists() or target.is_symlink():
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
            os.rename(target, old / "old")
            os.rename(draft, target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(draft, target)
    except OSError as error:
        raise ProctorError(f"{target}: can't be written ({error.strerror}); make room or correct its rights") from error
    finally:
        os.close(descriptor)
        shutil.rmtree(draft, ignore_errors=True)
    return copy.lines


def read_file(path: Path, max_bytes: int) -> bytes | None:
    """Content of a regular file, not through a link; None if it is no such file. One byte more than the cap is read."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(max_bytes + 1)


class _Copy:
    def __init__(self, caps: Caps, owner: int) -> None:
        self.caps = caps
        self.owner = owner
        self.files = 0
        self.bytes = 0
        self.lines: list[str] = []

    def folder(self, descriptor: int, target: Path, place: str, level: int) -> None:
        for name in sorted(os.listdir(descriptor)):
            shown = printable(f"{place}{name}")
            if len(os.fsencode(name)) > self.caps.name_bytes or not name.isprintable():
                self.lines.append(f"left out {shown}: its name is too long or has characters that can't be printed")
                continue
            try:
                inner = os.open(name, _READ, dir_fd=descriptor)
            except OSError:
                self.lines.append(f"left out {shown}: it is a link, or can't be read")
                continue
            try:
                status = os.fstat(inner)
                if stat.S_ISDIR(status.st_mode):
                    if level >= self.caps.depth:
                        self.lines.append(f"left out {shown}: more than {self.caps.depth} folders deep")
                        continue
                    (target / name).mkdir(mode=0o755)
                    self.folder(inner, target / name, f"{place}{name}/", level + 1)
                else:
                    self.file(inner, status, target / name, shown)
            finally:
                os.close(inner)

    def file(self, descriptor: int, status: os.stat_result, target: Path, shown: str) -> None:
        if not stat.S_ISREG(status.st_mode):
            self.lines.append(f"left out {shown}: it is no regular file")
        elif status.st_nlink > 1 and status.st_uid != self.owner:
            self.lines.append(f"left out {shown}: it is a hard link to somebody else's file")
        elif self.files >= self.caps.files:
            if self.files == self.caps.files:
                self.lines.append(f"left out {shown} and all after it: more than {self.caps.files:,} files")
            self.files += 1
        elif self.bytes + status.st_size > self.caps.total_bytes:
            self.lines.append(f"left out {shown}: more than {self.caps.total_bytes / 2**20:g} MiB in all")
        else:
            self.files += 1
            left = self.caps.total_bytes - self.bytes
            with open(target, "xb") as file:
                # A file that grows while it is copied ends at the cap.
                while left > 0 and (part := os.read(descriptor, min(2**20, left))):
                    file.write(part)
                    left -= len(part)
                    self.bytes += len(part)
            target.chmod(0o644)


def printable(name: str, limit: int = 120) -> str:
    """A file name that can stand in a line of text."""
    shown = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())
    return shown if len(shown) <= limit else shown[:limit] + "…"
