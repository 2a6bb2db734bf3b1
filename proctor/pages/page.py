"""A page of a notebook, for whoever wants one: drawn in the child, and never an exception."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from proctor.errors import ProctorError
from proctor.pages.drawer import drawer
from proctor.pages.limits import PageLimits

# The sections of traitlets' configuration that change how nbconvert draws a page.
_SECTIONS = ("HTMLExporter", "TemplateExporter", "Exporter", "NbConvertBase", "Highlight2HTML")
_EMPTY = (
    '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8"/>\n<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'\"/>\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n{text}\n</body>\n"
    "</html>\n"
)


class Page(NamedTuple):
    """HTML of a page, plain lines about what was not drawn as usual, and whether the page shows the notebook at all."""

    html: str
    notes: list[str]
    drawn: bool


def draw_page(
    title: str,
    notebook: str,
    resources: Mapping[str, Any],
    config: Mapping[str, Any],
    limits: PageLimits,
    *,
    scripts: bool,
    preprocess: bool,
    instead: str,
) -> Page:
    """Draw a page with nbconvert.

    Args:
        title: of a page that says that there is none.
        notebook: text of its file.
        resources: for templates; what JSON can't hold is left out.
        config: traitlets' configuration; sections and values that a child process can't be given are left out.
        scripts: see `proctor.pages.drawing.draw_here`, as for ``preprocess``.
        instead: what to do where nothing can be drawn, as a text for the reader.
    """
    job = {"notebook": notebook, "resources": _plain(resources), "config": _sections(config)}
    try:
        found = drawer(limits).do("draw", **job, scripts=scripts, preprocess=preprocess)
    except ProctorError as error:
        return Page(empty_page(title, instead), [f"{title}: {error}"], False)
    if found["html"] is None:
        return Page(empty_page(title, instead), [f"{title}: could not be drawn: {found['why']}"], False)
    cells = sorted(int(number) + 1 for number in found["plain"])
    numbers = ", ".join(map(str, cells[:20])) + (" and more" if len(cells) > 20 else "")
    lines = [f"{title}: shown as plain text: cell {numbers} ({found['why']})"] if cells else []
    return Page(found["html"], lines, True)


def empty_page(title: str, text: str) -> str:
    """A page that only says something."""
    return _EMPTY.format(title=html.escape(title), text=f"<p>{html.escape(text)}</p>")


def _sections(config: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in config if name in _SECTIONS or name.endswith("Preprocessor")]
    return {name: _plain(config[name]) for name in names}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
