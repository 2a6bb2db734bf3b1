"""Where data sets lie, and what is known about them: addresses, names and checksums of their files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from dl1.errors import CourseError
from dl1.notebook.places import CONFIG_NAME

try:
    import tomllib
except ModuleNotFoundError:
    # Python 3.10, which only students may have; what the package knows is enough for them.
    tomllib = None

DATA_VARIABLE = "DL1_DATA"
MANIFEST_NAME = "manifest.toml"
_CHUNK = 2**20

# What students know who have the package alone, in the manifest's form; a test compares the two. CIFAR-10's part is in
# torchvision.
_PACKAGED: dict[str, dict[str, Any]] = {
    "cora": {
        "title": "Cora",
        "urls": [
            "https://github.com/kimiyoung/planetoid/raw/master/data/",
            "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/",
        ],
        "folder": "Cora/raw",
        "files": {
            "ind.cora.allx": "sha256:9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
            "ind.cora.ally": "sha256:2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
            "ind.cora.graph": "sha256:58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
            "ind.cora.test.index": "sha256:297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
            "ind.cora.tx": "sha256:b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
            "ind.cora.ty": "sha256:41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
            "ind.cora.x": "sha256:23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
            "ind.cora.y": "sha256:94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
        },
    },
    "grimm": {
        "title": "Grimms' Fairy Tales",
        "urls": [
            "https://www.gutenberg.org/cache/epub/2591/pg2591.txt",
            "https://www.gutenberg.org/files/2591/2591-0.txt",
        ],
        "folder": "grimm",
        "files": {
            "grimms_fairy_tales.txt": "sha256:e6439bd511820742e842e21b75e89b394d3809eec82ca56b506c39ff39d4a7d6 "
            "sha256:4d909d18d528fbf393a06ecc05487006d6983f69d55a16138e4bc7642213eb90",
        },
        "other_names": {
            "grimms_fairy_tales.txt": ["grimms_gutenberg_raw_crlf.txt", "pg2591.txt", "2591-0.txt", "2591.txt"],
        },
        "marks": ["*** START OF TH", "THE GOLDEN BIRD", "SNOW-WHITE AND ROSE-RED", "*** END OF TH"],
    },
}


@dataclass(frozen=True)
class KnownData:
    """What is known about a data set before it is here: it comes as an archive or as single files.

    A checksum is written like "md5:0123...". Several with spaces between them mean that any of them will do.

    Attributes:
        name: as in ``python -m dl1.download <name>``.
        title: for messages.
        urls: addresses in the order in which they are tried: of the archive; else of a folder with the files, which
            ends in a slash, or of the only file.
        archive: the archive's file name; None if there is none.
        size: of the archive, in bytes; None if it isn't known.
        checksum: of the archive; empty if there is none.
        folder: that the archive unpacks to, or that the files are put into; parts of it with slashes between them.
        files: checksum of each file in that folder that is used, by file name.
        other_names: what else a file may be called where it is copied from, by file name.
        marks: for texts that their publisher changes now and then: a file that holds all of these in this order is
            another edition, and as good as one with a known checksum.
    """

    name: str
    title: str
    urls: tuple[str, ...]
    archive: str | None
    size: int | None
    checksum: str
    folder: str
    files: dict[str, str]
    other_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    def is_in(self, data: Path) -> bool:
        """Whether any of its files is in the data folder, damaged or not."""
        return any((data / self.folder / name).exists() for name in self.files)

    def is_intact(self, name: str, path: Path) -> bool:
        """Whether a path holds this file, as it was published or, if there are marks, in another edition.

        Raises:
            OSError: the path can't be read.
        """
        return has_checksum(path, self.files[name]) or self._has_marks(path)

    def problems(self, data: Path) -> list[str]:
        """What is wrong with its files in the data folder, one phrase a file; empty if all are intact.

        Reads every file to its end: about a second for CIFAR-10.
        """
        found = []
        for name in self.files:
            path = data / self.folder / name
            try:
                if not self.is_intact(name, path):
                    found.append(f"{path} is damaged")
            except FileNotFoundError:
                found.append(f"{path} is missing")
            except OSError as error:
                found.append(f"{path} can't be read ({error.strerror})")
        return found

    def other_editions(self, data: Path) -> list[Path]:
        """The files that are intact, but in an edition whose checksum isn't known.

        Raises:
            OSError: a file can't be read.
        """
        paths = {name: data / self.folder / name for name in self.files}
        return [
            path for name, path in paths.items() if self._has_marks(path) and not has_checksum(path, self.files[name])
        ]

    def _has_marks(self, path: Path) -> bool:
        if not self.marks:
            return False
        content, place = path.read_bytes(), 0
        for mark in self.marks:
            place = content.find(mark.encode(), place)
            if place < 0:
                return False
        return True


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file's content has this checksum, "algorithm:hexadecimal digits", or one of several.

    Raises:
        OSError: the file can't be read.
    """
    accepted = [one.lower() for one in checksum.split()]
    # The files are compared with what was published; an MD5 is at times all that was.
    digests = {one.partition(":")[0]: hashlib.new(one.partition(":")[0], usedforsecurity=False) for one in accepted}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for digest in digests.values():
                digest.update(chunk)
    return any(f"{algorithm}:{digest.hexdigest()}" in accepted for algorithm, digest in digests.items())


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

    Where neither has a manifest, Python 3.10 can't read it, or it doesn't name the set, the package's own knowledge
    counts.

    Raises:
        CourseError: no such data set, a manifest that can't be read, or DL1_DATA is not a folder.
    """
    path = _manifest()
    tables = _tables(path) if path else {}
    if name not in tables:
        return packaged_data(name)
    try:
        return _from_table(name, tables[name])
    except (KeyError, TypeError, AttributeError) as error:
        raise CourseError(f"[{name}] in {path} is incomplete or wrong ({error}): compare it with [cifar10]") from None


def known_names() -> list[str]:
    """Names of all data sets that :func:`known_data` knows, those of the manifest first.

    Raises:
        CourseError: a manifest that can't be read, or DL1_DATA is not a folder.
    """
    path = _manifest()
    return list(dict.fromkeys([*(_tables(path) if path else ()), "cifar10", *_PACKAGED]))


def packaged_data(name: str) -> KnownData:
    """What the package knows of a data set by itself, whatever a manifest says; of CIFAR-10, what torchvision knows.

    Raises:
        CourseError: it doesn't know it, or CIFAR-10 without torchvision.
    """
    if name in _PACKAGED:
        return _from_table(name, _PACKAGED[name])
    if name == "cifar10":
        return _cifar10_of_torchvision()
    raise CourseError(f"there is no data set {name!r}: choose one of {', '.join(known_names())}")


def _manifest() -> Path | None:
    for folder in (_course_data(), _named_folder()):
        if tomllib and folder and (folder / MANIFEST_NAME).is_file():
            return folder / MANIFEST_NAME
    return None


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} can't be read ({error}): restore the course's copy of it") from None


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


def _from_table(name: str, table: dict[str, Any]) -> KnownData:
    archive = table.get("archive")
    checksums = [*table["files"].values(), *([table["checksum"]] if archive else [])]
    for checksum in checksums:
        algorithms = [one.partition(":")[0] for one in checksum.split()]
        if not algorithms or any(a not in hashlib.algorithms_guaranteed or a.startswith("shake") for a in algorithms):
            raise TypeError(f"checksum {checksum!r}")
    urls = tuple(table["urls"])
    if not archive and len(table["files"]) > 1 and not all(url.endswith("/") for url in urls):
        raise TypeError("without an archive, each of the urls has to end in a slash")
    return KnownData(
        name=name,
        title=table["title"],
        urls=urls,
        archive=archive,
        size=table.get("size"),
        checksum=table["checksum"] if archive else "",
        folder=table["folder"],
        files=dict(table["files"]),
        other_names={file: tuple(names) for file, names in table.get("other_names", {}).items()},
        marks=tuple(table.get("marks", ())),
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
