"""What a reader sees of a page: its text, with formulas as they were written, and without the engine's notes."""

from __future__ import annotations

import html.parser
import json

from exercise import instructor_notebook

from proctor.intake.rebuild import rebuild
from proctor.pages.album import Album, take_pictures
from proctor.pages.limits import PageLimits

_VOID = {"br", "hr", "img", "input", "meta", "link"}
# In a browser: formulas give way to their source, and notes are left out.
IN_BROWSER = """answer => {
  const copy = answer.cloneNode(true);
  copy.querySelectorAll(".proctor-note, .anchor-link").forEach(one => one.remove());
  copy.querySelectorAll(".proctor-formula").forEach(one => one.replaceWith(one.title));
  answer.replaceWith(copy);
  const text = copy.innerText;
  copy.replaceWith(answer);
  return text;
}"""


def normal(text: str) -> str:
    """A text in which blanks and line ends do not matter, which formulas in a page do not keep."""
    return " ".join(text.split())


class PageText(html.parser.HTMLParser):
    """Text of a piece of HTML."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if self._hidden:
            self._hidden += tag not in _VOID
        elif known.get("class") in ("proctor-formula", "proctor-note"):
            self._hidden = 1
            self.parts.append(known.get("title", ""))
        elif tag in ("p", "li", "td", "th", "tr", "pre", "h1", "h2", "blockquote", "br"):
            self.parts.append(" ")

    def handle_endtag(self, tag):
        self._hidden -= bool(self._hidden)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_data(self, data):
        if not self._hidden:
            self.parts.append(data)

    @property
    def text(self) -> str:
        return normal("".join(self.parts))


def graded(source: str, attachments=None, files=None, own=(), limits: PageLimits = PageLimits()) -> dict:  # noqa: B008
    """The exercise with this text as its written answer, as autograding stores it; no code is run."""
    handed = instructor_notebook()
    cell = handed["cells"][-1] | {"source": source}
    if attachments is not None:
        cell["attachments"] = attachments
    handed["cells"][-1] = cell
    made = rebuild(instructor_notebook(), json.dumps(handed).encode()).notebook

    def read(path: str, size: int) -> bytes | None:
        content = (files or {}).get(path)
        return content if content is not None and len(content) <= size else None

    take_pictures(made, Album(limits, read, own))
    return made
