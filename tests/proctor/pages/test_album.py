"""Pictures of written answers: pasted, handed in as files, in the text; all made anew, and capped."""

import base64
import io
import json
import re
import struct
import zlib

import pytest
from page_text import graded
from PIL import Image, ImageStat
from unlucky_pages import picture

from proctor.errors import ProctorError
from proctor.pages import drawing, limits
from proctor.pages.drawer import Drawer
from proctor.pages.limits import PageLimits
from proctor.pages.photos import photo
from proctor.pages.shown import KEY


def encoded(kind: str = "PNG", **options) -> str:
    return base64.b64encode(picture(kind, **options)).decode()


def bundle(kind: str = "PNG", **options) -> dict[str, str]:
    return {f"image/{kind.lower()}": encoded(kind, **options)}


def bomb(width: int, height: int) -> bytes:
    """A PNG of many white pixels and few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(3 * width + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def answer(*texts: str, **options) -> dict:
    return graded("\n\n".join(texts), **options)["cells"][-1]


def page(cell: dict) -> str:
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    job = {"config": {}, "resources": {}, "scripts": False, "notebook": json.dumps(notebook), "preprocess": False}
    return drawing.draw_here(job, PageLimits())["html"]


def embedded(page: str, kind: str = "png") -> int:
    """Number of pictures in a page, whatever the order of an element's attributes."""
    return len(re.findall(rf'<img (?:[a-z]+="[^"]*" )*src="data:image/{kind};base64,', page))


def shown(cell: dict) -> list[Image.Image]:
    """The pictures that are stored, decoded."""
    files = [text for one in cell.get("attachments", {}).values() for text in one.values()]
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in files]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.png", "![p.png](attachment:p.png)"),
        ("p.png", '<img src="attachment:p.png" width="300"/>'),
        ("my photo (1).png", "![my photo (1).png](attachment:my%20photo%20%281%29.png)"),
        ("my photo (1).png", "![my photo (1).png](attachment:my photo (1).png)"),
        ("my photo (1).png", "![my photo](<attachment:my photo (1).png>)"),
        ("gr\u00f6\u00dfe 陈.png", "![a](attachment:gr\u00f6\u00dfe 陈.png)"),
        ("gro\u0308\u00dfe.png", "![a](attachment:gr\u00f6\u00dfe.png)"),
        ("p.png", '- in a list ![p](attachment:p.png "title")'),
        ("p.png", "| a |\n|---|\n| ![p](attachment:p.png) |"),
    ],
)
def test_a_pasted_picture_is_shown_however_it_is_called(name, text):
    cell = answer(text, attachments={name: bundle()})
    assert len(shown(cell)) == 1
    made = page(cell)
    assert embedded(made) == 1
    assert "Shown as written" not in made


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("curve.png", "![](curve.png)"),
        ("curve.png", "![](./curve.png)"),
        ("curve.png", "<img alt='the curve' src='curve.png'>"),
        ("plots/my curve.PNG", "![](plots/my%20curve.PNG)"),
        ("plots/my curve.PNG", "![](<plots/my curve.PNG>)"),
        ("plot(1).png", "![](plot(1).png)"),
        ("figures/own.png", "![](figures/own.png)"),
        ("curve.svg.txt", "![](curve.svg.txt)"),
    ],
)
def test_a_picture_that_was_handed_in_is_shown_by_its_content(path, text):
    for kind in ("PNG", "JPEG"):
        cell = answer(text, files={path: picture(kind)})
        assert [one.format for one in shown(cell)] == [kind]
        assert embedded(page(cell), kind.lower()) == 1


def test_a_picture_in_the_text_is_shown_and_costs_the_text_nothing():
    long = f"data:image/png;base64,{encoded(size=(500, 400))}"
    short = f"data:image/png;base64,{encoded(size=(3, 3))}"
    cell = answer(f"before ![a]({long}) <img src='{short}'>", "x" * 1_000, f"![b]({short}) behind")
    assert sorted(one.size for one in shown(cell)) == [(3, 3), (500, 400)]
    assert embedded(page(cell)) == 3
    assert "behind" in cell["source"]


def test_pictures_of_the_course_are_shown_in_a_students_text_and_no_others_of_that_kind():
    cell = answer("![](figures/rope.svg) ![](figures/own.svg)", own=["figures/rope.svg"])
    made = page(cell)
    assert 'src="figures/rope.svg"' in made
    assert 'src="figures/own.svg"' not in made
    assert "not drawn: 1 × a picture (it was not handed in, or is too large)" in made


def test_the_course_decides_what_a_path_of_its_own_shows():
    cell = answer("![](figures/map.png)", own=["figures/map.png"], files={"figures/map.png": picture("PNG")})
    assert shown(cell) == []
    assert 'src="figures/map.png"' in page(cell)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"<svg onload='alert(1)'/>", "neither PNG nor JPEG"),
        (b"GIF89a" + b"\0" * 50, "neither PNG nor JPEG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "its file is damaged"),
        (b"\xff\xd8\xff" + b"\0" * 50, "its file is damaged"),
        (picture("PNG")[:60], "its file is damaged"),
        (bomb(30_000, 30_000)[:60], "900,000,000 pixels, more than"),
    ],
)
def test_what_is_not_shown_says_why(file, why):
    cell = answer("![](a.png)", files={"a.png": file})
    assert shown(cell) == []
    assert why in page(cell)
    attached = answer("![](attachment:a.png)", attachments={"a.png": {"image/png": base64.b64encode(file).decode()}})
    assert shown(attached) == []
    assert why in page(attached)


@pytest.mark.parametrize(
    "attachments",
    [
        {"a.png": {"image/svg+xml": "<svg onload='alert(1)'/>"}},
        {"a.png": {"text/html": "<script>alert(1)</script>"}},
        {"a.png": {}},
        {"a.png": 3},
        {"a.png": {"image/png": 3}},
        ["a.png"],
        "a.png",
        {},
    ],
)
def test_attachments_of_other_kinds_are_not_stored(attachments):
    cell = answer("before ![](attachment:a.png) behind", attachments=attachments)
    assert "attachments" not in cell
    made = page(cell)
    assert "Shown as written, not drawn: 1 × a picture" in made
    assert "alert(1)" not in made


def test_a_picture_is_made_anew_upright_and_without_what_else_its_file_holds():
    kind, made, pixels = photo(base64.b64encode(picture("JPEG", (60, 40)) + b"<script>alert(1)</script>").decode())
    raw = base64.b64decode(made)
    assert b"SECRET_OWNER" not in raw
    assert b"script" not in raw
    assert Image.open(io.BytesIO(raw)).size == (40, 60)
    assert (kind, pixels) == ("image/jpeg", 2_400)


def test_large_pictures_become_smaller():
    _, made, pixels = photo(encoded("JPEG", size=(5_000, 3_000)))
    assert Image.open(io.BytesIO(base64.b64decode(made))).size == (1_200, 2_000)
    noise = Image.effect_noise((1_500, 1_500), 100).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "PNG")
    kind, made, pixels = photo(base64.b64encode(file.getvalue()).decode())
    assert kind == "image/jpeg"
    assert pixels == 1_500 * 1_500
    assert len(made) < len(file.getvalue())


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "LA", "RGB", "RGBA", "P with a clear colour"])
@pytest.mark.parametrize("size", [(80, 60), (4_800, 3_600)])
def test_all_kinds_of_png_keep_their_light(mode, size):
    # A scan has one bit or sixteen, a small file has colours by number.
    grey = Image.linear_gradient("L").resize(size)
    if mode == "I;16":
        made = Image.frombytes("I;16", size, b"".join(bytes((value, value)) for value in grey.tobytes()))
    else:
        made = grey.convert(mode.partition(" ")[0])
    file = io.BytesIO()
    made.save(file, "PNG", **({"transparency": 3} if "clear" in mode else {}))
    kind, encoded, _ = photo(base64.b64encode(file.getvalue()).decode())
    assert kind is not None, encoded
    found = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L")
    assert abs(ImageStat.Stat(found).mean[0] - 127) < 4


def test_a_bomb_costs_its_place_only(monkeypatch):
    # The limits of the fork hold it where the number of its pixels does not.
    files = {"bomb.png": bomb(6_000, 6_000), "good.png": picture("PNG")}
    tight = PageLimits(memory_bytes=60 * 2**20)
    cell = answer("![](bomb.png) ![](good.png)", files=files, limits=tight)
    assert len(shown(cell)) == 1
    assert "too long or too much memory" in page(cell)


def test_pictures_are_capped_in_number_and_size(monkeypatch):
    texts = [f"![](p{number}.png)" for number in range(6)]
    files = {f"p{number}.png": picture("PNG", (40 + number, 40)) for number in range(6)}
    monkeypatch.setattr(limits, "MAX_PHOTOS", 4)
    cell = answer(*texts, files=files)
    assert len(shown(cell)) == 4
    assert page(cell).count("this notebook has more than 4 pictures") >= 2
    monkeypatch.setattr(limits, "MAX_PHOTO_BYTES", 2 * len(cell["attachments"]["picture 1"]["image/png"]) + 20)
    cell = answer(*texts, files=files)
    assert len(shown(cell)) == 2
    assert "too large together" in page(cell)


def test_without_a_child_texts_are_shown_and_pictures_are_not(monkeypatch):
    def none(self, task, **job):
        raise ProctorError("no memory")

    monkeypatch.setattr(Drawer, "do", none)
    cell = answer("before ![](attachment:p.png) behind", attachments={"p.png": bundle()})
    assert "attachments" not in cell
    assert KEY not in cell["metadata"]
    assert "before" in page(cell)
    assert "![](attachment:p.png) (it was not handed in)" in page(cell)
