"""Accounts of this machine that are made for a test and removed after it, and what they run; that needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from course_folder import ROOT

# An interpreter below a closed folder (of root's) is shown to the accounts in a view of the disk of their own.
VIEW = """
set -e
if [ -n "$CLOSED" ]; then
  mount --bind "$BASE" "$HOLD"
  mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
  mkdir -p "$BASE"
  mount --bind "$HOLD" "$BASE"
fi
umask 022
[ -z "$ACCOUNT" ] && exec "$@"
exec setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --init-groups "$@"
"""


def lacking() -> str | None:
    """Why accounts can't be made here; None if they can."""
    if os.geteuid() != 0:
        return "needs root, who makes accounts"
    tools = [
        tool for tool in ("useradd", "userdel", "groupadd", "groupdel", "setpriv", "unshare") if not shutil.which(tool)
    ]
    if tools:
        return f"needs {', '.join(tools)}"
    trial = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return "needs the right to mount" if trial.returncode else None


class Accounts:
    """Accounts with a name of their own each, and what they run.

    Args:
        names: by group, what its accounts are called here.

    Attributes:
        names: of the accounts, by what they are called here.
        groups: names of the groups, by what they are called here.
        temporary: folder for all their temporary files.
    """

    def __init__(self, place: Path, names: dict[str, tuple[str, ...]]) -> None:
        self.place = place
        self.wanted = names
        own = f"pt{os.getpid()}"
        self.groups = {group: f"{own}{group}" for group in names}
        self.names = {name: f"{own}{name}" for group in names.values() for name in group}
        self.processes: list[subprocess.Popen] = []
        (place / "hold").mkdir()
        # Wherever this run has its own: everybody may write there, as on any machine.
        self.temporary = place / "tmp"
        self.temporary.mkdir()
        self.temporary.chmod(0o1777)

    def home(self, name: str) -> Path:
        return self.place / f"home-{name}"

    def make(self) -> None:
        for group, names in self.wanted.items():
            subprocess.run(["groupadd", self.groups[group]], check=True)
            for name in names:
                account = self.names[name]
                command = ["useradd", "--no-create-home", "--home-dir", self.home(name), "--shell", "/bin/sh"]
                subprocess.run([*command, "--groups", self.groups[group], account], check=True)
                self.home(name).mkdir()
                shutil.chown(self.home(name), account, account)

    def remove(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for account in self.names.values():
            subprocess.run(["userdel", "--force", account], capture_output=True, check=False)
        for group in self.groups.values():
            subprocess.run(["groupdel", group], capture_output=True, check=False)

    def start(self, name: str | None, *command: str, folder: Path = Path("/"), **environment: str) -> subprocess.Popen:
        """Start a program as an account, or as root without a name, in the accounts' view of the disk."""
        base = Path(sys.base_prefix).resolve()
        closed = [one for one in base.parents if not one.stat().st_mode & 0o001]
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TMPDIR": str(self.temporary),
            "HOME": str(self.home(name) if name else self.place),
            "ACCOUNT": self.names[name] if name else "",
            "BASE": str(base),
            "HOLD": str(self.place / "hold"),
            "CLOSED": str(closed[-1]) if closed else "",
        } | environment
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", VIEW, "sh", *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, name: str, *command: str, folder: Path = Path("/")) -> tuple[int, str]:
        """Exit status of a program of an account, and what it said."""
        process = self.start(name, *command, folder=folder)
        said, _ = process.communicate()
        return process.returncode, said

    def readable(self, name: str, *places: Path) -> list[str]:
        """Files below some folders that an account can read, and folders that it can list."""
        if not places:
            # Without a place `find` would walk through the whole disk, for as long as the test takes.
            return []
        _, said = self.run(name, "find", *map(str, places), "-readable", "-print")
        return [line for line in said.splitlines() if line.startswith("/") and "Permission denied" not in line]


@contextlib.contextmanager
def made(names: dict[str, tuple[str, ...]]) -> Iterator[Accounts]:
    """Accounts by group, with a folder for all that is theirs."""
    place = Path(tempfile.mkdtemp(prefix="accounts-", dir="/tmp"))
    place.chmod(0o755)
    accounts = Accounts(place, names)
    try:
        accounts.make()
        yield accounts
    finally:
        accounts.remove()
        shutil.rmtree(place)
