"""One student's submission out of what staff have downloaded: files, folders and archives put together in one folder.

Everything in it is under the names of `proctor.intake.inert` from the first byte on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from proctor.errors import ProctorError
from proctor.intake.archives import Archive, holds_files, is_archive, is_other_archive, top_folder
from proctor.intake.copier import Caps, Taken, copy_tree, printable, read_file
from proctor.intake.inert import handed_in_name, stored_name
from proctor.intake.lms_names import Claim

_CAPS = Caps()
# Of a download of a whole course: its table of contents.
MAX_DOWNLOAD_TABLE = 64 * 2**20
# Archives of one student that are opened.
_MOST = 5


@dataclass(frozen=True)
class Piece:
    """A file or folder that belongs to one student.

    Attributes:
        shown: the name under which staff know it.
        claim: what that name says.
        place: of it on disk; or of the downloaded archive in which it lies.
        inside: the paths in that archive that are it, with their names in the submission; None if it lies on disk.
    """

    shown: str
    claim: Claim
    place: Path
    inside: dict[str, str] | None = None


class Gathered(NamedTuple):
    """Number of files, how many of them are notebooks, and plain lines about what was left out."""

    files: int
    notebooks: int
    lines: list[str]


def gather(pieces: Iterable[Piece], target: Path) -> Gathered:
    """Put pieces together, of two files of one path the later one; archives with a notebook in them are unpacked.

    Args:
        pieces: in the order in which they were handed in.
        target: folder to make.

    Raises:
        ProctorError: there is nothing in them that can be read.
    """
    with tempfile.TemporaryDirectory(prefix=".gathering-", dir=target.parent) as name:
        folder, lines = Path(name) / "all", []
        folder.mkdir()
        for number, piece in enumerate(pieces):
            part = Path(name) / str(number)
            try:
                lines += _put(piece, part).lines
            except ProctorError as error:
                lines.append(f"{printable(piece.shown)}: {error}")
                continue
            _merge(part, folder, over=True)
        # An archive may hold another one.
        failed: dict[str, str] = {}
        for level in ("archives", "inner"):
            lines += _open_archives(folder, Path(name) / level, failed)
        names = [handed_in_name(path.name) for path in folder.rglob("*") if path.is_file()]
        if not any(".ipynb" in name.casefold() for name in names):
            failed |= {name: "it is no zip archive; ask for one" for name in names if is_other_archive(name)}
        lines += [f"{printable(path)}: {why}" for path, why in failed.items()]
        taken = copy_tree(folder, target, _CAPS, stored=True)
    files = sum(not path.endswith("/") for path in taken.digests)
    lines += taken.lines
    if set(taken.digests) <= set(failed):
        shutil.rmtree(target, ignore_errors=True)
        raise ProctorError("; ".join(lines[:3]) or "there is nothing in it")
    notebooks = sum(".ipynb" in path.rpartition("/")[2].casefold() for path in taken.digests)
    return Gathered(files, notebooks, lines)


def _put(piece: Piece, part: Path) -> Taken:
    if piece.inside is not None:
        with Archive(piece.place, MAX_DOWNLOAD_TABLE) as archive:
            return archive.unpack(part, _CAPS, piece.inside)
    if piece.place.is_dir() and not piece.place.is_symlink():
        return copy_tree(piece.place, part, _CAPS)
    content = read_file(piece.place, _CAPS.total_bytes)
    if content is None:
        raise ProctorError("it is a link, or can't be read")
    if len(content) > _CAPS.total_bytes:
        raise ProctorError(f"it is larger than {_CAPS.total_bytes // 2**20} MiB")
    part.mkdir()
    own = piece.claim.rest or piece.place.name
    (part / stored_name(own, True, False)).write_bytes(content)
    return Taken(digests={own: ""})


def _open_archives(folder: Path, scratch: Path, failed: dict[str, str]) -> list[str]:
    """Unpack the archives on the top level that hold notebooks; where a file lies already, it stays.

    Args:
        failed: takes why an archive can't be opened, by its name.
    """
    lines, caps = [], _CAPS
    found = [path for path in folder.iterdir() if path.is_file() and holds_files(handed_in_name(path.name), path)]
    newest_first = sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for number, path in enumerate(newest_first[:_MOST]):
        own = handed_in_name(path.name)
        shown = printable(own)
        try:
            with Archive(path) as archive:
                if len(newest_first) > 1 and not any(_is_container(inner) for inner in archive.paths):
                    continue
                above = top_folder(archive.paths)
                names = {inner: inner.removeprefix(above) for inner in archive.paths}
                taken = archive.unpack(scratch / str(number), caps, names)
                lines += [f"{shown}: {line}" for line in [*archive.taken.lines, *taken.lines]]
        except ProctorError as error:
            failed[own] = str(error)
            continue
        # First: what is in it may have its name.
        path.unlink()
        _merge(scratch / str(number), folder, over=False)
        caps = replace(caps, files=max(1, caps.files - len(taken.digests)))
    return lines


def _is_container(path: str) -> bool:
    return ".ipynb" in path.casefold() or is_archive(path) or path.startswith("runs/") or "/runs/" in path


def _merge(source: Path, target: Path, over: bool) -> None:
    """Move all of a folder into another one; where something lies, it stays unless `over` is given."""
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if place.is_file() and over:
                place.unlink()
            if not place.is_file():
                place.mkdir(exist_ok=True)
                _merge(Path(entry.path), place, over)
        elif over and place.is_dir():
            shutil.rmtree(place)
            os.rename(entry.path, place)
        elif over or not place.exists():
            os.rename(entry.path, place)
