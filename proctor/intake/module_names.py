"""A student's own modules that are called like installed packages, which an import finds in their place.

At home the file beside the notebook comes first; while grading the package does, since what stands in for one could do
harm to everything that needs it, and what is installed here need not be installed there. So it is said.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from proctor.intake.copier import read_file
from proctor.intake.inert import handed_in_name
from proctor.notebooks import cells as notebook_cells

_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)", re.MULTILINE)
_MOST_BYTES = 2**20


def shadowed(files: Path, notebook: dict[str, Any]) -> list[str]:
    """Lines for student and staff about modules of a submission that are not what its code gets by their names.

    Args:
        files: the submission's files, under stored names.
        notebook: that is graded with them.
    """
    own = {name: shown for name, shown in _modules(files) if name in _installed()}
    if not own:
        return []
    texts = [notebook_cells.source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    asked = set(_imported(texts)) | set(_imported(_texts(files)))
    return [
        f"{own[name]} is called like a package that is installed here, and `import {name}` means the package: what is "
        "needed of the file has to have another name"
        for name in sorted(own)
        if name in asked
    ]


def _modules(files: Path) -> Iterator[tuple[str, str]]:
    """Names of modules on top of a submission, and what they were handed in as."""
    for entry in os.scandir(files):
        name = handed_in_name(entry.name)
        if name.endswith(".py"):
            yield name.removesuffix(".py"), name
        elif entry.is_dir(follow_symlinks=False):
            yield name, f"the folder {name}"


def _texts(files: Path) -> Iterator[str]:
    for entry in os.scandir(files):
        if handed_in_name(entry.name).endswith(".py"):
            yield (read_file(Path(entry.path), _MOST_BYTES) or b"").decode("utf-8", "replace")


def _imported(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for names in _IMPORT.findall(text):
            yield from re.split(r"[ \t]*,[ \t]*", names)


@functools.cache
def _installed() -> frozenset[str]:
    return frozenset(metadata.packages_distributions())
