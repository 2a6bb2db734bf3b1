"""The run of nbgrader's autograding over all submissions: each under its lock, and every accident in a line.

Takes the place of nbgrader's own loop, which prints tracebacks and ends with the first accident of the gradebook.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import NoReturn

from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import DBAPIError

from proctor.checking import verdict
from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.jobs.job import Done
from proctor.plugin import busy, gradebook_file, last_words, room
from proctor.plugin.in_work import InWork
from proctor.plugin.progress import Progress, terminal
from proctor.plugin.regrade_floor import hold
from proctor.plugin.run_state import forget_killed
from proctor.plugin.run_times import RunTimes
from proctor.plugin.stopping import Stopping
from proctor.plugin.two_halves import TwoHalves
from proctor.sandbox import cgroups
from proctor.sandbox.folders import OwnFolder, sweep
from proctor.staff_files import make_top, staff_only
from proctor.stations import timed

AGAIN = "run this command again"
UNTOUCHED = "not graded, its points are as they were"
_SECONDS_BETWEEN_LOOKS = 1.0


class Batch(TwoHalves):
    """The loop, what it needs before each submission, and how it ends.

    Attributes:
        stays: what becomes of a run that is told to stop, in words.
    """

    stays = f"what was graded stays; {AGAIN} for the rest"

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
        self._times = RunTimes()
        self.stopping, own = Stopping(), []
        staff = staff_only(self.coursedir.groupshared)
        with self.stopping.listening(), staff, gradebook_file.opened_alike():
            try:
                sweep()
                sweep(self._root, staged)
                forget_killed(self._root)
                own.append(OwnFolder("results-"))
                self._scratch = own[0].path
                self.ready()
                own.append(OwnFolder("-", self._root, staged))
                self._staged_in = own[1].path.name
                yield
            except KeyboardInterrupt:
                self.stopping.end()
                self.log.error("stopped by %s; %s", self.stopping.name, self.stays)
            except (ProctorError, OSError, DBAPIError) as error:
                self._refuse(self.meaning(error))
            finally:
                self.stopping.end()
                for folder in own:
                    folder.remove()
                # What a process of this run has left that was killed.
                sweep()
                cgroups.sweep()
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
        """Grade the submissions, several at a time; what this process does for each it does alone.

        Raises:
            NbGraderException: the run can't go on; the log says why.
        """
        excluded = (self.coursedir.student_id_exclude or "").split(",")
        places = deque(one for one in sorted(self.assignments) if Path(one).parent.name not in excluded)
        self._crew, self._in_work, self._said_once, self._work = self.crew(len(places)), {}, set(), None
        if self._crew.number > 1:
            self.log.info("%d submissions are graded at a time (%s)", self._crew.number, self._crew.where)
        how_far = (self._root, self.coursedir.assignment_id, self._crew.number, len(places), self._times, self.log)
        self._progress = Progress(*how_far, terminal())
        with self._progress.shown():
            refusal = self._all(places)
        if refusal:
            self._refuse(refusal)

    def _all(self, places: deque[str]) -> str:
        """Grade them; if some of them could not be looked at, why."""
        refusal = ""
        try:
            while (places and not refusal) or self._in_work:
                more = bool(places) and not refusal and len(self._in_work) < self._crew.ahead
                if more:
                    refusal = self._take_up(places)
                for future in self._ended(0.0 if more else _SECONDS_BETWEEN_LOOKS):
                    self._finish(future, self._in_work.pop(future))
                self.look()
        except KeyboardInterrupt:
            for work in self._in_work.values():
                self._stopped(work)
            raise
        finally:
            self.stopping.end()
            self._crew.end()
            for work in self._in_work.values():
                work.close()
        return refusal

    def look(self) -> None:
        """Let those who wait see how far it is."""
        works = {one.student: one for one in (*self._in_work.values(), self._work) if one}
        self._progress.look({name: (one.judged(), len(one.notebooks)) for name, one in works.items()})

    def _ended(self, seconds: float) -> list[Future]:
        """Jobs that have ended, after waiting for one."""
        self.stopping.check()
        done = wait(self._in_work, seconds, FIRST_COMPLETED).done
        self.stopping.check()
        return sorted(done, key=lambda one: self._in_work[one].student)

    def _take_up(self, places: deque[str]) -> str:
        """Give out the job of the next submission, if it is to be graded; if nothing can be graded any more, why."""
        place = places.popleft()
        assignment, student = Path(place).name, Path(place).parent.name
        self.notebooks = sorted(self.assignments[place])
        try:
            self.stopping.check()
            self._crew.check()
            self.ready()
        except ProctorError as error:
            return f"{error}. {len(places) + 1} submissions were not looked at, from {printable(student)} on"
        folder = self._scratch / hashlib.sha256(student.encode()).hexdigest()
        self._work = work = InWork(assignment, student, folder)
        try:
            with self._accidents(work):
                work.holding.enter_context(busy.held(self._root, assignment, student, "graded"))
                if self._staged():
                    self._in_work[self._crew.do(work.folder, student)] = work
        finally:
            if work not in self._in_work.values():
                work.close()
                self._progress.ended(student, self._outcomes.get(student, ""), graded=False)
        return ""

    @timed("nbgrader's conversion")
    def _staged(self) -> bool:
        """Whether the submission in work is to be graded; then its job lies in its folder."""
        work = self._work
        if not self.init_destination(work.assignment, work.student):
            return False
        self._crew.start()
        self.run_pre_convert_hook()
        self.init_assignment(work.assignment, work.student)
        work.notebooks = list(self.notebooks)
        work.give(self.make_job())
        return True

    @timed("nbgrader's conversion")
    def _finish(self, future: Future, work: InWork) -> None:
        """Store what came of a job."""
        self._work, self.notebooks = work, work.notebooks
        try:
            with self._accidents(work):
                self._taken(future, work)
                for notebook in self.notebooks:
                    self.stopping.check()
                    self.convert_single_notebook(notebook)
                self.set_permissions(work.assignment, work.student)
                self.run_post_convert_hook()
        finally:
            work.close()
            self._progress.ended(work.student, self._outcomes.get(work.student, ""), graded=True)

    def _taken(self, future: Future, work: InWork) -> None:
        try:
            future.result()
            done = self.take(work)
        except Exception:
            self._times.end(work.student)
            raise
        self._times.end(work.student, done.seconds, done.used_up)
        for line in done.for_staff:
            if line not in self._said_once:
                self._said_once.add(line)
                self.log.warning(line)
        if done.accident is not None:
            if done.accident.error is None:
                self.log.error(done.accident.details)
            raise done.accident.again()

    def take(self, work: InWork) -> Done:
        """What came of a job, with verdicts that a correction of a test has not taken away."""
        done = work.take()
        hold(self._root, work.assignment, work.student, work.staged.state, done)
        return done

    @contextlib.contextmanager
    def _accidents(self, work: InWork) -> Iterator[None]:
        """What goes wrong costs this submission, and is said in its line."""
        try:
            yield
        except KeyboardInterrupt:
            self._stopped(work)
            raise
        except Exception as error:
            said = self.meaning(error) or last_words.unforeseen(error)
            self._outcomes[work.student] = f"{self._so_far(work.student)}: {said}"
            self.log.error("%s: %s", printable(work.student), self._outcomes[work.student])

    def _stopped(self, work: InWork) -> None:
        self._outcomes[work.student] = f"{self._so_far(work.student)}: stopped by {self.stopping.name}; {AGAIN}"

    def lost(self, student: str) -> None:
        """The process that graded a submission has died."""
        self.log.warning("%s: the process that graded it was ended; it is graded again", printable(student))

    def meaning(self, error: Exception) -> str | None:
        """What an error says to staff, with what to do; None if it is not one that was foreseen."""
        said = last_words.meaning(error, self.coursedir.db_url)
        return room.said(error) if said is None and isinstance(error, OSError) else said

    @staticmethod
    def of_machine(error: Exception) -> bool:
        """Whether an error says nothing about the notebook that was graded: the gradebook, or a full disk."""
        return gradebook_file.cause(error) is not None or room.of_machine(error)

    def _so_far(self, student: str) -> str:
        return self._reached.get(student, UNTOUCHED)

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
