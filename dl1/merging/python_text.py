"""The Python of a code cell, with or without IPython's own lines."""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

# A line magic or shell line, its assigned form, and help (`?x`, `x?`).
_IPYTHON_LINE = re.compile(r"^(\s*)(?:([\w., ]+=)\s*[%!].*|[%!?].*|[\w.]+\?{1,2}\s*)$")
# Cell magics whose cell is Python, run in the notebook's own namespace.
_PYTHON_CELL_MAGICS = ("%%time", "%%capture")


class Code(NamedTuple):
    """A parsed code cell; lines are 1-based.

    `tree` is empty where `error` (line, what Python says) is set; `magics` are the lines that only IPython understands;
    `warnings` are what Python prints while compiling (line, text).
    """

    tree: ast.Module
    error: tuple[int, str] | None
    magics: list[int]
    warnings: list[tuple[int, str]]


def parse(source: str) -> Code:
    """Parse a code cell, leaving out magics, shell lines and help lines where it is not Python as it stands."""
    code = _parse_python(source)
    if code.error is None:
        return code
    if source.lstrip().startswith("%%") and source.split(maxsplit=1)[0] not in _PYTHON_CELL_MAGICS:
        return Code(ast.Module(body=[], type_ignores=[]), None, [1], [])
    lines = source.split("\n")
    magics = []
    for index, line in enumerate(lines):
        match = _IPYTHON_LINE.match(line)
        if match:
            magics.append(index + 1)
            lines[index] = match[1] + (f"{match[2]} None" if match[2] else "pass")
    without = _parse_python("\n".join(lines))
    if without.error and code.error[0] not in magics:
        # The mistake is elsewhere, and a line that was cut may have been `% b`, the rest of a formula.
        return code
    return without._replace(magics=magics)


def _parse_python(source: str) -> Code:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tree = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | flags)
            # Some mistakes, such as `return` outside of a function, come up only here.
            compile(source, "cell", "exec", flags)
            error = None
        except SyntaxError as problem:
            error = (problem.lineno or 1, problem.msg)
        except (ValueError, RecursionError, MemoryError) as problem:
            error = (1, str(problem) or "too deeply nested")
    if error:
        return Code(ast.Module(body=[], type_ignores=[]), error, [], [])
    said = sorted({(warning.lineno, str(warning.message)) for warning in caught})
    return Code(tree, None, [], said)
