"""Fetches a file from the first of several addresses that has it, and goes on where an earlier call was interrupted."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from dl1.errors import CourseError

AGAIN = "run the command again"
# Seconds without a byte, while connecting or in the middle, after which a server is given up.
_TIMEOUT = 30
_CHUNK = 2**16
_MEGABYTE = 10**6
_RANGE_NOT_SATISFIABLE = 416


def fetch(
    urls: Sequence[str],
    part: Path,
    is_whole: Callable[[Path], bool],
    size: int | None = None,
    resume: bool = True,
) -> None:
    """Complete a file from the first address that yields it whole; do nothing if it is whole already.

    Args:
        urls: addresses, in the order in which they are tried.
        part: the file; what is there of it was left by an interrupted call, and stays if this one is interrupted.
        is_whole: whether a file is what was asked for.
        size: of the whole file, in bytes; None if it isn't known.
        resume: whether what is there may be continued, from whatever address; False where they may offer editions
            that differ, which ``is_whole`` wouldn't notice.

    Raises:
        CourseError: no address has the file whole and undamaged.
    """
    if part.is_file() and is_whole(part):
        return
    failures = []
    for url in urls:
        print(f"downloading {url}")
        if not resume:
            part.unlink(missing_ok=True)
        try:
            _fetch(url, part, size)
        except urllib.error.HTTPError as error:
            failures.append(f"{url} answers {error.code} {error.reason}")
        except urllib.error.URLError as error:
            failures.append(f"{url} can't be reached ({error.reason})")
        except (OSError, ValueError, http.client.HTTPException, CourseError) as error:
            failures.append(f"{url}: {error}")
        else:
            if is_whole(part):
                return
            # Kept, it would be continued for ever.
            part.unlink()
            failures.append(f"what {url} sent is damaged and was deleted")
    kept = f" ({part.stat().st_size / _MEGABYTE:.1f} MB are kept)" if part.is_file() else ""
    raise CourseError(f"{'; '.join(failures)}. {AGAIN.capitalize()} to go on{kept}, or use --mirror or --from")


def _fetch(url: str, part: Path, size: int | None) -> None:
    """Write into ``part`` what it lacks of the file at an address.

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
            raise CourseError("the server sends a part, but the whole file was asked for")
        # Nothing of this file comes after what is here, so it isn't the beginning of it.
        part.unlink()


def _first_byte(response: http.client.HTTPResponse) -> int:
    """Place in the file at which an answer begins: 0 from a server that doesn't know ranges, -1 if it isn't said."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(said[1]) if said else -1


def _receive(response: http.client.HTTPResponse, part: Path, start: int, size: int | None) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else size
    if size is not None and total != size:
        raise CourseError(f"the server offers {total} bytes, but the file has {size}")
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
