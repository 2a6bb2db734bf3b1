"""Rules for given code cells: each says what it is for, and a demo that is not run takes nothing away from the others.

A demo is not run while grading. So no cell of another kind may read what a demo binds, deletes or changes, and a figure
may make names for figures and demos alone, so that answers and tests can be tried without drawing anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from proctor.notebooks import cells as notebook_cells
from proctor.notebooks import purposes
from proctor.notebooks.code import Code, bound_names, line_of, parse, reads
from proctor.notebooks.effects import (
    changed_objects,
    draws_at_once,
    hidden_names,
    imports_everything,
    needs,
    seeds,
    writes_files,
)
from proctor.notebooks.purposes import DEFINITIONS, DEMO, FIGURE, PURPOSES

_CHOICES = "; ".join(f"{name} ({what})" for name, what in PURPOSES.items())
_OR_ELSE = f"or give it the tag {DEFINITIONS}"


class _Cell(NamedTuple):
    """`needs` are the names of the notebook that a cell reads; `kind` is a purpose, "answer" or "test"."""

    number: int
    label: str
    kind: str
    code: Code
    source: str
    needs: set[str]


def purpose_findings(cells: Sequence[Mapping[str, Any]], interface: Sequence[str]) -> Iterator[tuple[int, str]]:
    """What is wrong with the purposes of a notebook's given cells: number of the cell, from 0, and what to do.

    Args:
        interface: names that the notebook promises to tests.
    """
    for number, cell in enumerate(cells):
        said = purposes.declared(cell)
        if purposes.is_given(cell) and len(said) != 1:
            wrong = f"has the tags {' and '.join(said)}; leave one" if said else "doesn't say what it is for; tag it"
            yield number, f"a given code cell {wrong}: {_CHOICES}"
        elif said and not purposes.is_given(cell):
            yield number, f"the tag {said[0]} is for given code cells; remove it here"
    known = [made for number, cell in enumerate(cells) if (made := _cell(number, cell)) is not None]
    trees = [one.code.tree for one in known if one.kind in (DEFINITIONS, FIGURE)]
    for cell in known:
        if cell.kind not in (DEMO, FIGURE):
            continue
        if cell.kind == DEMO:
            yield from ((cell.number, message) for message in _unseen(cell))
            yield from ((cell.number, message) for message in _seeded(cell, known))
        made = purposes.of_demo(cell.code.tree, [tree for tree in trees if tree is not cell.code.tree])
        kept = (DEMO,) if cell.kind == DEMO else (DEMO, FIGURE)
        yield from ((cell.number, one) for one in _taken(cell, made, [o for o in known if o.kind not in kept]))
        for name in sorted(made & set(interface)):
            yield cell.number, f"tests may use `{name}` and this {cell.kind} makes or changes it; move that elsewhere"


def _cell(number: int, content: Mapping[str, Any]) -> _Cell | None:
    if content["cell_type"] != "code":
        return None
    source = notebook_cells.source(content)
    role, code = notebook_cells.role(content), parse(source)
    kind = purposes.purpose(content) or ("test" if role == "test" else "answer")
    # Names that a test binds are those of the checker; its probes take the others from the notebook.
    wanted = reads(code.tree) - bound_names(code.tree) if kind == "test" else needs(code.tree)
    label = notebook_cells.grade_id(content) or content.get("id") or f"number {number + 1}"
    return _Cell(number, label, kind, code, source, wanted)


def _taken(cell: _Cell, made: set[str], others: Sequence[_Cell]) -> Iterator[str]:
    changed = changed_objects(cell.code.tree)
    for name in sorted(made):
        reader = next((other for other in others if name in other.needs), None)
        if reader is None:
            continue
        does = "changes" if name in changed else "binds"
        which = "answer" if reader.kind == "answer" else f"{reader.kind} cell" if reader.kind != FIGURE else FIGURE
        why = "is not run while grading" if cell.kind == DEMO else "is left out where answers are tried"
        yield (
            f"line {_line(cell.code.tree, name)}: this {cell.kind} {does} `{name}`, which the {which} {reader.label} "
            f"reads, and a {cell.kind} {why}; rename it, or move that line to a cell with the tag {DEFINITIONS}"
        )


def _unseen(cell: _Cell) -> Iterator[str]:
    end = f"write names out, {_OR_ELSE}"
    if imports_everything(cell.code.tree):
        yield f"a demo must not import with *, since nobody can see what it binds; {end}"
    elif hidden_names(cell.code, cell.source):
        yield f"this demo may bind names that don't stand in its text (a magic, exec, globals …); {end}"
    line = writes_files(cell.code.tree)
    if line is not None:
        yield f"line {line}: this demo writes a file, which others may need; leave that out, {_OR_ELSE}"


def _seeded(cell: _Cell, known: Sequence[_Cell]) -> Iterator[str]:
    if not seeds(cell.code.tree):
        return
    for other in known:
        if other.number > cell.number and other.kind not in (DEMO, "test") and draws_at_once(other.code.tree):
            yield (
                f"this demo seeds random numbers and {other.label} below draws some; seed them there, "
                f"or draw from a generator, {_OR_ELSE}"
            )
            return


def _line(tree: ast.Module, name: str) -> int:
    """Line in which a name is bound or its object changed, else where it is first mentioned."""
    stored = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name)
        or (isinstance(node, (ast.Import, ast.ImportFrom)) and name in bound_names(ast.Module([node], [])))
    ]
    return min(stored, default=line_of(tree, name))
