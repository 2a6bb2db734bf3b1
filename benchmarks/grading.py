"""What grading costs: the six real notebooks under stock nbgrader and under the engine, in one run, by turns.

    python benchmarks/grading.py --students 6                    three turns of two complete submissions, four variants
    python benchmarks/grading.py --students 20 --stock 3         of each turn three by stock nbgrader, all by the engine
    python benchmarks/grading.py --students 20 --mix mixed       half done, untouched and hostile ones among them
    python benchmarks/grading.py --crowd 300                     what 300 submissions in one go leave behind
    python benchmarks/grading.py --postgres 100                  two graders at once on a PostgreSQL gradebook
    python benchmarks/grading.py --dask 100 --small              by a Dask scheduler and two workers, the small notebook

Printed are seconds and CPU-seconds per student, memory, how both grow, the time until the first verdict, and where the
time goes. Points are compared between all variants of the engine, cell by cell; a difference is exit status 1. Run it
on a machine that does nothing else. Stock nbgrader gets complete submissions only: an endless loop would end it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "submissions"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grading_cluster
import grading_crowd
import grading_gradebooks
import grading_table
import psutil
from grading_courses import COMPLETE, VARIANTS, Assignment, Course, Student, Variant, class_of
from grading_table import Run
from process_tree import measured

from demo.errors import DemoError
from demo.run_folder import ASSIGNMENT
from proctor import stations
from proctor.errors import ProctorError
from proctor.sandbox.bubblewrap import availability

_STUDENTS_A_TURN = 4
# Percent of all cores.
_BUSY, _SECONDS_OF_LOOKING = 10.0, 3.0
_LINES_OF_LOG = 15
_DIFFERENCES_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit status 0, or 1 if points differ or a command failed, 2 if it could not be measured."""
    chosen = _parser().parse_args(arguments)
    chosen.variants = list(dict.fromkeys(chosen.variants.split(",")))
    if problem := _problem(chosen):
        print(f"grading.py: {problem}", file=sys.stderr)
        return 2
    _about_this_machine()
    try:
        if chosen.keep:
            return _measure(chosen, chosen.keep.resolve())
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            return _measure(chosen, Path(folder))
    except (DemoError, ProctorError) as error:
        print(f"grading.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("grading.py: interrupted; nothing was measured to its end", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=6, metavar="N", help="in all turns together (6)")
    parser.add_argument("--turns", type=int, metavar="N", help=f"1 for each {_STUDENTS_A_TURN} students, at least 2")
    parser.add_argument("--stock", type=int, metavar="N", help="of a turn, how many stock nbgrader grades (all)")
    parser.add_argument("--mix", choices=["complete", "mixed"], default="complete", help="what is handed in (complete)")
    parser.add_argument("--variants", default=",".join(VARIANTS), help=f"some of {','.join(VARIANTS)}")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and leave courses and logs")
    parser.add_argument("--crowd", type=int, metavar="N", help="students in one go, as many workers as it takes")
    parser.add_argument("--postgres", type=int, metavar="N", help="students on PostgreSQL with two graders")
    parser.add_argument("--dask", type=int, metavar="N", help="students by a Dask scheduler and two workers")
    parser.add_argument("--small", action="store_true", help="for these three: the tests' small notebook")
    return parser


def _problem(chosen: argparse.Namespace) -> str | None:
    """What is wrong with the options, or with this machine."""
    for name in ("students", "turns", "stock", "crowd", "postgres", "dask"):
        number = getattr(chosen, name)
        if number is not None and number < 1:
            return f"--{name} is {number}; give at least 1"
    unknown = [name for name in chosen.variants if name not in VARIANTS]
    if unknown:
        return f"there is no variant {unknown[0]!r}; there are {', '.join(VARIANTS)}"
    if chosen.turns and chosen.turns > chosen.students:
        return f"{chosen.students} students can't be graded in {chosen.turns} turns; give fewer turns"
    alone = [f"--{name}" for name in ("crowd", "postgres", "dask") if getattr(chosen, name)]
    if len(alone) > 1:
        return f"{' and '.join(alone)} are {len(alone)} measurements; start one after the other"
    if problem := availability():
        return f"the engine can't be measured here: {problem}"
    if chosen.dask:
        return grading_cluster.missing()
    return grading_gradebooks.missing() if chosen.postgres else None


def _about_this_machine() -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    # Not the load: that of the last minute only fades.
    busy = psutil.cpu_percent(_SECONDS_OF_LOOKING)
    print(
        f"{datetime.date.today()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; its cores were busy for {busy:.0f} % before the start",
        flush=True,
    )
    if busy > _BUSY:
        print("*** This machine was not idle: the seconds below are not worth much.", flush=True)


def _measure(chosen: argparse.Namespace, folder: Path) -> int:
    if chosen.crowd:
        return grading_crowd.measure(chosen.crowd, chosen.mix, chosen.small, folder)
    if chosen.postgres:
        return grading_gradebooks.measure(chosen.postgres, chosen.mix, chosen.small, folder)
    if chosen.dask:
        return grading_cluster.measure(chosen.dask, chosen.mix, chosen.small, folder)
    variants = [VARIANTS[name] for name in chosen.variants]
    for variant in variants:
        for name in variant.left_out():
            print(f"*** {variant.name}: c.Proctor.{name} is not a setting of this engine, and was left out")
    assignment, students = Assignment(folder), class_of(chosen.students, chosen.mix)
    turns = chosen.turns or max(min(2, len(students)), len(students) // _STUDENTS_A_TURN)
    runs, points, failed = [], {}, False
    for turn in range(turns):
        # Each is first once, so that nobody has the cold or the warm machine for itself.
        first = turn % len(variants)
        for variant in [*variants[first:], *variants[:first]]:
            for part, some in _parts(students, turn, turns):
                if variant.settings is None and part != COMPLETE:
                    continue
                some = some[: chosen.stock] if variant.settings is None else some
                course = assignment.course(f"{turn}-{variant.name}-{part}", variant, some)
                run = graded(course, turn, part)
                runs.append(run)
                failed |= run.use.status != 0
                points.setdefault(variant.name, {}).update(course.scores())
    print(f"\n{len(students)} students, {chosen.mix}, in {turns} turns; computing time by {runs[0].use.counted_by}.")
    print("Seconds are of the whole command, its start and end included, by student.\n")
    print(grading_table.summary(runs, chosen.variants))
    if compared := grading_table.side_by_side(runs):
        print(f"\n{compared}")
    print(f"\n{grading_table.stations(runs, [one.name for one in variants if one.settings is not None])}\n")
    return 1 if _compared(variants, points, students, assignment.most) or failed else 0


def _parts(students: Sequence[Student], turn: int, turns: int) -> list[tuple[str, list[Student]]]:
    """Who is graded in a turn: those with complete submissions by one command, the others by another."""
    complete = [one for one in students if one.kind == COMPLETE][turn::turns]
    others = [one for one in students if one.kind != COMPLETE][turn::turns]
    return [(name, some) for name, some in ((COMPLETE, complete), ("others", others)) if some]


def graded(course: Course, turn: int, part: str) -> Run:
    """Grade a course, and look what that took."""
    log, marks = course.root / "benchmark.log", course.root / "benchmark.stations"
    environment = course.environment() | {stations.VARIABLE: str(marks)}
    use = measured(
        [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT], course.root, environment, log, course.has_verdict
    )
    number = len(course.students)
    print(f"  turn {turn + 1}, {course.variant.name}, {number} {part}: {use.seconds / number:.1f} s each", flush=True)
    if use.status:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_OF_LOG:]
        print("\n".join([f"*** it ended with status {use.status}:", *tail]), flush=True)
    return Run(
        course.variant.name,
        turn,
        part,
        number,
        use,
        course.ends(),
        _first(use.seen, course.first_verdict()),
        stations.read(marks),
    )


def _first(*moments: float) -> float:
    return min((one for one in moments if one > 0), default=float("nan"))


def _compared(variants: Sequence[Variant], points: dict, students: Sequence[Student], most: float) -> bool:
    """Say whether all variants of the engine gave the same points; true if not."""
    engines = [one.name for one in variants if one.settings is not None]
    if not engines:
        return False
    wrong = []
    for student in students:
        got = sum(score or 0.0 for (name, _), (score, _) in points[engines[0]].items() if name == student.name)
        if student.kind == COMPLETE and got != most:
            wrong.append(f"{student.name}: {got:g} of {most:g} points, and everything in it is right")
    for other in engines[1:]:
        mine, theirs = points[engines[0]], points[other]
        wrong += [
            f"{student}, {cell}: {mine.get((student, cell))} by {engines[0]}, {theirs.get((student, cell))} by {other}"
            for student, cell in sorted(mine.keys() | theirs.keys())
            if mine.get((student, cell)) != theirs.get((student, cell))
        ]
    if wrong:
        print("\n".join(["*** POINTS DIFFER", *wrong[:_DIFFERENCES_SHOWN]]))
        return True
    same = f"the same by {', '.join(engines)}" if engines[1:] else f"by {engines[0]} alone, compared with nothing"
    print(
        f"Points: {len(points[engines[0]])} cells of {len(students)} students, {same}; complete submissions have all "
        f"{most:g}."
    )
    return False


if __name__ == "__main__":
    sys.exit(main())
