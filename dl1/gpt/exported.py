"""The student's own ``gpt.py``, for the notebook that trains it and adds to it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from dl1.gpt.student_module import load_module
from dl1.notebook.export import export_module
from dl1.notebook.places import output_folder, write_whole

FILE_NAME = "gpt.py"
_METHOD = "GPT.generate = generate"


def student_gpt() -> ModuleType:
    """The module that 2a exported beside this notebook, imported anew, so that a later export counts.

    Raises:
        NotImplementedError: there is none yet; ``told_if_unfinished`` says so in one line.
        CourseError: it can't be imported.
    """
    path = output_folder() / FILE_NAME
    if not path.is_file():
        raise NotImplementedError(
            f"run 2a_gpt_components to its last cell, which writes {FILE_NAME} beside this notebook"
        )
    return load_module(path)


def export_generation(namespace: dict[str, Any]) -> None:
    """Add ``next_token_probabilities`` and ``generate`` to the module that 2a wrote; ``generate`` becomes GPT's method.

    Where there is no such module yet, it says so and writes nothing.

    Args:
        namespace: the notebook's ``globals()``.

    Raises:
        CourseError: as :func:`dl1.notebook.export.export_module`.
    """
    if not (output_folder() / FILE_NAME).is_file():
        print(f"there is no {FILE_NAME} yet: run 2a_gpt_components to its last cell, then this cell again")
        return
    path = export_module(FILE_NAME, ["next_token_probabilities", "generate"], namespace, keep=True)
    text = path.read_text(encoding="utf-8")
    if re.search(r"^class GPT\b", text, re.MULTILINE) and _METHOD not in text:
        write_whole(path, f"{text}\n\n{_METHOD}\n".encode())
