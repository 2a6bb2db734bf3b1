"""What `python -m proctor doctor` looks at in the course: who can read what is the staff's, and the gradebook."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.plugin import gradebook_file
from proctor.plugin.findings import Finding, fail, members, ok, open_to_all, reached_by_all, warn
from proctor.plugin.reports_folder import FOLDER as REPORTS
from proctor.plugin.sealed import FOLDER as SEALED
from proctor.secret import group_name
from proctor.settings import Proctor

_SHOWN = 8


def places(coursedir: CourseDirectory, settings: Proctor) -> Iterator[Finding]:
    """Modes of what belongs to the staff."""
    root = Path(coursedir.root).resolve()
    group = settings.staff_group(root)
    if group is not None:
        yield _members(coursedir, root, group)
    for path in _of_staff(coursedir, root):
        yield _folder(path, group) if path.is_dir() else _file(path, group)
    yield secret(settings, root)


def gradebook(coursedir: CourseDirectory) -> Iterator[Finding]:
    """Whether it can be used, and its database's driver."""
    root = Path(coursedir.root).resolve()
    try:
        path = gradebook_file.path_of(coursedir.db_url)
        if not gradebook_file.exists(coursedir.db_url):
            gradebook_file.refuse_lost(coursedir.db_url, root)
            where = gradebook_file.shown(coursedir.db_url)
            yield warn(f"{where}: there is no gradebook yet", "nbgrader generate_assignment ASSIGNMENT")
            return
        gradebook_file.check(coursedir.db_url, root)
    except ProctorError as error:
        yield fail(str(error))
        return
    yield ok(f"gradebook: {gradebook_file.shown(coursedir.db_url)}")
    if gradebook_file.has_password(coursedir.db_url):
        yield warn(
            "c.CourseDirectory.db_url has the password of the gradebook in it, for whoever reads nbgrader_config.py",
            "put it into ~/.pgpass (mode 600), and take it out of the address",
        )
    if path is not None and _file_system(path).startswith("nfs"):
        yield warn(
            f"{path}: lies on NFS, where SQLite needs locks that the server passes on",
            "put it on a local disk, or use a postgresql:// address, if several machines grade",
        )


def secret(settings: Proctor, root: Path) -> Finding:
    """Whether the course secret can be used, which isn't made by that."""
    path = settings.secret_path(root)
    if not path.exists() and not path.is_symlink():
        return ok(f"{path}: no course secret yet; the first autograde makes it")
    try:
        settings.course_secret(root)
    except ProctorError as error:
        return fail(str(error))
    return ok(f"{path}: the course secret is the staff's alone")


def exchange(root: Path, course: str, shared: bool) -> Iterator[Finding]:
    """Whether students can hand in, and read nothing of each other."""
    if not root.is_dir():
        yield fail(f"{root}: there is no exchange", f"mkdir -p {_q(root)} && chmod 777 {_q(root)}")
        return
    if stat.S_IMODE(root.stat().st_mode) & 0o777 != 0o777:
        yield fail(f"{root}: the exchange has to be open to all accounts", f"chmod 777 {_q(root)}")
    elif not reached_by_all(root):
        closed = next(one for one in reversed(root.resolve().parents) if not one.stat().st_mode & stat.S_IXOTH)
        yield warn(
            f"{root}: students' accounts can't reach the exchange, because of {closed}",
            "set c.Exchange.root to a folder outside, if students have accounts here",
        )
    else:
        yield ok(f"{root}: the exchange is open to all accounts")
    wanted = {"inbound": 0o2773 if shared else 0o2733, "feedback": 0o2771 if shared else 0o711}
    for name, mode in wanted.items():
        folder = root / course / name
        if not folder.is_dir():
            continue
        now = stat.S_IMODE(folder.stat().st_mode)
        lacking = name == "inbound" and now & 0o003 != 0o003
        if now & 0o004 or lacking or (shared and now & 0o070 != 0o070):
            said = "students can't hand in" if lacking else "others can list what is in it, or the staff can't"
            yield fail(f"{folder}: mode {now:o}: {said}", f"chmod {mode:o} {_q(folder)}")
        else:
            yield ok(f"{folder}: mode {now:o}")


def _of_staff(coursedir: CourseDirectory, root: Path) -> list[Path]:
    names = [coursedir.source_directory, coursedir.submitted_directory, coursedir.autograded_directory]
    names += [coursedir.feedback_directory, verdict.FOLDER, SEALED, REPORTS]
    database = gradebook_file.path_of(coursedir.db_url)
    found = [root / name for name in names]
    found += [root / database] if database is not None else []
    return [path for path in found if path.exists()]


def _folder(path: Path, group: int | None) -> Finding:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if group is None:
        if open_to_all(path) or _open_to_group(path):
            return fail(f"{path}: mode {mode:o}: others can read what is in it", f"chmod 700 {_q(path)}")
        return ok(f"{path}: closed to others")
    name = group_name(group)
    if status.st_gid != group or mode & 0o2770 != 0o2770 or open_to_all(path):
        return fail(
            f"{path}: mode {mode:o}, group {group_name(status.st_gid)}: it has to be open to the group {name} and no "
            "one else",
            f"chgrp -R {name} {_q(path)} && chmod -R g+rwX,o= {_q(path)} && "
            f"find {_q(path)} -type d -exec chmod g+s {{}} +",
        )
    return ok(f"{path}: open to the group {name} alone")


def _file(path: Path, group: int | None) -> Finding:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if group is None:
        if open_to_all(path) or _open_to_group(path):
            return fail(f"{path}: mode {mode:o}: others can read it", f"chmod 600 {_q(path)}")
        return ok(f"{path}: closed to others")
    name = group_name(group)
    if status.st_gid != group or mode & 0o660 != 0o660 or open_to_all(path):
        return fail(
            f"{path}: mode {mode:o}, group {group_name(status.st_gid)}: it has to be open to the group {name} and no "
            "one else",
            f"chgrp {name} {_q(path)} && chmod 660 {_q(path)}",
        )
    return ok(f"{path}: open to the group {name} alone")


def _open_to_group(path: Path) -> bool:
    """Whether accounts beside the owner's can read it as members of its group."""
    status = path.stat()
    if not status.st_mode & 0o070:
        return False
    own = {one.pw_name for one in pwd.getpwall() if one.pw_uid == status.st_uid}
    return bool(members(status.st_gid) - own)


def _members(coursedir: CourseDirectory, root: Path, group: int) -> Finding:
    name, known = group_name(group), members(group)
    handed_in = root / coursedir.submitted_directory
    students = sorted(known & set(os.listdir(handed_in))) if handed_in.is_dir() else []
    if students:
        return fail(
            f"in the group {name}, which reads all of the course, are students: {', '.join(students[:_SHOWN])}",
            f"gpasswd --delete {shlex.quote(students[0])} {name}",
        )
    mode = stat.S_IMODE(root.stat().st_mode)
    if mode & 0o2070 != 0o2070:
        return fail(
            f"{root}: mode {mode:o}: several accounts grade (groupshared), and the group {name} can't write here",
            f"chmod g+rwxs {_q(root)}",
        )
    shown = ", ".join(sorted(known)[:_SHOWN]) or "nobody that this machine can list"
    return ok(f"the group {name} grades: {shown}")


def _file_system(path: Path) -> str:
    """Kind of the file system that a file lies on."""
    found = ("", "")
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, place, kind, *_ = line.split()
            place = place.replace("\\040", " ")
            if path.resolve().is_relative_to(place) and len(place) >= len(found[0]):
                found = (place, kind)
    return found[1]


def _q(path: Path) -> str:
    return shlex.quote(str(path))
