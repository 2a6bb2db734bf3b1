"""Pictures that a student hands in, made anew: decoded, made smaller, written without anything but their pixels.

Runs in the child (`proctor.pages.child`), in forks with limits: a file of a few kilobytes can be a picture of any size.
"""

from __future__ import annotations

import base64
import binascii
import functools
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageOps

from proctor.pages import attempts
from proctor.pages.limits import MAX_PHOTOS, MAX_SIDE_SHOWN, MIB, PageLimits
from proctor.pages.pictures import kind_of, size_of
from proctor.pages.scanning import PICTURE, scanned

# A PNG has to be decoded as a whole; of a JPEG the decoder can leave out most.
MAX_PIXELS = {"image/png": 40_000_000, "image/jpeg": 120_000_000}
# What is written; a photo in PNG is far larger than it would be as JPEG.
_MAX_PNG = 2 * MIB
MAX_FILE = 32 * MIB
_MAX_MADE = 16 * MIB


def photo_here(job: Mapping[str, Any], page_limits: PageLimits) -> attempts.Attempt:
    """Makes one picture anew, see `photo`, in a fork of this process."""
    deadline = time.monotonic() + page_limits.wall_seconds
    work = functools.partial(photo, job["encoded"])
    return attempts.attempt(work, page_limits.cell_cpu_seconds, page_limits.memory_bytes, _MAX_MADE, deadline)


def addresses_here(texts: Sequence[tuple[str, list[str]]], page_limits: PageLimits) -> list[list[str] | None]:
    """Addresses of the pictures in each text, with the names of its attachments; None if it takes too long to look."""
    each = attempts.attempt_each(
        [functools.partial(_addresses, text, names) for text, names in texts],
        page_limits.cell_cpu_seconds,
        page_limits.cpu_seconds,
        page_limits.memory_bytes,
        _MAX_MADE,
        time.monotonic() + page_limits.wall_seconds,
    )
    return [one.value if one.how == attempts.DONE else None for one in each]


def _addresses(text: str, names: Sequence[str]) -> list[str]:
    found = [piece.address for piece in scanned(text, True, names).pieces if piece.kind == PICTURE]
    # One more than are shown, so that it is said.
    return list(dict.fromkeys(found))[: MAX_PHOTOS + 1]


def photo(encoded: str) -> list[Any]:
    """A picture as it may be stored and shown.

    Args:
        encoded: the file in base 64, line ends allowed.

    Returns:
        Its kind ("image/png" or "image/jpeg"), the file in base 64, and its number of pixels; or None, and why it is
        not shown.
    """
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return [None, "its file is damaged"]
    kind = kind_of(raw)
    if kind is None:
        return [None, "it is neither PNG nor JPEG"]
    size = size_of(raw)
    if size is None or min(size) < 1:
        return [None, "its file is damaged"]
    if size[0] * size[1] > MAX_PIXELS[kind]:
        return [None, f"it has {size[0] * size[1]:,} pixels, more than {MAX_PIXELS[kind]:,}"]
    try:
        return _made(raw, kind)
    except MemoryError:
        raise
    # Decoders raise many kinds for damaged files.
    except Exception:
        return [None, "its file is damaged"]


def _made(raw: bytes, kind: str) -> list[Any]:
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(raw), formats=["PNG" if kind == "image/png" else "JPEG"]) as picture:
        picture.draft("RGB", (MAX_SIDE_SHOWN, MAX_SIDE_SHOWN))
        picture.load()
        # How the camera was held is written beside the pixels, which is all that stays.
        turned = ImageOps.exif_transpose(picture)
    clear = turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info
    if turned.mode.startswith("I"):
        # Grey in 16 bits, which Pillow would cut off at 255.
        turned = turned.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif turned.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        # Black and white, and colours by number: only light itself can be made smaller.
        turned = turned.convert("RGBA" if clear else "L" if turned.mode == "1" else "RGB")
    factor = max(turned.size) // MAX_SIDE_SHOWN
    if factor > 1:
        turned = turned.reduce(factor)
    turned = turned.convert("RGBA" if clear and kind == "image/png" else "RGB")
    turned.thumbnail((MAX_SIDE_SHOWN, MAX_SIDE_SHOWN))
    made, file = kind, _file(turned, kind)
    if len(file) > _MAX_PNG and kind == "image/png":
        white = Image.new("RGB", turned.size, "white")
        white.paste(turned, mask=turned.getchannel("A") if turned.mode == "RGBA" else None)
        made, file = "image/jpeg", _file(white, "image/jpeg")
    return [made, base64.b64encode(file).decode(), turned.size[0] * turned.size[1]]


def _file(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    fresh = Image.new(picture.mode, picture.size)
    fresh.paste(picture)
    if kind == "image/png":
        fresh.save(file, "PNG")
    else:
        fresh.save(file, "JPEG", quality=85)
    return file.getvalue()
