"""Files packed by gzip, and tar archives, made into a zip archive: so they are unpacked by the same rules as any other.

Read strictly, from the first byte to the last and never back, since who made them may want to cost memory or time: the
standard library's `tarfile` takes headers of any size, and on some versions a time that grows with their square.
"""

from __future__ import annotations

import gzip
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from proctor.errors import ProctorError
from proctor.intake.inert import handed_in_name

_BLOCK, _PART = 512, 2**20
# Names are in headers of their own where they are long, among what else a system keeps of a file.
_MAX_HEADER, _MAX_NAME, _MAX_MEMBERS = 2**16, 2**12, 20_000
_GZIP, _TAR = b"\x1f\x8b", b"ustar"
_FILE, _PAX, _PAX_OF_ALL, _LONG_NAME = (b"0", b"\0", b"7"), b"x", b"g", b"L"


def as_zip(place: Path, most: int) -> IO[bytes] | None:
    """A zip archive of the same files, in a file that has no name; None if it is neither gzip nor tar.

    What is packed by gzip and is no tar archive is one file, named as the packed one without the ending. Links, folders
    and devices stay behind.

    Args:
        most: bytes that it may be unpacked; what is more is no archive that anybody hands in.

    Raises:
        ProctorError: it is damaged, or larger than that; the message says which.
    """
    try:
        with open(place, "rb") as packed:
            start = packed.read(_BLOCK)
            is_packed = start.startswith(_GZIP)
            if not is_packed and not _is_header(start):
                return None
            packed.seek(0)
            stream = _Counted(gzip.GzipFile(fileobj=packed) if is_packed else packed, most)
            made = tempfile.TemporaryFile()  # noqa: SIM115 (whoever asked for it closes it)
            try:
                _convert(stream, place.name, made)
            except BaseException:
                made.close()
                raise
    except (EOFError, zlib.error, ValueError, gzip.BadGzipFile) as error:
        raise ProctorError(f"the archive is damaged or incomplete ({error}); ask for a new one, as zip") from error
    except OSError as error:
        raise ProctorError(f"it can't be unpacked ({error.strerror or error}); make room, or ask for a zip") from error
    made.seek(0)
    return made


class _Counted:
    """A stream of which no more than so many bytes are read."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most, self._left = stream, most, most

    def read(self, size: int) -> bytes:
        """At most `size` bytes, and less only at the end."""
        found = self._stream.read(min(size, self._left + 1))
        self._left -= len(found)
        if self._left < 0:
            raise ProctorError(f"unpacked it is larger than {self._most >> 20} MiB; ask for one without data sets")
        return found

    def parts(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in pieces.

        Raises:
            EOFError: there are not so many.
        """
        while size:
            found = self.read(min(size, _PART))
            if not found:
                raise EOFError("it ends too early")
            size -= len(found)
            yield found


def _convert(stream: _Counted, name: str, made: IO[bytes]) -> None:
    start = stream.read(_BLOCK)
    # A name that is there twice is what the later one is, as in zip archives.
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")
        if not _is_header(start):
            inner = handed_in_name(name).removesuffix(".gz")
            with archive.open(zipfile.ZipInfo(inner), "w", force_zip64=True) as file:
                while start:
                    file.write(start)
                    start = stream.read(_PART)
            return
        for inner, size in _members(stream, start):
            with archive.open(zipfile.ZipInfo(inner), "w", force_zip64=True) as file:
                for part in stream.parts(size):
                    file.write(part)


def _members(stream: _Counted, header: bytes) -> Iterator[tuple[str, int]]:
    """Name and size of each file; whoever asks for the next one has read the content of this one."""
    long_name, count = "", 0
    # The end is blocks of zeros, or, of one that was put together by hand, just the end.
    while header.strip(b"\0"):
        if not _is_header(header):
            raise ValueError("it has a header that is none")
        count += 1
        if count > _MAX_MEMBERS:
            raise ProctorError("it has more files than can be looked at; ask for one without environments")
        kind, size = header[156:157], _number(header[124:136])
        if kind in (_PAX, _LONG_NAME):
            if size > _MAX_HEADER:
                raise ValueError("a header takes too much room")
            content = b"".join(stream.parts(size))
            long_name = (_pax_path(content) if kind == _PAX else _text(content)) or long_name
            if len(long_name) > _MAX_NAME:
                raise ValueError("a name takes too much room")
        elif kind in _FILE:
            name, folder = _text(header[:100]), _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
            yield long_name or (f"{folder}/{name}" if folder else name), size
            long_name = ""
        else:
            for _ in stream.parts(size):
                pass
            long_name = long_name if kind == _PAX_OF_ALL else ""
        for _ in stream.parts(-size % _BLOCK):
            pass
        header = stream.read(_BLOCK)


def _is_header(block: bytes) -> bool:
    """Whether a block begins a file of a tar archive: its bytes add up to what it says."""
    if len(block) != _BLOCK or block[257:262] != _TAR:
        return False
    try:
        return sum(block[:148]) + 8 * ord(" ") + sum(block[156:]) == _number(block[148:156])
    except ValueError:
        return False


def _number(field: bytes) -> int:
    digits = field.strip(b" \0") or b"0"
    if not digits.isdigit():
        raise ValueError("a number in it is none")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _pax_path(content: bytes) -> str:
    """The path in an extended header, whose lines are "length key=value"; empty if there is none."""
    place = 0
    while place < len(content):
        blank = content.find(b" ", place, place + 8)
        digits = content[place:blank] if blank > place else b""
        length = int(digits) if digits.isdigit() else 0
        if not blank + 1 - place < length <= len(content) - place:
            raise ValueError("it has an odd extended header")
        key, _, value = content[blank + 1 : place + length - 1].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "replace")
        place += length
    return ""
