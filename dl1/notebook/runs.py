"""Results that take minutes: kept as JSON beside the notebook, under ``runs/``, and handed in with it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs
import torch

from dl1.errors import CourseError
from dl1.notebook.places import output_folder, write_whole

PROFILE_VARIABLE = "DL1_PROFILE"
# Set by nbgrader to "validate" or "autograde" while it runs a notebook from top to bottom.
_EXECUTION = "NBGRADER_EXECUTION"
_MAX_BYTES = 4 * 2**20


def is_rerun() -> bool:
    """Whether nbgrader runs this notebook, to validate or to grade it: then nothing is trained again."""
    return bool(os.environ.get(_EXECUTION))


def choose_profile(profile: str | None, profiles: Sequence[str]) -> str:
    """The profile asked for; else that of the environment variable DL1_PROFILE; else the last with a GPU, or the first.

    Args:
        profile: one of the profiles, or None.
        profiles: names, from the shortest to the longest.

    Raises:
        CourseError: there is no such profile.
    """
    asked = profile or os.environ.get(PROFILE_VARIABLE)
    if not asked:
        return profiles[-1] if torch.cuda.is_available() else profiles[0]
    if asked not in profiles:
        where = "" if profile else f" (from the environment variable {PROFILE_VARIABLE})"
        raise CourseError(f"there is no profile {asked!r}{where}: choose one of {', '.join(profiles)}")
    return asked


def run_folder(experiment: str) -> Path:
    """The folder ``runs/<experiment>`` beside the notebook, made if it is missing."""
    folder = output_folder() / "runs" / experiment
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_folder(name: str) -> Path:
    """A folder of the user's cache, made if it is missing, for what is large and need not be handed in."""
    folder = Path(platformdirs.user_cache_dir("dl1", appauthor=False)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_curves(experiment: str, run: str, curves: Mapping[str, Sequence[float]]) -> None:
    """Write curves as TensorBoard events under ``runs/<experiment>/events/<run>``, in place of older ones.

    Args:
        experiment: folder under ``runs/``.
        run: name of the line in TensorBoard.
        curves: numbers by name, one per step.
    """
    # Imported here: it takes a second that most cells need not wait for.
    from torch.utils.tensorboard import SummaryWriter

    folder = run_folder(experiment) / "events" / run
    for older in folder.glob("events.*"):
        older.unlink()
    with SummaryWriter(folder) as writer:
        for name, values in curves.items():
            for step, value in enumerate(values, start=1):
                writer.add_scalar(name, value, step)


def show_tensorboard(experiment: str) -> None:
    """TensorBoard on the experiment's events, inside the notebook; nothing where nbgrader runs it."""
    if is_rerun():
        return
    from tensorboard import notebook

    notebook.start(f"--logdir {json.dumps(str(run_folder(experiment) / 'events'))}")


def save_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result as JSON, whole or not at all: an interruption leaves the older file."""
    write_whole(path, (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())


def is_share(value: Any) -> bool:
    """Whether a value of a result is a number from 0 to 1."""
    return isinstance(value, (int, float)) and 0 <= value <= 1


def load_result(path: Path) -> dict[str, Any] | None:
    """A result written by :func:`save_result`; None if there is none.

    Raises:
        CourseError: the file is damaged, or something else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES // 2**20} MiB")
        result = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(result, dict):
            raise ValueError("it holds no result")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise CourseError(f"{path} can't be read ({error}): delete this file, then run the cell again") from None
    return result
