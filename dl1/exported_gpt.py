"""The student's own ``gpt.py``, for the notebook that trains it."""

from __future__ import annotations

from types import ModuleType

from dl1.gpt_module import load_module
from dl1.places import output_folder

FILE_NAME = "gpt.py"


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
