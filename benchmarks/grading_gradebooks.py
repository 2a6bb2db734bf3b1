"""Two graders at once on a PostgreSQL gradebook, beside one on SQLite: the same points, and what it takes."""

from __future__ import annotations

import threading
from pathlib import Path

import postgresql_server
from grading_courses import Course, class_of
from grading_crowd import SmallClass, command, described, made
from process_tree import Use, measured

_GRADERS = 2
_DIFFERENCES_SHOWN = 20


def missing() -> str | None:
    """What is not installed here that this needs; None if nothing is missing."""
    return postgresql_server.missing()


def measure(number: int, mix: str, small: bool, folder: Path) -> int:
    """Grade a class in both ways; exit status 1 if the gradebooks differ, or somebody was not graded."""
    students = class_of(number, mix)
    print(f"{number} students, {mix}, of {described(small)}.", flush=True)
    server = postgresql_server.Server()
    try:
        one = made(folder, "sqlite", students, small)
        two = made(folder, "postgresql", students, small, server.database("course"))
        print("\n| | seconds each | CPU-seconds each | peak MiB | exit status |\n|---|---|---|---|---|", flush=True)
        _graded(one, small, "SQLite, one grader", 1)
        _graded(two, small, f"PostgreSQL, {_GRADERS} graders at once", _GRADERS)
        cells, wrong = len(one.scores()), unequal(one, two, "on SQLite", "on PostgreSQL")
    finally:
        server.stop()
    return told(wrong, cells, number)


def told(wrong: list[str], cells: int, students: int) -> int:
    """Say whether two gradebooks are equal; the exit status for that."""
    if wrong:
        print("\n".join(["*** THE GRADEBOOKS DIFFER", *wrong]))
        return 1
    print(f"\nThe two gradebooks are equal: {cells} cells of {students} students.")
    return 0


def unequal(one: Course | SmallClass, two: Course | SmallClass, by_one: str, by_two: str) -> list[str]:
    """What differs between the points in two courses of the same class, in plain words, and who was not graded."""
    mine, theirs = one.scores(), two.scores()
    wrong = [
        f"{student}, {cell}: {mine.get((student, cell))} {by_one}, {theirs.get((student, cell))} {by_two}"
        for student, cell in sorted(mine.keys() | theirs.keys())
        if mine.get((student, cell)) != theirs.get((student, cell))
    ]
    wrong += [f"{student.name}: not graded" for student in one.students if student.name not in {s for s, _ in mine}]
    return wrong[:_DIFFERENCES_SHOWN]


def _graded(course: Course | SmallClass, small: bool, name: str, graders: int) -> None:
    """All graders start at once and go through the whole class; who is being graded by another one is left out, which
    is exit status 1."""
    uses: list[Use | None] = [None] * graders

    def grade(i: int) -> None:
        log = course.root / f"benchmark-{i}.log"
        uses[i] = measured(command(small), course.root, course.environment(), log)

    threads = [threading.Thread(target=grade, args=(i,)) for i in range(graders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    number = len(course.students)
    seconds = max(use.seconds for use in uses) / number
    cpu, peak = sum(use.cpu_seconds for use in uses) / number, sum(use.peak_bytes() for use in uses) / 2**20
    statuses = " ".join(str(use.status) for use in uses)
    print(f"| {name} | {seconds:.2f} | {cpu:.2f} | {peak:,.0f} | {statuses} |", flush=True)
