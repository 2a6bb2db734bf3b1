"""Written answers of every kind that students write: formulas, code, tables, photos. All of it has to be read."""

from __future__ import annotations

import base64
import io

from exercise import Case, Handed
from PIL import Image

# Each with the text of the page, where that is not the text of the answer: without marks of markdown, formulas in TeX.
TEXTS = {
    "Why? $a < b$, $$\\begin{aligned} a &= b \\\\ c &< d \\end{aligned}$$ and `mask = i < j`": (
        "Why? $a < b$, $$\\begin{aligned} a &= b \\\\ c &< d \\end{aligned}$$ and mask = i < j"
    ),
    "[a]: The sum grows with d.\n\n[b]: So softmax saturates.\n\n[c]: because": None,
    "[1]: https://example.org/paper\n\nAs in [1] and in [this paper][1].": None,
    "`x[i](j)` is x[i](j), $W[i](x)$ and $f[0]: x$": "x[i](j) is x[i](j), $W[i](x)$ and $f[0]: x$",
    "\\newcommand, \\def and \\textcolor in words, $\\textcolor{red}{x}$ in a formula": None,
    "$\\newcommand{\\R}{\\mathbb{R}}$ and then $x \\in \\R$": None,
    "$$\\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}$$": None,
    "$$\\begin{cases} 1 & i < j \\\\ 0 & \\text{else} \\end{cases}$$": None,
    "\\begin{align}\na &= b \\\\\nc &> d\n\\end{align}": None,
    "\\(a < b\\) and\n\n\\[\nc < d\n\\]": None,
    "> quoted $a < b$\n>\n> $$\n> c < d\n> $$": "quoted $a < b$\n\n$$\n> c < d\n> $$",
    "- one $a_1$\n\n  $$\n  x < y\n  $$\n\n- two [x] done [ ] open": (
        "one $a_1$\n\n$$\n  x < y\n  $$\n\ntwo [x] done [ ] open"
    ),
    "| loss | $|x|$ |\n|---|---|\n| `a < b` | <0.1 |\n| A & B | 2 |": "loss $|x|$\na < b <0.1\nA & B 2",
    "It costs $5 and $6, or 3$ and 4$; US$5 against US$7.": None,
    "5$\\times$5 kernels, the $k$th head, $ a < b $": None,
    "<b>bold</b> <br> <!-- a comment --> <div>\n\nx < y\n\n</div>": None,
    "```\nx = a[0](b) # $x$ <b>\n```\n\n~~~python\ny = [c]: d\n~~~": "x = a[0](b) # $x$ <b>\n\ny = [c]: d",
    # Behind each fence stand blanks.
    "```python  \nx = a[0] < b\n```   \n  \nand then\n\n~~~ \ny = $2$\n~~~\t\n": "x = a[0] < b\n\nand then\n\ny = $2$",
    "```because it is larger\nx < y\n```": "because it is larger\nx < y",
    "and so:\n\n    y = x[i](j) if a < b else \"[z]: 1\"\n    # $5 \\(x\\)": (
        "and so:\n\ny = x[i](j) if a < b else \"[z]: 1\"\n# $5 \\(x\\)"
    ),
    "😀 naïve 陈伟 שלום עולם a < b": None,
    "#1 is true, #2 is not": None,
    "P(x|y) <-> Q<x:y> & R&D &lt; 3": "P(x|y) <-> Q<x:y> & R&D < 3",
    "see [the notes](notes.md) and [the web](https://example.org/a_(b))": "see [the notes](notes.md) and the web",
    "$50% of x$ and 50% of y": None,
}  # fmt: skip


def picture(kind: str, size: tuple[int, int] = (60, 40), color: str = "navy") -> bytes:
    """A file of a picture, with things in it that nobody needs."""
    file = io.BytesIO()
    options = {"exif": _exif()} if kind == "JPEG" else {}
    Image.new("RGB", size, color).save(file, kind, **options)
    return file.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    # Held upright, and taken by whom.
    exif[0x0112], exif[0x013B] = 6, "SECRET_OWNER"
    return exif


def _photos(handed: Handed) -> None:
    cell = handed.cell("q4_why")
    names = {
        "p.png": ("image/png", "PNG"),
        "my photo (1).jpg": ("image/jpeg", "JPEG"),
        "größe.png": ("image/png", "PNG"),
    }
    cell["attachments"] = {name: {k: base64.b64encode(picture(f)).decode()} for name, (k, f) in names.items()}
    long = base64.b64encode(picture("PNG", (400, 300))).decode()
    inner = base64.b64encode(picture("PNG", (20, 20))).decode()
    (handed.folder / "plots").mkdir()
    (handed.folder / "curve.png").write_bytes(picture("PNG"))
    (handed.folder / "plots" / "my curve.PNG").write_bytes(picture("JPEG"))
    (handed.folder / "fake.png").write_bytes(b"<svg onload='alert(1)'/>")
    cell["source"] = "\n\n".join(
        [
            "Why? See my paper:",
            "![p.png](attachment:p.png) ![photo](attachment:my%20photo%20%281%29.jpg) ![g](attachment:größe.png)",
            '<img src="attachment:p.png" width="300"> ![](curve.png) ![curve](./curve.png)',
            "![](<plots/my curve.PNG>)",
            f"![in the text](data:image/png;base64,{long}) ![](data:image/png;base64,{inner})",
            "![not there](nowhere.png) ![fake](fake.png) ![web](https://example.org/x.png)",
        ]
    )
    handed.write()


def _answers(handed: Handed) -> None:
    handed.answer("q4_why", "\n\n".join(TEXTS))
    handed.before("q2_norm", FRAME)
    handed.write()


FRAME = """
import pandas
frame = pandas.DataFrame({"loss <b>": [0.5, 0.25], "name": ["<script>1</script>", "a & b"]}, index=["one", "two"])
frame
"""
SAYS_PICTURES = (
    "See my paper",
    "it was not handed in, or is too large",
    "neither PNG nor JPEG",
    "not loaded from other places",
)
CASES = [
    Case(
        "photos",
        "photos in an essay: pasted, dropped beside the notebook, and in its text",
        _photos,
        says=SAYS_PICTURES,
    ),
    Case("essays", "formulas, code, tables and brackets in an essay, and a data frame", _answers, says=("So softmax",)),
]
