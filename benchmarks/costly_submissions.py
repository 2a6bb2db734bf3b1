"""What the costliest submissions cost on the clock, against the bound that follows from the limits.

    python benchmarks/costly_submissions.py                 all that the tests know to be costly; about twenty minutes
    python benchmarks/costly_submissions.py slow-cells      this one

Grades hostile submissions of `tests/submissions` one by one through the engine, in bubblewrap, with small limits, and
prints how long each took from its first process to its last, beside `worst_seconds` of the same limits.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "submissions"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import exercise
import hostile
import hostile_answers
import hostile_limits

from proctor.grading import grade
from proctor.intake.rebuild import rebuild
from proctor.sandbox.limits import Limits, fitted, worst_seconds
from proctor.secret import load_secret
from proctor.submission import Submission, Surroundings, keys_of

LIMITS = Limits(
    memory_bytes=2 * 2**30,
    cell_cpu_seconds=8,
    cell_wall_seconds=40,
    probe_cpu_seconds=8,
    probe_wall_seconds=12,
    asking_wall_seconds=40,
    notebook_wall_seconds=120,
    submission_seconds=180,
)
# Of the older ones those that need a limit to come to their end.
OLDER = (
    *("fork-bomb", "memory", "memory-of-many", "late", "output", "suicide", "stubborn", "drip", "answer-bomb"),
    *("answer-memory", "answer-deaf"),
)
SHOWN = 10


def cost(case: exercise.Case, folder: Path) -> tuple[float, tuple[float, ...], list[str]]:
    """Seconds on the clock, points of the three questions, and the engine's notes."""
    handed, results = folder / case.name / "handed", folder / case.name / "results"
    handed.mkdir(parents=True)
    instructor = exercise.instructor_notebook()
    case.make(exercise.Handed(copy.deepcopy(instructor), handed))
    content = (handed / f"{exercise.NOTEBOOK}.ipynb").read_bytes()
    rebuilt, digest = rebuild(instructor, content), hashlib.sha256(content).hexdigest()
    submission = Submission(exercise.ASSIGNMENT, case.name, exercise.NOTEBOOK, digest, handed, results)
    secret = load_secret(folder / "secret", folder / "course")
    before = time.monotonic()
    around = Surroundings("bwrap", fitted(LIMITS, set()))
    record = grade(rebuilt.notebook, submission, around, keys_of(secret, submission))
    seconds = time.monotonic() - before
    scores = record.scores()
    return seconds, tuple(scores[f"{name}_test"] for name in exercise.QUESTIONS), record.notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of submissions; without: all that are costly")
    parser.add_argument("--notes", action="store_true", help="what the engine said about each")
    chosen = parser.parse_args()
    older = [case for case in [*hostile.CASES, *hostile_answers.CASES] if case.name in OLDER]
    cases = [case for case in [*hostile_limits.COSTLY, *older] if not chosen.names or case.name in chosen.names]
    bound, found = worst_seconds(LIMITS, notebooks=1), []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "course").mkdir()
        for case in cases:
            seconds, points, notes = cost(case, Path(name))
            found.append((seconds, case, points))
            print(f"{case.name}: {seconds:.1f} s, points {points}", file=sys.stderr, flush=True)
            absent = [words for words in case.says if not any(words in note for note in notes)]
            if absent:
                sys.exit(f"{case.name} was something else than it is meant to be: no note says {' or '.join(absent)}")
            if chosen.notes:
                print(json.dumps(notes, indent=1), file=sys.stderr, flush=True)
    print(f"limits: {LIMITS}\nbound for one notebook: {bound:g} s; load of the machine: {os.getloadavg()[1]:.1f}\n")
    print("| submission | what it does | points | seconds | of the bound |\n|---|---|---|---|---|")
    for seconds, case, points in sorted(found, key=lambda one: -one[0])[:SHOWN]:
        shown = " ".join(f"{one:g}" for one in points)
        print(f"| {case.name} | {case.what} | {shown} | {seconds:.1f} | {seconds / bound:.0%} |")


if __name__ == "__main__":
    main()
