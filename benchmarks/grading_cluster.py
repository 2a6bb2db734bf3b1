"""Two workers of a Dask scheduler that see nothing of the course, beside one process here: the same points, and what it
takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import dask_cluster
from grading_courses import Course, class_of
from grading_crowd import SmallClass, command, described, made
from grading_gradebooks import told, unequal
from process_tree import measured

_WORKERS = 2


def missing() -> str | None:
    """What is not installed here that this needs; None if nothing is missing."""
    if importlib.util.find_spec("distributed") is None:
        return "Dask is not installed here: pip install -c constraints.txt dask distributed"
    return None


def measure(number: int, mix: str, small: bool, folder: Path) -> int:
    """Grade a class in both ways; exit status 1 if the gradebooks differ, or somebody was not graded."""
    students = class_of(number, mix)
    print(f"{number} students, {mix}, of {described(small)}.", flush=True)
    one, two = made(folder, "one", students, small), made(folder, "cluster", students, small)
    _set(one, "workers", 1)
    cluster = dask_cluster.Cluster(folder.resolve())
    try:
        for _ in range(_WORKERS):
            cluster.start_worker()
        _set(two, "scheduler", cluster.address)
        hidden = "and don't see its folder" if cluster.hidden else "and see its folder, which can't be hidden here"
        print(f"The workers of the cluster share nothing with the course, {hidden}.", flush=True)
        print("\n| | seconds each | CPU-seconds of the command each | exit status |\n|---|---|---|---|", flush=True)
        _graded(one, small, "one process here")
        _graded(two, small, f"a scheduler and {_WORKERS} workers")
        wrong = unequal(one, two, "by one process", "by the cluster")
        wrong += [f"{path}: left on a worker" for path in cluster.left()]
    finally:
        cluster.stop()
    return told(wrong, len(one.scores()), number)


def _set(course: Course | SmallClass, name: str, value: object) -> None:
    with (course.root / "nbgrader_config.py").open("a", encoding="utf-8") as config:
        config.write(f"\nc.Proctor.{name} = {value!r}\n")


def _graded(course: Course | SmallClass, small: bool, name: str) -> None:
    use = measured(command(small), course.root, course.environment(), course.root / "benchmark.log")
    number = len(course.students)
    print(f"| {name} | {use.seconds / number:.2f} | {use.cpu_seconds / number:.2f} | {use.status} |", flush=True)
