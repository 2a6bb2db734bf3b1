"""From a course's settings to what the engine needs for grading."""

from __future__ import annotations

from pathlib import Path

from proctor.settings import Proctor
from proctor.submission import Surroundings


def surroundings(settings: Proctor, root: Path) -> Surroundings:
    """What is the same for all submissions of a run.

    Args:
        root: the course's folder.

    Raises:
        ProctorError: a time that the course has set doesn't fit into the one around it.
    """
    mounts, variables = settings.data_place(root)
    limits, pages = settings.all_limits(), settings.page_limits()
    warm, later = tuple(settings.warm), tuple(settings.warm_later)
    return Surroundings(settings.sandbox, limits, tuple(mounts), variables, pages, warm, later, settings.run_demos)
