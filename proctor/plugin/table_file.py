"""Tables as CSV files that a spreadsheet may open: every text arrives as it is, and none of it is a formula."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What a spreadsheet takes for the beginning of a formula, some also in full width.
_SIGNS = "=+\\-@＝＋－＠"
_FIRST = re.compile(rf"[\t\r\n]|\s*[{_SIGNS}]")
# With another language a spreadsheet splits lines at semicolons, whatever stands in quotes.
_INNER = re.compile(rf"(;\s*|(?<=.)[\t\r\n]\s*)([{_SIGNS}])", re.DOTALL)


def write_table(target: Path, head: Sequence[str], lines: Sequence[Sequence[Any]], shared: bool) -> None:
    """Write a table in place of an older one, all or nothing, for its owner.

    Args:
        shared: for the group, too.

    Raises:
        OSError: it can't be written; the older one is still there.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(map(as_cell, head))
            table.writerows([as_cell(one) for one in line] for line in lines)
        if shared:
            os.chmod(draft, 0o660)
        os.replace(draft, target)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(target)) from error


def as_cell(value: Any) -> Any:
    """A value as a spreadsheet is to show it: an apostrophe stands before what it would take for a formula."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return ("'" if _FIRST.match(text) else "") + _INNER.sub(r"\1'\2", text)


def is_plain(text: str) -> bool:
    """Whether a text is written as it is."""
    return as_cell(text) == text
