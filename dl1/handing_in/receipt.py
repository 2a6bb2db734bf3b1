"""What a student keeps of a hand-in: what it was, when, and how long before or after the deadline."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class HandedIn(NamedTuple):
    """A hand-in.

    Attributes:
        how: in words, as "through the exchange of dl1".
        moment: when, with a time zone.
        due: the deadline as it was given out; None if that is not known.
        digest: SHA-256 in hexadecimal, and `of` what.
        notebooks: of each notebook's file its SHA-256, by its path.
    """

    assignment: str
    how: str
    moment: datetime.datetime
    due: datetime.datetime | None
    digest: str
    of: str
    notebooks: Mapping[str, str]


def receipt(handed_in: HandedIn, counts_later: bool = False) -> str:
    """The receipt as text.

    Args:
        counts_later: whether it is still to be sent, so that its time is not the one that counts.
    """
    lines = [
        f"Receipt: {handed_in.assignment}, {handed_in.how}",
        f"  time        {_local(handed_in.moment)}",
        f"  deadline    {deadline(handed_in.moment, handed_in.due)}",
        f"  SHA-256     {handed_in.digest}  ({handed_in.of})",
    ]
    width = max((len(path) for path in handed_in.notebooks), default=0)
    lines += [f"  {path:{width}}  {digest}" for path, digest in handed_in.notebooks.items()]
    if handed_in.notebooks:
        lines.append("  The digest of each notebook is the one that its feedback page will show.")
    if counts_later:
        lines.append("  It counts from when the course has it: hand the archive in now.")
    return "\n".join(lines)


def deadline(moment: datetime.datetime, due: datetime.datetime | None) -> str:
    """When it is due, and how long that is from a moment on."""
    if due is None:
        return "not known here; look at your course's page"
    seconds = (due - moment).total_seconds()
    told = f"{span(seconds)} left" if seconds >= 0 else f"late by {span(-seconds)}, unless you have an extension"
    return f"{_local(due)}: {told}"


def span(seconds: float) -> str:
    """A time in its two largest units: "1 day 17 hours"."""
    parts, left = [], int(seconds)
    for name, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(parts[:2]) or "less than a minute"


def save(text: str, path: Path) -> bool:
    """Write a receipt; whether it could be written."""
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError:
        return False
    return True


def _local(moment: datetime.datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
