"""Copies what a student has put into a folder: regular files only, never through a link, with caps.

The folder belongs to the student, who may change it while it is copied. So every step is taken from an open descriptor
of the folder before, without following links, and what was opened is looked at before it is read. What was read is also
what the digests are of.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from dl1.merging.notebook_file import printable
from proctor.errors import ProctorError
from proctor.intake.importance import importance, is_last
from proctor.intake.inert import handed_in_name, stored_path

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# So many entries are looked at; a forgotten environment has fewer.
_MAX_LISTED = 200_000


@dataclass(frozen=True)
class Caps:
    """The most that is copied: number of files, and of folders, bytes of all files, and levels of folders."""

    files: int = 2_000
    total_bytes: int = 200 * 2**20
    depth: int = 8
    name_bytes: int = 150


@dataclass
class Taken:
    """What was taken of a submission.

    Attributes:
        lines: a plain line for everything that was left out.
        dotted: paths whose names begin with a dot: they are never taken, and that costs no line.
        digests: SHA-256 in hexadecimal by path, with the names as handed in; of a folder, whose path ends in /, "".
    """

    lines: list[str] = field(default_factory=list)
    dotted: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def digest(self, without: Collection[str] = ()) -> str:
        """SHA-256 over the names and contents of all that was taken but the paths `without`, in hexadecimal."""
        listed = sorted((path, digest) for path, digest in self.digests.items() if path not in without)
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def copy_tree(source: Path, target: Path, caps: Caps = Caps(), stored: bool = False) -> Taken:  # noqa: B008
    """Copies a folder; the target appears whole, or not at all, in place of an older one.

    Copies have the names of `proctor.intake.inert`, under which no tool runs them.

    Args:
        stored: the source is staff's, in which files may have such names already; otherwise it is as handed in.

    Raises:
        ProctorError: the source is no folder, or the target can't be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    try:
        taken = _take(source, draft, caps, stored)
        draft.chmod(0o755)
        replace(draft, target)
    except OSError as error:
        raise ProctorError(f"{target}: can't be written ({error.strerror}); make room or correct its rights") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return taken


def look(source: Path, caps: Caps = Caps(), stored: bool = False) -> Taken:  # noqa: B008 (it can't change)
    """What `copy_tree` would take now, without a copy.

    Raises:
        ProctorError: the source is no folder, or can't be read to its end.
    """
    try:
        return _take(source, None, caps, stored)
    except OSError as error:
        raise ProctorError(f"{source}: can't be read ({error.strerror})") from error


def _take(source: Path, target: Path | None, caps: Caps, stored: bool) -> Taken:
    try:
        descriptor = os.open(source, _READ | os.O_DIRECTORY)
    except OSError as error:
        raise ProctorError(f"{source}: is no readable folder ({error.strerror})") from error
    try:
        copy = _Copy(caps, os.fstat(descriptor).st_uid, stored)
        copy.all(descriptor, target)
    finally:
        os.close(descriptor)
    return copy.taken


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
    """Lists a folder, and copies what it has listed in the order of its importance until the caps are reached."""

    def __init__(self, caps: Caps, owner: int, stored: bool) -> None:
        self.caps = caps
        self.owner = owner
        self.stored = stored
        self.files = 0
        self.folders = 0
        self.full = False
        self.bytes = 0
        self.taken = Taken()
        self.listed: dict[str, tuple[str, ...]] = {}

    def all(self, descriptor: int, target: Path | None) -> None:
        """Copy what lies in an open folder."""
        self.find(descriptor, target)
        for path in sorted(self.listed, key=lambda path: (importance(path), path)):
            shown = printable(path)
            if not self.below_cap(self.files + 1, shown):
                break
            try:
                inner = _open(descriptor, self.listed[path])
            except OSError:
                self.left_out(shown, "it is a link, or can't be read")
                continue
            try:
                self.file(inner, os.fstat(inner), target and target / stored_path(path), path)
            finally:
                os.close(inner)

    def find(self, descriptor: int, target: Path | None) -> None:
        """Find what is no folder, and make the folders: those that can be had again come last, then the deeper ones."""
        waiting: list[tuple[bool, int, str, tuple[str, ...]]] = [(False, 0, "", ())]
        while waiting:
            _, level, place, names = heapq.heappop(waiting)
            try:
                folder = _open(descriptor, names, os.O_DIRECTORY)
            except OSError:
                self.left_out(printable(place), "it is a link, or can't be read")
                continue
            try:
                entries = sorted(_rank(folder, name) for name in os.listdir(folder))
            finally:
                os.close(folder)
            seen: set[str] = set()
            for is_folder, _, name in entries:
                own = self.named(place, name, seen)
                if own is None:
                    continue
                if len(self.listed) >= _MAX_LISTED:
                    self.left_out(f"{printable(place + own)} and more after it", f"more than {_MAX_LISTED:,} files")
                    return
                if not is_folder:
                    self.listed[place + own] = (*names, name)
                elif self.is_made(f"{place}{own}", level + 1, target):
                    again = is_last(f"{place}{own}".split("/"))
                    heapq.heappush(waiting, (again, level + 1, f"{place}{own}/", (*names, name)))

    def named(self, place: str, name: str, seen: set[str]) -> str | None:
        """The name that an entry of a folder was handed in with; None if it is left out for it."""
        own = handed_in_name(name) if self.stored else name
        shown = printable(f"{place}{own}")
        if own.startswith("."):
            self.taken.dotted.append(shown)
        elif not own or len(os.fsencode(own)) > self.caps.name_bytes or not own.isprintable():
            self.left_out(shown, "its name is too long or has characters that can't be printed")
        elif own in seen:
            self.left_out(shown, "there is another one of this name")
        else:
            seen.add(own)
            return own
        return None

    def is_made(self, path: str, level: int, target: Path | None) -> bool:
        """Whether a folder is copied, which is made then."""
        shown = printable(path)
        if level >= self.caps.depth:
            self.left_out(shown, f"more than {self.caps.depth} folders deep")
            return False
        self.folders += 1
        if not self.below_cap(self.folders, shown):
            return False
        if target:
            (target / stored_path(f"{path}/x").parent).mkdir(mode=0o755)
        self.taken.digests[f"{path}/"] = ""
        return True

    def file(self, descriptor: int, status: os.stat_result, target: Path | None, path: str) -> None:
        shown = printable(path)
        if not stat.S_ISREG(status.st_mode):
            self.left_out(shown, "it is no regular file")
        elif status.st_nlink > 1 and status.st_uid != self.owner:
            self.left_out(shown, "it is a hard link to somebody else's file")
        elif self.bytes + status.st_size > self.caps.total_bytes:
            self.left_out(shown, f"more than {self.caps.total_bytes / 2**20:g} MiB in all")
        else:
            self.files += 1
            self.content(descriptor, target, path)

    def content(self, descriptor: int, target: Path | None, path: str) -> None:
        digest, left = hashlib.sha256(), self.caps.total_bytes - self.bytes
        with open(target or os.devnull, "xb" if target else "wb") as file:
            # A file that grows while it is copied ends at the cap.
            while left > 0 and (part := os.read(descriptor, min(2**20, left))):
                file.write(part)
                digest.update(part)
                left -= len(part)
                self.bytes += len(part)
        if target:
            target.chmod(0o644)
        self.taken.digests[path] = digest.hexdigest()

    def left_out(self, shown: str, why: str) -> None:
        self.taken.lines.append(f"left out {shown}: {why}")

    def below_cap(self, count: int, shown: str) -> bool:
        """Whether so many files or folders are copied; the first that is too many is named."""
        if count > self.caps.files and not self.full:
            self.full = True
            self.taken.lines.append(
                f"left out {shown} and more after it: more than {self.caps.files:,} files or folders"
            )
        return count <= self.caps.files


def _open(root: int, names: tuple[str, ...], last: int = 0) -> int:
    """Open what these names lead to, from an open folder on, each without following a link.

    Raises:
        OSError: one of them is a link, or can't be opened.
    """
    current = os.dup(root)
    for number, name in enumerate(names, start=1):
        above, current = current, -1
        try:
            current = os.open(name, _READ | (last if number == len(names) else os.O_DIRECTORY), dir_fd=above)
        finally:
            os.close(above)
    return current


def _rank(descriptor: int, name: str) -> tuple[bool, bool, str]:
    # Of a file and a folder of one name the file is taken, and what was put beside a stored file under its own name is
    # newer.
    return _is_folder(descriptor, name), handed_in_name(name) != name, name


def _is_folder(descriptor: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except OSError:
        return False
