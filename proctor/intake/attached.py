"""Pictures inside of a student's cell: its attachments, and those that stand in its text as `data:` addresses.

They are taken as they are, as texts by name; `proctor.pages.shown` looks at what they hold, and makes them anew.
"""

from __future__ import annotations

import re
from typing import Any

MAX_ATTACHMENTS = 100
_MAX_NAME = 300
# Only what is long: a short one may as well stand in an example of code.
_IN_TEXT = re.compile(r"data:(image/(?:png|jpe?g));base64,([A-Za-z0-9+/=]{400,})", re.IGNORECASE)


def attached(cell: dict[str, Any], source: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Takes the pictures out of a cell of a submitted notebook.

    Args:
        cell: as it was handed in; anything may stand in it.
        source: its text.

    Returns:
        The text, with a name in place of each long `data:` address, and by name the kind of each picture with its file
        in base 64, or nothing for an attachment that holds no text.
    """
    kept: dict[str, dict[str, str]] = {}
    given = cell.get("attachments")
    for name, bundle in list(given.items())[:MAX_ATTACHMENTS] if type(given) is dict else ():
        if type(bundle) is dict and len(name) <= _MAX_NAME:
            kept[_written(name)] = _first(bundle)

    def named(match: re.Match) -> str:
        if len(kept) >= 2 * MAX_ATTACHMENTS:
            return match[0]
        name = f"in-text-{len(kept) + 1}"
        kept[name] = {match[1].lower(): match[2]}
        return f"attachment:{name}"

    return _IN_TEXT.sub(named, source), kept


def _first(bundle: dict[str, Any]) -> dict[str, str]:
    """Of the forms of a picture the one that can be shown; an editor that writes lines makes a list of them."""
    for kind in ("image/png", "image/jpeg", *sorted(bundle, key=str)):
        text = bundle.get(kind)
        text = "".join(part for part in text if type(part) is str) if type(text) is list else text
        if type(text) is str and text.isascii() and kind.isascii() and len(kind) <= 100:
            return {kind: text}
    return {}


def _written(name: str) -> str:
    # A lone surrogate can't be written to any file.
    return name.encode("utf-8", "replace").decode("utf-8")
