"""A failed check as a student sees it: what was checked, expected, yours, and help; no traceback of the kit's own.

In a notebook it is a card, drawn in the colours of the theme; where nbgrader runs the notebook (Validate), or where
there is no notebook, it is the same as text. The error is raised all the same: the cell fails. Under grading nobody
draws anything, and what is compared is the exception's own text, which stays as it was.
"""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Mapping
from typing import Any

from dl1.errors import CheckFailed

# What to look at first, by the kind of a failure.
HELP = {
    "wrong value": "Take the smallest input for which it fails, and follow it through your code by hand.",
    "wrong shape": "Write the shape beside each line of your answer: the first that surprises you is the place.",
    "wrong dtype": "Print the dtype step by step, and look for the line where it changes.",
    "wrong type": "Look at what stands behind your return.",
    "not finite": "Look for a division by 0, for a root or logarithm of what is not positive, for too large numbers.",
    "no gradient": "Look for detach, data, item, no_grad, and for tensors that are made anew out of numbers.",
    "exception": "The rules say which error belongs to this input.",
    "no exception": "The rules say for which input there has to be an error, and which.",
}
MORE = "The hints under the answer say more."
# nbgrader sets it while it validates or grades. Validate's window has no room for a card.
_EXECUTION = "NBGRADER_EXECUTION"

_CARD = (
    '<div role="group" aria-label="Check failed" style="color: inherit; max-width: 56em; padding: 0.5em 0.8em; '
    'border: 1px solid; border-color: var(--jp-error-color1, #d32f2f); border-left-width: 5px">{}</div>'
)
_HEAD = "<div><strong>{}</strong>: {}</div>"
_ROW = (
    '<div style="display: flex; flex-wrap: wrap; gap: 0 0.8em; margin-top: 0.35em">'
    '<span style="flex: 0 0 5.5em">{}</span>'
    '<span style="flex: 1 1 16em; white-space: pre-wrap; overflow-wrap: anywhere; {}">{}</span></div>'
)
_FIXED = "font-family: var(--jp-code-font-family, monospace)"


def failure(kind: str, name: str, expected: Any, yours: Any, inputs: Mapping[str, str] | None = None) -> CheckFailed:
    """The exception of a failed check, which IPython shows as a card.

    Args:
        kind: one of :data:`dl1.contract.checks.KINDS`.
        name: what was checked, in words.
        expected, yours: shown by ``str``; of several lines, the first is the value.
        inputs: shown texts by the name of the input.
    """
    rows = {"expected": str(expected), "yours": str(yours)}
    lines = [f"{name}: {kind}", f"  expected: {expected}", f"  yours:    {yours}"]
    for key, shown in (inputs or {}).items():
        rows[f"input {key}"] = shown
        lines.append(f"  input {key}: {shown}")
    error = CheckFailed("\n".join(lines), name=name, kind=kind)
    error.rows = rows
    # IPython looks this hook up on the exception, and asks it again to remember the error.
    error._render_traceback_ = functools.partial(_lines, error, [])
    return error


def help_text(error: CheckFailed) -> str:
    """What to look at, in a sentence or two: the exception's own ``help``, if it has one, or that of its kind."""
    return " ".join(part for part in (error.help or HELP.get(error.kind, ""), MORE) if part)


def text(error: CheckFailed) -> str:
    """The failure as plain text, with help."""
    return f"Check failed: {error}\n  help:     {help_text(error)}"


def card(error: CheckFailed) -> str:
    """The failure as HTML, which needs nothing from outside and takes its colours from the page."""
    rows = [_ROW.format(html.escape(label), _FIXED, html.escape(value)) for label, value in error.rows.items()]
    rows.append(_ROW.format("help", "", html.escape(help_text(error))))
    return _CARD.format(_HEAD.format(html.escape(error.name), html.escape(error.kind)) + "".join(rows))


def _lines(error: CheckFailed, shown: list[bool]) -> list[str]:
    """Lines in place of a traceback; the card is drawn the first time that they are asked for."""
    if not shown:
        shown.append(_draw(error))
    return [f"Check failed: {error.name}: {error.kind}"] if shown[0] else text(error).split("\n")


def _draw(error: CheckFailed) -> bool:
    """Whether there is a notebook that the card is drawn in now."""
    from IPython import get_ipython
    from IPython.display import display

    # A terminal's IPython has no kernel.
    if os.environ.get(_EXECUTION) or getattr(get_ipython(), "kernel", None) is None:
        return False
    display({"text/html": card(error), "text/plain": text(error)}, raw=True)
    return True
