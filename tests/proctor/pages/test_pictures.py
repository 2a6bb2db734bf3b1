import base64
import io
import struct

import pytest
from PIL import Image

from proctor.pages.pictures import MAX_SIDE, pixels


def encoded(kind: str, size: tuple[int, int], **options) -> str:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head + b"\x08\2\0\0\0").decode()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + b"x" * 900}])
def test_pixels_of_real_pictures(options):
    assert pixels("image/jpeg", encoded("JPEG", (30, 20), **options)) == 600
    assert pixels("image/png", encoded("PNG", (30, 20))) == 600


def test_line_ends_in_the_text_do_not_matter():
    text = encoded("PNG", (30, 20))
    assert pixels("image/png", "\n".join(text[i : i + 10] for i in range(0, len(text), 10))) == 600


def test_a_bomb_is_seen_by_its_head():
    assert pixels("image/png", png(16_000, 16_000)) == 256_000_000


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("image/png", "###"),
        ("image/png", base64.b64encode(b"<svg>").decode()),
        ("image/png", base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()),
        ("image/png", encoded("JPEG", (3, 2))),
        ("image/jpeg", encoded("PNG", (3, 2))),
        ("image/jpeg", base64.b64encode(b"\xff\xd8\xff\xe0\0\0" + b"\0" * 50).decode()),
        ("image/jpeg", base64.b64encode(b"\xff\xd8" + b"\xff" * 500).decode()),
        ("image/png", png(0, 5)),
        ("image/png", png(5, MAX_SIDE + 1)),
        ("image/png", png(2**32 - 1, 2**32 - 1)),
    ],
)
def test_what_is_no_picture(kind, text):
    assert pixels(kind, text) is None
