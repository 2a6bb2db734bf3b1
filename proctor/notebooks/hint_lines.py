"""Sealed hints at rest: the comments in released check cells, and the files in which they wait for a release.

What they are stands in `dl1.contract.sealed_hints`, which opens them in a student's notebook. Here they are lines of
text: whatever else reads a submission sees a cell without them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dl1.merging.hint_lines import LINE, without_lines
from dl1.merging.hint_lines import MARKER as MARKER
from proctor.errors import ProctorError
from proctor.notebooks.cells import scan_regions

FOLDER = "sealed"
_HEAD = "# Made by `python -m proctor.catalogue --seal`, and given to students at release. Don't edit.\n"


@dataclass(frozen=True)
class SealedHints:
    """Those of one check cell.

    Attributes:
        made_of: digest of all that they depend on.
        line: the comment; empty where no mistake shows in the public part of the cell.
    """

    made_of: str
    line: str


def file_of(catalogue: Path, stem: str) -> Path:
    """Where the sealed hints of a notebook lie, in the folder of the catalogues."""
    return catalogue / FOLDER / f"{stem}.toml"


def read_sealed(file: Path) -> dict[str, SealedHints]:
    """Sealed hints by the grade_id of their cell; none if there is no such file.

    Raises:
        ProctorError: the file can't be read, or has something else in it.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        found = {name: SealedHints(**table) for name, table in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise ProctorError(
            f"{file}: can't be read ({error}); remove it, and run: python -m proctor.catalogue --seal"
        ) from None
    for name, one in found.items():
        if type(one.made_of) is not str or type(one.line) is not str or one.line and not LINE.fullmatch(one.line):
            raise ProctorError(
                f"{file}: {name} has no sealed hints; remove the file, and run: python -m proctor.catalogue --seal"
            )
    return found


def write_sealed(file: Path, hints: Mapping[str, SealedHints]) -> None:
    """Write them, in the order of their names.

    Raises:
        ProctorError: the file can't be written.
    """
    tables = [f'\n[{name}]\nmade_of = "{one.made_of}"\nline = "{one.line}"\n' for name, one in sorted(hints.items())]
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_text(_HEAD + "".join(tables), encoding="utf-8")
    except OSError as error:
        raise ProctorError(f"{file}: can't be written ({error.strerror}); correct its rights") from None


def with_line(source: str, line: str) -> str:
    """A check cell's text with its sealed hints: under the heading, where no traceback has anything to show."""
    if not line:
        return source
    lines = without_lines(source).split("\n")
    lines.insert(1 if lines[0].startswith("#") else len(lines), line)
    return "\n".join(lines)


def public_part(source: str) -> str:
    """A check cell's text without what is hidden; empty where the markers don't pair up."""
    regions, problems = scan_regions(source, "HIDDEN TESTS")
    lines = source.split("\n")
    for region in reversed(regions):
        del lines[region.begin - 1 : region.end]
    return "" if problems else "\n".join(lines)
