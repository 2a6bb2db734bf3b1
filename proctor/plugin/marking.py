"""Points and comments made of the items of a marking scheme, and made again when the scheme has changed."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nbgrader.api import Comment, Grade, Gradebook, SubmittedNotebook

from proctor.errors import ProctorError
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.marking_scheme import Item, Scheme, key_of, points_text, price_problems, read_scheme
from proctor.plugin.at_once import Changed, differs, standing
from proctor.plugin.marks_file import Choice, Mark, MarksFile

_OFFERED = 9
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
# What a change of the scheme does to an answer.
FOLLOWS, TYPED, GONE = "follows", "typed", "gone"


class Essay(NamedTuple):
    """An answer that is marked by hand.

    Args:
        context: the text that asks for it.
        problems: why points made of the scheme would not be what is meant, each with what to do.
    """

    scheme: Scheme
    context: str
    problems: tuple[str, ...] = ()


class Change(NamedTuple):
    """What becomes of one answer when the scheme has changed.

    Args:
        how: `FOLLOWS`, or why it doesn't: points were `TYPED`, or its item is `GONE` from the scheme.
    """

    student: str
    before: float
    after: float
    how: str
    mark: Mark


class Question:
    """One question of one assignment, in the gradebook and in the file of its marks.

    Raises:
        ProctorError: a name would lead somewhere else.
    """

    def __init__(self, root: Path, gradebook: Gradebook, assignment: str, notebook: str, cell: str) -> None:
        self.names = (assignment, notebook, cell)
        self.file = MarksFile(root, assignment, notebook, cell)
        self._gradebook = gradebook

    def give(
        self,
        student: str,
        scheme: Scheme,
        wanted: Mapping[str, str] | None,
        seen: Mapping[str, Any] | None = None,
    ) -> Mark | None:
        """Give items for an answer, in place of those that it had, and write points and comment into the gradebook.

        Args:
            wanted: by the key of an item the key of the line under it, or nothing for the whole item; empty for 0
                points, None to take the mark back.
            seen: what whoever gives them was shown, as `standing` has it; without, whatever stands there is replaced.

        Raises:
            Changed: somebody else has marked the answer since then.
            ProctorError: there is no such item, or the file of marks can't be written.
        """
        assignment, notebook, cell = self.names
        made = None if wanted is None else made_of(scheme, chosen(scheme, wanted))
        with self.file.changing() as marks:
            # What others have written before they gave the lock back.
            self._gradebook.db.rollback()
            grade = self._gradebook.find_grade(cell, notebook, assignment, student)
            comment = self._gradebook.find_comment(cell, notebook, assignment, student)
            before = marks.pop(student, None)
            if seen is not None and differs(standing(grade, before), seen):
                raise Changed(f"{cell}: somebody else has marked this answer")
            if made is not None:
                marks[student] = made
            self._write(grade, comment, scheme, before, made)
            self._gradebook.db.commit()
        return made

    def changes(self, scheme: Scheme) -> list[Change]:
        """Answers whose points or comment are made of items that are others now."""
        marks = self.file.load()
        return list(self._changes(scheme, marks))

    def follow(self, scheme: Scheme) -> list[Change]:
        """Make points and comments anew where they were made of items; what was typed stays.

        Raises:
            ProctorError: the file of marks can't be written.
        """
        assignment, notebook, cell = self.names
        with self.file.changing() as marks:
            found = list(self._changes(scheme, marks))
            for change in found:
                if change.how == FOLLOWS:
                    names = (cell, notebook, assignment, change.student)
                    grade, comment = self._gradebook.find_grade(*names), self._gradebook.find_comment(*names)
                    self._write(grade, comment, scheme, marks[change.student], change.mark)
                    marks[change.student] = change.mark
            self._gradebook.db.commit()
        return found

    def is_typed(self, grade: Grade, mark: Mark | None, scheme: Scheme) -> bool:
        """Whether the points in the gradebook are others than those that items made."""
        now = points_now(grade, scheme)
        return now is not None and (mark is None or not math.isclose(now, mark.score, abs_tol=1e-9))

    def given(self, student: str, scheme: Scheme, grade: Grade) -> dict[str, Any]:
        """Items that an answer was given, and those that its points are made of: what was typed since is not."""
        mark = self.file.load().get(student)
        choices = standing(grade, mark)["choices"]
        typed = self.is_typed(grade, mark, scheme) or points_now(grade, scheme) is None
        return {"choices": choices, "given": None if typed else choices}

    def grades(self) -> list[tuple[SubmittedNotebook, Grade]]:
        """Grades of this question with whose they are, in an order that is its own and tells nobody's name."""
        assignment, notebook, cell = self.names
        place = self._gradebook.find_graded_cell(cell, notebook, assignment)
        found = self._gradebook.db.query(Grade).filter(Grade.cell_id == place.id).all()
        by_id = [(one.notebook, one) for one in found]
        return sorted(by_id, key=lambda one: hashlib.sha256("/".join([*self.names, one[0].id]).encode()).digest())

    def offered(self, student: str) -> list[str]:
        """What was typed into comments of this question for others, what is typed often first."""
        assignment, notebook, cell = self.names
        place = self._gradebook.find_solution_cell(cell, notebook, assignment)
        marks = self.file.load()
        counted: Counter[str] = Counter()
        for comment in self._gradebook.db.query(Comment).filter(Comment.cell_id == place.id).all():
            whose = comment.notebook.student.id
            if comment.manual_comment and whose != student:
                said = marks[whose].said if whose in marks else ""
                typed = comment.manual_comment.replace(said, "", 1).strip() if said else comment.manual_comment.strip()
                counted[typed] += bool(typed)
        return [text for text, _ in counted.most_common(_OFFERED) if text]

    def _changes(self, scheme: Scheme, marks: Mapping[str, Mark]) -> Iterator[Change]:
        assignment, notebook, cell = self.names
        place = self._gradebook.find_graded_cell(cell, notebook, assignment)
        for grade in self._gradebook.db.query(Grade).filter(Grade.cell_id == place.id).all():
            student = grade.notebook.student.id
            mark = marks.get(student)
            if mark is None:
                continue
            now = points_now(grade, scheme)
            choices = known_again(mark, scheme)
            made = mark if choices is None else made_of(scheme, choices)
            if choices is not None and made.score == mark.score and made.said == mark.said:
                continue
            how = GONE if choices is None else TYPED if self.is_typed(grade, mark, scheme) or now is None else FOLLOWS
            yield Change(student, 0.0 if now is None else now, made.score, how, made)

    def _write(self, grade: Grade, comment: Comment, scheme: Scheme, before: Mark | None, made: Mark | None) -> None:
        """Into the gradebook, as nbgrader's own handlers do when somebody types."""
        score = None if made is None else made.score
        if scheme.bonus:
            grade.manual_score, grade.extra_credit = (None, None) if score is None else (0.0, score)
        else:
            grade.manual_score = score
        grade.needs_manual_grade = grade.manual_score is None and grade.auto_score is None
        text = with_words(comment.manual_comment or "", before.said if before else "", made.said if made else "")
        comment.manual_comment = text or None


def points_now(grade: Grade, scheme: Scheme) -> float | None:
    """Points that somebody gave, in whichever field they stand."""
    return grade.extra_credit if scheme.bonus else grade.manual_score


def chosen(scheme: Scheme, wanted: Mapping[str, str]) -> tuple[Choice, ...]:
    """Items by their keys.

    Raises:
        ProctorError: there is none of this key.
    """
    places = {item.key: place for place, item in enumerate(scheme.items)}
    found = []
    for key, line in wanted.items():
        if key not in places:
            raise ProctorError("the marking scheme has changed since this page was loaded; load it again")
        lines = [key_of(one.text) for one in scheme.items[places[key]].partial]
        if line and line not in lines:
            raise ProctorError("the marking scheme has changed since this page was loaded; load it again")
        found.append(Choice(key, places[key], line, lines.index(line) if line else -1, tuple(lines)))
    return tuple(sorted(found, key=lambda one: one.place))


def made_of(scheme: Scheme, choices: Iterable[Choice]) -> Mark:
    """Points and words of items: never below 0, and never more than there are."""
    choices = tuple(choices)
    total, words = 0.0, []
    for one in choices:
        item = scheme.items[one.place]
        points, text = item.partial[one.line_place] if one.line else item[:2]
        total += points
        of = f" of {points_text(item.points)}" if item.points > 0 else ""
        words.append(f"- **{points_text(points)}{of}**: {text}")
    score = min(max(total, 0.0), scheme.total)
    return Mark(choices, tuple(item.key for item in scheme.items), score, "\n".join(words))


def known_again(mark: Mark, scheme: Scheme) -> tuple[Choice, ...] | None:
    """The items of a mark in a scheme as it is now, or None if one of them is not there any more.

    An item, or a line under it, is known by its words, wherever it stands. Where its words are gone, the one in its
    place is the same if that has new words, and as many stand beside it.
    """
    found = []
    for one in mark.choices:
        place = _place(one.item, one.place, mark.keys, tuple(item.key for item in scheme.items))
        if place is None:
            return None
        item: Item = scheme.items[place]
        lines = tuple(key_of(line.text) for line in item.partial)
        at = _place(one.line, one.line_place, one.lines, lines) if one.line else -1
        if at is None:
            return None
        found.append(Choice(item.key, place, lines[at] if one.line else "", at, lines))
    return tuple(sorted(found, key=lambda one: one.place))


def _place(key: str, place: int, before: tuple[str, ...], now: tuple[str, ...]) -> int | None:
    if key in now:
        return now.index(key)
    return place if len(before) == len(now) and now[place] not in before else None


def with_words(comment: str, before: str, made: str) -> str:
    """A comment with the words of items changed, and with all that somebody typed.

    Where the words of items were changed by hand they are typed, too, and stay.
    """
    if before and before in comment:
        head, _, rest = comment.partition(before)
    elif before and comment.strip():
        return comment
    else:
        head, rest = "", comment
    return "\n\n".join(one.strip("\n") for one in (head, made, rest) if one.strip())


def essays_of(path: Path) -> dict[str, Essay]:
    """Answers that are marked by hand of an instructor's notebook, by grade_id; those without a scheme are left out.

    Raises:
        ProctorError: the file can't be read.
    """
    cells = notebook_cells.read(path)["cells"]
    found = {}
    for number, cell in enumerate(cells):
        if notebook_cells.role(cell) == "manual":
            scheme = read_scheme(notebook_cells.source(cell))
            if scheme is not None:
                begin = first_of_question(cells, number)
                texts = [notebook_cells.source(one) for one in cells[begin:number] if one["cell_type"] == "markdown"]
                asked = [one for one in texts if "BEGIN SOLUTION" not in one]
                points = float(cell["metadata"]["nbgrader"].get("points") or 0)
                problems = tuple(price_problems(notebook_cells.source(cell), points))
                context = "\n\n".join([*asked, scheme.question])
                found[str(notebook_cells.grade_id(cell))] = Essay(scheme, context, problems)
    return found


def first_of_question(cells: list[dict[str, Any]], number: int) -> int:
    """Number of the cell with the heading above an answer; no further than what is graded before it."""
    for before in range(number - 1, max(-1, number - 16), -1):
        cell = cells[before]
        if notebook_cells.nbgrader_metadata(cell).get("grade"):
            return before + 1
        if cell["cell_type"] == "markdown" and _HEADING.search(notebook_cells.source(cell)):
            return before
    return max(0, number - 15)
