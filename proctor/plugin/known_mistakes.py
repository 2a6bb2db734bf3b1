"""The catalogues of wrong answers that belong to an assignment, for naming mistakes while it is graded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from proctor.catalogue.known import read_known
from proctor.diagnosis.known_answers import KnownAnswers
from proctor.errors import ProctorError
from proctor.settings import Proctor


def known_mistakes(
    settings: Proctor, coursedir: CourseDirectory, warn: Callable[[str], None]
) -> dict[str, KnownAnswers]:
    """What is known of each notebook of the assignment that has a catalogue.

    Args:
        warn: told of a catalogue that can't be used: grading goes on without it, since no points depend on it.
    """
    found = {}
    for path, folder in catalogued(settings, coursedir):
        file = folder / f"{path.stem}.toml"
        if not file.is_file():
            continue
        try:
            found[path.stem] = read_known(path, file)
        except ProctorError as error:
            warn(f"mistakes in {path.stem} will have no names: {error}")
    return found


def catalogued(settings: Proctor, coursedir: CourseDirectory) -> Iterator[tuple[Path, Path]]:
    """Each source notebook of the assignment, with the catalogue's folder; none where the course has no catalogue."""
    if settings.misconceptions:
        folder = Path(coursedir.root).resolve() / settings.misconceptions
        source = Path(coursedir.format_path(coursedir.source_directory, ".", coursedir.assignment_id))
        for path in sorted(source.glob("*.ipynb")):
            yield path, folder
