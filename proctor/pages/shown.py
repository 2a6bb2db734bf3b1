"""Pictures that are stored in a cell, as a page shows them in a student's text."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# In the metadata of a cell: by the address of each picture in its text where it is, or why it is not shown.
KEY = "proctor_pictures"
ATTACHED, COURSE, WHY = "attached", "course", "why"
_KINDS = ("image/png", "image/jpeg")
_ENCODED = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
COURSES = re.compile(r"(?:[\w-][\w. -]*/){0,5}[\w-][\w. -]*\.(?:svg|png|jpe?g|gif)\Z", re.IGNORECASE)
DATA = re.compile(r"data:image/[a-z+.-]{1,30};base64,", re.IGNORECASE)


class Pictures:
    """The pictures of one cell, for the page.

    Attributes:
        names: of its attachments, as the text may call them.
    """

    def __init__(self, cell: Mapping[str, Any]) -> None:
        self._attachments = cell.get("attachments", {})
        self._places = cell.get("metadata", {}).get(KEY, {})
        self.names = [place.removeprefix("attachment:") for place in self._places if place.startswith("attachment:")]

    def html(self, address: str, words: str) -> tuple[str | None, str]:
        """HTML of a picture; or None, and why it is not shown."""
        what, where = self._places.get(key_of(address), (WHY, "it was not handed in"))
        if what == COURSE and COURSES.match(where):
            return f'<img src="{html.escape(where)}" alt="{html.escape(words)}"/>', ""
        if what == ATTACHED:
            for kind, encoded in self._attachments.get(where, {}).items():
                if kind in _KINDS and _ENCODED.match(encoded):
                    return f'<img src="data:{kind};base64,{encoded}" alt="{html.escape(words)}"/>', ""
        return None, where if what == WHY else "it can't be read"


def key_of(address: str) -> str:
    """An address as the metadata of a cell have it."""
    if DATA.match(address):
        return f"data:{hashlib.sha256(address.encode('utf-8', 'replace')).hexdigest()}"
    return f"attachment:{attachment_name(address[11:])}" if address.startswith("attachment:") else address


def attachment_name(name: str) -> str:
    """The name of an attachment: some systems write the dots of an umlaut behind its letter."""
    return unicodedata.normalize("NFC", name)
