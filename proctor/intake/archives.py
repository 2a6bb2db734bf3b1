"""Unpacks an archive that a student made: regular files only, under names that no tool runs, with caps.

Nothing that an archive says is believed: sizes are counted while reading, a path that leads out of the folder, a link
or a device is left out, and so is what would be more than the caps, the least important first.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dl1.merging.notebook_file import may_be_notebook
from proctor.errors import ProctorError
from proctor.intake.copier import Caps, Taken, printable, read_file
from proctor.intake.importance import importance
from proctor.intake.inert import stored_name
from proctor.intake.tarballs import as_zip

# Of an archive: its table of contents, which is read into memory.
_MAX_TABLE = 8 * 2**20
# What is much larger unpacked than packed is a bomb; small ones do no harm.
_RATIO, _HARMLESS = 100, 16 * 2**20
_PART = 2**20
_TABLE_BYTES = zipfile._ECD_SIZE
# Others may ask for gigabytes of memory, or are not known here.
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_OTHERS = {b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"BZh": "a bzip2 archive", b"%PDF": "a PDF"}
_ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".ipynb.gz")
_OTHER_ENDINGS = (".rar", ".7z", ".gz", ".bz2", ".xz")
_ZIP = b"PK\x03\x04"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class Archive:
    """A zip archive, or one that can be made into one (`proctor.intake.tarballs`); its names are those of `paths`.

    Raises:
        ProctorError: it is no such archive, is damaged, or has a password; the message says which.
    """

    def __init__(self, place: Path, max_table: int = _MAX_TABLE) -> None:
        self.place = place
        self.taken = Taken()
        self._repacked = as_zip(place, _most(place, Caps().total_bytes))
        if self._repacked is None:
            _refuse_other(place, max_table)
        try:
            self._file = zipfile.ZipFile(self._repacked or place)
        except (OSError, OverflowError, *_BROKEN) as error:
            raise ProctorError(f"the zip archive is damaged or incomplete ({error}); ask for a new one") from error
        self._entries = self._listed()
        if any(entry.flag_bits & _ENCRYPTED for entry in self._entries.values()):
            self.close()
            raise ProctorError("the zip archive has a password; ask for one without")

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        if self._repacked is not None:
            self._repacked.close()

    @property
    def paths(self) -> list[str]:
        """Of all files that may be taken, relative and with /."""
        return list(self._entries)

    def unpack(self, target: Path, caps: Caps, chosen: Mapping[str, str] | None = None) -> Taken:
        """Write files into a folder, under the names of `proctor.intake.inert`.

        Args:
            chosen: names of what is wanted, by path in the archive; None: everything, under its own path.

        Raises:
            ProctorError: the folder can't be written.
        """
        left = _most(self.place, caps.total_bytes)
        taken = Taken(list(self.taken.lines), list(self.taken.dotted)) if chosen is None else Taken()
        names = {path: path for path in self._entries} if chosen is None else chosen
        wanted = sorted((importance(name), name, path) for path, name in names.items())
        try:
            target.mkdir(parents=True, exist_ok=True)
            for _, name, path in wanted[: caps.files]:
                left -= self._take(path, name, target, caps, left, taken)
        except OSError as error:
            raise ProctorError(f"{target}: can't be written ({error.strerror}); make room") from error
        if len(wanted) > caps.files:
            first = printable(wanted[caps.files][1])
            taken.lines.append(f"left out {first} and more after it: more than {caps.files:,} files")
        return taken

    def _take(self, path: str, name: str, target: Path, caps: Caps, left: int, taken: Taken) -> int:
        """Write one file; the number of bytes that it takes."""
        entry, shown = self._entries[path], printable(name)
        *folders, own = PurePosixPath(name).parts
        if len(folders) >= caps.depth:
            taken.lines.append(f"left out {shown}: more than {caps.depth} folders deep")
            return 0
        if entry.compress_type not in _PACKINGS:
            taken.lines.append(f"left out {shown}: it is packed in a way that is not supported")
            return 0
        if entry.file_size > left:
            taken.lines.append(f"left out {shown}: unpacked it is more than may be taken")
            return 0
        place = target.joinpath(*(stored_name(folder, False, True) for folder in folders))
        place = place / stored_name(own, not folders, False)
        if place.is_dir() or any(above.is_file() for above in place.parents):
            taken.lines.append(f"left out {shown}: there is a file and a folder of this name")
            return 0
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        written, digest = 0, hashlib.sha256()
        try:
            with self._file.open(entry) as packed, open(place, "wb") as file:
                while part := packed.read(min(_PART, left - written + 1)):
                    written += len(part)
                    if written > left:
                        raise zipfile.BadZipFile("it is larger than it says")
                    file.write(part)
                    digest.update(part)
        except _BROKEN as error:
            place.unlink(missing_ok=True)
            taken.lines.append(f"left out {shown}: it is damaged in the archive ({printable(str(error), 80)})")
            return written
        place.chmod(0o644)
        taken.digests[name] = digest.hexdigest()
        return written

    def _listed(self) -> dict[str, zipfile.ZipInfo]:
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in self._file.infolist():
            # Old programs on Windows separate folders by \.
            name = entry.filename.replace("\\", "/")
            parts = [part for part in name.split("/") if part not in ("", ".")]
            kind = stat.S_IFMT(entry.external_attr >> 16)
            shown = printable(name)
            if not parts or name.endswith("/") or stat.S_ISDIR(kind):
                continue
            if name.startswith("/") or ".." in parts or ":" in parts[0]:
                self.taken.lines.append(f"left out {shown}: its path leads out of the archive")
            elif kind and not stat.S_ISREG(kind):
                self.taken.lines.append(f"left out {shown}: it is a link, or no regular file")
            elif any(part.startswith(".") or part == "__MACOSX" for part in parts):
                self.taken.dotted.append(shown)
            elif not all(part.isprintable() and len(part.encode()) <= Caps().name_bytes for part in parts):
                why = "its name is too long or has characters that can't be printed"
                self.taken.lines.append(f"left out {shown}: {why}")
            else:
                # Of two of one name the later one was added later.
                found["/".join(parts)] = entry
        return found


def _most(place: Path, total_bytes: int) -> int:
    return min(total_bytes, max(_HARMLESS, _RATIO * place.stat().st_size))


def without_ending(name: str) -> str:
    """The name of an archive without what says that it is one; any other name as it is."""
    ending = max((one for one in _ENDINGS if name.casefold().endswith(one)), key=len, default="")
    return name[: len(name) - len(ending)]


def is_archive(path: str) -> bool:
    """Whether a file of this name is taken for an archive that can be unpacked."""
    return path.casefold().endswith(_ENDINGS)


def holds_files(path: str, place: Path) -> bool:
    """Whether a file is to be unpacked: it is called an archive, or has a notebook's name or none and is one.

    What only is one inside, such as weights, tables and documents, is not.
    """
    if is_archive(path) or not may_be_notebook(path):
        return is_archive(path)
    start = read_file(place, 2**16)
    return start is not None and start.startswith(_ZIP)


def is_other_archive(path: str) -> bool:
    """Whether a file of this name is an archive that can't be unpacked."""
    return path.casefold().endswith(_OTHER_ENDINGS)


def top_folder(paths: list[str]) -> str:
    """The folder, with / at its end, in which all of these lie, however deep; empty if there is none.

    It is none of results (``runs/``), nor in one.
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    common: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1 or parts[0] == "runs":
            break
        common.append(parts[0])
    return "".join(f"{part}/" for part in common)


def _refuse_other(place: Path, max_table: int) -> None:
    try:
        with open(place, "rb") as file:
            start = file.read(4)
            # Private, but the very reading that ZipFile begins with: how large the table is which it then reads.
            end = zipfile._EndRecData(file)
    except OSError as error:
        raise ProctorError(f"it can't be read ({error.strerror or error})") from error
    except (*_BROKEN, struct.error) as error:
        raise ProctorError(f"the zip archive is damaged ({error}); ask for a new one") from error
    if end is None:
        what = next((f"no zip archive but {what}" for mark, what in _OTHERS.items() if start.startswith(mark)), None)
        what = what or ("a damaged or incomplete zip archive" if start.startswith(b"PK") else "no zip archive")
        raise ProctorError(f"it is {what}; ask for a new one, as zip")
    if end[_TABLE_BYTES] > max_table:
        raise ProctorError("the zip archive has more files than can be looked at; ask for one without environments")
