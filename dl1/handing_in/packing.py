"""The archive of a folder, for courses in which hand-ins travel by other ways than nbgrader's exchange."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from dl1.errors import CourseError
from dl1.handing_in.folder import Folder

_CHUNK = 2**20


def pack(folder: Folder, target: Path) -> Path:
    """Write all that is handed in of a folder into a zip file, whole or not at all.

    Raises:
        CourseError: it can't be written, or a file not be read.
    """
    draft = target.with_name(f".{target.name}")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in folder.files:
                archive.write(folder.path / path, f"{folder.name}/{path}")
        with zipfile.ZipFile(draft) as archive:
            damaged = archive.testzip()
        if damaged:
            raise CourseError(f"{target}: {damaged} was not written whole; look at the disk, and try again")
        draft.replace(target)
    except OSError as error:
        why = error.strerror or str(error)
        raise CourseError(
            f"{target}: can't be written ({why}); make room, or name another folder with --to FOLDER"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal: what `sha256sum` prints."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def digest_of_all(folder: Folder) -> str:
    """SHA-256 over the paths and contents of all that is handed in, in hexadecimal."""
    listed = [[path, digest_of(folder.path / path)] for path in folder.files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
