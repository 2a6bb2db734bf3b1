"""What was looked at: one line each, and the command that mends it."""

from __future__ import annotations

from typing import NamedTuple

OK, KNOW, MEND = "ok", "know", "mend"


class Seen(NamedTuple):
    """A line: OK, KNOW (works, but a reader should know of it) or MEND; the command or step that mends it, if any."""

    level: str
    line: str
    mend: str = ""

    def __str__(self) -> str:
        sign = {OK: "  ok  ", KNOW: "  !   ", MEND: "  MEND"}[self.level]
        told = f"{sign}  {self.line}"
        return told + ("\n          -> " + self.mend if self.mend else "")


def quoted(path: str) -> str:
    """A path as it is written in a command line."""
    return f'"{path}"' if " " in path else path
