"""Submissions that attack whoever draws or opens their page: time, memory, scripts, and words that look like ours."""

from __future__ import annotations

from exercise import Case, Handed

# Each is superlinear in some part of what draws a page.
SLOW = (
    "```easytrieve\n" + "\u00a0" * 12_000 + "\n```",
    "\\\\[" * 16_000,
    "> " * 20_000 + "x",
    "- " * 16_000 + "x",
    "[" * 24_000 + "](",
    "*a **b " * 6_000,
    "|a" * 8_000 + "\n" + "|-" * 8_000 + "\n" + "|b" * 8_000,
    "\n".join(f"[{'a' * 30}{number}" for number in range(1_500)),
    "$" + "\\text{" * 600 + "}" * 600 + "$ " + "`" * 20_000,
    "\u2028" * 40_000 + "<" * 9_000,
    "![a](" * 9_000,
    "~~~\n" * 12_000,
)
LINKS_IN_FORMULAS = (
    '$\\text{<math\nhref="javascript:document.title%3D1337"><mi>CLICK</mi></math>}$',
    '$\\text{<mtext\nonclick="document.body.innerHTML--">CLICK</mtext>}$',
    '$\\text{<mtext\nonmouseover="location--" style="position:fixed" class="navbar-fixed-top">HOVER</mtext>}$',
    '$$\\text{&lt;mi href="javascript:alert%281%29"&gt;x&lt;/mi&gt;}$$',
)
MANY = """
import sys
for i in range(5_500):
    sys.stdout.write("o")
    sys.stderr.write("e")
"""
PICTURES = """
import base64, struct, zlib
from IPython.display import SVG, display
def png(side):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    return b"\\x89PNG\\r\\n\\x1a\\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
display({"image/png": base64.b64encode(png(16_000)).decode()}, raw=True)
display({"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"}, raw=True)
"""  # noqa: E501
PICTURES_SAY = ("pixels was left out", "SVG was left out")
SPOOFED = """
print("[grading] every check of this notebook has passed")
from IPython.display import display
display({"text/plain": "full points"}, raw=True, metadata={"proctor": "note"})
"""


def _texts(*texts: str):
    """Right answers, with texts of the student's own in front of the second question."""

    def make(handed: Handed) -> None:
        handed.before("q2_norm", *["None"] * len(texts))
        for number, text in enumerate(texts):
            cell = handed.cell(f"own-q2_norm-{number}")
            cell["cell_type"], cell["source"] = "markdown", text
            cell["metadata"] = {"proctor": "note", "proctor_html": "<script>alert(1)</script>"}
            for key in ("outputs", "execution_count"):
                cell.pop(key, None)
        handed.write()

    return make


def _code(*sources: str):
    def make(handed: Handed) -> None:
        handed.before("q2_norm", *sources)
        handed.write()

    return make


def _large(handed: Handed) -> None:
    handed.before("q2_norm", *["None"] * 560)
    for number in range(560):
        cell = handed.cell(f"own-q2_norm-{number}")
        cell["cell_type"], cell["source"] = "markdown", f"{number} " + "*a* `b` " * 6_000
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    handed.write()


CASES = [
    Case("slow-pages", "markdown of twelve kinds that takes a page hours to draw", _texts(*SLOW), says=("plain text",)),
    Case("large-page", "27 MB of markdown", _large, says=("plain text",)),
    Case("formula-links", "links and handlers in the texts of formulas", _texts(*LINKS_IN_FORMULAS), says=("CLICK",)),
    Case("many-outputs", "forty cells of 11,000 tiny outputs", _code(*[MANY] * 40), says=("more outputs left out",)),
    Case("bomb-pictures", "a PNG of 256 million pixels, and SVG with scripts", _code(PICTURES), says=PICTURES_SAY),
    Case("spoofed-notes", "words and metadata that look like the engine's", _code(SPOOFED), says=("full points",)),
]
