"""What has to lie beside a notebook before its variants are run: exports of other notebooks, files handed in."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError

KEY = "setup"
_KEYS = {"before", "files"}


@dataclass(frozen=True)
class Setup:
    """The table `[setup]` of a catalogue.

    Attributes:
        before: stems of notebooks beside this one whose reference is run first, because they export something.
        files: folder whose content is put beside the notebook, as if a student had handed it in; None for nothing.
    """

    before: tuple[str, ...] = ()
    files: Path | None = None

    def notebooks(self, notebook: Path) -> list[Path]:
        """Files of the notebooks to run first.

        Raises:
            ProctorError: there is none of that name.
        """
        found = [notebook.with_name(f"{stem}.ipynb") for stem in self.before]
        for path in found:
            if not path.is_file():
                raise ProctorError(f"{path}: there is no such notebook; correct `before` in the catalogue's [setup]")
        return found

    def copy_files(self, folder: Path) -> None:
        """Put the files into a folder."""
        if self.files is not None:
            shutil.copytree(self.files, folder, dirs_exist_ok=True)


def read_setup(file: Path) -> Setup:
    """The setup of a catalogue file; an empty one if it has none.

    Raises:
        ProctorError: the table has something else in it, or the folder doesn't exist.
    """
    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8")).get(KEY, {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProctorError(f"{file}: cannot be read ({error}); correct it there") from None
    before = table.get("before", []) if isinstance(table, dict) else None
    if not isinstance(before, list) or not all(isinstance(stem, str) for stem in before) or table.keys() - _KEYS:
        raise ProctorError(f"{file}: [setup] has `before`, a list of notebooks, and `files`, a folder; nothing else")
    if "files" not in table:
        return Setup(tuple(before))
    files = file.parent / str(table["files"])
    if not files.is_dir():
        raise ProctorError(f"{file}: {files} is no folder; correct `files` in [setup]")
    return Setup(tuple(before), files.resolve())
