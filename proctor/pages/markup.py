"""Markdown and code as HTML: colours for a short list of languages, and no page with markup that could run."""

from __future__ import annotations

import html.parser
import re
from typing import Any

from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from proctor.pages.attempts import UnsafeMarkup
from proctor.pages.formulas import with_mathml

# A word behind the fence would choose among five hundred lexers, some of which need hours for one cell.
LANGUAGES = ("python", "python3", "py", "ipython", "ipython3", "pycon", "text", "console", "bash", "sh", "json")
_ELEMENTS = {"script", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "base", "meta", "link"}
_ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "background", "srcset", "xlink:href"}
_SCHEME = re.compile(r"\s*([^:/?#\s]*):")
_SCHEMES = {"http", "https", "mailto"}
_DATA = re.compile(r"\s*data:image/(?:png|jpeg|gif|svg\+xml)[;,]", re.IGNORECASE)


class Renderer(IPythonRenderer):
    """nbconvert's renderer of markdown, where a fence chooses from `LANGUAGES` only."""

    def block_code(self, code: str, info: str | None = None) -> str:
        """HTML of a fenced or indented block."""
        words = (info or "").split(maxsplit=1)
        return super().block_code(code, words[0] if words and words[0].lower() in LANGUAGES else None)


class Highlighter(Highlight2HTML):
    """nbconvert's colours for code cells, where a magic chooses from `LANGUAGES` only."""

    def __call__(self, source: str, language: str | None = None, metadata: Any = None) -> str:
        """HTML of a code cell."""
        metadata = dict(metadata or {})
        if metadata.get("magics_language") not in LANGUAGES:
            metadata.pop("magics_language", None)
        return super().__call__(source, language, metadata)


def markdown_html(source: str, renderer: IPythonRenderer, mathml: bool) -> str:
    """HTML of a text in markdown.

    Args:
        mathml: whether formulas become MathML; if not, they stay as they are, for MathJax.

    Raises:
        UnsafeMarkup: it holds something that could run.
    """
    made = MarkdownWithMath(renderer=renderer).render(with_mathml(source) if mathml else source)
    check_markup(made)
    return made


def check_markup(made: str) -> None:
    """Raises UnsafeMarkup if HTML has elements that load or run something, handlers, or addresses of odd schemes."""
    looker = _Looker()
    looker.feed(made)
    looker.close()


class _Looker(html.parser.HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ELEMENTS:
            raise UnsafeMarkup(tag)
        for name, value in attrs:
            # The scripts of the formgrader's page act on attributes that begin with "data-".
            if name.startswith(("on", "data-")) or "<" in name:
                raise UnsafeMarkup(f"{tag} {name}")
            if name in _ADDRESSES and not _harmless_address(name, value or ""):
                raise UnsafeMarkup(f"{tag} {name}={value}")


def _harmless_address(name: str, address: str) -> bool:
    # Browsers leave out control characters and line ends in a scheme.
    address = re.sub(r"[\x00-\x20]", "", address)
    scheme = _SCHEME.match(address)
    if scheme is None or scheme[1].lower() in _SCHEMES:
        return True
    return name == "src" and _DATA.match(address) is not None
