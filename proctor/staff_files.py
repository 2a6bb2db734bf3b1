"""Files of the staff: for whoever makes them alone, or, where the course is shared by a group, for that group."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_SHARED = stat.S_ISGID | stat.S_IRWXG


def is_shared(folder: Path) -> bool:
    """Whether what is made in a folder is for its group: mode 2770, as `share` sets it."""
    return stat.S_IMODE(folder.stat().st_mode) & _SHARED == _SHARED


def make_folder(folder: Path, top: Path) -> None:
    """Make a folder and those above it that are missing; `top` and what lies in it is never for all.

    Args:
        top: the folder of the staff in which it lies, or it itself. Who else may enter is decided there: if it is
            missing it is for its owner alone.

    Raises:
        OSError: it can't be made.
    """
    for one in reversed([one for one in (folder, *folder.parents) if one.is_relative_to(top) and not one.exists()]):
        with contextlib.suppress(FileExistsError):
            one.mkdir(mode=0o700)
            if one != top and is_shared(one.parent):
                one.chmod(0o2770)


def make_top(folder: Path, shared: bool) -> None:
    """Make a folder of the staff in the course's own folder, or correct who may enter it.

    Args:
        shared: it is for the group that the course's folder belongs to.

    Raises:
        OSError: it can't be made.
    """
    make_folder(folder, folder)
    # Only its owner can; whoever else may not enter gets a message from what he does there.
    with contextlib.suppress(PermissionError):
        if not shared:
            folder.chmod(0o700)
        elif not is_shared(folder):
            os.chown(folder, -1, folder.parent.stat().st_gid)
            folder.chmod(0o2770)


def file_mode(folder: Path) -> int:
    """Mode of a new file in a folder of the staff."""
    return 0o660 if is_shared(folder) else 0o600


def share(folder: Path) -> None:
    """Give a folder and all that is in it to its group (2770, 660); what belongs to others stays as it is."""
    for place, _, names in os.walk(folder):
        for path, mode in [(place, 0o2770), *((os.path.join(place, name), 0o660) for name in names)]:
            with contextlib.suppress(PermissionError):
                if not os.path.islink(path):
                    os.chmod(path, mode)


@contextlib.contextmanager
def staff_only(shared: bool) -> Iterator[None]:
    """What is made meanwhile, by whichever library, is closed to others, and to the group too unless it is shared."""
    before = os.umask(0o007 if shared else 0o077)
    try:
        yield
    finally:
        os.umask(before)
