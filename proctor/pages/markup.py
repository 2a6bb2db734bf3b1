"""Markdown and code as HTML: one way for staff's texts and students', and no page with markup that could run."""

from __future__ import annotations

import html
import html.parser
import re
from collections.abc import Callable
from typing import Any

from mistune import BlockParser, InlineParser, Markdown, import_plugin
from mistune.plugins.table import table, table_in_list, table_in_quote
from mistune.util import safe_entity
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from proctor.pages import notes
from proctor.pages.attempts import UnsafeMarkup
from proctor.pages.formulas import macros, mathml
from proctor.pages.scanning import FORMULA, HARMLESS, PICTURE, Piece, Scanned, scanned

# A word behind the fence would choose among five hundred lexers, some of which need hours for one cell.
LANGUAGES = ("python", "python3", "py", "ipython", "ipython3", "pycon", "text", "console", "bash", "sh", "json")
_ELEMENTS = {"script", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "base", "meta", "link"}
_ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "background", "srcset", "xlink:href"}
_SCHEME = re.compile(r"\s*([^:/?#\s]*):")
_SCHEMES = {"http", "https", "mailto"}
_DATA = re.compile(r"\s*data:image/(?:png|jpeg|gif|svg\+xml)[;,]", re.IGNORECASE)
# What JupyterLab draws of a student's text. Their HTML, and definitions of links, are text.
_STUDENTS_BLOCKS = [one for one in BlockParser.DEFAULT_RULES if one not in ("ref_link", "raw_html")]
_FORMULA = '<span class="proctor-formula" title="{}">{}</span>'
_TEX = '<code class="proctor-tex" title="This formula could not be drawn; here it is as it was written.">{}</code>'
_REFUSED = '<span class="proctor-refused">{}</span>'


class Renderer(IPythonRenderer):
    """nbconvert's renderer of markdown, where a fence chooses from `LANGUAGES` only, and formulas are MathML."""

    found: Scanned
    students = False

    def block_code(self, code: str, info: str | None = None) -> str:
        """HTML of a fenced or indented block."""
        code, info = self.found.restored(code), self.found.restored(info or "")
        words = info.split(maxsplit=1)
        known = words and words[0].lower() in LANGUAGES
        if self.students and info.strip() and not (known and len(words) == 1):
            # Somebody who begins an answer in the line of the fence does not mean a language.
            code = f"{info.strip()}\n{code}"
        return super().block_code(code, words[0] if known else None)

    def codespan(self, text: str) -> str:
        """HTML of code in a line."""
        return super().codespan(self.found.restored(text))

    def block_html(self, html: str) -> str:
        """HTML of staff's own."""
        return self._with_formulas(super().block_html(html))

    def inline_html(self, html: str) -> str:
        """HTML of staff's own."""
        return self._with_formulas(super().inline_html(html))

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """HTML of a link."""
        return super().link(text, self.found.restored(url), self.found.restored(title or "") or None)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """HTML of a picture."""
        return super().image(text, self.found.restored(url), self.found.restored(title or "") or None)

    def piece(self, number: str) -> str:
        """HTML of what was taken out before markdown read the text."""
        return self._of_piece(self.found.pieces[int(number)])

    def _of_piece(self, piece: Piece) -> str:
        return self._formula(piece, "") if piece.kind == FORMULA else html.escape(piece.source)

    def _formula(self, piece: Piece, known: str) -> str:
        made = mathml(piece.tex, piece.display, known)
        if made is None:
            return _TEX.format(html.escape(piece.source))
        return _FORMULA.format(html.escape(piece.source), made)

    def _with_formulas(self, made: str) -> str:
        return re.sub(self.found.pattern(), lambda match: self.piece(match[1]), made)


class StudentsRenderer(Renderer):
    """Draws all of a student's text, and nothing that could run; what it can't draw, it shows as it was written.

    Args:
        picture: gives, for an address and the words in place of a picture, its HTML; or None, and why it is not shown.
        known: macros of formulas, to which those of this text are added.
    """

    students = True

    def __init__(self, picture: Callable[[str, str], tuple[str | None, str]], known: list[str], **options: Any) -> None:
        super().__init__(**options)
        self._picture = picture
        self._known = known
        self.refused: list[str] = []

    def text(self, text: str) -> str:
        """HTML of a text."""
        return safe_entity(self.found.restored(text))

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """HTML of a heading, without an address of its own."""
        return f"<h{level}>{text}</h{level}>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """HTML of a link to the web or to a mail address."""
        url = self.found.restored(url)
        if HARMLESS.match(url):
            return super().link(text, url, title)
        self.refused.append("a link")
        return _REFUSED.format(f"{text} ({html.escape(url)}{' ' + html.escape(title) if title else ''})")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Pictures are taken out before; what markdown takes for one all the same is shown as text."""
        self.refused.append("a picture")
        words = f"![{html.unescape(re.sub('<[^>]*>', '', text))}]({self.found.restored(url)})"
        return _REFUSED.format(html.escape(words))

    def block_html(self, html: str) -> str:
        """There is none, since no rule finds any."""
        raise UnsafeMarkup("HTML of a student's")

    inline_html = block_html

    def _of_piece(self, piece: Piece) -> str:
        if piece.kind == FORMULA:
            made = self._formula(piece, "".join(self._known))
            self._known.append(macros(piece.tex))
            if made.startswith("<code"):
                self.refused.append("a formula")
            return made
        if piece.kind == PICTURE:
            made, why = self._picture(piece.address, piece.words)
            if made is None:
                self.refused.append(f"a picture ({why})")
                return _REFUSED.format(html.escape(f"{piece.source} ({why})"))
            return made
        return html.escape(piece.source)


class Highlighter(Highlight2HTML):
    """nbconvert's colours for code cells, where a magic chooses from `LANGUAGES` only."""

    def __call__(self, source: str, language: str | None = None, metadata: Any = None) -> str:
        """HTML of a code cell."""
        metadata = dict(metadata or {})
        if metadata.get("magics_language") not in LANGUAGES:
            metadata.pop("magics_language", None)
        return super().__call__(source, language, metadata)


class _Inline(InlineParser):
    def parse_auto_link(self, m: re.Match, state: Any) -> int | None:
        """Of a student's text, only what is a harmless link: all else in angles is text."""
        return super().parse_auto_link(m, state) if HARMLESS.match(m[0][1:-1]) else None


def markdown_html(source: str, renderer: Renderer, attachments: Any = ()) -> str:
    """HTML of a text in markdown.

    Args:
        renderer: a `StudentsRenderer` for what a student wrote.
        attachments: names of the cell's attachments.

    Raises:
        UnsafeMarkup: it holds something that could run.
    """
    renderer.found = scanned(source, renderer.students, attachments)
    reader = _students_reader(renderer) if renderer.students else _staffs_reader(renderer)
    mark = renderer.found.mark
    reader.inline.register("piece", rf"{mark}\d+{mark}", _add_piece, start_chars=mark)
    made = str(reader(renderer.found.text))
    if isinstance(renderer, StudentsRenderer) and renderer.refused:
        made += notes.refused_box(renderer.refused)
    check_markup(made)
    return made


def _staffs_reader(renderer: Renderer) -> Markdown:
    plugins = [import_plugin(one) for one in MarkdownWithMath.DEFAULT_PLUGINS]
    return Markdown(renderer, BlockParser(), InlineParser(), plugins)


def _students_reader(renderer: Renderer) -> Markdown:
    block = BlockParser(list(_STUDENTS_BLOCKS), list(_STUDENTS_BLOCKS))
    block.rules = list(_STUDENTS_BLOCKS)
    inline = _Inline()
    inline.rules = [one for one in inline.rules if one != "inline_html"]
    plugins = [import_plugin("strikethrough"), table, table_in_quote, table_in_list]
    return Markdown(renderer, block, inline, [*plugins, import_plugin("url"), import_plugin("task_lists")])


def _add_piece(_: Any, match: re.Match, state: Any) -> int:
    state.append_token({"type": "piece", "raw": match[0][1:-1]})
    return match.end()


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
