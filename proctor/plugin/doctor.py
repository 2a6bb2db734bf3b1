"""`python -m proctor doctor`: whether a course can be graded here, and what is the staff's is the staff's alone."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from nbgrader.exchange.default import Exchange
from traitlets import default

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import busy, doctor_places, room, strict_config
from proctor.plugin.findings import Finding, fail, ok, warn, worst
from proctor.sandbox.bubblewrap import availability, unbound
from proctor.sandbox.folders import left_by_others
from proctor.settings import Proctor

_CONSTRAINTS = "constraints.txt"
_KIT = Path(__file__).resolve().parents[2]
_PLENTY = 2 * 2**30


class DoctorApp(NbGrader):
    """The command, which reads the course's configuration as nbgrader's own commands do."""

    name = "proctor-doctor"
    description = "Look whether this course can be graded here, and whether others can read what is the staff's"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = nbgrader_flags
    examples = """
        In the course's folder, with the account that grades:

            python -m proctor doctor
        """

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Exchange, Proctor]

    def start(self) -> None:
        """Print what was found; exit status 1 if something has to be mended."""
        super().start()
        found = list(self.findings())
        for one in found:
            print(one, flush=True)
        count = {level: sum(one.level == level for one in found) for level in ("fail", "warn")}
        print(f"{count['fail']} to mend, {count['warn']} to know of, of {len(found)} looked at")
        if worst(found) == "fail":
            sys.exit(1)

    def findings(self) -> Iterator[Finding]:
        """All of them; a check that fails itself is one."""
        root = Path(self.coursedir.root).resolve()
        settings = Proctor(parent=self)
        checks: list[Callable[[], Iterator[Finding]]] = [
            lambda: _course(root),
            lambda: _sandbox(settings),
            lambda: _scheduler(settings),
            lambda: doctor_places.places(self.coursedir, settings),
            lambda: doctor_places.gradebook(self.coursedir),
            lambda: doctor_places.exchange(
                Path(Exchange(parent=self).root), self.coursedir.course_id, self.coursedir.groupshared
            ),
            lambda: _room(root),
            lambda: _data(settings, root),
            _programs,
            lambda: _versions(root),
            lambda: _at_work(root),
        ]
        for check in checks:
            try:
                yield from check()
            except ProctorError as error:
                yield fail(str(error))
            except OSError as error:
                yield fail(f"{error.filename}: can't be looked at ({error.strerror})", "use the account that grades")


def _course(root: Path) -> Iterator[Finding]:
    config = root / "nbgrader_config.py"
    if not config.is_file():
        yield fail(f"{root}: is no course, it has no nbgrader_config.py", "cd to the course's folder")
    elif config.stat().st_mode & 0o022:
        yield fail(f"{config}: others may write what each command runs", f"chmod go-w {config}")
    else:
        yield ok(f"course: {root}")
    if not strict_config.installed():
        place = Path(sys.prefix) / "etc" / "jupyter"
        yield fail(
            f"{place}: there is no jupyter_config.py of the kit, so that nbgrader grades by itself, in no sandbox, "
            "when there is a mistake in nbgrader_config.py",
            f"mkdir -p {place}; cp {_KIT}/deploy/jupyter_config.py {place}",
        )


def _sandbox(settings: Proctor) -> Iterator[Finding]:
    if settings.sandbox == "none":
        yield fail(
            "c.Proctor.sandbox is 'none': students' code runs with the rights of whoever grades",
            'remove that line from nbgrader_config.py, or set it to "bwrap"',
        )
        return
    if problem := availability():
        yield fail(problem)
        return
    yield ok("sandbox: bubblewrap and seccomp")
    yield warn(unbound()) if unbound() else ok("sandbox: a control group for memory")


def _scheduler(settings: Proctor) -> Iterator[Finding]:
    """What can be seen of a cluster from here, without asking it."""
    address = settings.scheduler
    if not address:
        return
    if importlib.util.find_spec("distributed") is None:
        yield fail(
            "c.Proctor.scheduler needs Dask, which is not installed", "pip install -c constraints.txt dask distributed"
        )
    if settings.sandbox != "bwrap":
        yield fail("c.Proctor.scheduler grades in a sandbox only", 'c.Proctor.sandbox = "bwrap"')
    host = (urlsplit(address).hostname or "").rstrip(".")
    if address.startswith("tls://"):
        yield ok(f"scheduler: {address}")
    elif address.startswith("tcp://") and _is_loopback(host):
        yield ok(f"scheduler: {address}, which only this machine reaches")
    else:
        yield warn(
            f"{address}: without encryption, whoever reaches the scheduler reads what was handed in, runs programs on "
            "its workers, and can answer in their place",
            "use tls:// (deploy/dask.md), or keep everybody else out of that network",
        )


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _room(root: Path) -> Iterator[Finding]:
    for place in (Path(tempfile.gettempdir()), root):
        try:
            room.check([place])
        except ProctorError as error:
            yield fail(str(error))
            continue
        free = room.free_bytes(place)
        text = f"{place}: {free / 2**30:.1f} GiB are free"
        yield ok(text) if free >= _PLENTY else warn(f"{text}; a large course needs more", f"df -h {place}")


def _data(settings: Proctor, root: Path) -> Iterator[Finding]:
    if not settings.data:
        return
    folder = root / settings.data
    if not folder.is_dir() or not any(folder.iterdir()):
        yield warn(f"{folder}: c.Proctor.data names it, and there is nothing in it", "put the course's data there")
    else:
        yield ok(f"data: {folder}")


def _programs() -> Iterator[Finding]:
    if shutil.which("alembic") is None:
        yield fail(
            "alembic, which nbgrader runs, is not on PATH",
            f"export PATH={Path(sys.executable).parent}:$PATH, or activate the environment",
        )
    else:
        yield ok("alembic is on PATH")


def _versions(root: Path) -> Iterator[Finding]:
    file = root / _CONSTRAINTS
    if not file.is_file():
        return
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE))
    other = []
    for name, version in sorted(pins.items()):
        try:
            installed = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            continue
        if installed != version:
            other.append(f"{name} {installed} for {version}")
    if other:
        names = " ".join(line.partition(" ")[0] for line in other)
        yield warn(
            f"other versions than the course is tested with: {', '.join(other)}",
            f"pip install -c {file} {names}",
        )
    else:
        yield ok(f"installed versions are those of {_CONSTRAINTS}")


def _at_work(root: Path) -> Iterator[Finding]:
    for line in busy.all_held(root):
        yield warn(printable(line, 400))
    for path, why in left_by_others(root, "proctor_staged"):
        yield warn(f"{path}: {why}", f"if nobody grades any more: rm -r {path}")
