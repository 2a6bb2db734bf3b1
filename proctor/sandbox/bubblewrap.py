"""A sandbox for student code and for the checker, made of bubblewrap: an allow-list of mounts and no network.

What a program in it can see is exactly `Sandbox.mount_list()`. It runs as an unprivileged user with namespaces of its
own for users, processes, network, mounts, IPC, control groups and host name, without most of the kernel's less common
calls, and dies with the process that started it. Started by root, each sandbox has an account of its own.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from proctor.errors import ProctorError
from proctor.sandbox import cgroups, seccomp_filter
from proctor.sandbox import entry as sandbox_entry
from proctor.sandbox.folders import OwnFolder, new_account
from proctor.sandbox.limits import Limits
from proctor.sandbox.measure import ENTRY, HOME, OWN_FOLDERS
from proctor.sandbox.mounts import (
    Mount,
    emptied_in_proc,
    etc_mounts,
    make_etc,
    python_mounts,
    readable_copy,
    system_links,
    system_mounts,
    without_its_place,
)
from proctor.sandbox.process import Running

WORK = f"{HOME}/work"
_SUBMISSION = "/opt/submission"
_INSTALL = "install it: apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)"
_SWITCH_ON = (
    "let unprivileged users make user namespaces: sysctl -w user.max_user_namespaces=15000, on Debian and Ubuntu also "
    "kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0"
)
# Known since bubblewrap 0.8; the filter of system calls refuses further namespaces anyway.
_NO_MORE_USERS = "--disable-userns"
_NAMESPACES = ("--unshare-all", "--unshare-user")
# Where Python itself finds its libraries; nothing else of the environment goes even to the outermost process.
_FOR_PYTHON = ("LD_LIBRARY_PATH",)


class SandboxUnavailable(ProctorError):
    """There is no usable sandbox; the message says what to install or to switch on."""


class Sandbox:
    """A description of a sandbox; `start` runs one program in a fresh one.

    Args:
        kind: "bwrap", or "none" for a plain process without any protection, where a course has decided so.
        mounts: what the program needs besides Python, its packages and the system's libraries.
        work: folder whose content is copied to the program's working folder; None for an empty one.
        environment: variables; nothing else of the environment is passed on.
    """

    def __init__(
        self,
        kind: str,
        limits: Limits,
        mounts: Sequence[Mount] = (),
        work: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if kind not in ("bwrap", "none"):
            raise ProctorError(f"there is no sandbox of kind {kind!r}; use bwrap, or none for no protection")
        self.kind = kind
        self.limits = limits
        self.mounts = list(mounts)
        self.work = work
        self.environment = dict(environment or {})

    def mount_list(self) -> list[str]:
        """What is visible inside, one line each."""
        mounts = [*system_mounts(), *etc_mounts(), *python_mounts(), *self.mounts]
        lines = [f"{mount.target}  from {mount.source}, read-only" for mount in mounts]
        lines += [f"{name}  link to {to}" for name, to in system_links()]
        lines += ["/etc  made up: users, hosts, library cache", "/dev  null, zero, full, random, tty, read-only"]
        lines += ["/proc  its own processes, and numbers of processors and memory"]
        lines += [f"{name}  empty, of limited size" for name in OWN_FOLDERS]
        if self.work is not None:
            lines += [f"{_SUBMISSION}  from {self.work}, read-only", f"{WORK}  a copy of it"]
        return sorted(lines)

    def start(
        self,
        command: Sequence[str],
        pass_fds: Sequence[int] = (),
        stdout: int | IO = subprocess.DEVNULL,
        stderr: int | IO = subprocess.DEVNULL,
        forks: bool = False,
    ) -> Running:
        """Run a program; it keeps the descriptors `pass_fds` under their numbers and no others.

        Args:
            forks: whether it is one of the engine's own that closes its forks in, see `proctor.sandbox.warm_entry`.

        Raises:
            SandboxUnavailable: bubblewrap can't be used here.
        """
        folder = OwnFolder()
        group = None
        try:
            if self.kind == "none":
                full, environment = self._unprotected(command, folder.path)
                process = self._popen(full, environment, pass_fds, stdout, stderr)
            else:
                problem = availability()
                if problem:
                    raise SandboxUnavailable(problem)
                parent = cgroups.delegated()
                group = cgroups.Group(parent, self.limits) if parent else None
                with tempfile.TemporaryFile() as file:
                    file.write(json.dumps(self._job(command, folder.path, group, forks)).encode())
                    file.seek(0)
                    full = [sys.executable, "-I", "-S", sandbox_entry.__file__, "outside", str(file.fileno())]
                    environment = {name: os.environ[name] for name in _FOR_PYTHON if name in os.environ}
                    process = self._popen(full, environment, [*pass_fds, file.fileno()], stdout, stderr)
        except BaseException:
            if group is not None:
                group.remove()
            folder.remove()
            raise
        return Running(process, self.limits, folder, self.kind == "bwrap", group)

    def for_forks(self, folders: Sequence[str], work: str) -> dict[str, Any]:
        """What a program that closes its forks in has to know, see `proctor.sandbox.warm_entry`."""
        return {
            "folders": list(folders),
            "bytes": self.limits.home_bytes,
            "work": work,
            "limits": self._inside([], None, work)["limits"],
            "filter": base64.b64encode(seccomp_filter.program()).decode(),
            "keyctl": seccomp_filter.call_number("keyctl"),
        }

    def _popen(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        pass_fds: Sequence[int],
        stdout: int | IO,
        stderr: int | IO,
    ) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            env=environment,
            cwd="/",
            start_new_session=True,
            # Whatever that of the staff is: others, as whom a sandbox runs, have to read what is made for it.
            umask=0o022,
        )

    def _job(self, command: Sequence[str], folder: Path, group: cgroups.Group | None, forks: bool) -> dict[str, Any]:
        """What the entry program is told, see there."""
        account = new_account() if os.geteuid() == 0 else None
        for name in ("stage", "copies", "nothing"):
            (folder / name).mkdir()
            (folder / name).chmod(0o755)
        (folder / "empty").touch()
        (folder / "empty").chmod(0o644)
        shown = [*system_mounts(), Mount(make_etc(folder / "etc"), "/etc"), *etc_mounts(), *python_mounts()]
        own = [*self.mounts, Mount(Path(sandbox_entry.__file__).resolve(), ENTRY)]
        shown += [without_its_place(mount, folder / "copies" / str(number)) for number, mount in enumerate(own)]
        if self.work is not None:
            shown.append(Mount(readable_copy(self.work, folder / "submission"), _SUBMISSION))
        files, folders = emptied_in_proc()
        shown += [Mount(folder / "empty", path) for path in files] + [
            Mount(folder / "nothing", path) for path in folders
        ]
        if account is not None:
            # Nobody else can enter it, neither another account of this machine nor another sandbox.
            os.chown(folder, account, account)
        source = _SUBMISSION if self.work is not None else None
        inside = self._inside(command, source, WORK)
        return {
            "parent": os.getpid(),
            "stage": str(folder / "stage"),
            "sources": [str(mount.source) for mount in shown],
            "account": account,
            "group": str(group.path) if group is not None else None,
            "keyctl": seccomp_filter.call_number("keyctl"),
            "filter": None if forks else base64.b64encode(seccomp_filter.program()).decode(),
            "bwrap": shutil.which("bwrap"),
            "options": self._options(shown, forks),
            "command": [sys.executable, "-I", "-S", ENTRY, "inside", json.dumps(inside)],
        }

    def _options(self, shown: Sequence[Mount], forks: bool) -> list[str]:
        """Options of bwrap; `mount:3` stands for the fourth mount until the entry program has opened it."""
        words = [*_NAMESPACES, *([] if forks else _no_more_users()), "--as-pid-1", "--die-with-parent", "--new-session"]
        words += ["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv"]
        for name, value in self._variables().items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev"]
        # Mapped into memory, zero becomes memory that nobody counts; full reads the same.
        words += ["--dev-bind", "/dev/full", "/dev/zero"]
        for folder in OWN_FOLDERS:
            words += ["--size", str(self.limits.home_bytes), "--tmpfs", folder]
        # After the empty folders, since an environment may lie in one of them.
        for number, mount in enumerate(shown):
            words += ["--ro-bind", f"mount:{number}", mount.target]
        for name, to in system_links():
            words += ["--symlink", to, name]
        # Its own mounts stay as they are; nothing can be put beside them. Both have no limit of their size.
        return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]

    def _unprotected(self, command: Sequence[str], folder: Path) -> tuple[list[str], dict[str, str]]:
        work = folder / "work"
        inside = self._inside(command, str(self.work.resolve()) if self.work else None, str(work))
        # Without a user namespace this limit would count every process of the user who grades.
        del inside["limits"]["RLIMIT_NPROC"]
        environment = self._variables() | {"HOME": str(folder), "PATH": os.environ.get("PATH", os.defpath)}
        return [sys.executable, "-I", "-S", sandbox_entry.__file__, "inside", json.dumps(inside)], environment

    def _inside(self, command: Sequence[str], source: str | None, work: str) -> dict:
        limits = {
            "RLIMIT_NPROC": self.limits.processes,
            "RLIMIT_FSIZE": self.limits.file_bytes,
            "RLIMIT_NOFILE": self.limits.open_files,
            "RLIMIT_CORE": 0,
        }
        return {"source": source, "work": work, "limits": limits, "command": list(command)}

    def _variables(self) -> dict[str, str]:
        fixed = {
            "HOME": HOME,
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "IPYTHONDIR": "/tmp/ipython",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return fixed | self.environment


@functools.cache
def availability() -> str | None:
    """None where bubblewrap can be used, otherwise what to install or to switch on."""
    if shutil.which("bwrap") is None:
        return f"grading needs bubblewrap (bwrap), which is not installed; {_INSTALL}"
    try:
        seccomp_filter.program()
        trial = _trial()
    except ProctorError as error:
        return str(error)
    except (OSError, subprocess.SubprocessError) as error:
        return f"grading needs bubblewrap (bwrap), which does not run here ({error}); {_INSTALL}"
    if trial.returncode:
        said = " ".join(trial.stderr.split())[:300]
        return f"grading needs bubblewrap, and this system refuses it ({said}); {_SWITCH_ON}"
    return None


def unbound() -> str | None:
    """What limits can't hold here, in a line for whoever grades; None if they hold."""
    return None if cgroups.delegated() else cgroups.UNBOUND


@functools.cache
def _no_more_users() -> list[str]:
    """The option that forbids further user namespaces, where this bubblewrap knows it and can set it."""
    return [] if _trial(_NO_MORE_USERS).returncode else [_NO_MORE_USERS]


def _trial(*options: str) -> subprocess.CompletedProcess:
    command = ["bwrap", *_NAMESPACES, *options, "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    account = new_account() if os.geteuid() == 0 else None
    drop = {} if account is None else {"user": account, "group": account, "extra_groups": []}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/", **drop)
