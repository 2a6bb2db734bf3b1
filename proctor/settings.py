"""What a course can set about grading, as traits in its nbgrader_config.py: ``c.Proctor.sandbox = "bwrap"``."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from traitlets import Any, Bool, Dict, Enum, Int, List, Unicode, validate
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.pages.limits import PageLimits
from proctor.sandbox.limits import Limits, fitted
from proctor.sandbox.mounts import Mount, python_mounts, refuse_exposing
from proctor.secret import Secret, default_path, load_secret

_DATA = "/opt/data"
# What pages show of hidden checks, from the least to the most.
KIND, INPUTS, ALL = LEVELS = ("kind", "inputs", "all")


class Proctor(Configurable):
    """Settings of the grading engine."""

    sandbox = Enum(
        ["bwrap", "none"],
        default_value="bwrap",
        help="bwrap: student code runs in bubblewrap, and grading refuses where that is impossible. none: student code "
        "runs with the rights of whoever grades; every report says so. Only for submissions that you wrote yourself.",
    ).tag(config=True)

    limits = Dict(
        help="Limits for student code that differ from the defaults of proctor.sandbox.limits.Limits, by name: "
        '{"cell_cpu_seconds": 300}',
    ).tag(config=True)

    pages = Dict(
        help="Limits for drawing a page that differ from the defaults of proctor.pages.limits.PageLimits, by name: "
        '{"cpu_seconds": 20}. A page that takes longer shows the cells that are to blame as plain text.',
    ).tag(config=True)

    secret = Unicode(
        "",
        help="File of the course secret, from which inputs of hidden checks are drawn; made on first use. It has to "
        "lie outside of the repository. Empty: .proctor_secret beside the repository. Its mode is 600, or 640 with the "
        "group of the course's folder where c.CourseDirectory.groupshared is set.",
    ).tag(config=True)

    data = Unicode(
        "",
        help="Folder with data that notebooks read, relative to the course's root; student code sees it read-only. "
        "Empty, or no such folder: none.",
    ).tag(config=True)

    data_variable = Unicode(
        "DATA", help="Environment variable in which student code finds the place of that folder."
    ).tag(config=True)

    misconceptions = Unicode(
        "",
        help="Folder with a catalogue of typical wrong answers, a <notebook>.toml per notebook, relative to the "
        "course's root. Where a failed answer answers as one of them, its hint stands on the student's page. What "
        "`python -m proctor.catalogue --seal` has made in its folder `sealed` goes into released check cells. "
        "Empty, or no such folder: no hints.",
    ).tag(config=True)

    warm = List(
        Unicode(),
        default_value=["IPython.core.interactiveshell", "IPython.core.magics", "IPython.core.completerlib", "torch"],
        help="Modules that are imported once and not for each notebook: those that the course's notebooks and checks "
        "use, and that start no threads when they are imported. An empty list: each notebook starts from nothing, "
        "which takes longer.",
    ).tag(config=True)

    warm_later = List(
        Unicode(),
        help="Further such modules, which the first notebook does without: they are imported once that is judged, "
        "so that the first verdict of a run comes sooner.",
    ).tag(config=True)

    workers = Int(
        0,
        min=0,
        help="How many submissions are graded at a time, each in a process of its own. 0: as many as cores that "
        "grading may use, fewer if there is not enough memory. 1: one after the other, without further processes.",
    ).tag(config=True)

    scheduler = Unicode(
        "",
        help="Address of a Dask scheduler whose workers grade, instead of processes on this machine: "
        '"tcp://host:8786". Whoever can reach such an address can run programs on the workers; on a network take '
        '"tls://host:8786" (deploy/dask.md). Empty: grade on this machine.',
    ).tag(config=True)

    scheduler_security = Dict(
        help="Files for a scheduler at tls://…, by their names in Dask's own settings: tls_ca_file, tls_client_cert, "
        "tls_client_key. Empty: what Dask's own configuration says.",
    ).tag(config=True)

    run_demos = Bool(
        False,
        help="Run demos while grading, too: given cells with the tag demo, whose pictures and timings nobody needs for "
        "a grade. If not, they are run only where something of the student's own may need them.",
    ).tag(config=True)

    deadlines = Dict(
        help="When assignments are due, each a datetime with its time zone, in which days of lateness and of "
        "extensions end. The deadline that counts is the gradebook's.",
    ).tag(config=True)

    extensions = Dict(
        help="Later deadlines of single students: by assignment and student's id a number of days after the deadline, "
        "a date (till the deadline's time of day), or a datetime with its time zone.",
    ).tag(config=True)

    late_penalty = Any(
        "",
        help='What lateness costs: "none", "zero" (all points), or {"per_day": 0.1, "free_days": 2}: that share of the '
        "points, as they are once they are final, for each begun day, and how many days of each submission are free. "
        "Empty: what c.LateSubmissionPlugin and c.AssignLatePenalties say.",
    ).tag(config=True)

    reveal = Dict(
        help='What students\' pages show of hidden checks, by assignment: {"ps1": "all"}. "kind": of a failed one its '
        'name and its kind of failure, as without a setting. "inputs": the hidden checks, and all that is known of a '
        'failure. "all": model answers, too. More than "kind" is shown from the last deadline on, extensions included.',
    ).tag(config=True)

    def __init__(self, **how: typing.Any) -> None:
        """From the configuration of `parent`, or `config`.

        Raises:
            ProctorError: a name in it is misspelt; the message says which one may be meant.
        """
        super().__init__(**how)
        if problem := misspelt(self.config):
            raise ProctorError(problem)

    @validate("limits")
    def _known_limits(self, proposal: dict) -> dict:
        return _known("limits", Limits, proposal["value"])

    @validate("pages")
    def _known_page_limits(self, proposal: dict) -> dict:
        return _known("pages", PageLimits, proposal["value"])

    @validate("reveal")
    def _known_levels(self, proposal: dict) -> dict:
        for assignment, level in proposal["value"].items():
            if level not in LEVELS:
                raise ProctorError(
                    f"c.Proctor.reveal[{assignment!r}]: there is no {level!r}; there are {', '.join(LEVELS)}"
                )
        return proposal["value"]

    def all_limits(self) -> Limits:
        """The limits in force.

        Raises:
            ProctorError: a time that the course has set doesn't fit into the one around it; the message says which.
        """
        return fitted(replace(Limits(), **self.limits), set(self.limits))

    def page_limits(self) -> PageLimits:
        """The limits in force for drawing a page."""
        return replace(PageLimits(), **self.pages)

    def data_place(self, course_root: Path) -> tuple[list[Mount], dict[str, str]]:
        """What a sandbox needs so that student code finds the data: mounts and environment variables."""
        folder = course_root / self.data
        if not self.data or not folder.is_dir():
            return [], {}
        if self.sandbox == "none":
            return [], {self.data_variable: str(folder.resolve())}
        return [Mount(folder.resolve(), _DATA)], {self.data_variable: _DATA}

    def refuse_exposing(self, course_root: Path, private: Sequence[Path]) -> None:
        """Stop where student code would see what is not for it.

        Args:
            private: files and folders of the course beside its secret.

        Raises:
            ProctorError: the data, or the environment in which this runs, contain or lie in one of them.
        """
        if self.sandbox == "none":
            return
        mounts, _ = self.data_place(course_root)
        refuse_exposing([*python_mounts(), *mounts], [*private, self.secret_path(course_root)])

    def course_secret(self, course_root: Path) -> Secret:
        """The course secret, made on first use.

        Raises:
            ProctorError: the file can't be used; the message says why.
        """
        return load_secret(self.secret_path(course_root), course_root, self.staff_group(course_root))

    def secret_path(self, course_root: Path) -> Path:
        """Where the course secret lies."""
        return Path(self.secret) if self.secret else default_path(course_root)

    def staff_group(self, course_root: Path) -> int | None:
        """Number of the group that grades, if several accounts do: that of the course's folder, with `groupshared`."""
        return course_root.stat().st_gid if self.config.CourseDirectory.get("groupshared", False) else None


def misspelt(config: Mapping[str, typing.Any], kind: type[Configurable] = Proctor) -> str | None:
    """What is wrong with a name in a course's settings of a class; None if nothing is.

    Without this a misspelt limit is a line among others, and students are graded with another one than staff think.
    """
    section, known = kind.__name__, kind.class_trait_names(config=True)
    for name in config.get(section, {}):
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            said = f"is c.{section}.{nearest[0]} meant? " if nearest else ""
            return f"c.{section}.{name}: there is no such setting; {said}There are {', '.join(sorted(known))}"
    return None


def _known(trait: str, kind: type, given: dict) -> dict:
    known = {one.name for one in fields(kind)}
    unknown = sorted(set(given) - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise ProctorError(f"c.Proctor.{trait}: there is no limit {unknown[0]!r}; there are {names}")
    return given
