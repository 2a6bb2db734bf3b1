"""Sealed hints as lines of text, without which cells are compared. What they are: `dl1.contract.sealed_hints`."""

from __future__ import annotations

import re

# As the package of checks has it, which loads torch.
MARKER = "# Sealed hints: "
LINE = re.compile(rf"{re.escape(MARKER)}[A-Za-z0-9+/=]+")


def without_lines(source: str) -> str:
    """A text without sealed hints."""
    if MARKER not in source:
        return source
    return "\n".join(line for line in source.split("\n") if not LINE.fullmatch(line.rstrip()))
