"""What fails if a notebook is run from top to bottom in a fresh kernel, as grading runs it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dl1.errors import CourseError
from dl1.handing_in.folder import Folder, Notebook

# Under it nothing is trained: results that lie under runs/ are loaded, as when nbgrader validates.
_EXECUTION = "NBGRADER_EXECUTION"
_CELL_SECONDS = 600
_MOST = 5


def failures(folder: Folder) -> Iterator[tuple[str, str]]:
    """Notebook and line for what fails in it; each notebook runs in a copy of the folder, so that nothing changes.

    Raises:
        CourseError: notebooks can't be run in this environment, or there is no room for the copy.
    """
    try:
        import nbclient  # noqa: F401
        import nbformat  # noqa: F401
    except ImportError as error:
        raise CourseError(f"notebooks can't be run here ({error}): python -m dl1.doctor says what to install") from None
    with tempfile.TemporaryDirectory(prefix="fresh-run-") as scratch:
        copy = Path(scratch) / folder.path.name
        try:
            for path in folder.files:
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder.path / path, copy / path)
        except OSError as error:
            raise CourseError(f"the folder can't be copied to be run ({error.strerror}): make room") from None
        for notebook in folder.notebooks.values():
            yield from ((notebook.path, line) for line in _lines(notebook, copy))


def _lines(notebook: Notebook, copy: Path) -> list[str]:
    failed = _run(copy / notebook.path)
    lines, unfinished = [], []
    for number, name, error, said in failed:
        if error == "NotImplementedError":
            unfinished.append(name or f"cell {number}")
        else:
            lines.append(f"in a fresh kernel {name or f'cell {number}'} fails: {error}: {said}")
    if len(lines) > _MOST:
        lines[_MOST:] = [f"in a fresh kernel {len(lines) - _MOST} more cells fail"]
    if unfinished:
        lines.append(f"in a fresh kernel {len(unfinished)} of the cells wait for answers, {unfinished[0]} first")
    return lines


def _run(path: Path) -> list[tuple[int, str, str, str]]:
    """Number, name, exception and its first line of each cell that fails."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    content = nbformat.read(path, as_version=4)
    client = NotebookClient(
        content,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    before = os.environ.get(_EXECUTION)
    os.environ[_EXECUTION] = "validate"
    try:
        client.execute()
    except CellTimeoutError:
        return [*_failed(content), (0, "a cell", "TimeoutError", f"it takes more than {_CELL_SECONDS // 60} minutes")]
    except DeadKernelError:
        return [*_failed(content), (0, "a cell", "KernelDied", "the kernel ended; perhaps memory was short")]
    finally:
        os.environ.pop(_EXECUTION)
        if before is not None:
            os.environ[_EXECUTION] = before
    return _failed(content)


def _failed(content: Any) -> list[tuple[int, str, str, str]]:
    found = []
    for number, cell in enumerate(content.cells, start=1):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
                lines = str(output.get("evalue", "")).strip().split("\n")
                found.append((number, name, str(output.get("ename", "")), lines[0][:200]))
    return found
