"""From a course's settings to what the engine needs for grading."""

from __future__ import annotations

from pathlib import Path

from proctor.grading import Surroundings
from proctor.settings import Proctor


def surroundings(settings: Proctor, root: Path) -> Surroundings:
    """What is the same for all submissions of a run.

    Args:
        root: the course's folder.

    Raises:
        ProctorError: a time that the course has set doesn't fit into the one around it.
    """
    mounts, variables = settings.data_place(root)
    limits, pages = settings.all_limits(), settings.page_limits()
    return Surroundings(settings.sandbox, limits, tuple(mounts), variables, pages, settings.run_demos)
