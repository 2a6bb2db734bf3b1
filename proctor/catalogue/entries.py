"""What a catalogue says: small changes of a reference solution that make typical wrong answers, or other right ones."""

from __future__ import annotations

import ast
import functools
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue import setup as catalogue_setup
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

_KEYS = {"wrong": {"name", "cell", "hint", "loses"}, "right": {"name", "cell", "why"}}
_CHANGE_KEYS = {"change", "source"}
_OPTIONAL_KEYS = {"wrong": {"breaks"}, "right": set()}


@dataclass(frozen=True)
class Entry:
    """One variant of the reference solution.

    Attributes:
        kind: "wrong" or "right".
        notebook: stem of the notebook's file name.
        cell: grade_id of the solution cell that it changes.
        hint: what a student is told about a wrong variant; empty for a right one.
        why: what is different about a right variant; empty for a wrong one.
        loses: grade_ids of the test cells that a wrong variant loses.
        changes: pairs of old and new text, or None if `source` has the whole cell's text.
        where: file and entry, for messages.
        breaks: beginnings of the rules in the notebook that a wrong variant breaks.
    """

    kind: str
    name: str
    notebook: str
    cell: str
    hint: str
    why: str
    loses: tuple[str, ...]
    changes: tuple[tuple[str, str], ...] | None
    source: str | None
    where: str
    breaks: tuple[str, ...] = ()


def load(path: str | Path) -> list[Entry]:
    """Read a catalogue file `<notebook>.toml`, or all of a folder, in the order of the files.

    Raises ProctorError, naming file and entry, for whatever is wrong without looking at the notebook.
    """
    path = Path(path)
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise ProctorError(f"{path}: there is no .toml file in this folder; check the path, or begin a catalogue")
    return [entry for file in files for entry in _entries_of(file)]


def apply(entry: Entry, source: str) -> str:
    """The text of a solution cell with the entry's change, without the lines of the solution markers.

    Args:
        source: the reference cell's text, with its markers.

    Raises:
        ProctorError: an old text does not occur exactly once, changes overlap, nothing is changed, or the result
            is not Python.
    """
    try:
        reference = notebook_cells.without_markers(source)
    except ProctorError as error:
        raise ProctorError(
            f"{entry.where}: the markers in the notebook's cell {entry.cell} are wrong: {error}"
        ) from None
    changed = entry.source if entry.source is not None else _replaced(entry, reference)
    try:
        same = _alike(_tree(changed), _tree(reference))
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno} of the changed cell" if isinstance(error, SyntaxError) else ""
        raise ProctorError(f"{entry.where}: the change makes a syntax error{line} ({error}); correct it") from None
    if same:
        raise ProctorError(f"{entry.where}: the change changes nothing that Python sees; change the code")
    return changed


def question(grade_id: str) -> str:
    """The question that a cell belongs to: `q2_3` for `q2_3a_values`."""
    return re.sub(r"(?<=\d)[a-z]$", "", "_".join(grade_id.split("_")[:2]))


def variants(entries: Sequence[Entry], notebook: Mapping[str, Any]) -> list[tuple[Entry, str]]:
    """Each entry with the changed text of its cell.

    Raises ProctorError for an unknown solution or test cell, and as `apply`.
    """
    solutions, tests = notebook_cells.solution_cells(notebook), notebook_cells.autograded_cells(notebook)
    for entry in entries:
        if entry.cell not in solutions:
            raise ProctorError(
                f"{entry.where}: {entry.cell!r} is not a solution cell of this notebook; "
                f"set `cell` to one of: {', '.join(solutions)}"
            )
        unknown = [name for name in entry.loses if name not in tests]
        if unknown:
            raise ProctorError(
                f"{entry.where}: {', '.join(unknown)} in `loses` is no test cell of this notebook; "
                f"its test cells are: {', '.join(tests)}"
            )
    return [(entry, apply(entry, notebook_cells.source(solutions[entry.cell]))) for entry in entries]


def _entries_of(file: Path) -> Iterator[Entry]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProctorError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProctorError(f"{file}: is not TOML ({error}); correct it there") from None
    names: set[str] = set()
    # These say something about the notebook or about mutants, not about an answer; other modules read them.
    for key in (catalogue_setup.KEY, "untested", "equivalent"):
        content.pop(key, None)
    for kind, tables in content.items():
        if kind not in _KEYS or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise ProctorError(f"{file}: {kind!r} is unknown here; an entry begins with [[wrong]] or [[right]]")
        for number, table in enumerate(tables, start=1):
            entry = _entry(file, kind, number, table)
            if entry.name in names:
                raise ProctorError(f"{entry.where}: another entry of this file has this name; choose a new one")
            names.add(entry.name)
            yield entry


def _entry(file: Path, kind: str, number: int, table: dict[str, Any]) -> Entry:
    name = table.get("name")
    where = f"{file}: {kind} entry " + (repr(name) if isinstance(name, str) and name else f"number {number}")
    known = sorted(_KEYS[kind] | _CHANGE_KEYS | _OPTIONAL_KEYS[kind])
    for key in table:
        if key not in known:
            raise ProctorError(f"{where}: unknown key {key!r}; a {kind} entry has: {', '.join(known)}")
    for key in sorted(_KEYS[kind] - {"loses"}):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise ProctorError(f"{where}: add `{key}`, a text that is not empty")
    if len(_CHANGE_KEYS & table.keys()) != 1:
        raise ProctorError(f"{where}: give either `change` or `source`")
    return Entry(
        kind=kind,
        name=name,
        notebook=file.stem,
        cell=table["cell"],
        hint=table.get("hint", ""),
        why=table.get("why", ""),
        loses=_loses(where, table.get("loses")) if kind == "wrong" else (),
        changes=_changes(where, table["change"]) if "change" in table else None,
        source=_whole_cell(where, table["source"]) if "source" in table else None,
        where=where,
        breaks=_breaks(where, table.get("breaks", [])),
    )


def _loses(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise ProctorError(f"{where}: add `loses`, a list of the test cells that are lost, at least one")
    if len(set(value)) < len(value):
        raise ProctorError(f"{where}: `loses` names a test cell twice; remove one")
    questions = sorted({question(name) for name in value})
    if len(questions) > 1:
        raise ProctorError(
            f"{where}: `loses` has cells of {' and '.join(questions)}, and a mistake may cost one question only; "
            "declare one question's cells, and let the other checks put doubles in place of this answer"
        )
    return tuple(value)


def _breaks(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(rule, str) and rule.strip() for rule in value):
        raise ProctorError(f"{where}: `breaks` has to be a list of rules, each by the words that it begins with")
    return tuple(value)


def _changes(where: str, value: object) -> tuple[tuple[str, str], ...]:
    pairs = value if isinstance(value, list) else []
    if not pairs or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) and pair[0]
        for pair in pairs
    ):
        raise ProctorError(f"{where}: write `change` as a list of pairs: change = [['''old''', '''new''']]")
    if any(old == new for old, new in pairs):
        raise ProctorError(f"{where}: old and new text of a change are the same; alter the new text")
    return tuple((old, new) for old, new in pairs)


def _whole_cell(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ProctorError(f"{where}: `source` has to be the text of the whole cell")
    return value


def _replaced(entry: Entry, reference: str) -> str:
    spans = []
    for old, new in entry.changes:
        count = reference.count(old)
        if count != 1:
            advice = "copy it from the notebook with its indentation" if count == 0 else "add a neighbouring line to it"
            raise ProctorError(
                f"{entry.where}: the old text {old!r} occurs {count} times in the reference solution of "
                f"{entry.cell} and has to occur once; {advice}"
            )
        begin = reference.index(old)
        spans.append((begin, begin + len(old), new))
    spans.sort()
    if any(first[1] > second[0] for first, second in itertools.pairwise(spans)):
        raise ProctorError(f"{entry.where}: two of the old texts overlap; make one change of them")
    for begin, end, new in reversed(spans):
        reference = reference[:begin] + new + reference[end:]
    return reference


@functools.lru_cache(maxsize=2)
def _tree(source: str) -> ast.Module:
    return compile(source, "<changed cell>", "exec", flags=ast.PyCF_ONLY_AST, dont_inherit=True)


def _alike(one: Any, other: Any) -> bool:
    """Whether two parts of syntax trees are the same wherever they stand; ends with the first difference."""
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.AST):
        return all(_alike(getattr(one, name, None), getattr(other, name, None)) for name in one._fields)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other
