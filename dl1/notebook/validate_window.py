"""What JupyterLab's *Validate* shows of a failed check: what it checks, and the text of its card, not its source.

An extension of the Jupyter server, where nbgrader runs a notebook for that window. `jupyter/dl1.json`, which comes into
the environment's ``etc/jupyter`` with this package, switches it on. Where there is no nbgrader it does nothing. Which
checks have failed stays nbgrader's to say; only what it shows of them is another.
"""

from __future__ import annotations

import copy
import textwrap
from typing import Any

# Columns of the window, which doesn't break lines; as nbgrader's own command has them.
_WIDTH = 90


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    try:
        from nbgrader.validator import Validator
    except ImportError:
        return
    show_what_is_checked(Validator)


# Older servers look for this name.
load_jupyter_server_extension = _load_jupyter_server_extension


def show_what_is_checked(validator: type) -> None:
    """Change a class of validators, nbgrader's ``Validator``; once is enough, and more does nothing."""
    found = getattr(validator, "_get_failed_cells", None)
    # Another nbgrader may do it in another way; then the window stays as it is.
    if found is None or hasattr(found, "of_the_kit"):
        return

    def failed(self: Any, notebook: Any) -> list[Any]:
        return [shown(cell) for cell in found(self, notebook)]

    failed.of_the_kit = True
    validator._get_failed_cells = failed


def shown(cell: Any) -> Any:
    """A failed cell as the window has it: of a check only the line that says what it checks, and no line too long.

    Args:
        cell: of nbgrader; it is left as it is.
    """
    about = cell.get("metadata", {}).get("nbgrader", {})
    if cell.get("cell_type") != "code" or not about.get("grade") or about.get("solution"):
        return cell
    first = cell["source"].strip().partition("\n")[0]
    brief = copy.deepcopy(cell)
    brief["source"] = first.lstrip("# ") if first.startswith("#") else f"Check {about.get('grade_id', '')}".strip()
    for output in brief.get("outputs", []):
        if output.get("output_type") == "error":
            lines = "\n".join(output["traceback"]).split("\n")
            output["traceback"] = [part for line in lines for part in _broken(line)]
    return brief


def _broken(line: str) -> list[str]:
    if len(line) <= _WIDTH or "\x1b" in line:
        # Colours take room that is not seen.
        return [line]
    return textwrap.wrap(line, _WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False)
