"""Exporting into a module that an earlier export wrote: what the new one doesn't define stays."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from dl1.errors import CourseError


def with_older_ones(path: Path, new: str, try_import: Callable[[str], None]) -> str:
    """The text to write in place of a file, with what the file defines and the new text doesn't.

    Where the file is no module, or wouldn't import any more, the new text alone; it says so.

    Args:
        path: the older export.
        new: text of the new one.
        try_import: raises CourseError for a text that doesn't import.
    """
    try:
        merged = merge(path.read_text(encoding="utf-8"), new)
        try_import(merged)
    except (OSError, SyntaxError, ValueError, CourseError):
        print(f"{path.name}: what an earlier export wrote does not import any more, and is replaced")
        return new
    return merged


def merge(old: str, new: str) -> str:
    """The new module's text, with the definitions of the old one that it lacks behind its own.

    Methods that ``@method_of(Class)`` gives to a class belong to that class: they stay, or go, with it.

    Args:
        old: text of a module written by :func:`dl1.notebook.export.export_module`, or anything else.
        new: text of the module that would be written in its place.

    Raises:
        SyntaxError, ValueError: the old text is no Python.
    """
    before, after = _statements(old), _statements(new)
    defined = {key for key, _, _ in after}
    kept = [text for key, text, is_import in before if not is_import and key not in defined]
    missing = [text for _, text, is_import in before if is_import and text not in {text for _, text, _ in after}]
    kept = [text for text in kept if text not in new]
    future = [text for text in missing if text.startswith("from __future__")]
    imports = [text for text in missing if text not in future]
    title, rest = _split_title(new)
    blocks = [title, *future, rest, "\n".join(imports), *kept]
    return "\n\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


def _statements(text: str) -> list[tuple[str, str, bool]]:
    """What each statement defines, its source, and whether it is an import; docstrings are left out."""
    lines = text.splitlines()
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        is_import = isinstance(node, (ast.Import, ast.ImportFrom))
        found.append((source if is_import else _key(node), source, is_import))
    return found


def _key(node: ast.stmt) -> str:
    """The name that a statement defines; for a method that is attached to a class, the class."""
    for decorator in getattr(node, "decorator_list", []):
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "method_of" and decorator.args:
            return ast.unparse(decorator.args[0])
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        return ast.unparse(target.value if isinstance(target, ast.Attribute) else target)
    return getattr(node, "name", "") or ast.unparse(node)


def _split_title(text: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n")
    return (first, rest) if first.startswith('"""') else ("", text)
