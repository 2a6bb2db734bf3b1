"""Archives inside a submission, opened beside its copy for as long as its files are sorted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from proctor.errors import ProctorError
from proctor.intake.archives import Archive, holds_files, is_other_archive
from proctor.intake.copier import Caps, printable
from proctor.intake.importance import is_last
from proctor.intake.inert import OF_NBGRADER, handed_in_name, stored_path

# So many are opened, those nearest to the top, and archives in them; what lies in those is not.
_MOST, _LEVELS = 5, 2


class Unpacked:
    """The archives of a submission, each in a folder of its own; all folders are removed at the end.

    Args:
        folder: to make.
        files: places of the submission's files, by path as handed in.

    Attributes:
        places: of the files in the archives, by the archive's path and theirs: "homework.zip/exercise.ipynb".
        lines: plain lines about what was left out of them.
        dotted: paths in them whose names begin with a dot.
    """

    def __init__(self, folder: Path, files: Mapping[str, Path]) -> None:
        self._folder, self._files = folder, files
        self._roots: dict[str, Path] = {}
        self._unread: list[str] = []
        self.places: dict[str, Path] = {}
        self.lines: list[str] = []
        self.dotted: list[str] = []

    def __enter__(self) -> Unpacked:
        shutil.rmtree(self._folder, ignore_errors=True)
        caps, found = Caps(), self._files
        for _ in range(_LEVELS):
            before = set(self.places)
            caps = self._open(found, caps)
            found = {path: place for path, place in self.places.items() if path not in before}
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, files: Mapping[str, Path], caps: Caps) -> Caps:
        """Open archives among some files; what the next ones may hold, since all together may hold what one may."""
        found = [path for path in files if not _is_data(path) and holds_files(path, files[path])]
        found.sort(key=lambda path: (path.count("/"), path))
        for path in found:
            if len(self._roots) + len(self._unread) >= _MOST:
                self.lines.append(f"of {len(found)} archives the first {found.index(path)} were opened")
                break
            root = self._folder / str(len(self._roots))
            try:
                with Archive(files[path]) as archive:
                    taken = archive.unpack(root, caps)
            except ProctorError as error:
                self._unread.append(path)
                self.lines.append(f"{printable(path)} was not opened: {error}")
                continue
            self._roots[path] = root
            self.places |= {f"{path}/{name}": root / stored_path(name) for name in taken.digests}
            self.lines += [f"{printable(path)}: {line}" for line in taken.lines]
            self.dotted += [f"{printable(path)}/{name}" for name in taken.dotted]
            used = sum(place.stat().st_size for place in root.rglob("*") if place.is_file())
            caps = replace(caps, total_bytes=caps.total_bytes - used, files=max(0, caps.files - len(taken.digests)))
        return caps

    @property
    def opened(self) -> set[str]:
        """Paths of the archives that were opened."""
        return set(self._roots)

    def beside_notebooks(self) -> list[Path]:
        """Folders in the archives in which notebooks lie; of an archive without notebooks the whole."""
        found = []
        for path, root in self._roots.items():
            inside = [place for name, place in self.places.items() if name.startswith(f"{path}/")]
            folders = [place.parent for place in inside if place.suffix == ".ipynb"]
            found += dict.fromkeys(folders or [root])
        return found

    def failed(self, missing: bool) -> list[str]:
        """Archives that could not be opened.

        Args:
            missing: some notebook was not found, so that archives of other kinds count, too.
        """
        others = [path for path in self._files if is_other_archive(path)] if missing else []
        self.lines += [f"{printable(path)} was not opened: ask for a zip archive" for path in others[:_MOST]]
        return [*self._unread, *others[:_MOST]]


def _is_data(path: str) -> bool:
    """Whether an archive is one that can be had again; homework may be called by the name of a data set, too."""
    *folders, name = PurePosixPath(path).parts
    return is_last(folders if name.casefold().endswith(".zip") else [*folders, name])


def lay_up(source: Path, target: Path, on_top: bool = True) -> None:
    """Move files into a folder, without notebooks and what nbgrader writes, to where nothing lies yet.

    Both hold stored names (`proctor.intake.inert`).
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name) if source.is_dir() else ():
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if place.is_file() or place == source:
                continue
            place.mkdir(exist_ok=True)
            lay_up(Path(entry.path), place, False)
        elif entry.name.endswith(".ipynb") or (on_top and handed_in_name(entry.name) in OF_NBGRADER):
            continue
        elif not place.exists():
            os.rename(entry.path, place)
