"""A sandbox for student code and for the checker, made of bubblewrap: an allow-list of mounts and no network.

What a program in it can see is exactly `Sandbox.mount_list()`. It runs as an unprivileged user with namespaces of its
own for users, processes, network, mounts, IPC and host name, and dies with the process that started it.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from proctor.errors import ProctorError
from proctor.sandbox import entry as sandbox_entry
from proctor.sandbox.limits import Limits
from proctor.sandbox.process import HOME, Running

WORK = f"{HOME}/work"
_ENTRY = "/opt/proctor/sandbox_entry.py"
_SUBMISSION = "/opt/submission"
# "nobody" of every Linux; what is mounted for it is read-only or its own.
_UNPRIVILEGED = 65534
_INSTALL = "install it: apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)"
_SWITCH_ON = (
    "let unprivileged users make user namespaces: sysctl -w user.max_user_namespaces=15000, on Debian and Ubuntu also "
    "kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0"
)


class SandboxUnavailable(ProctorError):
    """There is no usable sandbox; the message says what to install or to switch on."""


class Mount(NamedTuple):
    """A file or folder of this machine that everybody may read, read-only at `target` in the sandbox."""

    source: Path
    target: str


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
        self.mounts = [*_python_mounts(), *mounts]
        self.work = work
        self.environment = dict(environment or {})

    def mount_list(self) -> list[str]:
        """What is visible inside, one line each."""
        lines = [f"{mount.target}  from {mount.source}, read-only" for mount in [*_system_mounts(), *self.mounts]]
        lines += [f"{name}  link to {to}" for name, to in _system_links()]
        lines += ["/etc  made up: users, hosts, library cache", "/proc  its own", "/dev  null, zero, full, random, tty"]
        lines += ["/tmp  empty, of limited size", f"{HOME}  empty, of limited size"]
        if self.work is not None:
            lines += [f"{_SUBMISSION}  from {self.work}, read-only", f"{WORK}  a copy of it"]
        return sorted(lines)

    def start(
        self,
        command: Sequence[str],
        pass_fds: Sequence[int] = (),
        stdout: int | IO = subprocess.DEVNULL,
        stderr: int | IO = subprocess.DEVNULL,
    ) -> Running:
        """Run a program; it keeps the descriptors `pass_fds` under their numbers and no others.

        Raises:
            SandboxUnavailable: bubblewrap can't be used here.
        """
        folder = Path(tempfile.mkdtemp(prefix="proctor-"))
        try:
            if self.kind == "none":
                full, environment = self._unprotected(command, folder)
            else:
                problem = availability()
                if problem:
                    raise SandboxUnavailable(problem)
                full, environment = self._bubblewrap(command, folder), None
            process = subprocess.Popen(
                full,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Running(process, self.limits, folder)

    def _bubblewrap(self, command: Sequence[str], folder: Path) -> list[str]:
        etc = folder / "etc"
        _make_etc(etc)
        stage = folder / "stage"
        stage.mkdir()
        folder.chmod(0o755)
        mounts = [*_system_mounts(), Mount(etc, "/etc"), *self.mounts]
        mounts.append(Mount(Path(sandbox_entry.__file__).resolve(), _ENTRY))
        if self.work is not None:
            mounts.append(Mount(_readable_copy(self.work, folder / "submission"), _SUBMISSION))
        root = os.geteuid() == 0
        job = {
            "parent": os.getpid(),
            "stage": str(stage),
            "sources": [str(mount.source) for mount in mounts],
            "uid": _UNPRIVILEGED if root else None,
            "gid": _UNPRIVILEGED if root else None,
            "command": self._bubblewrap_words(command, mounts),
        }
        return [sys.executable, "-I", "-S", sandbox_entry.__file__, "outside", json.dumps(job)]

    def _bubblewrap_words(self, command: Sequence[str], mounts: Sequence[Mount]) -> list[str]:
        """The command line; `mount:3` stands for the fourth mount until the entry program has opened it."""
        words = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        words += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv"]
        for name, value in self._variables().items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev"]
        for folder in ("/tmp", HOME):
            words += ["--size", str(self.limits.home_bytes), "--tmpfs", folder]
        # After the empty folders, since an environment may lie in one of them.
        for number, mount in enumerate(mounts):
            words += ["--ro-bind", f"mount:{number}", mount.target]
        for name, to in _system_links():
            words += ["--symlink", to, name]
        # Its own mounts stay as they are; nothing can be put beside them.
        words += ["--remount-ro", "/", "--chdir", HOME, "--"]
        source = _SUBMISSION if self.work is not None else None
        return [*words, sys.executable, "-I", "-S", _ENTRY, "inside", json.dumps(self._inside(command, source, WORK))]

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
    command = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    drop = {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/", **drop)
    except (OSError, subprocess.SubprocessError) as error:
        return f"grading needs bubblewrap (bwrap), which does not run here ({error}); {_INSTALL}"
    if trial.returncode:
        said = " ".join(trial.stderr.split())[:300]
        return f"grading needs bubblewrap, and this system refuses it ({said}); {_SWITCH_ON}"
    return None


def _python_mounts() -> list[Mount]:
    """The interpreter with its packages, at the same places."""
    folders = {
        Path(sys.prefix).absolute(),
        Path(sys.base_prefix).resolve(),
        Path(sys.executable).resolve().parent.parent,
    }
    outer = [folder for folder in folders if not any(other in folder.parents for other in folders | {Path("/usr")})]
    return [Mount(folder, str(folder)) for folder in sorted(outer) if folder != Path("/usr")]


def _system_mounts() -> list[Mount]:
    folders = [Path("/usr"), *(Path(name) for name in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"))]
    return [Mount(folder, str(folder)) for folder in folders if folder.is_dir() and not folder.is_symlink()]


def _system_links() -> list[tuple[str, str]]:
    names = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
    return [(name, os.readlink(name)) for name in names if os.path.islink(name)]


def _readable_copy(work: Path, copy: Path) -> Path:
    """Readable for the user in the sandbox, whatever the submission's own modes say."""
    shutil.copytree(work, copy, symlinks=True)
    for place, _, names in os.walk(copy):
        os.chmod(place, 0o755)
        for name in names:
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o644)
    return copy


def _make_etc(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    texts = {
        "passwd": "student:x:1000:1000:student:/home/student:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": "student:x:1000:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost sandbox\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in ("ld.so.cache", "localtime", "fonts", "alternatives"):
        source = Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore_dangling_symlinks=True)
        elif source.exists():
            shutil.copy(source, folder / name)
