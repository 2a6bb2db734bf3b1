"""What is copied of a submission first, and so what is left out where it is more than may be copied."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from proctor.intake.inert import OF_NBGRADER

# What can be had again: downloads, environments, what tools keep for themselves.
_AGAIN = re.compile(
    r"data|datasets?|downloads?|\..*|__pycache__|__macosx|(.*[-_.])?cache[sd]?|checkpoints?|wandb|mlruns|lightning_logs"
    r"|v?env|virtualenv|(ana|mini)conda\d?|site-packages|node_modules|dist-packages|lib(64)?|cifar.*|mnist.*",
    re.IGNORECASE,
)
_NOTEBOOK, _RESULT, _BESIDE, _REST, _LAST = range(5)
_BESIDE_ENDINGS = (".zip", ".png", ".jpg", ".jpeg", ".pdf", ".txt", ".md", ".csv", ".toml", ".yaml", ".yml")


def importance(path: str) -> int:
    """The place of a file in the order of copying; smaller is earlier.

    First notebooks, then the declared results of an assignment (``runs/``, modules, JSON: what also goes from one
    notebook to the next), then what else belongs to an answer, then the rest; last what can be had again.

    Args:
        path: in the submission, relative and with /.
    """
    *folders, name = PurePosixPath(path).parts
    ending = PurePosixPath(name).suffix.lower()
    if not folders and name in OF_NBGRADER:
        return _NOTEBOOK
    if is_last(folders):
        return _LAST
    if ".ipynb" in name.casefold():
        return _NOTEBOOK
    if "runs" in folders or ending in (".py", ".json"):
        return _RESULT
    return _BESIDE if ending in _BESIDE_ENDINGS else _REST


def is_last(folders: list[str] | tuple[str, ...]) -> bool:
    """Whether what lies in these folders, each in the one before, can be had again."""
    # What a run has kept lies in runs/, also its checkpoints.
    above = folders[: folders.index("runs")] if "runs" in folders else folders
    return any(_AGAIN.fullmatch(folder) for folder in above)
