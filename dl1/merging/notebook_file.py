"""A notebook's file as it was handed in: told from other files, and made small enough to be read with bounded memory.

What a file may lose is what no answer stands in: first all outputs, which grading makes anew, then pictures that were
pasted into cells, the largest first. The file is not parsed for that: how many parts it has, on which the memory of its
parsing depends, is counted before.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Of a file, and of what is left of it without outputs. With the few parts that it may have this bounds the memory.
MAX_FILE = 200 * 2**20
MAX_BYTES = 64 * 2**20
# Smaller files are taken as they are.
_UNSEEN = 8 * 2**20
_MAX_PARTS = 4_000_000
_MAX_DEPTH = 1_000
# Strings (group 1: the one that a value follows), and what else gives JSON its shape. A quotation mark that no other
# one closes is matched by itself, so that the text behind it is not searched again and again.
_PART = re.compile(rb'"(?:[^"\\]++|\\.)*+"(\s*+:)?|[{}\[\],"]', re.DOTALL)
_OUTPUTS, _PICTURES = b'"outputs"', b'"attachments"'
_CELL = (b"{", b'"cells"')
_WORDS = (b'"cells"', b'"worksheets"')
_ENDINGS = (".json", ".txt")


def may_be_notebook(path: str) -> bool:
    """Whether a file of this name is looked into: downloads are also called `x.ipynb.txt`, `x.IPYNB` or `x.json`."""
    name = path.rpartition("/")[2].casefold()
    return ".ipynb" in name or name.endswith(_ENDINGS) or "." not in name


def looks_like_notebook(content: bytes) -> bool:
    """Whether the content has the outer marks of a notebook; to be read it may still be broken."""
    start = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return b"{" in content[:16]
    return start.startswith(b"{") and any(word in content for word in _WORDS)


def parsed(content: bytes) -> tuple[dict[str, Any] | None, str]:
    """A notebook as plain JSON, and the encoding that it was in; None if it can't be read."""
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        try:
            # Zeros are what a disk or a synchronisation that was cut off puts behind a file.
            found = json.loads(content.decode(encoding).rstrip("\0 \t\r\n"))
        except (ValueError, RecursionError):
            continue
        if type(found) is dict:
            return found, encoding
    return None, ""


def slimmed(content: bytes, max_bytes: int = MAX_BYTES) -> tuple[bytes, list[str]]:
    """A notebook's file in at most `max_bytes`, as far as leaving out outputs and pictures makes it so.

    Returns:
        The file, empty if it can't be looked through, and plain lines about what was left out.
    """
    if len(content) <= min(_UNSEEN, max_bytes):
        return content, []
    if len(content) > MAX_FILE:
        return b"", [f"it is larger than {MAX_FILE // 2**20} MiB"]
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "replace").encode()
    found = _large_parts(content)
    if found is None:
        return b"", [f"it is no JSON, or has more than {_MAX_PARTS:,} parts"]
    outputs = [(begin, end) for key, begin, end in found if key == _OUTPUTS]
    pictures = sorted((end - begin, begin, end) for key, begin, end in found if key == _PICTURES)
    left = len(content) - sum(end - begin for begin, end in outputs)
    gone: list[tuple[int, int]] = []
    while pictures and left > max_bytes:
        size, begin, end = pictures.pop()
        left -= size
        gone.append((begin, end))
    lines = []
    if gone:
        size = sum(end - begin for begin, end in gone) / 2**20
        lines.append(
            f"{len(gone)} of {len(gone) + len(pictures)} pictures pasted into its cells ({size:.0f} MB) were left out: "
            f"with them it is larger than {max_bytes // 2**20} MiB; the answers count"
        )
    return _without(content, {**dict.fromkeys(outputs, b"[]"), **dict.fromkeys(gone, b"{}")}), lines


def _without(content: bytes, replaced: dict[tuple[int, int], bytes]) -> bytes:
    made, last = bytearray(), 0
    for (begin, end), instead in sorted(replaced.items()):
        made += content[last:begin] + instead
        last = end
    return bytes(made + content[last:])


def _large_parts(content: bytes) -> list[tuple[bytes, int, int]] | None:
    """Key, begin and end of each cell's outputs and of each attachment; None if the file can't be looked through."""
    found: list[tuple[bytes, int, int]] = []
    # Of each open object or list the key that it is the value of; of a list's items that is the list's.
    opened: list[tuple[bytes, bytes]] = []
    key, dropped = b"", None
    for number, part in enumerate(_PART.finditer(content)):
        text = part.group()
        if number >= _MAX_PARTS or len(opened) > _MAX_DEPTH or text == b'"':
            return None
        if text in (b"{", b"["):
            if not key and opened and opened[-1][0] == b"[":
                key = opened[-1][1]
            # A cell is an object in a list of the name cells.
            if dropped is None and key == _OUTPUTS and opened and opened[-1] == _CELL:
                dropped = (_OUTPUTS, part.start(), len(opened))
            elif dropped is None and opened[-2:] == [_CELL, (b"{", _PICTURES)]:
                dropped = (_PICTURES, part.start(), len(opened))
            opened.append((text, key))
            key = b""
        elif text in (b"}", b"]"):
            if not opened:
                return None
            opened.pop()
            key = b""
            if dropped is not None and len(opened) == dropped[2]:
                found.append((dropped[0], dropped[1], part.end()))
                dropped = None
        elif part.group(1):
            key = text[: text.rindex(b'"') + 1]
        else:
            key = b""
    return None if opened else found


def printable(name: str, limit: int = 120) -> str:
    """A file name that can stand in a line of text."""
    shown = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())
    return shown if len(shown) <= limit else shown[:limit] + "…"
