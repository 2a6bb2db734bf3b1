"""What `python -m proctor doctor` finds: a line for each, with the command that mends it."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One of them.

    Attributes:
        level: "ok"; "warn" for what somebody should know; "fail" for what has to be mended.
        cure: a command, or what to do in words; "" if nothing is to be done.
    """

    level: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"\n      mend: {self.cure}" if self.cure else ""
        return f"{self.level:4}  {self.text}{cure}"


def ok(text: str) -> Finding:
    return Finding("ok", text)


def warn(text: str, cure: str = "") -> Finding:
    return Finding("warn", text, cure)


def fail(text: str, cure: str = "") -> Finding:
    return Finding("fail", text, cure)


def worst(found: Sequence[Finding]) -> str:
    """The worst level among them."""
    return max((one.level for one in found), key=LEVELS.index, default="ok")


def open_to_all(path: Path) -> bool:
    """Whether an account that has nothing to do with a file or folder can read it, or what is in it, by their modes."""
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | stat.S_IWOTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return bool(mode & wanted) and reached_by_all(path)


def reached_by_all(path: Path) -> bool:
    """Whether all folders above let everybody through."""
    return all(one.stat().st_mode & stat.S_IXOTH for one in path.resolve().parents)


def members(group: int) -> set[str]:
    """Names of the accounts in a group, as far as this machine can list them."""
    try:
        listed = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        listed = set()
    return listed | {one.pw_name for one in pwd.getpwall() if one.pw_gid == group}
