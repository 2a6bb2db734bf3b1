"""Submissions of innocent students under stock nbgrader and under the engine: points, and what a reader sees of them.

    python benchmarks/against_stock.py            some minutes

Both grade the same files of `tests/submissions`, student by student. Printed are the points of the three questions, how
many of the texts of an essay stand on the feedback page as they were written, and how many pictures it shows.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "submissions"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import exercise
import unlucky_pages
import unlucky_rerun
from course_folder import Course
from page_text import PageText, normal

NAMES = (
    *("essays", "photos", "displays", "retyped", "retyped-further-up", "moved-down", "split", "copied-last-wins"),
    "timed",
)


def told(page: str) -> int:
    """How many of the texts of an essay a page shows, formulas as TeX."""
    text = PageText(page).text
    return sum(normal(shown or written) in text for written, shown in unlucky_pages.TEXTS.items())


def row(course: Course, student: str) -> str:
    """What one grader made of a submission."""
    log = course.nbgrader("autograde", exercise.ASSIGNMENT, f"--student={student}")
    course.nbgrader("generate_feedback", exercise.ASSIGNMENT, f"--student={student}")
    points = course.points().get(student)
    try:
        page = course.page(student)
    except FileNotFoundError:
        return f"{points or 'not graded'}, no page: {log.strip().splitlines()[-1][:100]}"
    seen = ""
    if student == "essays":
        seen = f", {told(page)} of {len(unlucky_pages.TEXTS)} texts as written"
    if student == "photos":
        seen = f", {len(re.findall(r'<img [^>]*src=.data:image', page))} pictures"
    return f"{points}{seen}"


def main() -> None:
    cases = {case.name: case for case in (*unlucky_pages.CASES, *unlucky_rerun.CASES)}
    with tempfile.TemporaryDirectory() as folder:
        engine, stock = Course(Path(folder) / "engine"), Course(Path(folder) / "stock")
        config = stock.folder / "nbgrader_config.py"
        lines = config.read_text().splitlines()
        kept = [line for line in lines if "CourseDirectory" in line or "get_config" in line]
        config.write_text("\n".join(kept))
        for name in NAMES:
            for course in (engine, stock):
                course.submit(name, cases[name].make)
            print(f"{name:20} {cases[name].what}")
            print(f"{'':20} stock:  {row(stock, name)}")
            print(f"{'':20} engine: {row(engine, name)}", flush=True)


if __name__ == "__main__":
    main()
