"""`python -m proctor seal ASSIGNMENT`: writes down what lies in the inbound folder, for cron at the deadline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import Exchange, ExchangeCollect
from traitlets import Bool, Float, default

from proctor.errors import ProctorError
from proctor.intake.copier import Caps, copy_tree, look, printable
from proctor.plugin import busy
from proctor.plugin.collect import Collect, changed, reason
from proctor.plugin.sealed import Seal, as_text, now
from proctor.staff_files import make_top

_LOOKS = 6
# Of each student the newest: who hands in without end fills no disk.
_COPIES = 3


class SealInbound(Collect):
    """Seals every submission of an assignment that has no seal yet; what has one keeps it."""

    keep = Bool(
        True,
        help="Keep copies of the last three submissions of each student, which are collected whatever becomes of "
        "theirs. Without a copy one that was changed counts as handed in when it is collected.",
    ).tag(config=True)

    settle_seconds = Float(
        5.0,
        help="A submission that was changed in the last so many seconds is perhaps still being copied by its student, "
        "and is looked at again after them, five times at most.",
    ).tag(config=True)

    def start(self) -> None:
        """Seal, alone: another run that seals the same assignment waits, and then finds it sealed."""
        root = Path(self.coursedir.root).resolve()
        try:
            with busy.held(root, self.coursedir.assignment_id, "", "sealed", busy.SECONDS_TO_COPY, "seal"):
                super().start()
        except ProctorError as error:
            self.fail(str(error))

    def init_src(self) -> None:
        """Find all acceptable submissions."""
        self.listed = now()
        self.found = [
            record | {"keep": self.keep and number < _COPIES}
            for records in self.find().values()
            for number, record in enumerate(self._sort_by_timestamp(records))
        ]

    def copy_files(self) -> None:
        """Seal; a submission that can't be read is named, and the others are sealed.

        Raises:
            ExchangeError: some submission could not be sealed, or nothing could be written.
        """
        self.sealed.listed = as_text(self.listed)
        waiting = [record for record in self.found if record["filename"] not in self.sealed.seals]
        before, self.failed = len(self.found) - len(waiting), {}
        try:
            make_top(self.sealed.root.parent, self.coursedir.groupshared)
            self.sealed.make_folder()
            sealed = len(waiting)
            for look_number in range(_LOOKS):
                for record in waiting:
                    self._seal(record)
                self.sealed.save()
                waiting = [record for record in waiting if self._is_fresh(record)]
                if not waiting or look_number == _LOOKS - 1:
                    break
                time.sleep(self.settle_seconds)
        except OSError as error:
            self.fail(f"{self.sealed.root}: can't be written ({error.strerror}); make room or correct its rights")
        for line in [*self.refused, *self.failed.values()]:
            self.log.warning("not sealed: %s", line)
        with_copies = "with copies" if self.keep else "without copies"
        what = f"{sealed - len(self.failed)} submissions of {self.coursedir.assignment_id} {with_copies}"
        self.log.info("Sealed %s; %d had a seal before", what, before)
        if self.failed:
            self.fail(f"{len(self.failed)} submissions could not be sealed; they count as handed in after the deadline")

    def _seal(self, record: dict[str, Any]) -> None:
        student, name = record["username"], record["filename"]
        path = Path(self.inbound_path) / name
        self.failed.pop(name, None)
        digest, kept, moment = "", False, self.listed
        try:
            if record["keep"]:
                digest = copy_tree(path, self.sealed.copy_of(name), Caps()).digest()
            else:
                digest = look(path, Caps()).digest()
            kept, moment = record["keep"], changed(str(path))
        except (ProctorError, OSError) as error:
            self.failed[name] = f"{printable(name)}: {reason(error)}"
        self.sealed.seals[name] = Seal(student, digest, as_text(moment), kept)

    def _is_fresh(self, record: dict[str, Any]) -> bool:
        age = (now() - self.sealed.seals[record["filename"]].timestamp).total_seconds()
        return record["filename"] not in self.failed and age < self.settle_seconds


class SealApp(NbGrader):
    """The command, which finds course and exchange as nbgrader's own commands do."""

    name = "proctor-seal"
    description = "Write down what lies in the inbound folder, so that later changes are seen when it is collected"
    aliases = {**nbgrader_aliases, "course": "CourseDirectory.course_id", "settle": "SealInbound.settle_seconds"}
    flags = {
        **nbgrader_flags,
        "no-keep": ({"SealInbound": {"keep": False}}, "Write down digests only, and keep no copies."),
    }
    examples = """
        For cron at the deadline, in the course's folder:

            python -m proctor seal ps1
        """

    @default("classes")
    def _classes_default(self) -> list[type]:
        return [*super()._classes_default(), Exchange, ExchangeCollect, SealInbound]

    def start(self) -> None:
        """Seal the assignment that the command line names; exit status 1 if anything could not be sealed."""
        super().start()
        if len(self.extra_args) != 1:
            self.fail("name one assignment: python -m proctor seal ASSIGNMENT")
        self.coursedir.assignment_id = self.extra_args[0]
        step = SealInbound(coursedir=self.coursedir, authenticator=self.authenticator, parent=self)
        try:
            step.start()
        except ExchangeError as error:
            self.fail(str(error))
