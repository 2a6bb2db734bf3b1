"""The rules that a notebook states, sentence by sentence, and the catalogued answers that break each of them.

A rule that no wrong answer breaks is tested by nobody: the checks may well pass without it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.catalogue.entries import Entry
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells

UNTESTED = "untested"
# The heading of a list, or a sentence that ends with it.
_HEADING = re.compile(r"\bThe rules\b")
_ITEM = re.compile(r"[-*] ")
# A sentence ends before a capital letter, a number, code, a formula or emphasis.
_END_OF_SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))\s+(?=[A-Z\d`$*])")
_SHOWN = 88


@dataclass(frozen=True)
class Rule:
    """A sentence of a list; `position` is the number of its cell in the notebook, counted from 0."""

    sentence: str
    position: int


@dataclass(frozen=True)
class Untested:
    """A sentence that no answer can break; `rule` is its beginning, `why` says what it is for."""

    rule: str
    why: str
    where: str


def rules_of(notebook: Mapping[str, Any]) -> list[Rule]:
    """Every sentence of every list of rules, with single spaces, in the notebook's order."""
    found = []
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            items = _items(notebook_cells.source(cell))
            found += [Rule(sentence, position) for item in items for sentence in _END_OF_SENTENCE.split(item)]
    return found


def _items(text: str) -> list[str]:
    """Items of the lists that follow a line with the heading, each in one line."""
    items: list[str] = []
    listed = in_list = False
    for line in text.split("\n"):
        is_item = _ITEM.match(line) is not None
        if not is_item and not line.startswith(" ") and _HEADING.search(line):
            listed, in_list = True, False
        elif not listed:
            continue
        elif is_item:
            items.append(line[2:].strip())
            in_list = True
        elif line.startswith(" ") and line.strip() and items:
            items[-1] += " " + line.strip()
        else:
            # Lines between heading and list belong to the heading, anything else ends the list.
            listed = not in_list
            in_list = False
    return [" ".join(item.split()) for item in items]


def read_untested(file: Path) -> list[Untested]:
    """The tables `[[untested]]` of a catalogue file.

    Raises:
        ProctorError: one has other keys than `rule` and `why`, or an empty one.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get(UNTESTED, [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProctorError(f"{file}: cannot be read ({error}); correct it there") from None
    found = []
    for number, table in enumerate(tables if isinstance(tables, list) else [tables], start=1):
        where = f"{file}: untested entry number {number}"
        if not isinstance(table, dict) or table.keys() != {"rule", "why"}:
            raise ProctorError(f"{where}: it has `rule`, the beginning of a sentence, and `why`; nothing else")
        if not all(isinstance(value, str) and value.strip() for value in table.values()):
            raise ProctorError(f"{where}: `rule` and `why` have to be texts that are not empty")
        found.append(Untested(" ".join(table["rule"].split()), table["why"], where))
    return found


@dataclass(frozen=True)
class RuleTable:
    """Which entries break which rule, and what is wrong with that.

    Attributes:
        rows: a rule with the entries that break it, or with the reason why none does.
        problems: rules that nothing breaks, and names of rules that fit none or several; one line each.
    """

    rows: Sequence[tuple[Rule, Sequence[Entry], str]]
    problems: Sequence[str]

    def as_text(self) -> str:
        """A line per rule: its beginning, the checks that fail without it, the entries that break it."""
        lines = []
        for rule, entries, why in self.rows:
            checks = list(dict.fromkeys(cell for entry in entries for cell in entry.loses))
            names = ", ".join(entry.name for entry in entries)
            lines.append(_short(rule.sentence))
            lines.append(f"    {' '.join(checks)} <- {names}" if entries else f"    {why or 'NOTHING BREAKS IT'}")
        return "\n".join(lines)


def rule_table(notebook: Mapping[str, Any], entries: Sequence[Entry], untested: Sequence[Untested]) -> RuleTable:
    """Match the rules of a notebook with the entries that say which of them they break."""
    rules = rules_of(notebook)
    places = {notebook_cells.grade_id(cell): place for place, cell in enumerate(notebook["cells"])}
    broken: dict[int, list[Entry]] = {}
    reasons: dict[int, str] = {}
    problems = []
    for entry in entries:
        for beginning in entry.breaks:
            number = _number(rules, beginning, entry.where, problems)
            if number is None:
                continue
            if rules[number].position > places.get(entry.cell, len(places)):
                problems.append(f"{entry.where}: the rule {beginning!r} stands below the answer {entry.cell}")
            broken.setdefault(number, []).append(entry)
    for one in untested:
        number = _number(rules, one.rule, one.where, problems)
        if number is not None:
            reasons[number] = one.why
            if number in broken:
                problems.append(f"{one.where}: {broken[number][0].name} breaks this rule; remove the table")
    for number, rule in enumerate(rules):
        if number not in broken and number not in reasons:
            problems.append(f"no wrong answer breaks the rule {_short(rule.sentence)!r}")
    rows = [(rule, broken.get(number, []), reasons.get(number, "")) for number, rule in enumerate(rules)]
    return RuleTable(rows, problems)


def _number(rules: Sequence[Rule], beginning: str, where: str, problems: list[str]) -> int | None:
    beginning = " ".join(beginning.split())
    found = [number for number, rule in enumerate(rules) if rule.sentence.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    said = "no sentence of a list of rules begins" if not found else f"{len(found)} sentences begin"
    problems.append(f"{where}: {said} with {beginning!r}; copy the words from the notebook, and enough of them")
    return None


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1].rstrip() + "…"
