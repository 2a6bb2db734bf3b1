"""`python -m proctor status ASSIGNMENT`: how far a run of autograding is, seen from another terminal."""

from __future__ import annotations

import time
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags

from proctor.plugin.run_state import states


class StatusApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-status"
    description = "Say how far a run of nbgrader autograde is: who is being graded, who had trouble, how long it takes"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id"}
    flags = nbgrader_flags
    examples = """
        In the course's folder, in another terminal; without a name, of all assignments:

            python -m proctor status ps1
        """

    def start(self) -> None:
        """Print it; a run that was killed is said to be that."""
        super().start()
        if len(self.extra_args) > 1:
            self.fail("name one assignment: python -m proctor status ASSIGNMENT")
        assignment = self.extra_args[0] if self.extra_args else None
        for line in status(Path(self.coursedir.root).resolve(), assignment):
            print(line, flush=True)


def status(root: Path, assignment: str | None = None) -> list[str]:
    """How far the runs of a course are, in lines.

    Args:
        root: of the course.
    """
    now = time.time()
    lines = [line for state in states(root, assignment) for line in state.lines(now)]
    return lines or [f"{assignment or 'this course'}: nothing is being graded"]
