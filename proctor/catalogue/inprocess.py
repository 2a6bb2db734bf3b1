"""Runs the code cells of a notebook in this process: no Jupyter, nbgrader or IPython is needed.

The cells meet what they would meet in a kernel: a module named `__main__`, the same default warning filters, Agg in
place of the inline backend, everything that reaches stdout or stderr captured per cell. Two things differ: the value
of a cell's last line is not displayed, and Jupyter's own syntax is refused.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import io
import linecache
import os
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

_FUTURE_FLAGS = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
# Python's own defaults for these, whatever the caller (pytest, for one) has made of them.
_SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
# What nbgrader sets, so that a notebook can leave its long work out, and a backend that needs no screen.
_VARIABLES = {"MPLBACKEND": "Agg", "NBGRADER_EXECUTION": "autograde"}


@dataclass(frozen=True)
class CellResult:
    """What came of one code cell.

    Attributes:
        label: grade_id, or "cell 7" (counted from 1, text cells too) on a cell that nbgrader does not manage.
        grade_id: nbgrader's name of the cell, or None.
        error_type: name of the exception's class; None if the cell ran through.
        error_text: text of the exception.
        traceback: formatted traceback that begins in the cell.
        stdout, stderr: all that the cell wrote there, from Python, C and child processes.
    """

    label: str
    grade_id: str | None
    error_type: str | None
    error_text: str
    traceback: str
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the cell ran through."""
        return self.error_type is None

    @property
    def has_stderr(self) -> bool:
        """Whether the cell wrote to stderr; in a test cell nbgrader takes that for a failure."""
        return self.stderr != ""

    @property
    def passed(self) -> bool:
        """Whether nbgrader gives a test cell with this result its points."""
        return self.ok and not self.has_stderr

    @property
    def message(self) -> str:
        """First line of what went wrong, empty for a cell that passed."""
        if self.error_type is not None:
            first_line = next(iter(self.error_text.strip().splitlines()), "")
            return f"{self.error_type}: {first_line}" if first_line else self.error_type
        return f"text on stderr: {(self.stderr.strip().splitlines() or [''])[0]}" if self.stderr else ""


def run(
    notebook: str | Path | Mapping[str, Any],
    *,
    sources: Mapping[str, str] | None = None,
    cells: Callable[[dict[str, Any]], bool] | None = None,
    last: Callable[[CellResult], bool] | None = None,
    key: bytes | None = None,
) -> list[CellResult]:
    """Run the code cells of a notebook in order, in a fresh module; a failing cell does not stop the run.

    Files are read and written in the current working directory. Of the process's state, random generators and
    imported modules outlive the run; the rest is put back.

    Args:
        notebook: a notebook file, or its content as `notebook_cells.read` gives it.
        sources: by grade_id, text that stands in place of a code cell's own.
        cells: called with each code cell; those for which it is false are left out.
        last: called with each result; the run ends after the first for which it is true.
        key: from which the checks draw their inputs, as under grading; None for the one of a student's own notebook.

    Raises:
        ProctorError: the notebook cannot be read, `sources` names a cell that does not exist, or a cell to be run
            has a line magic, a shell command or a top-level `await`.
    """
    content, name = _content_and_name(notebook)
    sources = dict(sources or {})
    chosen: list[tuple[str, str | None, str]] = []
    for number, cell in enumerate(content["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        grade_id = notebook_cells.grade_id(cell)
        text = sources.pop(grade_id, None) if grade_id else None
        if cells is None or cells(cell):
            label = grade_id or f"cell {number}"
            text = notebook_cells.source(cell) if text is None else text
            _refuse_jupyter_syntax(text, f"{name}: {label}")
            chosen.append((label, grade_id, text))
    if sources:
        raise ProctorError(f"{name}: no code cell has the grade_id {', '.join(sorted(sources))}; check the spelling")
    module = types.ModuleType("__main__")
    flags = 0
    results = []
    with _as_in_a_kernel(module), _drawing_from(key), _captured_output() as captured:
        figures = _open_figures()
        for label, grade_id, text in chosen:
            error, flags = _execute(text, _registered(f"<{name}: {label}>", text), module, flags)
            _close_figures(figures)
            results.append(CellResult(label, grade_id, *error, *captured()))
            if last is not None and last(results[-1]):
                break
    return results


def scores(results: Sequence[CellResult], notebook: str | Path | Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Points and points available by grade_id for the test cells that were run: all or nothing, as in nbgrader.

    An exception loses the points of a test cell, and so does any text on stderr, a warning for instance.
    """
    content, _ = _content_and_name(notebook)
    available = {
        notebook_cells.grade_id(cell): float(notebook_cells.nbgrader_metadata(cell).get("points") or 0)
        for cell in content["cells"]
        if cell["cell_type"] == "code" and notebook_cells.role(cell) == "test"
    }
    return {
        result.grade_id: (available[result.grade_id] if result.passed else 0.0, available[result.grade_id])
        for result in results
        if result.grade_id in available
    }


def _content_and_name(notebook: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(notebook, Mapping):
        return notebook, "notebook"
    return notebook_cells.read(notebook), Path(notebook).name


def _refuse_jupyter_syntax(text: str, where: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, where, "exec", dont_inherit=True)
            return
        except SyntaxError as error:
            lines = text.split("\n")
            number = min(error.lineno or 1, len(lines))
        except ValueError:  # null bytes; the cell's own result will say so
            return
        line = lines[number - 1].strip()
        if line.startswith(("%", "!")):
            raise ProctorError(
                f"{where}, line {number}: {line!r} needs Jupyter, and cells are checked in plain Python; "
                "write it as Python, or leave this cell out of the run"
            )
        try:
            compile(text, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError:
            return  # a mistake in any Python; it becomes the result of the cell
    raise ProctorError(
        f"{where}, line {number}: top-level await needs Jupyter, and cells are checked in plain Python; "
        "use asyncio.run, or leave this cell out of the run"
    )


def _registered(filename: str, text: str) -> str:
    """Makes the cell's text known to tracebacks and `inspect`; a name already used for another text gets a number."""
    lines = [line + "\n" for line in text.split("\n")]
    unique, attempt = filename, 1
    while unique in linecache.cache and linecache.cache[unique][2] != lines:
        attempt += 1
        unique = f"{filename[:-1]} ({attempt})>"
    # Without a modification time linecache never looks for a file of this name.
    linecache.cache[unique] = (len(text), None, lines, unique)
    return unique


def _execute(text: str, filename: str, module: types.ModuleType, flags: int) -> tuple[tuple[Any, str, str], int]:
    """Exception type, text and traceback of a cell, and the `from __future__` flags for the cells below it."""
    try:
        # Compiled here and not ahead: a SyntaxWarning goes to the cell's own stderr, as in a kernel.
        code = compile(text, filename, "exec", flags=flags, dont_inherit=True)
        flags |= sum(flag for flag in _FUTURE_FLAGS if code.co_flags & flag)
        exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    # SystemExit too, and pytest's outcomes, which are not Exceptions: a kernel survives them all.
    except BaseException as error:
        try:
            error_text = str(error)
        except Exception:
            error_text = "(the exception's text cannot be made)"
        frames = error.__traceback__.tb_next if error.__traceback__ else None
        formatted = "".join(traceback.TracebackException(type(error), error, frames).format())
        return (type(error).__name__, error_text, formatted), flags
    return (None, "", ""), flags


@contextlib.contextmanager
def _as_in_a_kernel(module: types.ModuleType) -> Iterator[None]:
    """Makes `module` the main module, sets what a kernel sets, and puts everything back."""
    before, path, folder = sys.modules.get("__main__"), list(sys.path), os.getcwd()
    outside = {name: os.environ.get(name) for name in _VARIABLES}
    with warnings.catch_warnings():
        # A caller's `error` filter would stop cells that in a kernel only print a warning.
        warnings.filters[:] = [entry for entry in warnings.filters if entry[0] != "error"]
        for category in _SILENT:
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        # Agg cannot show a figure and says so where there is a display; the inline backend shows it.
        warnings.filterwarnings("ignore", message=".*is non-interactive, and thus cannot be shown")
        warnings.showwarning = _show_warning
        os.environ.update(_VARIABLES)
        if "matplotlib" in sys.modules:
            sys.modules["matplotlib"].use("Agg")
        sys.path.insert(0, "")
        sys.modules["__main__"] = module
        try:
            yield
        finally:
            if before is None:
                del sys.modules["__main__"]
            else:
                sys.modules["__main__"] = before
            sys.path[:] = path
            os.chdir(folder)
            for name, value in outside.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextlib.contextmanager
def _drawing_from(key: bytes | None) -> Iterator[None]:
    if key is None:
        yield
        return
    # Not everybody who runs a notebook has torch, which this loads.
    from dl1.contract import protocol

    protocol.use_seed_key(key)
    try:
        yield
    finally:
        protocol.use_seed_key(None)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


@contextlib.contextmanager
def _captured_output() -> Iterator[Callable[[], tuple[str, str]]]:
    """Captures stdout and stderr; what it yields returns the two texts since its last call.

    Like a kernel it also captures the file descriptors, so that text from C code and child processes counts.
    """
    streams = sys.stdin, sys.stdout, sys.stderr
    with contextlib.ExitStack() as undo:
        files = [undo.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(2)]
        for stream in streams[1:]:
            stream.flush()
        for descriptor, file in zip((1, 2), files, strict=True):
            saved = os.dup(descriptor)
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, descriptor)
            os.dup2(file.fileno(), descriptor)

        def captured() -> tuple[str, str]:
            for stream in (sys.stdout, sys.stderr, *streams[1:]):
                with contextlib.suppress(Exception):
                    stream.flush()
            texts = []
            for file in files:
                file.seek(0)
                texts.append(file.read().decode("utf-8", "replace"))
                # The duplicates of this descriptor share its position: all of them go on at the start.
                file.seek(0)
                file.truncate()
            return texts[0], texts[1]

        # On descriptors of their own, so that a cell that closes or replaces a stream does not end the capture.
        sys.stdout, sys.stderr = [
            undo.enter_context(
                io.TextIOWrapper(
                    io.FileIO(os.dup(file.fileno()), "w"),
                    encoding="utf-8",
                    errors="backslashreplace",
                    newline="\n",
                    write_through=True,
                )
            )
            for file in files
        ]
        sys.stdin = io.StringIO()
        try:
            yield captured
        finally:
            # Text after the last cell, of a thread for instance, must not come out of the restored streams.
            captured()
            sys.stdin, sys.stdout, sys.stderr = streams


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _close_figures(keep: set[int]) -> None:
    for number in _open_figures() - keep:
        sys.modules["matplotlib.pyplot"].close(number)
