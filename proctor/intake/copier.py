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
    """The most that is copied: number of files, and of folders, bytes of all files, and levels of folders."""

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
        replace(draft, target)
    except OSError as error:
        raise ProctorError(f"{target}: can't be written ({error.strerror}); make room or correct its rights") from error
    finally:
        os.close(descriptor)
        shutil.rmtree(draft, ignore_errors=True)
    return copy.lines


def replace(draft: Path, target: Path) -> None:
    """Put a complete folder in the place of an older one beside it, which stays if that fails.

    Raises:
        OSError: the place can't be written.
    """
    if not (target.exists() or target.is_symlink()):
        os.rename(draft, target)
        return
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
    os.rename(target, old / "old")
    try:
        os.rename(draft, target)
    except OSError:
        os.rename(old / "old", target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


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
        self.folders = 0
        self.full = False
        self.bytes = 0
        self.lines: list[str] = []

    def folder(self, descriptor: int, target: Path, place: str, level: int) -> None:
        # Files first: a forgotten environment must not use up the caps before the notebook beside it is reached.
        for name in sorted(os.listdir(descriptor), key=lambda name: (_is_folder(descriptor, name), name)):
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
                    self.folders += 1
                    if not self.below_cap(self.folders, shown):
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
        elif self.bytes + status.st_size > self.caps.total_bytes:
            self.lines.append(f"left out {shown}: more than {self.caps.total_bytes / 2**20:g} MiB in all")
        elif self.below_cap(self.files + 1, shown):
            self.files += 1
            left = self.caps.total_bytes - self.bytes
            with open(target, "xb") as file:
                # A file that grows while it is copied ends at the cap.
                while left > 0 and (part := os.read(descriptor, min(2**20, left))):
                    file.write(part)
                    left -= len(part)
                    self.bytes += len(part)
            target.chmod(0o644)

    def below_cap(self, count: int, shown: str) -> bool:
        """Whether so many files or folders are copied; the first that is too many is named."""
        if count > self.caps.files and not self.full:
            self.full = True
            self.lines.append(f"left out {shown} and more after it: more than {self.caps.files:,} files or folders")
        return count <= self.caps.files


def _is_folder(descriptor: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except OSError:
        return False


def printable(name: str, limit: int = 120) -> str:
    """A file name that can stand in a line of text."""
    shown = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())
    return shown if len(shown) <= limit else shown[:limit] + "…"
