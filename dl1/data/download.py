"""Gets data sets: ``python -m dl1.download [cifar10 | cora | grimm] [--from DIR] [--mirror URL] [--to DIR]``.

Nothing is replaced before its successor is complete and has the right checksum, so the command can be stopped at any
time and run again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dl1.data.fetch import AGAIN, fetch
from dl1.data.folder import DATA_VARIABLE, KnownData, data_folder, has_checksum, known_data, known_names
from dl1.errors import CourseError

MIRROR_VARIABLE = "DL1_DATA_MIRROR"


def download(known: KnownData, data: Path, mirror: str | None = None) -> None:
    """Bring a data set into a data folder from the first address that has it; do nothing if it is there and intact.

    An interrupted download stays as ``<file>.part``, beside the archive's place or in a folder ``<folder>.part``, and
    is continued by the next one, from whatever address. An intact archive that lies in the data folder already is
    unpacked, and kept.

    Args:
        known: the data set.
        data: the data folder, made if it is missing.
        mirror: an address to try before the known ones: the archive's or the only file's, or that of the folder in
            which the set lies as it does in a data folder.

    Raises:
        CourseError: no address has the archive or a file whole and undamaged, or the mirror is no web address.
        OSError: the data folder can't be written.
    """
    if mirror is not None and not mirror.startswith(("https://", "http://")):
        raise CourseError(f"the mirror {mirror} is no web address (https://...): for a folder, there is --from")
    if _is_done(known, data):
        return
    data.mkdir(parents=True, exist_ok=True)
    if known.archive is None:
        _download_files(known, data, mirror)
    else:
        _download_archive(known, known.archive, data, mirror)


def copy_from(source: Path, known: KnownData, data: Path) -> None:
    """Bring a data set into a data folder from another folder, with its files or its archive in it.

    Args:
        source: the folder that holds either; the folder of the files themselves, or the one above it, will do, too.
        known: the data set.
        data: the data folder, made if it is missing.

    Raises:
        CourseError: the source holds neither, or both are damaged.
        OSError: the data folder can't be written, or the source can't be read.
    """
    if _is_done(known, data):
        return
    _check_source(source)
    intact, problems = _copies(source, known)
    archive = source / known.archive if known.archive else None
    if not problems:
        data.mkdir(parents=True, exist_ok=True)
        with _staging(data, known) as staging:
            (staging / known.folder).mkdir(parents=True)
            for name, path in intact.items():
                # The content alone: the new file shouldn't be read-only because the source's is.
                shutil.copyfile(path, staging / known.folder / name)
            _put_in_place(staging, data, known)
    elif archive and archive.is_file() and has_checksum(archive, known.checksum):
        data.mkdir(parents=True, exist_ok=True)
        _unpack(archive, data, known)
    elif archive and archive.is_file():
        raise CourseError(f"{archive} is damaged: copy it from where you got it again")
    elif _is_held(source, known):
        raise CourseError(f"{_list(problems)}: copy {known.title} from where you got it again")
    else:
        loose = [name for file in known.files for name in (file, *known.other_names.get(file, ()))]
        raise CourseError(
            f"{source} holds neither {known.folder} nor {known.archive or ', '.join(loose)}: give the folder that does"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 0 if the data sets asked for are there and intact, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.download",
        description="Download data sets of the course, or copy them, into the data folder. What is there and intact is "
        "left alone; an interrupted download is continued.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        help="cifar10, cora, grimm, or another of the manifest's (default: all; with --from, those that DIR holds)",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="copy from this folder instead of downloading"
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        default=os.environ.get(MIRROR_VARIABLE) or None,
        help=f"look here first; else at the environment variable {MIRROR_VARIABLE}, if it is set",
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="the data folder (default: where notebooks look)")
    options = parser.parse_args(arguments)
    try:
        return _get_all(options.name, options.source, options.mirror, options.to)
    except KeyboardInterrupt:
        return _failed(f"stopped: {AGAIN} to go on")
    except CourseError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error}: put that right, then {AGAIN}")


def _get_all(name: str | None, source: Path | None, mirror: str | None, to: Path | None) -> int:
    """Get the set of that name, or all; one that fails keeps none of the others back."""
    where_notebooks_look = data_folder()
    data = to.expanduser().resolve() if to else where_notebooks_look
    source = source.expanduser().resolve() if source else None
    names = [name] if name else known_names()
    if source and not name:
        names = _held_names(source, names, data)
    status, any_there = 0, False
    for each in names:
        try:
            known = known_data(each)
            if source:
                copy_from(source, known, data)
            else:
                download(known, data, mirror)
        except CourseError as error:
            status = _failed(str(error))
            continue
        any_there = True
        print(f"{known.title} is in {data / known.folder}")
        for path in known.other_editions(data):
            print(f"{path} is an edition that the course doesn't know: it is used, but results may differ a little")
    if any_there and data != where_notebooks_look.resolve():
        print(f"Notebooks look in {where_notebooks_look}: set the environment variable {DATA_VARIABLE} to {data}")
    return status


def _failed(message: str) -> int:
    print("dl1.download:", " ".join(message.split()), file=sys.stderr)
    return 1


def _is_done(known: KnownData, data: Path) -> bool:
    problems = known.problems(data)
    if not problems:
        print(f"{known.title} is already there, and intact")
    elif known.is_in(data):
        print(f"{_list(problems)}: to be replaced once new files are complete")
    return not problems


def _list(problems: Sequence[str]) -> str:
    return ", ".join(problems)


def _check_source(source: Path) -> None:
    if not source.is_dir():
        raise CourseError(f"{source} is not a folder: give the one that holds the data")


def _held_names(source: Path, names: Sequence[str], data: Path) -> list[str]:
    """Those of the data sets that a folder holds, damaged or not; says which it doesn't, unless they are here."""
    _check_source(source)
    held = [name for name in names if _is_held(source, known_data(name))]
    lacking = [name for name in names if name not in held and known_data(name).problems(data)]
    if lacking and not held:
        raise CourseError(f"{source} holds none of {', '.join(lacking)}: give the folder that does")
    for name in lacking:
        print(f"{source} doesn't hold {known_data(name).title}: python -m dl1.download {name} downloads it")
    return held


def _is_held(source: Path, known: KnownData) -> bool:
    if known.archive and (source / known.archive).is_file():
        return True
    return any(True for name in known.files for _ in _candidates(source, known, name))


def _candidates(source: Path, known: KnownData, name: str) -> Iterator[Path]:
    """The files in a folder that may be this one of the set: as in a data folder, in a part of its path, or loose."""
    folder = Path(known.folder)
    for place in (source / folder, source / folder.name, source):
        for called in (name, *known.other_names.get(name, ())):
            if (place / called).is_file():
                yield place / called


def _copies(source: Path, known: KnownData) -> tuple[dict[str, Path], list[str]]:
    """An intact copy of each file of the set that has one in a folder, and what is wrong with the others."""
    intact, problems = {}, []
    for name in known.files:
        candidates = list(_candidates(source, known, name))
        whole = next((path for path in candidates if known.is_intact(name, path)), None)
        if whole:
            intact[name] = whole
        else:
            problems.append(f"{candidates[0]} is damaged" if candidates else f"{name} is missing in {source}")
    return intact, problems


def _download_archive(known: KnownData, archive: str, data: Path, mirror: str | None) -> None:
    given, part = data / archive, data / f"{archive}.part"
    if given.is_file():
        if has_checksum(given, known.checksum):
            _unpack(given, data, known)
            return
        print(f"{given} is damaged and isn't used; it is left where it is")
    first = [] if mirror is None else [mirror if mirror.endswith(archive) else f"{mirror.rstrip('/')}/{archive}"]
    fetch([*first, *known.urls], part, lambda path: has_checksum(path, known.checksum), known.size)
    _unpack(part, data, known)
    part.unlink()


def _download_files(known: KnownData, data: Path, mirror: str | None) -> None:
    """Fetch what is missing or damaged of a set without an archive; put it in place once all of it is complete."""
    staging = _staging_folder(data, known)
    staging.mkdir(exist_ok=True)
    parts = {}
    try:
        for name in known.files:
            target = data / known.folder / name
            if target.is_file() and known.is_intact(name, target):
                continue
            parts[name] = staging / f"{name}.part"
            urls = _file_addresses(known, name, mirror)
            fetch(urls, parts[name], lambda path, name=name: known.is_intact(name, path), resume=not known.marks)
        (data / known.folder).mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            os.replace(part, data / known.folder / name)
    finally:
        # What was interrupted stays.
        with suppress(OSError):
            staging.rmdir()


def _file_addresses(known: KnownData, name: str, mirror: str | None) -> list[str]:
    official = [url + name if url.endswith("/") else url for url in known.urls]
    if mirror is None:
        return official
    if mirror.endswith(name):
        return [mirror, *official]
    folder = mirror.rstrip("/")
    return [f"{folder}/{known.folder}/{name}", f"{folder}/{name}", *official]


def _staging_folder(data: Path, known: KnownData) -> Path:
    return data / f"{Path(known.folder).parts[0]}.part"


@contextmanager
def _staging(data: Path, known: KnownData) -> Iterator[Path]:
    """A folder beside the data set's, in which the new files are completed; what an earlier run left there goes."""
    folder = _staging_folder(data, known)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, data: Path, known: KnownData) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise CourseError("this Python can't unpack archives safely: install its latest bug-fix release")
    with _staging(data, known) as staging:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(staging, filter="data")
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise CourseError(
                f"{archive} can't be unpacked ({error}): delete it, correct the checksum in the manifest, then {AGAIN}"
            ) from None
        _put_in_place(staging, data, known)


def _put_in_place(staging: Path, data: Path, known: KnownData) -> None:
    problems = known.problems(staging)
    if problems:
        raise CourseError(
            f"the new files are not what the manifest says, so none is used ({_list(problems)}): use another source, "
            "or correct the manifest"
        )
    (data / known.folder).mkdir(parents=True, exist_ok=True)
    for name in known.files:
        os.replace(staging / known.folder / name, data / known.folder / name)
