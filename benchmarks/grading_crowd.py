"""Many submissions in one go: what the machine holds before and after; do the last cost more than the first?"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import exercise
import hostile
import unlucky
from course_folder import Course as SmallCourse
from grading_courses import VARIANTS, Assignment, Course, Student, class_of
from grading_table import MIB, pace, part
from process_tree import Use, measured

from demo.run_folder import ASSIGNMENT

_AT_EACH_END = 50
_SECONDS_TO_SETTLE = 10.0
# What the students of the small course hand in, by kind, as the tests' submissions do.
_SMALL = {"loop": "stubborn", "memory": "memory", "exit": "suicide", "untouched": "nothing-done", "half": "deleted"}


class SmallClass:
    """The small notebook of `tests/submissions`, handed in by a class; like `grading_courses.Course`.

    Args:
        db_url: of the gradebook; without, it is a file in the course.
    """

    def __init__(self, folder: Path, students: Sequence[Student], db_url: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._course = SmallCourse(folder, db_url=db_url)
        self.root, self.students = self._course.folder, list(students)
        cases = {case.name: case.make for case in (*hostile.CASES, *unlucky.CASES)}
        for student in students:
            self._course.submit(student.name, cases[_SMALL[student.kind]] if student.kind in _SMALL else _complete)

    def environment(self) -> dict[str, str]:
        """Of a command that grades it."""
        return self._course.environment()

    def scores(self) -> dict[tuple[str, str], tuple[float | None, bool]]:
        """Autograded points by student and question."""
        points = self._course.points()
        return {
            (student, question): (score, False)
            for student, scores in points.items()
            for question, score in zip(exercise.QUESTIONS, scores, strict=True)
        }

    def ends(self) -> list[float]:
        """When each student's notebook was written, in turn; seconds since 1970."""
        graded = self.root / "autograded"
        return sorted(file.stat().st_mtime for file in graded.glob(f"*/*/{exercise.NOTEBOOK}.ipynb"))


def _complete(handed: exercise.Handed) -> None:
    handed.write()


def made(
    folder: Path, name: str, students: Sequence[Student], small: bool, db_url: str | None = None
) -> Course | SmallClass:
    """A course of one of the two kinds, in which nothing is graded.

    Args:
        folder: for all courses of this measurement.
        db_url: of an empty database for its gradebook; without, it is a file in the course.
    """
    if small:
        return SmallClass(folder / name, students, db_url)
    return Assignment(folder / name, db_url).course(name, VARIANTS["all"], students)


def command(small: bool) -> list[str]:
    """What grades such a course."""
    return [sys.executable, "-m", "nbgrader", "autograde", exercise.ASSIGNMENT if small else ASSIGNMENT]


def described(small: bool) -> str:
    """Which course that is."""
    return "the small notebook of tests/submissions (three questions)" if small else "the six real notebooks"


def measure(number: int, mix: str, small: bool, folder: Path) -> int:
    """Grade a class in one go; exit status 1 if the command failed, or left a temporary folder behind."""
    course = made(folder, "crowd", class_of(number, mix), small)
    print(f"{number} students, {mix}, of {described(small)}; as many workers as it takes by itself.", flush=True)
    before = machine(course.root)
    use = measured(command(small), course.root, course.environment(), course.root / "benchmark.log")
    # What has ended gives its memory back in its own time.
    time.sleep(_SECONDS_TO_SETTLE)
    after = machine(course.root)
    print(_report(use, course.ends(), before, after))
    return 1 if use.status or after["folders proctor-*"] > before["folders proctor-*"] else 0


def machine(root: Path) -> dict[str, int]:
    """What there is on this machine now, whoever has made it.

    Args:
        root: of the course, in which temporary folders are counted too.
    """
    memory = {line.split(":")[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}
    own = [*Path(tempfile.gettempdir()).glob("proctor-*"), *root.glob("proctor_staged*")]
    return {
        "memory in use, MiB": (memory["MemTotal"] - memory["MemAvailable"]) // 1024,
        "processes": sum(one.name.isdigit() for one in Path("/proc").iterdir()),
        "sockets": int(Path("/proc/net/sockstat").read_text().split()[2]),
        "open files": int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
        "folders proctor-*": len(own),
        "control groups proctor-*": sum(1 for _ in Path("/sys/fs/cgroup").glob("**/proctor-*")),
    }


def _report(use: Use, ends: Sequence[float], before: dict[str, int], after: dict[str, int]) -> str:
    lines = ["", "| on the whole machine | before | after |", "|---|---|---|"]
    lines += [f"| {name} | {number:,} | {after[name]:,} |" for name, number in before.items()]
    lines.append("")
    if ends:
        lines.append(
            f"{len(ends)} graded in {use.seconds / 60:.1f} minutes: {use.seconds / len(ends):.2f} s and "
            f"{use.cpu_seconds / len(ends):.2f} CPU-seconds each (by {use.counted_by})."
        )
    if len(ends) >= 3:
        k, (early, late) = part(len(ends), _AT_EACH_END), pace(ends, _AT_EACH_END)
        held = use.own_bytes(ends[0], ends[k]) / MIB, use.own_bytes(ends[-1 - k], ends[-1]) / MIB
        lines.append(
            f"First {k}: {early:.2f} s each, while the command itself held {held[0]:,.0f} MiB; last {k}: {late:.2f} s "
            f"each, {held[1]:,.0f} MiB."
        )
    lines.append(
        f"Meanwhile at most {use.peak_bytes() / MIB:,.0f} MiB and {use.most_processes()} processes; the command ended "
        f"with status {use.status}."
    )
    return "\n".join(lines)
