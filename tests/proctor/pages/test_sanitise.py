"""What students write and print, in the HTML that staff and students see."""

import base64
import html.parser
import struct

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter

from proctor.pages.sanitise import MAX_TEXT, safe_markdown, safe_outputs

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 30, 20) + b"\0" * 20).decode()
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe src=//evil.example></iframe>",
    "<style>body{display:none}</style>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x]( JaVaScRiPt:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "![x](figures/a.svg\" onerror=\"alert(1))",
    "![x](../../../gradebook.db)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3c;img src=x onerror=alert(1)&#x3e;",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\class{evil}{x}$ $\\cssId{evil}{x}$ $\\style{color:red}{x}$",
    "$$\\require{action}\\toggle{a}{b}\\endtoggle$$",
    "$x<script>alert(1)</script>$",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "> <script>alert(1)</script>",
    "    </pre><script>alert(1)</script>",
    "<div class='jp-Notebook' id='notebook'>x</div>",
    "[x](https://ok.example/\"onmouseover=\"alert(1))",
    "<!-- --><script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "*[x](java\nscript:alert(1))*",
    "[$\\href{javascript:alert(1)}{x}$](https://ok.example)",
    "![x](figures/a.svg) <img src='attachment:x' onerror='alert(1)'>",
]  # fmt: skip


class Page(html.parser.HTMLParser):
    """Tags and dangerous attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.dangerous: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            value = (value or "").strip().lower()
            if name.startswith("on") or value.startswith(("javascript:", "vbscript:", "data:text", "data:image/svg")):
                self.dangerous.append((name, value))
            if name in ("class", "id") and "evil" in value:
                self.dangerous.append((name, value))


def page(*cells) -> Page:
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    exporter = HTMLExporter()
    text, _ = exporter.from_notebook_node(notebook)
    return Page(text)


def rendered(markdown: str) -> Page:
    return page(nbformat.v4.new_markdown_cell(markdown))


def dangerous_tags(found: Page) -> dict[str, int]:
    return {
        tag: found.tags.count(tag) for tag in ("script", "iframe", "svg", "style", "object", "embed", "form", "base")
    }


@pytest.fixture(scope="module")
def empty() -> Page:
    return rendered("nothing")


def test_the_attacks_work_without_us(empty):
    worked = [a for a in ATTACKS if rendered(a).dangerous or dangerous_tags(rendered(a)) != dangerous_tags(empty)]
    assert len(worked) > 5


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_is_harmless(attack, empty):
    found = rendered(safe_markdown(attack))
    assert found.dangerous == []
    assert dangerous_tags(found) == dangerous_tags(empty)
    assert found.tags.count("img") <= 1


def test_an_attachment_that_is_not_there_stops_no_page():
    assert rendered(safe_markdown("![x](attachment:missing.png)")).tags.count("img") == 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_outputs_are_harmless(attack, empty):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": attack},
        {"output_type": "stream", "name": attack, "text": "x"},
        {"output_type": "error", "ename": attack, "evalue": attack, "traceback": [attack, "\x1b[31m" + attack]},
        {
            "output_type": "display_data",
            "data": {
                "text/html": attack,
                "image/svg+xml": attack,
                "application/javascript": attack,
                "text/plain": attack,
                "text/markdown": attack,
                "text/latex": attack,
                "image/png": attack,
                "application/vnd.jupyter.widget-view+json": {"model_id": attack},
            },
            "metadata": {"image/png": {"width": f'1" onload="{attack}'}},
        },
    ]
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(o) for o in safe_outputs(outputs)])
    found = page(cell)
    assert found.dangerous == []
    assert dangerous_tags(found) == dangerous_tags(empty)


def test_ordinary_markdown_stays_readable():
    text = (
        "# Title\n\n> quoted\n\n*so* `x` and $a \\le b$\n\n"
        "- [here](https://example.org/a?b=1)\n- ![f](figures/rope.svg)"
    )
    assert safe_markdown(text) == text
    assert safe_markdown("a < b & c > d") == "a &lt; b &amp; c &gt; d"


def test_pictures_are_kept_if_they_are_some():
    def data(**kinds):
        return safe_outputs(
            [{"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in kinds.items()}}]
        )

    assert data(image_png=PNG, text_plain="<Figure>")[0]["data"] == {"image/png": PNG, "text/plain": "<Figure>"}
    assert data(image_png=PNG + "!") == []
    assert data(image_png=base64.b64encode(b"<svg>").decode()) == []
    assert data(image_png=3, text_plain=["a", "b"])[0]["data"] == {"text/plain": "ab"}


def test_size_is_capped_and_said():
    (output,) = safe_outputs([{"output_type": "stream", "name": "stdout", "text": "x" * (MAX_TEXT + 10)}])
    assert output["text"].endswith("(the rest was left out)")
    assert len(output["text"]) < MAX_TEXT + 50


def test_odd_outputs_are_dropped():
    assert safe_outputs([{"output_type": "evil"}, {}, {"output_type": "display_data", "data": 3}]) == []
    assert safe_outputs([{"output_type": "error", "traceback": [1, None]}])[0]["traceback"] == ["", ""]
