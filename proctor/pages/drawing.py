"""Pages of notebooks, drawn so that no text of a student can hold up, blow up or script them.

Runs in the child (`proctor.pages.child`). A page that can't be drawn within its limits is drawn again, with the cells
that are to blame as plain text, and says so.
"""

from __future__ import annotations

import functools
import html
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nbformat
from jinja2 import DictLoader, pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.exporter import ResourcesDict
from traitlets.config import Config

from proctor.pages import attempts, notes
from proctor.pages.frame import NO_MATHJAX, STANDS_FOR_MATHJAX, framed
from proctor.pages.limits import MAX_ALL_PLAIN, MAX_PLAIN, PageLimits
from proctor.pages.markup import LANGUAGES, Highlighter, Renderer, StudentsRenderer, markdown_html
from proctor.pages.shown import Pictures
from proctor.pages.tables import table_html
from proctor.pages.written import as_written

_PLAIN = "proctor_plain"
_HTML = "proctor_html"
_WRITTEN = "proctor_written"
_KINDS = ("text/markdown", "image/png", "image/jpeg", "text/plain")
_HEADING = re.compile(r"<(/?)h([1-6])(?=[ >])")
_TABLE = re.compile(r"<(?:(table)(?: [^<>]*)?|/table)>")
_MATH = re.compile(r'<math (?=[^<>]*display="block")')
_WIDE = '<div class="{}" tabindex="0" role="group" aria-label="table">'
_ANSI = re.compile("\x1b\\[[0-9;]{0,100}[A-Za-z]")
# What one cell needs by itself is about its part of the page.
_PART = 0.6
_WHY = {
    attempts.TIME: "it takes too long to draw",
    attempts.MEMORY: "it takes too much memory to draw",
    attempts.SIZE: "it is too large to draw",
    attempts.MARKUP: "it holds markup that could run",
    attempts.ERROR: "it can't be drawn",
}


class PageExporter(HTMLExporter):
    """nbconvert's exporter for a notebook that `_prepared` has gone over."""

    def default_filters(self) -> Any:
        """nbconvert's filters, with the one for markdown replaced."""
        yield from super().default_filters()
        yield "markdown2html", self.markdown2html
        yield "below_the_page", below_the_page

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """HTML of a markdown cell, or of a comment that belongs to a cell."""
        cell = context.get("cell", {})
        metadata = cell.get("metadata", {})
        of_cell = source == cell.get("source")
        if _HTML in metadata and of_cell:
            return metadata[_HTML]
        if _PLAIN in metadata:
            return _plain_html(source)
        if _WRITTEN in metadata and of_cell:
            made = self.students_html(source, cell)
            return notes.box_around(made) if notes.is_note(metadata) else made
        renderer = Renderer(
            escape=False,
            attachments=cell.get("attachments", {}),
            embed_images=self.embed_images,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            anchor_link_text=self.anchor_link_text,
            exclude_anchor_links=self.exclude_anchor_links,
            **self.lexer_options,
        )
        return markdown_html(source, renderer)

    def students_html(self, source: str, cell: Mapping[str, Any]) -> str:
        """HTML of a text as a student has written it, with the pictures that are stored in a cell."""
        pictures = Pictures(cell)
        renderer = StudentsRenderer(pictures.html, self._macros, escape=True, **self.lexer_options)
        return markdown_html(source, renderer, pictures.names)

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """Convert a notebook, with colours of a known language only."""
        # What formulas of a student's define, for those behind them, as in their notebook.
        self._macros: list[str] = []
        nb = _with_texts(nb, self.students_html)
        language = nb.metadata.get("language_info", {})
        lexer = language.get("pygments_lexer", language.get("name"))
        if "highlight_code" not in self.filters:
            lexer = lexer if lexer is None or lexer in LANGUAGES else "text"
            self.filters = {**self.filters, "highlight_code": _Code(Highlighter(pygments_lexer=lexer, parent=self))}
        return super().from_notebook_node(nb, resources, **kw)


def below_the_page(made: str) -> str:
    """HTML of a text as a part of a page: headings below the page's own, and keys reach what is wider than it."""
    made = _HEADING.sub(lambda match: f"<{match[1]}h{min(6, int(match[2]) + 1)}", made)
    wide = _WIDE.format("proctor-wide")
    made = _TABLE.sub(lambda match: f"{wide}{match[0]}" if match[1] else f"{match[0]}</div>", made)
    return _MATH.sub('<math tabindex="0" ', made)


class _Code:
    def __init__(self, highlighter: Highlighter) -> None:
        self._highlighter = highlighter

    def __call__(self, source: str, language: str | None = None, metadata: Any = None) -> str:
        return _plain_html(source) if _PLAIN in (metadata or {}) else self._highlighter(source, language, metadata)


def draw_here(job: Mapping[str, Any], limits: PageLimits) -> dict[str, Any]:
    """Draw a page in forks of this process.

    Args:
        job: ``notebook`` (its file's text), ``resources`` (what templates read), ``config`` (traitlets' sections of the
            exporter and its preprocessors), ``preprocess`` (whether to run nbconvert's own), ``scripts`` (whether the
            template's own may run, as on the formgrader's page; whoever serves it says by which policy).

    Returns:
        ``html``, or None if nothing could be drawn; ``plain``: by the number of a cell why it is plain text; and
        ``why`` the page could not be drawn as it is.
    """
    deadline = time.monotonic() + limits.wall_seconds
    drawing = _Drawing(job)

    def one(work: Callable[[], Any]) -> attempts.Attempt:
        return attempts.attempt(work, limits.cpu_seconds, limits.memory_bytes, limits.page_bytes, deadline)

    whole = one(functools.partial(drawing.page, {}))
    if whole.how == attempts.DONE:
        return {"html": whole.value, "plain": {}, "why": None}
    why = whole.value or _WHY[whole.how]
    counted = one(drawing.count)
    count = counted.value if counted.how == attempts.DONE else 0
    each = attempts.attempt_each(
        [functools.partial(drawing.size_of_cell, number) for number in range(count)],
        limits.cell_cpu_seconds,
        limits.cpu_seconds,
        limits.memory_bytes,
        limits.page_bytes,
        deadline,
    )
    some = _to_blame(each, limits)
    every = {number: some.get(number, whole.how) for number in range(count)}
    for plain in (some, every):
        drawn = one(functools.partial(drawing.page, plain))
        if drawn.how == attempts.DONE:
            return {"html": drawn.value, "plain": plain, "why": why}
    return {"html": None, "plain": every, "why": why}


def _to_blame(each: Sequence[attempts.Attempt], limits: PageLimits) -> dict[int, str]:
    """Numbers of the cells that are too much by themselves, or together with those before them, and why."""
    found = {}
    seconds = size = 0.0
    for number, one in enumerate(each):
        if one.how != attempts.DONE:
            found[number] = one.how
            continue
        seconds, size = seconds + one.seconds, size + one.value
        if seconds > _PART * limits.cpu_seconds:
            found[number] = attempts.TIME
        elif size > _PART * limits.page_bytes:
            found[number] = attempts.SIZE
    return found


class _Drawing:
    """A notebook and how to draw it; what it remembers, it remembers for one fork."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = job

    def page(self, plain: Mapping[int, str]) -> str:
        """The whole page, with cells of given numbers as plain text."""
        notebook = _prepared(self._notebook, plain)
        made = self._exporter.from_notebook_node(notebook, self._resources())[0]
        return framed(made, self._job["scripts"])

    def count(self) -> int:
        """Number of cells."""
        return len(self._notebook.cells)

    def size_of_cell(self, number: int) -> int:
        """Length of the page that has one cell only."""
        notebook = nbformat.from_dict({**self._notebook, "cells": [self._notebook.cells[number]]})
        return len(self._exporter.from_notebook_node(_prepared(notebook, {}), self._resources())[0])

    @functools.cached_property
    def _notebook(self) -> Any:
        return nbformat.reads(self._job["notebook"], as_version=4)

    @functools.cached_property
    def _exporter(self) -> PageExporter:
        config = Config(self._job["config"])
        if not self._job["preprocess"]:
            config.Exporter.default_preprocessors = []
            config.Exporter.preprocessors = []
        mathjax = STANDS_FOR_MATHJAX if self._job["scripts"] else NO_MATHJAX
        return PageExporter(config=config, extra_loaders=[DictLoader({"mathjax.html.j2": mathjax})])

    def _resources(self) -> dict[str, Any]:
        # nbconvert writes into them, and templates read what is not there as an empty text.
        found = {}
        for name, value in self._job["resources"].items():
            found[name] = value
            if isinstance(value, dict):
                found[name] = ResourcesDict()
                found[name].update(value)
        return found


def _prepared(notebook: Any, plain: Mapping[int, str]) -> Any:
    """A notebook with students' texts as they were written, notes as boxes, and cells of given numbers plain text.

    No other place gives a text of a student to whoever draws without what `proctor.pages.written` has done to it.
    """
    left = MAX_ALL_PLAIN
    for number, cell in enumerate(notebook.cells):
        for key in (_PLAIN, _HTML, _WRITTEN):
            cell.metadata.pop(key, None)
        if notes.is_students(cell.metadata) or notes.is_note(cell.metadata):
            cell.source = as_written(cell.source)
            cell.metadata[_WRITTEN] = True
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = as_written(output.data["text/markdown"])
        if number not in plain:
            for output in cell.get("outputs", []):
                _make_known(output)
            continue
        left -= _make_plain(cell, min(left, MAX_PLAIN), _WHY[plain[number]])
    if plain:
        text = f"{len(plain)} of {len(notebook.cells)} cells are shown as plain text; each says why."
        first = nbformat.v4.new_markdown_cell("", metadata={_HTML: notes.box(text)})
        notebook.cells.insert(0, first)
    return notebook


def _make_known(output: Any) -> None:
    if "data" not in output:
        return
    if notes.is_note(output.get("metadata")):
        output.data = nbformat.from_dict({"text/html": notes.output_box(output)})
        return
    kept = {kind: text for kind, text in output.data.items() if kind in _KINDS}
    if made := table_html(str(output.data.get("text/html", ""))):
        kept["text/html"] = f"{_WIDE.format('proctor-table')}{made}</div>"
    output.data = nbformat.from_dict(kept)


def _with_texts(notebook: Any, students_html: Callable[[str, Mapping[str, Any]], str]) -> Any:
    """A notebook whose outputs in markdown, which code of students has made, are HTML."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("data", {}).pop("text/markdown", None)
            if text is not None and "text/html" not in output.data:
                output.data["text/html"] = students_html(text, {})
    return notebook


def _make_plain(cell: Any, limit: int, why: str) -> int:
    """Leaves of a cell what is cheap to draw; gives its length."""
    source = cell.source = _cut(cell.source, limit)
    cell.metadata[_PLAIN] = True
    shown = [notes.box(f"This cell is shown as plain text: {why}.")]
    if cell.cell_type != "code":
        cell.metadata[_HTML] = shown[0] + _plain_html(source)
        return len(source)
    texts = []
    for output in cell.outputs:
        if notes.is_note(output.get("metadata")):
            shown.append(notes.output_box(output))
        elif output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append("\n".join(output.traceback) + "\n")
        else:
            texts.append(str(output.data.get("text/plain", "(a picture)")) + "\n")
    text = _cut(_ANSI.sub("", "".join(texts)).replace("\x1b", ""), limit)
    cell.outputs = [
        nbformat.from_dict({"output_type": "display_data", "data": {"text/html": "".join(shown)}, "metadata": {}}),
        nbformat.v4.new_output("stream", name="stdout", text=text),
    ]
    return len(source) + len(text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + f"\n… {len(text) - limit:,} more characters left out"


def _plain_html(text: str) -> str:
    return f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>'
