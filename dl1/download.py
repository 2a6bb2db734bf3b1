"""Gets a data set: ``python -m dl1.download [cifar10] [--from DIR] [--mirror URL] [--to DIR]``.

Nothing is replaced before its successor is complete and has the right checksum, so the command can be stopped at any
time and run again.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

from dl1.data_folder import DATA_VARIABLE, KnownData, data_folder, has_checksum, known_data
from dl1.errors import CourseError

MIRROR_VARIABLE = "DL1_DATA_MIRROR"
# Seconds without a byte, while connecting or in the middle, after which a server is given up.
_TIMEOUT = 30
_CHUNK = 2**16
_MEGABYTE = 10**6
_RANGE_NOT_SATISFIABLE = 416
_AGAIN = "run the command again"


def download(known: KnownData, data: Path, mirror: str | None = None) -> None:
    """Bring a data set into a data folder from the first address that has it; do nothing if it is there and intact.

    An interrupted download stays as ``<archive>.part`` and is continued by the next one, from whatever address. An
    intact archive that lies in the data folder already is unpacked, and kept.

    Args:
        known: the data set.
        data: the data folder, made if it is missing.
        mirror: an address to try before the known ones: the archive's, or that of the folder that it lies in.

    Raises:
        CourseError: no address has the archive whole and undamaged, or the mirror is no web address.
        OSError: the data folder can't be written.
    """
    if _is_done(known, data):
        return
    urls = known.urls if mirror is None else (_archive_at(mirror, known), *known.urls)
    data.mkdir(parents=True, exist_ok=True)
    given, part = data / known.archive, data / f"{known.archive}.part"
    if given.is_file():
        if has_checksum(given, known.checksum):
            _unpack(given, data, known)
            return
        print(f"{given} is damaged and isn't used; it is left where it is")
    if not (part.is_file() and has_checksum(part, known.checksum)):
        _fetch_from_any(urls, part, known)
    _unpack(part, data, known)
    part.unlink()


def copy_from(source: Path, known: KnownData, data: Path) -> None:
    """Bring a data set into a data folder from another folder, with the unpacked files or the archive in it.

    Args:
        source: the folder that holds either; the folder of the unpacked files itself will do, too.
        known: the data set.
        data: the data folder, made if it is missing.

    Raises:
        CourseError: the source holds neither, or both are damaged.
        OSError: the data folder can't be written, or the source can't be read.
    """
    if _is_done(known, data):
        return
    if not source.is_dir():
        raise CourseError(f"{source} is not a folder: give the one that holds {known.folder} or {known.archive}")
    unpacked = source.parent if source.name == known.folder else source
    archive = source / known.archive
    problems = known.problems(unpacked)
    if not problems:
        data.mkdir(parents=True, exist_ok=True)
        with _staging(data, known) as staging:
            (staging / known.folder).mkdir()
            for name in known.files:
                # The content alone: the new file shouldn't be read-only because the source's is.
                shutil.copyfile(unpacked / known.folder / name, staging / known.folder / name)
            _put_in_place(staging, data, known)
    elif archive.is_file() and has_checksum(archive, known.checksum):
        data.mkdir(parents=True, exist_ok=True)
        _unpack(archive, data, known)
    elif archive.is_file():
        raise CourseError(f"{archive} is damaged: copy it from where you got it again")
    elif known.is_in(unpacked):
        raise CourseError(f"{_list(problems)}: copy {known.folder} from where you got it again")
    else:
        raise CourseError(f"{source} holds neither {known.folder} nor {known.archive}: give the folder that does")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 0 if the data set is there and intact, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.download",
        description="Download a data set of the course, or copy it, into the data folder. What is there and intact is "
        "left alone; an interrupted download is continued.",
    )
    parser.add_argument("name", nargs="?", default="cifar10", help="the data set (default: %(default)s)")
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
        known = known_data(options.name)
        where_notebooks_look = data_folder()
        data = options.to.expanduser().resolve() if options.to else where_notebooks_look
        if options.source:
            copy_from(options.source.expanduser().resolve(), known, data)
        else:
            download(known, data, options.mirror)
        print(f"{known.title} is in {data / known.folder}")
        if data != where_notebooks_look.resolve():
            print(f"Notebooks look in {where_notebooks_look}: set the environment variable {DATA_VARIABLE} to {data}")
    except KeyboardInterrupt:
        return _failed(f"stopped: {_AGAIN} to go on")
    except CourseError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error}: put that right, then {_AGAIN}")
    return 0


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


def _archive_at(mirror: str, known: KnownData) -> str:
    if not mirror.startswith(("https://", "http://")):
        raise CourseError(f"the mirror {mirror} is no web address (https://...): for a folder, there is --from")
    return mirror if mirror.endswith(known.archive) else f"{mirror.rstrip('/')}/{known.archive}"


def _fetch_from_any(urls: Sequence[str], part: Path, known: KnownData) -> None:
    """Complete ``part`` from the first of the addresses that yields the archive."""
    failures = []
    for url in urls:
        print(f"downloading {url}")
        try:
            _fetch(url, part, known.size)
        except urllib.error.HTTPError as error:
            failures.append(f"{url} answers {error.code} {error.reason}")
        except urllib.error.URLError as error:
            failures.append(f"{url} can't be reached ({error.reason})")
        except (OSError, ValueError, http.client.HTTPException, CourseError) as error:
            failures.append(f"{url}: {error}")
        else:
            if has_checksum(part, known.checksum):
                return
            # Kept, it would be continued for ever.
            part.unlink()
            failures.append(f"what {url} sent is damaged and was deleted")
    kept = f" ({part.stat().st_size / _MEGABYTE:.1f} MB are kept)" if part.is_file() else ""
    raise CourseError(f"{'; '.join(failures)}. {_AGAIN.capitalize()} to go on{kept}, or use --mirror or --from")


def _fetch(url: str, part: Path, size: int | None) -> None:
    """Write into ``part`` what it lacks of the archive at an address.

    Raises:
        OSError, http.client.HTTPException: of the connection, or of the file.
        ValueError: the address or a header of the answer makes no sense.
        CourseError: the server offers something else, or the connection broke off.
    """
    while True:
        have = part.stat().st_size if part.is_file() else 0
        headers = {"User-Agent": "dl1.download"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as response:
                start = _first_byte(response)
                if start in (0, have):
                    _receive(response, part, start, size)
                    return
        except urllib.error.HTTPError as error:
            error.close()
            if not have or error.code != _RANGE_NOT_SATISFIABLE:
                raise
        if not have:
            raise CourseError("the server sends a part, but the whole archive was asked for")
        # Nothing of this archive comes after what is here, so it isn't the beginning of it.
        part.unlink()


def _first_byte(response: http.client.HTTPResponse) -> int:
    """Place in the archive at which an answer begins: 0 from a server that doesn't know ranges, -1 if it isn't said."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(said[1]) if said else -1


def _receive(response: http.client.HTTPResponse, part: Path, start: int, size: int | None) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else size
    if size is not None and total != size:
        raise CourseError(f"the server offers {total} bytes, but the archive has {size}")
    # Without a terminal there is no bar (None), so that a job's log has no thousand lines of it.
    bar = tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, leave=False, disable=None)
    # From the start in an existing file: where a server can't skip what is here, it is overwritten with the same bytes,
    # and another interruption costs nothing.
    with bar, part.open("r+b" if part.is_file() else "wb") as file:
        file.seek(start)
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
        arrived = file.tell()
        if total is not None and arrived < total:
            raise CourseError(f"the connection broke off after {arrived} of {total} bytes")
        file.truncate()


@contextmanager
def _staging(data: Path, known: KnownData) -> Iterator[Path]:
    """A folder beside the data set's, in which the new files are completed; what an earlier run left there goes."""
    folder = data / f"{known.folder}.part"
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
                f"{archive} can't be unpacked ({error}): delete it, correct the checksum in the manifest, then {_AGAIN}"
            ) from None
        _put_in_place(staging, data, known)


def _put_in_place(staging: Path, data: Path, known: KnownData) -> None:
    problems = known.problems(staging)
    if problems:
        raise CourseError(
            f"the new files are not what the manifest says, so none is used ({_list(problems)}): use another source, "
            "or correct the manifest"
        )
    (data / known.folder).mkdir(exist_ok=True)
    for name in known.files:
        os.replace(staging / known.folder / name, data / known.folder / name)


if __name__ == "__main__":
    sys.exit(main())
