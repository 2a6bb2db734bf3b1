"""Mutants that no test can kill, listed by hand in a catalogue with the reason: `[[equivalent]]`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue.mutants import Mutant
from proctor.errors import ProctorError

KEY = "equivalent"
_KEYS = {"cell", "operator", "why", "change"}


@dataclass(frozen=True)
class Equivalent:
    """One table `[[equivalent]]`.

    Attributes:
        cell: grade_id of the solution cell.
        operator: name of the rule.
        why: reason for which the changed cell is as right as the reference.
        changes: old lines, new lines and number of the occurrence of each mutant; None for all of this rule.
        where: file and number, for messages.
    """

    cell: str
    operator: str
    why: str
    changes: tuple[tuple[str, str, int], ...] | None
    where: str


def read_equivalents(file: Path) -> list[Equivalent]:
    """The equivalent mutants of a catalogue file; none if the file isn't there.

    Raises:
        ProctorError: the file is not TOML, or a table has something missing, or something else in it.
    """
    if not file.is_file():
        return []
    try:
        tables: Any = tomllib.loads(file.read_text(encoding="utf-8")).get(KEY, [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProctorError(f"{file}: cannot be read ({error}); correct it there") from None
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ProctorError(f"{file}: an equivalent mutant begins with [[{KEY}]]")
    return [_equivalent(f"{file}: equivalent entry number {n}", table) for n, table in enumerate(tables, start=1)]


def _equivalent(where: str, table: dict[str, Any]) -> Equivalent:
    for key in table:
        if key not in _KEYS:
            raise ProctorError(f"{where}: unknown key {key!r}; it has: {', '.join(sorted(_KEYS))}")
    for key in sorted(_KEYS - {"change"}):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise ProctorError(f"{where}: add `{key}`, a text that is not empty")
    changes = _changes(where, table["change"]) if "change" in table else None
    return Equivalent(table["cell"], table["operator"], table["why"], changes, where)


def _changes(where: str, value: object) -> tuple[tuple[str, str, int], ...]:
    found = []
    for one in value if isinstance(value, list) else [None]:
        parts = [*one, 1] if isinstance(one, list) and len(one) == 2 else one
        if not isinstance(parts, list) or list(map(type, parts)) != [str, str, int]:
            raise ProctorError(
                f"{where}: write `change` as a list of old lines, new lines and, from the second one on, the number of "
                "the occurrence: change = [['''old''', '''new'''], ['''old''', '''new''', 2]]"
            )
        found.append((parts[0].strip("\n"), parts[1].strip("\n"), parts[2]))
    return tuple(found)


def sorted_out(
    equivalents: Sequence[Equivalent], made: Sequence[Mutant], surviving: Sequence[Mutant]
) -> tuple[set[Mutant], list[str]]:
    """Those of the surviving mutants that are listed as equivalent, and what is wrong with the list, a line each.

    Args:
        equivalents: the entries of the cells that were looked at.
        made: all mutants of these cells.
    """
    by_key = {mutant.key: mutant for mutant in made}
    listed, problems = set(), []
    for entry in equivalents:
        own = [mutant for mutant in surviving if (mutant.cell, mutant.operator) == (entry.cell, entry.operator)]
        if entry.changes is None:
            listed |= set(own)
            if not own:
                problems.append(f"{entry.where}: no mutant of {entry.operator} in {entry.cell} survives; take it out")
            continue
        for old, new, occurrence in entry.changes:
            mutant = by_key.get((entry.cell, entry.operator, old, new, occurrence))
            if mutant is None:
                what = f"no {entry.operator} makes {new!r} of {old!r} (occurrence {occurrence}) in {entry.cell}"
                problems.append(f"{entry.where}: {what} any more; correct the entry, or take it out")
            elif mutant not in own:
                what = f"{new!r} in place of {old!r} (occurrence {occurrence}) in {entry.cell} is killed"
                problems.append(f"{entry.where}: {what}, so it is not equivalent; take it out")
            else:
                listed.add(mutant)
    return listed, problems
