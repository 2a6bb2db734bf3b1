"""Pictures in outputs, looked at without decoding them: a file of a few kilobytes can fill a browser's memory."""

from __future__ import annotations

import base64
import binascii
import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
MAX_SIDE = 20_000
# The markers of JPEG behind which the size of the picture stands.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def pixels(kind: str, encoded: str) -> int | None:
    """Number of pixels of a picture.

    Args:
        kind: "image/png" or "image/jpeg".
        encoded: the file in base 64, line ends allowed.

    Returns:
        None if it is no picture of this kind, or has a side of nothing or of more than `MAX_SIDE`.
    """
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    size = {"image/png": _png_size, "image/jpeg": _jpeg_size}[kind](raw)
    if size is None or not all(0 < side <= MAX_SIDE for side in size):
        return None
    return size[0] * size[1]


def kind_of(raw: bytes) -> str | None:
    """ "image/png" or "image/jpeg" by the first bytes of a file; None if it is neither."""
    return "image/png" if raw.startswith(_PNG) else "image/jpeg" if raw.startswith(_JPEG) else None


def size_of(raw: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG by what stands at its head; None if that can't be read."""
    return _png_size(raw) or _jpeg_size(raw)


def _png_size(raw: bytes) -> tuple[int, int] | None:
    if not raw.startswith(_PNG) or raw[12:16] != b"IHDR" or len(raw) < 24:
        return None
    return struct.unpack(">II", raw[16:24])


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    if not raw.startswith(_JPEG):
        return None
    place = 2
    while place + 9 <= len(raw):
        if raw[place] != 0xFF:
            return None
        marker = raw[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _FRAMES:
            height, width = struct.unpack(">HH", raw[place + 5 : place + 9])
            return width, height
        elif marker in (0xD9, 0xDA):
            return None
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            place += 2
        else:
            (length,) = struct.unpack(">H", raw[place + 2 : place + 4])
            place += 2 + length
    return None
