"""Tables in HTML, as pandas prints data frames: what is kept is elements of tables and text, written out anew.

Nothing of the given HTML is handed on but its texts, two numbers, and the names of elements from a short list, each of
which is closed in the order in which it was opened.
"""

from __future__ import annotations

import html
import math
from html.parser import HTMLParser

MAX_CELLS = 20_000
_MAX_DEPTH = 40
_MAX_HTML = 1_000_000
_CELLS = {"td", "th"}
_KEPT = {"table", "caption", "thead", "tbody", "tfoot", "tr", "b", "strong", "i", "em", "code", "sub", "sup"} | _CELLS
# These have no text that anybody should read.
_SILENT = {"style", "script", "template", "title", "svg", "noscript", "iframe", "object", "select", "textarea"}
_ENDS_LINE = {"p", "div", "br", "li", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "pre"}
_BREAKS = ("<br>", " ")
_SPANS = ("colspan", "rowspan")
_MAX_SPAN = 1_000


def table_html(text: str) -> str | None:
    """HTML of the tables in some HTML, with the words around them; None if there is no table, or too much of it."""
    if "<table" not in text.lower() or len(text) > _MAX_HTML:
        return None
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.made() if reader.tables and reader.cells <= MAX_CELLS else None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables = self.cells = 0
        self._parts: list[str] = []
        self._open: list[str] = []
        self._silent: list[str] = []

    def made(self) -> str:
        return "".join([*self._parts, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in _SILENT:
            self._silent.append(tag)
            return
        if tag not in _KEPT:
            if tag in _ENDS_LINE and self._parts and self._parts[-1] not in _BREAKS:
                self._parts.append(_BREAKS["table" in self._open])
            return
        if len(self._open) >= _MAX_DEPTH:
            return
        self.tables += tag == "table"
        spans = {name: int(value) for name, value in attrs if name in _SPANS and _is_span(value)}
        if tag not in _CELLS:
            spans = {}
        # A browser has to make place for all columns that a cell says it has.
        self.cells += max(1, math.prod(spans.values()))
        self._parts.append("".join([f"<{tag}", *(f' {name}="{number}"' for name, number in spans.items()), ">"]))
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                while self._silent.pop() != tag:
                    pass
            return
        if tag in self._open:
            while (last := self._open.pop()) != tag:
                self._parts.append(f"</{last}>")
            self._parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._silent and (data.strip() or self._parts):
            self._parts.append(html.escape(data))


def _is_span(value: str | None) -> bool:
    return value is not None and value.isascii() and value.isdigit() and len(value) <= 4 and int(value) <= _MAX_SPAN
