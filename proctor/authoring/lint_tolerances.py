"""Rule for the tolerances of test cells: none asks for more digits than the answer's dtype holds.

Students compute in torch's default dtype, float32, unless the inputs that they get are float64. A check with
`atol=1e-9` then fails correct answers, and in the hidden part of a cell nobody sees why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Finding = tuple[int, str]

# The checks with tolerances, and their defaults for rtol and atol.
_DEFAULTS = {
    "check_close": (1e-5, 1e-6),
    "check_close_to_one_of": (1e-5, 1e-6),
    "check_dropout": (1e-5, 1e-6),
    "check_gradients": (1e-4, 1e-6),
    "check_gradients_close_to_one_of": (1e-4, 1e-6),
}
# Eight units in the last place of a float32 number near 1: what `dl1.contract.checks.FLOAT32_RESOLUTION` says, which
# this package doesn't import, because it knows no course.
_LEAST = 8 * 2.0**-23
_WIDE = frozenset({"double", "float64", "complex128"})
# What makes Python numbers, or narrow tensors, of wide ones.
_NARROWING = frozenset({"tolist", "item", "float", "half", "bfloat16", "float32", "float16"})


def tolerance_findings(tree: ast.Module) -> Iterator[Finding]:
    """Checks of a test cell whose literal tolerances are tighter than float32, as (line, what to do).

    A check is left alone where its expected value is a float64 tensor as far as the cell's text tells: a check
    compares dtypes first, so that the answer is one too.
    """
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)):
                assigned.setdefault(name, []).append(node.value)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", None))
        if called in _DEFAULTS and _tightest(node, *_DEFAULTS[called]) < _LEAST and not _is_wide(node, assigned):
            yield (
                node.lineno,
                f"{called} with tolerances below float32 ({_LEAST:.0e} at 1), and students compute in it: widen them, "
                "compare a float64 tensor (dtype=torch.float64 or .double() in the expected value), or use check_equal",
            )


def _tightest(call: ast.Call, rtol: float, atol: float) -> float:
    """What the check allows at 1; infinity where a tolerance is no literal number."""
    tolerances = {"rtol": rtol, "atol": atol}
    for keyword in call.keywords:
        if keyword.arg in tolerances:
            tolerances[keyword.arg] = _literal(keyword.value)
    return sum(tolerances.values())


def _literal(node: ast.expr) -> float:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return float("inf")
    return float(value) if type(value) in (int, float) else float("inf")


def _is_wide(call: ast.Call, assigned: dict[str, list[ast.expr]]) -> bool:
    """Whether the expected value, or what it is made of in this cell, says float64 and nothing takes it back."""
    expected = [keyword.value for keyword in call.keywords if keyword.arg == "expected"] or call.args[1:2]
    words: set[str] = set()
    seen: set[str] = set()
    waiting: list[ast.AST] = [*expected]
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Name):
                words.add(node.id)
                if node.id not in seen:
                    seen.add(node.id)
                    waiting.extend(assigned.get(node.id, []))
    return bool(words & _WIDE) and not words & _NARROWING
