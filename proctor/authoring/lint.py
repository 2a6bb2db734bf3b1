"""Finds mistakes in instructor notebooks before students or the grader do: `python -m proctor.authoring.lint PATH…`.

One line per finding, `path: cell <id>: message`, where the message says what to do. Here are the rules for notebooks
and for all cells; those for the inside of test cells are in `proctor.authoring.lint_tests`, those for hints in
`proctor.authoring.lint_help`.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import math
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from proctor.authoring.lint_help import help_findings
from proctor.authoring.lint_purposes import purpose_findings
from proctor.authoring.lint_tests import cell_findings
from proctor.errors import ProctorError
from proctor.notebooks.cells import (
    REGION_NAMES,
    STUB,
    find_notebooks,
    grade_id,
    nbgrader_metadata,
    read,
    regions,
    role,
    scan_regions,
    source,
)
from proctor.notebooks.code import Code, bound_names, line_of, parse, reads
from proctor.notebooks.marking_scheme import read_scheme, scheme_problems

_GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A data URL with content, or the first characters of a PNG, JPEG or GIF in base64 with at least as much again.
_BASE64_IMAGE = re.compile(
    r"data:image/[\w.+-]+[^,\s]*;base64,\s*[A-Za-z0-9+/]{16}|(?:iVBORw0KGgo|/9j/4|R0lGOD)[\w+/]{40}"
)
_ROLES_WITH_REGION = {"SOLUTION": ("solution", "manual"), "HIDDEN TESTS": ("test",)}
# The tag by which Jupyter goes on after an error.
_GOES_ON = "raises-exception"


class Finding(NamedTuple):
    """One mistake: where ("cell <id>" or "notebook") and what to do."""

    where: str
    message: str


class _Cell(NamedTuple):
    """What the rules need of one cell; `code` is None where there is no Python."""

    label: str
    role: str
    grade_id: str | None
    source: str
    content: dict[str, Any]
    code: Code | None


def lint(notebook: dict[str, Any]) -> list[Finding]:
    """All findings of a notebook as `notebook_cells.read` gives it: cell by cell, the notebook's own at the end."""
    cells = [_cell(number, content) for number, content in enumerate(notebook["cells"], start=1)]
    declared = notebook["metadata"].get("proctor")
    declared = declared if isinstance(declared, dict) else {}
    interface = declared.get("interface", [])
    names = interface if isinstance(interface, list) else []
    names = [name for name in names if isinstance(name, str) and name.isidentifier()]
    of_purposes = purpose_findings(notebook["cells"], names)
    across = [*_repeated_ids(cells), *_unchecked_solutions(cells), *_names_from_tests(cells)]
    across += [(cells[number], message) for number, message in of_purposes]
    findings = []
    for cell in cells:
        messages = [*_managed(cell), *_markers(cell), *_regions(cell), *_stored(cell), *_python(cell)]
        if cell.role == "test" and cell.code:
            messages += [f"line {line}: {message}" for line, message in cell_findings(cell.source, names)]
        messages += [message for other, message in across if other is cell]
        findings += [Finding(f"cell {cell.label}", message) for message in messages]
    if names != interface or len(set(names)) != len(names):
        findings.append(Finding("notebook", "metadata.proctor.interface must be a list of different Python names"))
    total = [*_points(cells, declared.get("points")), *_unbound_interface(cells, names)]
    return findings + [Finding("notebook", message) for message in total]


def lint_help(notebook: dict[str, Any]) -> list[Finding]:
    """What a student who is stuck would miss: see `proctor.authoring.lint_help`."""
    cells = notebook["cells"]
    return [
        Finding(f"cell {_cell(number + 1, cells[number]).label}", message) for number, message in help_findings(cells)
    ]


def _cell(number: int, content: dict[str, Any]) -> _Cell:
    text = source(content)
    label = grade_id(content) or content.get("id") or f"number {number}"
    code = parse(text) if content["cell_type"] == "code" else None
    return _Cell(label, role(content), grade_id(content), text, content, code)


def _managed(cell: _Cell) -> Iterator[str]:
    if cell.role in ("code", "text"):
        return
    metadata = nbgrader_metadata(cell.content)
    if cell.grade_id is None:
        yield "has no grade_id; give it one in Create Assignment"
    elif not _GRADE_ID.fullmatch(cell.grade_id):
        yield "grade_id must be 1 to 64 of the characters A-Z a-z 0-9 _ -; rename it"
    if metadata.get("schema_version") != 3:
        yield "nbgrader metadata is not of schema_version 3; open and save it in Create Assignment"
    if metadata.get("task"):
        yield "task cells have no model answer; make it a manually graded answer"
    if cell.role in ("solution", "test") and cell.code is None:
        yield f"a {cell.role} cell must be a code cell; change its type"
    if cell.role == "test" and _GOES_ON not in cell.content["metadata"].get("tags", []):
        yield f"a student's Run All Cells would stop at its first failure; give it the tag {_GOES_ON}"
    if metadata.get("grade") and _valid_points(cell) is None:
        yield "graded, but its points are not a number from 0 on; set them in Create Assignment"


def _valid_points(cell: _Cell) -> float | None:
    points = nbgrader_metadata(cell.content).get("points")
    is_number = isinstance(points, (int, float)) and not isinstance(points, bool)
    return points if is_number and math.isfinite(points) and points >= 0 else None


def _markers(cell: _Cell) -> Iterator[str]:
    lines = cell.source.split("\n")
    for name in REGION_NAMES:
        yield from (f"line {line}: {problem}" for line, problem in scan_regions(cell.source, name)[1])
        for number, line in enumerate(lines, start=1):
            words = next((f"{edge} {name}" for edge in ("BEGIN", "END") if f"{edge} {name}" in line), None)
            if words and line.strip() != f"### {words}":
                yield f"line {number}: nbgrader cuts at every line with {words}; write the marker alone as ### {words}"
            if words and cell.role not in _ROLES_WITH_REGION[name]:
                right = " or ".join(_ROLES_WITH_REGION[name])
                yield f"line {number}: {words} belongs in a {right} cell, this is a {cell.role} cell; move it"


def _regions(cell: _Cell) -> Iterator[str]:
    for name, roles in _ROLES_WITH_REGION.items():
        found, problems = scan_regions(cell.source, name)
        if cell.role not in roles or problems:
            continue
        if not found:
            yield f"a {cell.role} cell needs ### BEGIN {name} … ### END {name} around what students must not see"
        elif cell.role == "manual" and read_scheme(cell.source) is None:
            yield 'the solution has no "Marking scheme" heading; add #### Marking scheme and say what earns points'
        elif cell.role == "manual" and _valid_points(cell) is not None:
            yield from scheme_problems(cell.source, _valid_points(cell))
        elif cell.role == "solution" and cell.code and not cell.code.error:
            error = parse(_released(cell.source)).error
            if error:
                yield f"line {error[0]}: does not parse once the solution is a stub ({error[1]}); move the markers"


def _released(text: str) -> str:
    """Source with a stub in place of each solution and blank lines after it, so that line numbers stay."""
    lines = text.split("\n")
    for region in regions(text, "SOLUTION"):
        marker = lines[region.begin - 1]
        indent = marker[: len(marker) - len(marker.lstrip())]
        lines[region.begin - 1 : region.end] = [indent + STUB] + [""] * (region.end - region.begin)
    return "\n".join(lines)


def _stored(cell: _Cell) -> Iterator[str]:
    if _BASE64_IMAGE.search(cell.source):
        yield "holds an image as base64 text; put it in a file under figures/ and link it"
    if cell.content.get("attachments"):
        names = ", ".join(cell.content["attachments"])
        yield f"has attachments ({names}); put them in files under figures/ and link them"
    if cell.content.get("outputs") or cell.content.get("execution_count") is not None:
        yield "has outputs or an execution count; run python -m proctor.authoring.normalise on the notebook"


def _python(cell: _Cell) -> Iterator[str]:
    if cell.code is None:
        return
    if cell.code.error:
        line, message = cell.code.error
        yield f"line {line}: does not parse ({message}); correct it"
    for line, message in cell.code.warnings:
        yield f"line {line}: Python warns: {message}; rewrite it"
    if cell.role in ("test", "solution"):
        for line in cell.code.magics:
            yield f"line {line}: only IPython understands this line; write Python, or move it to a cell of its own"
    for node in ast.walk(cell.code.tree):
        if isinstance(node, ast.Expr) and _is_comparison(node.value):
            yield f"line {node.lineno}: compares and drops the result; put assert in front, or print it"


def _is_comparison(node: ast.expr) -> bool:
    if isinstance(node, ast.BoolOp):
        return all(map(_is_comparison, node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _is_comparison(node.operand)
    return isinstance(node, ast.Compare)


def _repeated_ids(cells: list[_Cell]) -> Iterator[tuple[_Cell, str]]:
    seen: set[str] = set()
    for cell in cells:
        if cell.grade_id in seen:
            yield cell, "an earlier cell has the same grade_id; rename one of them"
        if cell.grade_id:
            seen.add(cell.grade_id)


def _unchecked_solutions(cells: list[_Cell]) -> Iterator[tuple[_Cell, str]]:
    unchecked: _Cell | None = None
    for cell in cells:
        if cell.role == "solution" and unchecked:
            yield unchecked, f"no test cell before the next solution cell ({cell.label}); add one"
        if cell.role in ("solution", "test"):
            unchecked = cell if cell.role == "solution" else None
    if unchecked:
        yield unchecked, "no test cell after this solution cell; add one"


def _names_from_tests(cells: list[_Cell]) -> Iterator[tuple[_Cell, str]]:
    """Names of test cells are not there for students' code under grading: test cells run in another process."""
    of_tests: dict[str, str] = {}
    of_students: set[str] = set(dir(builtins))
    for cell in cells:
        if cell.code is None:
            continue
        bound = bound_names(cell.code.tree)
        if cell.role == "test":
            of_tests |= dict.fromkeys(bound, cell.label)
            continue
        of_students |= bound
        for name in sorted(reads(cell.code.tree) & set(of_tests) - of_students):
            line = line_of(cell.code.tree, name)
            yield cell, f"line {line}: `{name}` comes from test cell {of_tests[name]} only; define or import it here"


def _points(cells: list[_Cell], declared: object) -> Iterator[str]:
    graded = [cell for cell in cells if nbgrader_metadata(cell.content).get("grade")]
    total = sum(_valid_points(cell) or 0 for cell in graded)
    if not isinstance(declared, (int, float)) or isinstance(declared, bool):
        yield f"metadata.proctor.points is missing; declare the total (the cells have {total:g} points now)"
    elif not math.isclose(total, declared):
        yield f"the cells have {total:g} points and metadata.proctor.points says {declared:g}; correct one of them"


def _unbound_interface(cells: list[_Cell], interface: Sequence[str]) -> Iterator[str]:
    bound = {name for cell in cells if cell.code and cell.role != "test" for name in bound_names(cell.code.tree)}
    for name in interface:
        if name not in bound:
            yield f"interface name `{name}` is not bound at top level of any code cell but tests; define it or drop it"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0 without findings, 1 with findings, 2 if a notebook cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m proctor.authoring.lint", description="Find mistakes in instructor notebooks before students do."
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="notebooks, or folders to search for them")
    options = parser.parse_args(arguments)
    status = 0
    try:
        notebooks = find_notebooks(options.paths)
    except ProctorError as error:
        print(error, file=sys.stderr)
        return 2
    for path in notebooks:
        try:
            notebook = read(path)
            findings = lint(notebook) + lint_help(notebook)
        except ProctorError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        for finding in findings:
            print(f"{path}: {finding.where}: {finding.message}")
        if findings:
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
