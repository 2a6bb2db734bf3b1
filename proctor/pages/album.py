"""Takes in the pictures that students' texts show, made anew in a child with limits, and says why others are not."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from proctor.errors import ProctorError
from proctor.pages import limits, notes
from proctor.pages.drawer import drawer
from proctor.pages.limits import PageLimits
from proctor.pages.photos import MAX_FILE
from proctor.pages.shown import ATTACHED, COURSE, COURSES, DATA, KEY, WHY, attachment_name, key_of
from proctor.pages.written import as_written


class Album:
    """Takes in the pictures of a notebook's texts, until they are too many.

    Args:
        read: content of a file that was handed in, by its path; None if there is none, or it is larger than the size
            that is given with it.
        course: paths of the assignment's own files.
    """

    def __init__(
        self,
        page_limits: PageLimits,
        read: Callable[[str, int], bytes | None] = lambda path, size: None,
        course: Collection[str] = (),
    ) -> None:
        self._limits, self._read, self._course = page_limits, read, course
        self._count, self._bytes, self._pixels = limits.MAX_PHOTOS, limits.MAX_PHOTO_BYTES, limits.MAX_NOTEBOOK_PIXELS
        self._seconds = page_limits.cpu_seconds

    def addresses(self, texts: Sequence[tuple[str, Collection[str]]]) -> list[list[str]]:
        """Addresses of the pictures in each of some texts, which are given with the names of their attachments."""
        given = [[text, list(names)] for text, names in texts]
        try:
            found = drawer(self._limits).do("addresses", texts=given)
        except ProctorError:
            found = [None] * len(given)
        return [one or [] for one in found]

    def take(self, addresses: Sequence[str], attachments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Take in pictures of one cell.

        Args:
            addresses: as they stand in its text.
            attachments: as the student's notebook has them.

        Returns:
            Attachments of the cell that is stored, and what stands in its metadata under `KEY`.
        """
        kept: dict[str, Any] = {}
        places: dict[str, list[str]] = {}
        known = {attachment_name(name): bundle for name, bundle in attachments.items()}
        for address in addresses:
            place = key_of(address)
            if place in places:
                continue
            encoded, why = self._found(address, known)
            if encoded is None:
                places[place] = [COURSE, path] if (path := self._own(address)) else [WHY, why]
                continue
            kind, made = self._made(encoded)
            if kind is None:
                places[place] = [WHY, made]
                continue
            name = place.removeprefix("attachment:") if place.startswith("attachment:") else f"picture {len(kept) + 1}"
            while name in kept:
                name += "'"
            kept[name] = {kind: made}
            places[place] = [ATTACHED, name]
        return kept, places

    def _own(self, address: str) -> str | None:
        path = _path(address)
        return path if path in self._course and COURSES.match(path) else None

    def _found(self, address: str, attachments: Mapping[str, Any]) -> tuple[str | None, str]:
        """A picture's file in base 64; or None, and why there is none."""
        if address.startswith("attachment:"):
            bundle = attachments.get(attachment_name(address.removeprefix("attachment:")))
            if bundle is None:
                return None, "it was not handed in"
            texts = [text for text in bundle.values() if isinstance(text, str)]
            return (texts[0], "") if texts else (None, "it is neither PNG nor JPEG")
        if data := DATA.match(address):
            return address[data.end() :], ""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", address):
            return None, "pictures are not loaded from other places"
        path = _path(address)
        if path is None or path in self._course:
            return None, "it was not handed in"
        content = self._read(path, MAX_FILE)
        if content is None:
            return None, "it was not handed in, or is too large"
        return base64.b64encode(content).decode(), ""

    def _made(self, encoded: str) -> tuple[str | None, str]:
        """Kind and file of the picture that is stored; or None, and why it is not."""
        if len(encoded) > MAX_FILE * 3 // 2:
            return None, f"it has more than {MAX_FILE >> 20} MiB"
        if self._count <= 0:
            return None, f"this notebook has more than {limits.MAX_PHOTOS} pictures"
        if self._seconds <= 0:
            return None, "the pictures of this notebook take too long to read"
        self._count -= 1
        try:
            how, made, seconds = drawer(self._limits).do("photo", encoded=encoded)
        except ProctorError:
            how, made, seconds = "error", None, self._limits.cell_cpu_seconds
        self._seconds -= seconds
        if how != "done":
            return None, "it takes too long or too much memory to read"
        if made[0] is None:
            return None, made[1]
        kind, file, pixels = made
        self._bytes -= len(file)
        self._pixels -= pixels
        if self._bytes < 0 or self._pixels < 0:
            return None, "the pictures of this notebook are too large together"
        return kind, file


def take_pictures(notebook: Mapping[str, Any], album: Album) -> None:
    """Put in place of the attachments of students' texts, and of files that they show, what may be stored."""
    cells = [cell for cell in notebook["cells"] if notes.is_students(cell["metadata"])]
    given = [cell.pop("attachments", {}) for cell in cells]
    texts = [(as_written(cell["source"]), list(one)) for cell, one in zip(cells, given, strict=True)]
    for cell, addresses, attachments in zip(cells, album.addresses(texts), given, strict=True):
        kept, places = album.take(addresses, attachments)
        if kept:
            cell["attachments"] = kept
        if places:
            cell["metadata"][KEY] = places


def _path(address: str) -> str | None:
    """A relative path within the assignment's folder."""
    path = PurePosixPath(address.partition("?")[0].replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    return "/".join(parts) if parts and not path.is_absolute() and ".." not in parts else None
