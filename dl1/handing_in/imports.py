"""What a student's cells import that isn't here, or that the course doesn't install and grading may not have."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from dl1.handing_in.folder import Folder, Notebook
from dl1.merging.places import Submitted
from dl1.merging.python_text import parse

_KIT = "dl1"


def lacking_imports(folder: Folder) -> Iterator[tuple[str, str]]:
    """Notebook and line for each module that is lacking."""
    for notebook in folder.notebooks.values():
        beside = (folder.path / notebook.path).parent
        for module in sorted({name for cell in _own_cells(notebook) for name in imported_modules(cell.source)}):
            if module in sys.stdlib_module_names or module == _KIT or _is_beside(beside, module):
                continue
            if not _is_here(module):
                yield notebook.path, f"imports {module}, which is neither installed nor a file beside it"
            elif module not in course_modules():
                yield notebook.path, f"imports {module}, which the course doesn't install: grading may not have it"


def imported_modules(source: str) -> set[str]:
    """Modules that a cell imports, by the first part of their names; what is tried and may fail doesn't count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [parse(source).tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
        elif not isinstance(node, ast.Try):
            waiting += ast.iter_child_nodes(node)
    return found


@functools.cache
def course_modules() -> set[str]:
    """Modules of all that is installed with the course's package: what it requires, and what that requires."""
    waiting, seen = [(_KIT, "notebooks")], set()
    while waiting:
        name, extra = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in lines:
            of_extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
            if of_extra is None or of_extra.group(1) == extra:
                waiting.append((_plain(re.match(r"[\w.-]+", line).group()), ""))
    return {
        module
        for module, distributions in metadata.packages_distributions().items()
        if any(_plain(one) in seen for one in distributions)
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _own_cells(notebook: Notebook) -> Iterator[Submitted]:
    """Cells of code in which the student has written."""
    expected = {one.name: one for one in notebook.expected}
    for cell in notebook.cells:
        given = expected.get(cell.label or "")
        if not cell.is_text and (given is None or not given.untouched(cell.source)):
            yield cell


def _is_beside(folder: Path, module: str) -> bool:
    return (folder / f"{module}.py").is_file() or (folder / module).is_dir()


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
