"""The run of nbgrader's autograding over all submissions: one at a time under its lock, and every accident in a line.

Takes the place of nbgrader's own loop, which prints tracebacks and ends with the first accident of the gradebook.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde as NbgraderAutograde
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import DBAPIError

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.plugin import busy, gradebook_file, last_words, room
from proctor.plugin.stopping import Stopping
from proctor.sandbox.folders import OwnFolder, sweep
from proctor.staff_files import make_top, staff_only

AGAIN = "run this command again"


class Batch(NbgraderAutograde):
    """The loop, what it needs before each submission, and how it ends."""

    @contextlib.contextmanager
    def running(self, staged: str) -> Iterator[None]:
        """What a run has around it: private folders of its own, signals, modes of new files, and a table at the end.

        Args:
            staged: what the name of the folder in the course begins with from which nbgrader reads submissions.

        Raises:
            NbGraderException: it couldn't begin, or not go on; or it was told to stop in a server.
        """
        # By student, in plain words: what became of the submission, and how far it has come.
        self._outcomes: dict[str, str] = {}
        self._reached: dict[str, str] = {}
        self.stopping, own = Stopping(), []
        with self.stopping.listening(), staff_only(self.coursedir.groupshared):
            try:
                sweep()
                sweep(self._root, staged)
                own.append(OwnFolder("results-"))
                self._scratch = own[0].path
                self.ready()
                own.append(OwnFolder("-", self._root, staged))
                self._staged_in = own[1].path.name
                yield
            except KeyboardInterrupt:
                self.stopping.end()
                self.log.error("stopped by %s; what was graded stays; %s for the rest", self.stopping.name, AGAIN)
            except (ProctorError, OSError, DBAPIError) as error:
                self._refuse(self.meaning(error))
            finally:
                self.stopping.end()
                for folder in own:
                    folder.remove()
                self._print_table()
        if self.stopping.number is not None:
            self._end_stopped()

    @property
    def _root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    def ready(self) -> None:
        """Whether all that doesn't depend on a submission is there: the gradebook, room, the right to write.

        Raises:
            ProctorError: something is not; the message says what to do. Nothing was changed.
        """
        gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
        try:
            make_top(self._root / verdict.FOLDER, self.coursedir.groupshared)
            graded = Path(self.coursedir.format_path(self._output_directory, ".", "."))
            graded.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProctorError(room.said(error)) from error
        room.check([self._root, self._root / verdict.FOLDER, graded], room.BYTES // 4)
        room.check([self._scratch])

    def convert_notebooks(self) -> None:
        """Grade one submission after the other.

        Raises:
            NbGraderException: the run can't go on; the log says why.
        """
        places = sorted(self.assignments)
        excluded = (self.coursedir.student_id_exclude or "").split(",")
        for number, place in enumerate(places):
            assignment, student = Path(place).name, Path(place).parent.name
            if student in excluded:
                continue
            self.notebooks = sorted(self.assignments[place])
            try:
                self.stopping.check()
                self.ready()
            except ProctorError as error:
                left = len(places) - number
                self._refuse(f"{error}. {left} submissions were not looked at, from {printable(student)} on")
            self._grade_alone(assignment, student)

    def _grade_alone(self, assignment: str, student: str) -> None:
        try:
            with busy.held(self._root, assignment, student, "graded"):
                self._grade_one(assignment, student)
        except KeyboardInterrupt:
            self._outcomes[student] = f"{self._so_far(student)}: stopped by {self.stopping.name}; {AGAIN}"
            raise
        except Exception as error:
            said = self.meaning(error) or last_words.unforeseen(error)
            self._outcomes[student] = f"{self._so_far(student)}: {said}"
            self.log.error("%s: %s", printable(student), self._outcomes[student])

    def _grade_one(self, assignment: str, student: str) -> None:
        if not self.init_destination(assignment, student):
            return
        self.run_pre_convert_hook()
        self.init_assignment(assignment, student)
        for notebook in self.notebooks:
            self.stopping.check()
            self.convert_single_notebook(notebook)
        self.set_permissions(assignment, student)
        self.run_post_convert_hook()

    def meaning(self, error: Exception) -> str | None:
        """What an error says to staff, with what to do; None if it is not one that was foreseen."""
        said = last_words.meaning(error, self.coursedir.db_url)
        return room.said(error) if said is None and isinstance(error, OSError) else said

    @staticmethod
    def of_machine(error: Exception) -> bool:
        """Whether an error says nothing about the notebook that was graded: the gradebook, or a full disk."""
        return isinstance(error, DBAPIError) or room.of_machine(error)

    def _so_far(self, student: str) -> str:
        return self._reached.get(student, "not graded, its points are as they were")

    def _print_table(self) -> None:
        raise NotImplementedError

    def _refuse(self, why: str) -> NoReturn:
        # The command ends without a word of its own; the formgrader shows the log.
        self.log.error(why)
        raise NbGraderException(why)

    def _end_stopped(self) -> NoReturn:
        """The end of a run that was told to stop: as a command with the status of the signal."""
        if isinstance(self.parent, NbGrader):
            sys.exit(self.stopping.status)
        # A server that was told to stop, by the same signal, while it graded.
        os.kill(os.getpid(), self.stopping.number)
        raise NbGraderException("stopped")
