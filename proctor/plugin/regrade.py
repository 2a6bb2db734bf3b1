"""`python -m proctor regrade ASSIGNMENT`: who would get other points now, and why; with `--apply` that is stored."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.api import Gradebook
from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import DBAPIError
from traitlets import Bool, List, Unicode, default

from proctor.errors import ProctorError
from proctor.intake.copier import printable
from proctor.notebooks import cells as notebook_cells
from proctor.pages.questions import questions
from proctor.plugin import busy, gradebook_file, last_words, regrade_kept, regrade_preview
from proctor.plugin.autograde import Autograde
from proctor.plugin.regrade_apply import Planned, Store
from proctor.plugin.regrade_changes import Place, Rules, decide
from proctor.plugin.regrade_former import former_of
from proctor.plugin.regrade_text import preview_lines
from proctor.settings import Proctor

_SHOWN = 12


class RegradeApp(NbGrader):
    """The command, which finds the course as nbgrader's own commands do."""

    name = "proctor-regrade"
    description = "Say who would get other points if everybody were graded again now, and why; with --apply, store that"
    aliases = {
        **nbgrader_aliases,
        "course": "CourseDirectory.course_id",
        "student": "RegradeApp.students",
        "question": "RegradeApp.questions",
        "cell": "RegradeApp.cells",
    }
    flags = {
        **nbgrader_flags,
        "apply": ({"RegradeApp": {"apply": True}}, "Store what the last preview has shown."),
        "never-lower": ({"RegradeApp": {"never_lower": True}}, "No question loses points by a correction of ours."),
        "all": ({"RegradeApp": {"everybody": True}}, "Grade also those for whom nothing has changed."),
    }
    examples = """
        In the course's folder, after a test was corrected in source/; the first one changes nothing:

            python -m proctor regrade ps1
            python -m proctor regrade ps1 --apply
            python -m proctor regrade ps1 --question=2.6 --student=ada --student=ben --never-lower
        """

    students = List(Unicode(), help="Students' ids; all of them if there is none.").tag(config=True)
    questions = List(Unicode(), help='Numbers of questions, "2.6" or "2.6 (a)": only these change.').tag(config=True)
    cells = List(Unicode(), help="Names of checks (grade_id): only these change.").tag(config=True)
    apply = Bool(False, help="Store what the last preview has shown.").tag(config=True)
    never_lower = Bool(False, help="No question loses points by a correction of ours.").tag(config=True)
    everybody = Bool(False, help="Grade also those for whom nothing has changed.").tag(config=True)

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Proctor, Autograde]

    @default("log_level")
    def _quiet(self) -> int:
        return logging.WARNING

    def start(self) -> None:
        """Print it; exit status 1, with a line, if something could not be looked at or stored."""
        super().start()
        if len(self.extra_args) > 1 or not (self.extra_args or self.coursedir.assignment_id):
            self.fail("name one assignment: python -m proctor regrade ASSIGNMENT")
        self.coursedir.assignment_id = (self.extra_args or [self.coursedir.assignment_id])[0]
        try:
            with self._plain():
                whole = self._stored() if self.apply else self._previewed()
        except ProctorError as error:
            self.fail(str(error))
        if not whole:
            sys.exit(1)

    @contextlib.contextmanager
    def _plain(self) -> Iterator[None]:
        """No traceback for what is foreseen."""
        try:
            yield
        except ProctorError:
            raise
        except NbGraderException:
            # The log has said it.
            sys.exit(1)
        except KeyboardInterrupt:
            print("stopped by Ctrl-C; nothing of a preview stays", file=sys.stderr)
            sys.exit(130)
        except (OSError, DBAPIError) as error:
            self.fail(last_words.meaning(error, self.coursedir.db_url) or str(error))

    @property
    def _root(self) -> Path:
        return Path(self.coursedir.root).resolve()

    def _previewed(self) -> bool:
        self._ready()
        chosen = self._chosen()
        place = regrade_kept.place_of(self._root, self.coursedir.assignment_id)
        self.coursedir.notebook_id = self._notebook(chosen)
        wanted = regrade_preview.Wanted(tuple(self.students), self.everybody, chosen, self.never_lower)
        preview, same = regrade_preview.make(self, place, wanted)
        planned = self._planned(preview, chosen)
        for line in preview_lines(self.coursedir.assignment_id, planned, preview.skipped, same):
            print(line)
        if planned:
            print(f"Nothing was written. To store exactly this: {self._command('--apply')}", flush=True)
        return not any(one.decision.trouble for one in planned.values())

    def _stored(self) -> bool:
        self._ready()
        chosen, assignment = self._chosen(), self.coursedir.assignment_id
        place = regrade_kept.place_of(self._root, assignment)
        preview = regrade_kept.load(place, self._command())
        if not preview.shows(chosen, self.never_lower):
            self.fail(f"the last preview has shown less than that; make one of it: {self._command()}")
        self.coursedir.notebook_id = preview.notebook
        if missing := sorted(set(self.students) - preview.students.keys()):
            self.fail(f"the preview has nothing to store of {_listed(missing)}; make it again: {self._command()}")
        planned = self._planned(preview, chosen)
        made = time.strftime("%H:%M on %d %B", time.localtime(preview.made))
        for line in preview_lines(assignment, planned, preview.skipped, 0, f"preview of {made}"):
            print(line, flush=True)
        run = Store(self, {name: one for name, one in planned.items() if not one.decision.trouble})
        try:
            run.start()
        finally:
            # Also of a run that was stopped.
            preview.forget(run.stored)
            whole = self._say_stored(planned, run)
        return whole

    def _say_stored(self, planned: dict[str, Planned], run: Store) -> bool:
        written = sorted(name for name in run.stored if planned[name].stored)
        for name, one in sorted(planned.items()):
            if why := one.decision.trouble or run.left.get(name, "" if name in run.stored else "not reached"):
                print(f"not stored: {printable(name)}: {printable(why, 300)}")
        said = f"stored: other verdicts of {len(written)}, the same as before of {len(run.stored) - len(written)}"
        print(f"{said}; the former records are kept (python -m proctor show STUDENT)")
        if written:
            print(
                f"nbgrader generate_feedback {self.coursedir.assignment_id} makes the pages of these anew", flush=True
            )
        return len(run.stored) == len(planned)

    def _ready(self) -> None:
        """Whether anything can be looked at.

        Raises:
            ProctorError: the message says what to do.
        """
        gradebook_file.check(self.coursedir.db_url, self._root, self.log.warning)
        if held := busy.all_held(self._root):
            raise ProctorError(f"nothing was done: {held[0]}")
        settings = Proctor(parent=self)
        if not settings.secret_path(self._root).exists():
            raise ProctorError(
                f"{settings.secret_path(self._root)}: the course secret is gone, and with another one hidden inputs "
                "are others; put it back"
            )
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            assignments = sorted(one.name for one in gradebook.assignments)
            students = {one.id for one in gradebook.students}
        assignment = self.coursedir.assignment_id
        if assignment not in assignments:
            known = ", ".join(assignments) or "none"
            raise ProctorError(f"there is no assignment {printable(assignment)}; there are {known}")
        if unknown := sorted(set(self.students) - students):
            raise ProctorError(f"the gradebook has no student {_listed(unknown)}; nbgrader db student list names all")

    def _chosen(self) -> frozenset[Place] | None:
        """The checks that were asked for; None for all.

        Raises:
            ProctorError: there is none of that name.
        """
        if not self.questions and not self.cells:
            return None
        found: dict[Place, str] = {}
        source = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", self.coursedir.assignment_id))
        for path in sorted(source.glob("*.ipynb")):
            content = notebook_cells.read(path)["cells"]
            tests = notebook_cells.autograded_cells({"cells": content})
            found |= {(path.stem, name): one.number for name, one in questions(content).items() if name in tests}
        chosen: set[Place] = set()
        for number in self.questions:
            wanted = "".join(number.split())
            of_it = {place for place, one in found.items() if one and _is_of("".join(one.split()), wanted)}
            if not of_it:
                known = _listed(sorted({one for one in found.values() if one}, key=_order))
                raise ProctorError(f"there is no question {printable(number)} with checks; there are {known or 'none'}")
            chosen |= of_it
        for name in self.cells:
            of_it = {place for place in found if place[1] == name}
            if not of_it:
                raise ProctorError(f"there is no check {printable(name)}; there are {_listed(p[1] for p in found)}")
            chosen |= of_it
        return frozenset(chosen)

    def _notebook(self, chosen: frozenset[Place] | None) -> str:
        """The one notebook that the checks are in; "*" if there are several."""
        names = {notebook for notebook, _ in chosen or ()}
        return names.pop() if len(names) == 1 else "*"

    def _planned(self, preview: regrade_kept.Preview, chosen: frozenset[Place] | None) -> dict[str, Planned]:
        """What is to become of each, by the preview and the rules that were asked for."""
        shows = regrade_preview.shows_hidden(Proctor(parent=self), self.coursedir.assignment_id)
        rules, found = Rules(chosen, self.never_lower, shows), {}
        names = Autograde(coursedir=self.coursedir, parent=self)._expected()
        for student, looked in sorted(preview.students.items()):
            if self.students and student not in self.students:
                continue
            former = former_of(self.coursedir, self.coursedir, student, names, looked)
            decision = decide(former, preview.graded(student), rules)
            decision.trouble = looked.trouble or decision.trouble
            found[student] = Planned(looked, decision)
        return found

    def _command(self, *more: str) -> str:
        words = [f"--question='{one}'" for one in self.questions] + [f"--cell={one}" for one in self.cells]
        words += [f"--student={one}" for one in self.students] + (["--never-lower"] if self.never_lower else [])
        return " ".join(["python -m proctor regrade", self.coursedir.assignment_id, *words, *more])

    def fail(self, msg: str, *args: Any) -> NoReturn:
        """End with a line."""
        print(msg % args if args else msg, file=sys.stderr)
        sys.exit(1)


def _is_of(number: str, wanted: str) -> bool:
    """Whether a question is the one that was asked for, or a part of it: 2.6 (a) of 2.6."""
    return number == wanted or number.startswith(f"{wanted}(")


def _listed(names: Any) -> str:
    names = [printable(str(one)) for one in names]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _order(number: str) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in number.replace(".", " ").split()]
