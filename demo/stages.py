"""The demo's stages, in the order in which the staff and the students of a course go through them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from traitlets.config import Config, PyFileConfigLoader

from demo import scores, students
from demo.commands import Command, Commands
from demo.errors import DemoError
from demo.run_folder import ASSIGNMENT, CHECKOUT, RunFolder
from demo.sandbox import find_sandbox
from proctor.catalogue import entries as catalogue
from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells


def run_demo(folder: Path | None) -> int:
    """Release, hand in, grade and return the assignment in `folder` (default: demo/run in the checkout).

    Returns 0 if every student got the expected points, else 1. Raises DemoError if it cannot be finished.
    """
    started = time.monotonic()
    run = RunFolder(folder or CHECKOUT / "demo" / "run")
    sandbox = find_sandbox()
    run.set_up_course(sandbox)
    try:
        mistakes = students.chosen_mistakes(CHECKOUT / "misconceptions")
        return _Demo(run, _loaded(run.course / "nbgrader_config.py"), mistakes, sandbox).run(started)
    except ProctorError as error:
        raise DemoError(str(error)) from None


def _loaded(file: Path) -> Config:
    try:
        return PyFileConfigLoader(file.name, str(file.parent)).load_config()
    except Exception as error:  # whatever a slip in an edited Python file can raise
        reason = f"{type(error).__name__}: {error}"
        raise DemoError(f"{CHECKOUT / 'nbgrader_config.py'} cannot be loaded ({reason}); correct it") from None


class _Demo:
    def __init__(self, run: RunFolder, config: Config, mistakes: Sequence[catalogue.Entry], sandbox: str) -> None:
        self.folder = run
        self.sandbox = sandbox
        self.config = config
        self.mistakes = mistakes
        self.commands = Commands(run)
        self.notebooks = sorted((run.course / "source" / ASSIGNMENT).glob("*.ipynb"))
        # Before the first stage, so that a wrong entry in the catalogue is reported at once.
        self.answers = {
            (name, source.name): students.answers(source, mistakes)
            for name, mistakes in ((students.REFERENCE, []), (students.MISTAKES, mistakes))
            for source in self.notebooks
        }
        course_id = config.CourseDirectory.course_id
        self.homes = {name: run.set_up_student(name, course_id) for name in students.STUDENTS}

    def run(self, started: float) -> int:
        print("\nStaff release the assignment.")
        self._staff("generate_assignment", ASSIGNMENT)
        self._staff("release_assignment", ASSIGNMENT)
        print(f"\nThe students {_listed(self.homes)} fetch it, fill it in and submit, each in a folder of their own.")
        self._students("fetch_assignment", ASSIGNMENT)
        self._fill_in()
        # nbgrader names a student after the account, and these have none; --student is its own way to say who it is.
        self._students("submit", ASSIGNMENT, "--student={name}")
        print("\nStaff collect, grade and return feedback.")
        self._staff("collect", ASSIGNMENT)
        self._staff("autograde", ASSIGNMENT)
        self._staff("generate_feedback", ASSIGNMENT)
        self._staff("release_feedback", ASSIGNMENT)
        print("\nThe students fetch their feedback.")
        self._students("fetch_feedback", ASSIGNMENT)
        self._check_feedback_arrived()
        return self._report(started)

    def _staff(self, *arguments: str) -> None:
        self.commands.run([Command(arguments, self.folder.staff_home, self.folder.course)])

    def _students(self, *arguments: str) -> None:
        """The same command by all students at once; "{name}" in an argument stands for the student."""
        commands = [
            Command(tuple(argument.format(name=name) for argument in arguments), home, home)
            for name, home in self.homes.items()
        ]
        shown = Command(tuple(argument.format(name="NAME") for argument in arguments), Path(), Path())
        self.commands.run(commands, f"{shown}  ({len(commands)} students)")

    def _fill_in(self) -> None:
        for (name, notebook), answers in self.answers.items():
            students.fill_in(self.homes[name] / ASSIGNMENT / notebook, answers)
        students.hand_in_run(self.homes[students.REFERENCE] / ASSIGNMENT)
        print(f"            {students.REFERENCE}: the reference answers, something in every essay, a trained model")
        mistakes = _listed(entry.name for entry in self.mistakes)
        print(f"            {students.MISTAKES}: no model, and the same answers with {mistakes}")
        print(f"            {students.UNTOUCHED}: nothing")

    def _check_feedback_arrived(self) -> None:
        for name, home in self.homes.items():
            for source in self.notebooks:
                if not any(home.glob(f"{ASSIGNMENT}/feedback/*/{source.stem}.html")):
                    raise DemoError(f"{name} got no feedback on {source.stem}; the logs are in {self.folder.logs}")

    def _report(self, started: float) -> int:
        possible = [score for source in self.notebooks for score in scores.possible_scores(notebook_cells.read(source))]
        course = self.config.CourseDirectory
        text, as_expected = compared(scores.read_scores(course.db_url, course.course_id), possible, self.mistakes)
        print("\n*** sandbox off: graded without any protection ***" if self.sandbox == "none" else "")
        print(text)
        # Of a notebook in which something is wrong.
        page = self.folder.course / "feedback" / students.MISTAKES / ASSIGNMENT / f"{self.mistakes[0].notebook}.html"
        print(f"\nA feedback page:  {_shown(page)}")
        print(f"The gradebook:    {_shown(self.folder.course / 'gradebook.db')}")
        print(f"\nTook {time.monotonic() - started:.0f} s.")
        return 0 if as_expected else 1


def compared(
    found: Sequence[scores.Score], possible: Sequence[scores.Score], mistakes: Sequence[catalogue.Entry]
) -> tuple[str, bool]:
    """The table of points and what it should be, as text, and whether it is so.

    Args:
        found: all scores of the gradebook.
        possible: what each graded cell can bring.
        mistakes: what the student with mistakes handed in.
    """
    tests = {score.cell: score.points for score in possible if not score.waiting}
    expected = students.expected_points(tests, mistakes)
    surprises = scores.differences(found, expected)
    lines = ['Points per question: autograded, and after a "+" what waits for a TA.', ""]
    lines += [scores.table([*possible, *found]), ""]
    for name, cells in expected.items():
        lines.append(
            f"{name} should have {sum(cells.values()):g} of {sum(tests.values()):g}: {students.REASONS[name]}."
        )
    lines += ["", "*** NOT AS EXPECTED ***", *surprises] if surprises else ["As expected, cell by cell."]
    return "\n".join(lines), not surprises


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _shown(path: Path) -> str:
    """Relative to where the user is, if it lies below."""
    here = Path(os.getcwd())
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
