"""Rule for expected values: nothing that an answer of the submission has come into, or has chosen.

A check whose expectation is computed from what student code reports checks that code against itself: with other
weights than asked for, and outputs to match, it passes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from proctor.authoring.answer_flow import Lines, follow
from proctor.notebooks.checked_cells import is_probe

Finding = tuple[int, str]

# What of a check's arguments may come from an answer: what is checked (the first one), and what is only shown.
_FOUND = frozenset({0, "actual", "condition", "call", "found", "name", "inputs"})


def expectation_findings(tree: ast.Module) -> Iterator[Finding]:
    """Checks of a test cell that compare with what a probe brought, as (line, what to do)."""
    findings: dict[tuple[int, str], Lines] = {}

    def look(call: ast.Call, arguments: list[tuple[str | int, Lines]], under: Lines) -> None:
        check = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
        for where, lines in arguments:
            if where not in _FOUND and lines:
                what = f"argument {where + 1}" if isinstance(where, int) else f"argument `{where}`"
                _add(findings, call.lineno, f"{what} of {check}", lines)
        if under:
            _add(findings, call.lineno, f"whether this {check} takes place", under)

    follow(tree, [node.name for node in tree.body if is_probe(node)], look)
    for (line, what), lines in findings.items():
        numbers = ", ".join(map(str, sorted(lines)))
        yield (
            line,
            f"{what} comes from the answer of a probe (line {numbers}): compute it from inputs and weights alone, or, "
            "to relate two answers, say so with check_true",
        )


def _add(findings: dict[tuple[int, str], Lines], line: int, what: str, lines: Lines) -> None:
    findings[line, what] = findings.get((line, what), frozenset()) | lines
