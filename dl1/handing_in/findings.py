"""What a student should know of a folder before it is handed in, one line each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dl1.handing_in.folder import Folder, Notebook, content_of
from dl1.handing_in.imports import lacking_imports
from dl1.handing_in.kept_results import missing_results
from dl1.merging.expected import UNTOUCHED, Expected
from dl1.merging.matching import UNREADABLE
from dl1.merging.python_text import parse
from dl1.merging.word_limits import count_words, word_limit

# What git and other tools write into a file of which they have found two versions.
_CONFLICT = re.compile(rb'(?:^[\s"]*|\\n)(?:<{7} |>{7} )', re.MULTILINE)
_STUB = re.compile(r"^[^#\n]*\braise NotImplementedError\b", re.MULTILINE)
_LISTED = 8
_MIB = 2**20


class Finding(NamedTuple):
    """A kind of finding, the notebook or file, and the line that is said."""

    kind: str
    where: str
    line: str

    def __str__(self) -> str:
        return f"{self.where}: {self.line}" if self.where else self.line


def findings(folder: Folder) -> list[Finding]:
    """All that can be seen without running anything."""
    return [
        *_conflicts(folder),
        *_files(folder),
        *(one for notebook in folder.notebooks.values() for one in _in_notebook(notebook)),
        *(Finding("imports", name, line) for name, line in lacking_imports(folder)),
        *(Finding("runs", name, line) for name, line in missing_results(folder)),
        *_sizes(folder),
    ]


def is_begun(notebook: Notebook, one: Expected) -> bool:
    """Whether an answer is not as it was given out."""
    texts = texts_of(notebook, one)
    return bool(texts) and not all(one.untouched(text) for text in texts)


def texts_of(notebook: Notebook, one: Expected) -> list[str]:
    """The texts of an answer, in the order of the file."""
    found = notebook.answers.found[one.name]
    if not found.cells and found.text and found.text != one.released:
        return [found.text]
    return [cell.source for cell in found.cells]


def _conflicts(folder: Folder) -> Iterator[Finding]:
    for path in folder.files:
        if Path(path).suffix in (".ipynb", ".py") and _CONFLICT.search(content_of(folder.path / path) or b""):
            yield Finding(
                "conflict",
                path,
                "has the marks of two versions in it (<<<<<<<): keep one of them, remove the marks, and open it to see "
                "that it is whole",
            )


def _files(folder: Folder) -> Iterator[Finding]:
    if folder.given is None:
        said = "what was given out isn't known here: put assignment.json of the course's release beside the notebooks"
        yield Finding("release", "", f"{said}, and more can be looked at")
        return
    for name, why in folder.matched.lost.items():
        if why == UNREADABLE:
            yield Finding("unreadable", folder.matched.paths[name], "can't be read as a notebook: open it to see why")
        else:
            yield Finding("missing", f"{name}.ipynb", "is not there; without it its questions have no points")
    for notes in folder.matched.notes.values():
        yield from (Finding("name", "", line) for line in notes)
    yield from (Finding("name", "", line) for line in folder.matched.others)


def _in_notebook(notebook: Notebook) -> Iterator[Finding]:
    yield from (Finding("cells", notebook.path, line) for line in notebook.answers.notes)
    answers = [one for one in notebook.expected if one.is_answer]
    waiting = [one.name for one in answers if not is_begun(notebook, one)]
    if waiting:
        line = f"{len(waiting)} of {len(answers)} answers are as they were given out: {listed(waiting)}"
        yield Finding("left", notebook.path, line)
    for one in answers:
        if one.name in waiting:
            continue
        texts = texts_of(notebook, one)
        if one.is_essay:
            yield from _in_essay(notebook, one, "\n\n".join(texts))
            continue
        if any(_STUB.search(text) for text in texts):
            yield Finding("stub", notebook.path, f"{one.name} still has `raise NotImplementedError()` in it")
        if one.is_code and (errors := [code.error for code in map(parse, texts) if code.error]):
            line, said = errors[0]
            yield Finding("syntax", notebook.path, f"{one.name} is not Python: {said} (line {line})")


def _in_essay(notebook: Notebook, one: Expected, text: str) -> Iterator[Finding]:
    if UNTOUCHED in text:
        yield Finding("stub", notebook.path, f"{one.name} still says {UNTOUCHED}")
    limit = word_limit(one.released)
    words = count_words(text.replace(UNTOUCHED, ""), one.heading)
    if limit is not None and words > limit:
        yield Finding("words", notebook.path, f"{one.name} has {words} words, and at most {limit} are asked for")


def _sizes(folder: Folder) -> Iterator[Finding]:
    sizes = {path: (folder.path / path).stat().st_size for path in folder.files}
    limits = folder.given.limits if folder.given else {}
    for path, size in sizes.items():
        if size > limits.get("file_bytes", size):
            most = limits["file_bytes"] / _MIB
            yield Finding("size", path, f"has {size / _MIB:.0f} MiB: nbgrader leaves out what has more than {most:.0f}")
    in_all, large = sum(sizes.values()), sorted(sizes, key=sizes.__getitem__, reverse=True)[:2]
    biggest = ", ".join(f"{path} {sizes[path] / _MIB:.0f} MiB" for path in large)
    if in_all > min(limits.get("folder_bytes", in_all), limits.get("bytes", in_all)):
        most = min(limits[key] for key in ("folder_bytes", "bytes") if key in limits)
        line = f"the folder has {in_all / _MIB:.0f} MiB, and {most / _MIB:.0f} are taken; the largest: {biggest}"
        yield Finding("size", "", line)
    if len(sizes) > limits.get("files", len(sizes)):
        yield Finding("size", "", f"the folder has {len(sizes):,} files, and {limits['files']:,} are taken")


def listed(names: list[str]) -> str:
    """Names in a line; of many only the first."""
    shown = ", ".join(names[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown
