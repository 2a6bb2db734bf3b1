"""Where data sets lie, and what is known about them: addresses, names and checksums of their files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from dl1.errors import CourseError
from dl1.places import CONFIG_NAME

try:
    import tomllib
except ModuleNotFoundError:
    # Python 3.10, which only students may have; what torchvision knows is enough for them.
    tomllib = None

DATA_VARIABLE = "DL1_DATA"
MANIFEST_NAME = "manifest.toml"
_CHUNK = 2**20


@dataclass(frozen=True)
class KnownData:
    """What is known about a data set before it is here.

    Attributes:
        name: as in ``python -m dl1.download <name>``.
        title: for messages.
        urls: addresses of the archive, in the order in which they are tried.
        archive: the archive's file name.
        size: of the archive, in bytes; None if it isn't known.
        checksum: of the archive, like "md5:0123...".
        folder: that the archive unpacks to.
        files: checksum of each file in that folder that is used, by file name.
    """

    name: str
    title: str
    urls: tuple[str, ...]
    archive: str
    size: int | None
    checksum: str
    folder: str
    files: dict[str, str]

    def is_in(self, data: Path) -> bool:
        """Whether any of its files is in the data folder, damaged or not."""
        return any((data / self.folder / name).exists() for name in self.files)

    def problems(self, data: Path) -> list[str]:
        """What is wrong with its files in the data folder, one phrase a file; empty if all are intact.

        Reads every file to its end: about a second for CIFAR-10.
        """
        found = []
        for name, checksum in self.files.items():
            path = data / self.folder / name
            try:
                if not has_checksum(path, checksum):
                    found.append(f"{path} is damaged")
            except FileNotFoundError:
                found.append(f"{path} is missing")
            except OSError as error:
                found.append(f"{path} can't be read ({error.strerror})")
        return found


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file's content has this checksum, "algorithm:hexadecimal digits".

    Raises:
        OSError: the file can't be read.
    """
    algorithm, _, digits = checksum.partition(":")
    # The files are compared with what was published; an MD5 is at times all that was.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == digits.lower()


def data_folder() -> Path:
    """The folder with the data sets; it isn't made, and need not exist.

    The environment variable DL1_DATA, if it is set; else ``data/`` of the course that the current folder belongs to;
    else the user's cache, for a student who has the package alone.

    Raises:
        CourseError: DL1_DATA is not a folder, or the current folder doesn't exist any more.
    """
    named = _named_folder()
    if named:
        return named
    return _course_data() or Path(user_cache_dir("dl1", appauthor=False))


def known_data(name: str) -> KnownData:
    """What ``manifest.toml`` says of a data set, in the course's data folder or in the one that DL1_DATA names.

    Where neither has a manifest, or Python 3.10 can't read it, CIFAR-10 is still known, from torchvision.

    Raises:
        CourseError: no such data set, a manifest that can't be read, or DL1_DATA is not a folder.
    """
    for folder in (_course_data(), _named_folder()):
        if tomllib and folder and (folder / MANIFEST_NAME).is_file():
            return _from_manifest(folder / MANIFEST_NAME, name)
    if name != "cifar10":
        raise CourseError(f"there is no data set {name!r}: without a {MANIFEST_NAME}, the only one known is cifar10")
    return _cifar10_of_torchvision()


def _named_folder() -> Path | None:
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise CourseError(
            f"the environment variable {DATA_VARIABLE} names {named}, which is not a folder: make that folder, or "
            "correct or unset the variable"
        )
    return folder.resolve()


def _course_data() -> Path | None:
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise CourseError("the current folder was moved or deleted: open the notebook again") from None
    for folder in (here, *here.parents):
        if (folder / CONFIG_NAME).is_file() or (folder / "data" / MANIFEST_NAME).is_file():
            return folder / "data"
    return None


def _from_manifest(path: Path, name: str) -> KnownData:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} can't be read ({error}): restore the course's copy of it") from None
    if name not in tables:
        raise CourseError(f"there is no data set {name!r}: {path} knows {', '.join(tables) or 'none'}")
    try:
        return _from_table(name, tables[name])
    except (KeyError, TypeError, AttributeError) as error:
        raise CourseError(f"[{name}] in {path} is incomplete or wrong ({error}): compare it with [cifar10]") from None


def _from_table(name: str, table: dict[str, Any]) -> KnownData:
    for checksum in (table["checksum"], *table["files"].values()):
        algorithm = checksum.partition(":")[0]
        if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
            raise TypeError(f"checksum {checksum!r}")
    return KnownData(
        name=name,
        title=table["title"],
        urls=tuple(table["urls"]),
        archive=table["archive"],
        size=table.get("size"),
        checksum=table["checksum"],
        folder=table["folder"],
        files=dict(table["files"]),
    )


def _cifar10_of_torchvision() -> KnownData:
    try:
        from torchvision.datasets import CIFAR10  # slow to import, and not needed beside a manifest
    except ImportError:
        raise CourseError("nothing is known about CIFAR-10 without torchvision: pip install 'dl1[notebooks]'") from None
    files = {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    files.update((name, md5) for name, md5 in CIFAR10.train_list + CIFAR10.test_list)
    return KnownData(
        name="cifar10",
        title="CIFAR-10",
        urls=(CIFAR10.url,),
        archive=CIFAR10.filename,
        size=None,
        checksum=f"md5:{CIFAR10.tgz_md5}",
        folder=CIFAR10.base_folder,
        files={name: f"md5:{md5}" for name, md5 in files.items()},
    )
