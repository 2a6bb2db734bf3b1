"""An assignment of two notebooks, small enough to be handed in hundreds of times."""

import datetime
import json
from pathlib import Path
from typing import Any

from dl1.merging.given_out import NAME, GivenOut, as_text, described

DUE = datetime.datetime(2026, 11, 30, 22, 59, tzinfo=datetime.UTC)
LIMITS = {"files": 40, "bytes": 300_000, "file_bytes": 200_000, "folder_bytes": 250_000}
ESSAY = "*Your answer to 1.2 (a), at most 12 words:*"


def cell(name: str, source: str, kind: str = "code", **nbgrader: Any) -> dict[str, Any]:
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if nbgrader:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, **nbgrader}
        made["metadata"]["nbgrader"] = {"grade_id": name, "schema_version": 3, **flags}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def one() -> dict[str, Any]:
    return notebook(
        cell("title", "# Part 1", "markdown"),
        cell("setup", "import math"),
        cell("rules_f", "Question 1.1: write `f`, which doubles.\n\nThe rules: no loops.", "markdown"),
        cell("q1_1_f", "def f(x):\n    raise NotImplementedError()", solution=True),
        cell("q1_1_f_test", "assert f(1) == 2", grade=True, locked=True, points=2),
        cell("rules_why", "Question 1.2: say why.", "markdown"),
        cell("q1_2_why", f"{ESSAY}\n\nYOUR ANSWER HERE", "markdown", grade=True, solution=True, points=1),
        cell("q1_3_g", "def g(x):\n    raise NotImplementedError()", solution=True),
        cell("q1_3_g_test", "assert g(3) == 9", grade=True, locked=True, points=2),
    )


def two() -> dict[str, Any]:
    return notebook(
        cell("top", "# Part 2, which has another beginning", "markdown"),
        cell("q2_1_h", "h = None\nraise NotImplementedError()", solution=True),
        cell("q2_1_h_test", "assert h == 3", grade=True, locked=True, points=2),
    )


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def change(path: Path, name: str, source: str) -> None:
    """Write into a cell of a notebook's file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    next(cell for cell in content["cells"] if cell["id"] == name)["source"] = source
    write(path, content)


def release(folder: Path, notebooks: dict[str, dict[str, Any]] | None = None) -> Path:
    """What a course gives out."""
    notebooks = notebooks or {"1_one": one(), "2_two": two()}
    for name, content in notebooks.items():
        write(folder / f"{name}.ipynb", content)
    about = {name: described(content) for name, content in notebooks.items()}
    (folder / NAME).write_text(as_text(GivenOut(folder.name, "dl1", DUE, DUE, LIMITS, about)), encoding="utf-8")
    return folder


def finished(folder: Path) -> Path:
    """All answered, with nothing to say about it."""
    release(folder)
    change(folder / "1_one.ipynb", "q1_1_f", "def f(x):\n    return 2 * x")
    change(folder / "1_one.ipynb", "q1_2_why", f"{ESSAY}\n\nBecause $2 x$ is twice $x$.")
    change(folder / "1_one.ipynb", "q1_3_g", "def g(x):\n    return x**2")
    change(folder / "2_two.ipynb", "q2_1_h", "h = 3")
    return folder
