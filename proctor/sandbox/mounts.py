"""What a program in a sandbox sees of this machine: an allow-list, and what of the kernel's own files is left."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from proctor.errors import ProctorError

# What libraries ask for (numbers of processors, memory), and links that lead to the reader's own process. All else
# under /proc that is no process is empty: kallsyms, keys, config.gz, sys, cmdline, and what the next kernel invents.
_PROC_STAYS = {
    *("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems"),
    *("self", "thread-self", "mounts", "net"),
}
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
_OF_ETC = ("fonts", "alternatives")
# A folder up to this size is copied, so that its place on this machine stands nowhere in the sandbox.
_COPIED_BYTES, _COPIED_FILES = 32 * 2**20, 2_000


class Mount(NamedTuple):
    """A file or folder of this machine that everybody may read, read-only at `target` in the sandbox."""

    source: Path
    target: str


def python_mounts() -> list[Mount]:
    """The interpreter with its packages, at the same places."""
    folders = {
        Path(sys.prefix).absolute(),
        Path(sys.base_prefix).resolve(),
        Path(sys.executable).resolve().parent.parent,
    }
    outer = [folder for folder in folders if not any(other in folder.parents for other in folders | {Path("/usr")})]
    return [Mount(folder, str(folder)) for folder in sorted(outer) if folder != Path("/usr")]


def system_mounts() -> list[Mount]:
    """The system's programs and libraries."""
    folders = [Path("/usr"), *(Path(name) for name in _SYSTEM)]
    return [Mount(folder, str(folder)) for folder in folders if folder.is_dir() and not folder.is_symlink()]


def system_links() -> list[tuple[str, str]]:
    """Links beside them: name and where it leads."""
    return [(name, os.readlink(name)) for name in _SYSTEM if os.path.islink(name)]


def emptied_in_proc() -> tuple[list[str], list[str]]:
    """Files and folders under /proc that say something about this machine and are empty in the sandbox."""
    files, folders = [], []
    for name in sorted(os.listdir("/proc")):
        path = f"/proc/{name}"
        if name.isdigit() or name in _PROC_STAYS or os.path.islink(path):
            continue
        (folders if os.path.isdir(path) else files).append(path)
    return files, folders


def without_its_place(mount: Mount, copy: Path) -> Mount:
    """The same from a copy, if it is not large: in a sandbox /proc/self/mountinfo names the source of each mount."""
    if mount.source.is_file():
        size, files = mount.source.stat().st_size, 1
    else:
        size = files = 0
        for folder, _, names in os.walk(mount.source):
            files += len(names)
            size += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
            if files > _COPIED_FILES or size > _COPIED_BYTES:
                return mount
    if size > _COPIED_BYTES:
        return mount
    return Mount(readable_copy(mount.source, copy), mount.target)


def readable_copy(source: Path, copy: Path) -> Path:
    """Readable for the user in the sandbox, whatever the modes of the original say."""
    if source.is_file():
        shutil.copyfile(source, copy)
        copy.chmod(0o644)
        return copy
    shutil.copytree(source, copy, symlinks=True)
    for place, _, names in os.walk(copy):
        os.chmod(place, 0o755)
        for name in names:
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o644)
    return copy


def make_etc(folder: Path) -> Path:
    """A folder to be mounted as /etc: users, hosts, library cache, and places for `etc_mounts`."""
    folder.mkdir()
    folder.chmod(0o755)
    texts = {
        "passwd": "student:x:1000:1000:student:/home/student:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": "student:x:1000:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost sandbox\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    for name in ("ld.so.cache", "localtime"):
        source = Path("/etc") / name
        if source.exists():
            shutil.copy(source, folder / name)
    for mount in etc_mounts():
        (folder / mount.source.name).mkdir()
        (folder / mount.source.name).chmod(0o755)
    return folder


def etc_mounts() -> list[Mount]:
    """Fonts, and links to programs and libraries, as they are: copying hundreds of links takes half a second."""
    folders = (Path("/etc") / name for name in _OF_ETC)
    return [Mount(folder, str(folder)) for folder in folders if folder.is_dir()]


def refuse_exposing(mounts: Iterable[Mount], private: Sequence[Path]) -> None:
    """Stop before a sandbox shows what nobody in it may see.

    Args:
        private: files and folders of the staff's and of other students; they need not exist.

    Raises:
        ProctorError: a mount is one of them, contains one, or lies in one; the message says which setting to change.
    """
    for mount in mounts:
        shown = mount.source.resolve()
        for one in private:
            secret = one.resolve()
            if _holds(shown, secret) or _holds(secret, shown):
                made_by = "the Python environment" if mount.target == str(mount.source) else "c.Proctor.data"
                raise ProctorError(
                    f"student code would see {secret}, because {made_by} is {mount.source}: let it be a folder that "
                    "neither contains nor lies in source/, submitted/, autograded/, proctor_records/, the exchange, "
                    "the gradebook or the course secret"
                )


def _holds(folder: Path, inner: Path) -> bool:
    """Whether the one is or contains the other, also by another name (a bind mount)."""
    if inner.is_relative_to(folder):
        return True
    if not folder.exists():
        return False
    return any(place.exists() and os.path.samefile(place, folder) for place in (inner, *inner.parents))
