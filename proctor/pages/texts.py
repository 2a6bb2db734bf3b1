"""Texts of the staff in markdown as HTML, one by one, for a page that is put together in the browser.

Runs in the child (`proctor.pages.child`), in forks with limits.
"""

from __future__ import annotations

import functools
import html
import time
from collections.abc import Sequence

from proctor.pages import attempts
from proctor.pages.limits import PageLimits
from proctor.pages.markup import Renderer, markdown_html


def texts_here(texts: Sequence[str], folder: str, limits: PageLimits) -> list[str]:
    """HTML of each text; one that can't be drawn, or holds what could run in a browser, as it was written.

    Args:
        folder: in which pictures lie; they become a part of the HTML.
    """
    each = attempts.attempt_each(
        [functools.partial(_html, text, folder) for text in texts],
        limits.cell_cpu_seconds,
        limits.cpu_seconds,
        limits.memory_bytes,
        limits.page_bytes,
        time.monotonic() + limits.wall_seconds,
    )
    return [
        one.value if one.how == attempts.DONE else f"<pre>{html.escape(text)}</pre>"
        for text, one in zip(texts, each, strict=True)
    ]


def _html(text: str, folder: str) -> str:
    renderer = Renderer(
        escape=False, attachments={}, embed_images=True, path=folder, anchor_link_text="", exclude_anchor_links=True
    )
    return markdown_html(text, renderer)
