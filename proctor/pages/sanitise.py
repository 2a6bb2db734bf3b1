"""Makes what students wrote and printed harmless for a browser, before it is stored where others look at it.

Formgrader and feedback pages show notebooks as HTML. A student's markdown may hold HTML, an output may hold scripts,
and formulas know commands that make links. What is kept is text, pictures, tables of texts, and markdown in which HTML
means nothing.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

from proctor.pages import attempts
from proctor.pages.limits import MAX_OUTPUTS, MAX_PIXELS, MIB, PageLimits
from proctor.pages.pictures import pixels
from proctor.pages.tables import table_html
from proctor.pages.written import stored

MAX_TEXT = 200_000
MAX_PICTURE = 8 * 2**20
PICTURES = ("image/png", "image/jpeg")
_SVG = "image/svg+xml"
# All that is looked at. Of SVG it is only whether it is there: it may hold scripts, and shapes without end.
KINDS = (*PICTURES, _SVG, "text/html", "text/markdown", "text/plain")
# Of what is made of one text, or of the outputs of one cell.
_PART_BYTES = 16 * MIB
# A text in markdown, or the outputs of a cell.
Part = str | list[dict[str, Any]]


def safe_markdown(text: str) -> str:
    """Markdown as it is stored, see `proctor.pages.written`."""
    return stored(_text(text))


def safe_outputs(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs of a cell with only text, error texts and pictures; widgets, HTML and scripts become their text form."""
    kept = []
    for output in outputs[:MAX_OUTPUTS]:
        kind = output.get("output_type")
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            kept.append({"output_type": "stream", "name": name, "text": _text(output.get("text", ""))})
        elif kind == "error":
            lines = [_text(line) for line in output.get("traceback", [])][:500]
            texts = {key: _text(output.get(key, ""), 20_000) for key in ("ename", "evalue")}
            kept.append({"output_type": "error", **texts, "traceback": lines})
        elif kind in ("display_data", "execute_result"):
            data = _safe_bundle(output.get("data", {}))
            made = {"output_type": kind, "data": data, "metadata": {}}
            if kind == "execute_result":
                made["execution_count"] = output.get("execution_count")
            if data:
                kept.append(made)
    return kept


def clean_here(parts: Sequence[Part], page_limits: PageLimits) -> list[Part | None]:
    """Each part made safe in forks of this process; None for one that can't be within the limits."""
    each = attempts.attempt_each(
        [functools.partial(safe_markdown if isinstance(part, str) else safe_outputs, part) for part in parts],
        page_limits.cell_cpu_seconds,
        page_limits.cpu_seconds,
        page_limits.memory_bytes,
        _PART_BYTES,
        time.monotonic() + page_limits.wall_seconds,
    )
    return [one.value if one.how == attempts.DONE else None for one in each]


def _safe_bundle(data: Any) -> dict[str, str]:
    kept: dict[str, str] = {}
    if not isinstance(data, dict):
        return kept
    left_out = ["(a picture in SVG was left out; PNG and JPEG are shown)"] if _SVG in data else []
    for kind in PICTURES:
        picture = data.get(kind)
        if isinstance(picture, str) and len(picture) <= MAX_PICTURE:
            size = pixels(kind, picture)
            if size is not None and size <= MAX_PIXELS:
                kept[kind] = "".join(picture.split())
            elif size is not None:
                left_out.append(f"(a picture of {size:,} pixels was left out; at most {MAX_PIXELS:,} are shown)")
    if not kept and (made := table_html(_text(data.get("text/html")))):
        kept["text/html"] = made
    elif not kept and isinstance(data.get("text/markdown"), (str, list)):
        kept["text/markdown"] = safe_markdown(_text(data["text/markdown"]))
    if isinstance(data.get("text/plain"), (str, list)):
        kept["text/plain"] = _text(data["text/plain"])
    if left_out and not any(kind in kept for kind in PICTURES):
        kept["text/plain"] = "\n".join([*([kept["text/plain"]] if "text/plain" in kept else []), *left_out])
    return kept


def _text(text: Any, limit: int = MAX_TEXT) -> str:
    if isinstance(text, list):
        text = "".join(part for part in text if isinstance(part, str))
    if not isinstance(text, str):
        return ""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[:limit] + "\n… (the rest was left out)"
