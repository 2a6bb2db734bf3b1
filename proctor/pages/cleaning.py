"""Texts and outputs of a whole notebook made safe to show, in a child with limits, and capped in number and size."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from proctor.errors import ProctorError
from proctor.pages import limits, notes
from proctor.pages.drawer import drawer
from proctor.pages.limits import PageLimits
from proctor.pages.pictures import pixels
from proctor.pages.sanitise import KINDS, PICTURES, Part

_PLAIN = "**From the grading:** this text could not be drawn; here it is as it was written."
# As references to characters they mean nothing to markdown.
_INERT = str.maketrans({one: f"&#{ord(one)};" for one in string.punctuation + "\u00a0"})


def cleaned(parts: Sequence[Part], page_limits: PageLimits) -> list[Part]:
    """Texts in markdown and lists of outputs, as they may be stored where others look at them.

    What can't be made safe within the limits is kept as plain text, and says so.

    Args:
        parts: of one notebook, in its order: a text in markdown, or the outputs of a cell.
    """
    if not parts:
        return []
    capped = _Caps()
    given = [part if isinstance(part, str) else capped.of_cell(part) for part in parts]
    try:
        made = drawer(page_limits).do("clean", parts=[part if isinstance(part, str) else part[0] for part in given])
    except ProctorError:
        made = [None] * len(parts)
    found: list[Part] = []
    shown = _Pixels()
    for part, safe in zip(given, made, strict=True):
        if isinstance(part, str):
            found.append(plain_markdown(part) if safe is None else safe)
            continue
        outputs, left_out = part
        kept = _plain_outputs(outputs) if safe is None else [shown.of_output(one) for one in safe]
        if left_out:
            kept.append(notes.note_output(f"… {left_out:,} more outputs left out"))
        found.append(kept)
    return found


def plain_markdown(text: str) -> str:
    """A text of which markdown changes nothing; takes time in proportion to its length."""
    lines = _cut(text, limits.MAX_PLAIN).translate(_INERT).split("\n")
    # Spaces at the beginning would make it code, in which references are shown as they are written.
    lines = ["&#160;" * (len(line) - len(line.lstrip())) + line.lstrip() for line in lines]
    return "**From the grading:** this text could not be drawn; here it is as it was written.\n\n" + "<br>\n".join(
        lines
    )


def _plain_outputs(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts = [one["text"] for one in outputs if one["output_type"] == "stream" and isinstance(one.get("text"), str)]
    text = _cut("".join(texts), limits.MAX_PLAIN).encode("utf-8", "replace").decode()
    kept = [notes.note_output("the outputs of this cell could not be drawn; here is what was printed")]
    return [*kept, {"output_type": "stream", "name": "stdout", "text": text}]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "\n… (the rest was left out)"


class _Caps:
    """What of a notebook's outputs is still to be kept."""

    def __init__(self) -> None:
        self._outputs = limits.MAX_NOTEBOOK_OUTPUTS
        self._bytes = limits.MAX_NOTEBOOK_BYTES

    def of_cell(self, outputs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
        """The first outputs of a cell, without what is never kept, and the number of those that are left out."""
        kept: list[dict[str, Any]] = []
        for output in outputs[: min(limits.MAX_OUTPUTS, self._outputs)]:
            output = _slim(output)
            self._bytes -= _size(output)
            if self._bytes < 0:
                break
            kept.append(output)
        self._outputs -= len(kept)
        return kept, len(outputs) - len(kept)


class _Pixels:
    """What of a notebook's pictures is still to be kept."""

    def __init__(self) -> None:
        self._left = limits.MAX_NOTEBOOK_PIXELS

    def of_output(self, output: dict[str, Any]) -> dict[str, Any]:
        """The output, without pictures that are too many together."""
        data = output.get("data", {})
        for kind in PICTURES:
            if kind in data:
                self._left -= pixels(kind, data[kind]) or 0
                if self._left < 0:
                    del data[kind]
                    data["text/plain"] = "(left out: the pictures of this notebook are too large together)"
        return output


def _slim(output: dict[str, Any]) -> dict[str, Any]:
    """An output with nothing but texts in its data, so that it costs no more than their length to hand it on."""
    data = output.get("data")
    if not isinstance(data, dict):
        return output
    texts = {kind: _joined(data[kind]) for kind in KINDS if kind in data}
    return {**output, "data": {kind: text for kind, text in texts.items() if text is not None}}


def _joined(text: Any) -> str | None:
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    return text if isinstance(text, str) else None


def _size(output: dict[str, Any]) -> int:
    data = output.get("data")
    texts = [output.get("text", ""), *output.get("traceback", []), *(data.values() if isinstance(data, dict) else ())]
    return 100 + sum(len(text) for text in texts if isinstance(text, str))
