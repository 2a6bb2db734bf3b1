"""Where the answers are in a student's file: each is run, and read, as *Run All* would from top to bottom.

Answer cells that were split or copied count with all their texts. An answer that was deleted and typed anew is found by
what it defines; a written one by its place, or else whoever reads it is told which cells may be it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dl1.merging.expected import UNTOUCHED, Expected, definitions, is_prose, mentions, plain_lines
from dl1.merging.places import Stretch, Submitted, stretches

ELSEWHERE = "# The text of this answer stands in another cell: {}.\n"
SEE_MARKED = (
    "*(Nothing stands in this cell. What may be the answer is in cells that the student added; each is marked.)*"
)
_MAX_JOINED = 2**20
# How much text of a file is searched for definitions, so that nobody can keep the engine busy with it.
_MAX_SEARCHED = 2**19


@dataclass
class Answer:
    """How an answer was found.

    Attributes:
        cells: that hold it, in the order of the file.
        main: the one that stands in its place; None if all of them stand elsewhere.
        text: of the instructor's cell, where no cell stands in its place.
    """

    cells: list[Submitted] = field(default_factory=list)
    main: Submitted | None = None
    text: str = ""


class Answers:
    """The answers of one file.

    Args:
        expected: the instructor's cells.
        cells: of the file, labelled; their `of` and `maybe` are set here.
        lost: whether the cells had lost their names, which is said in one line.

    Attributes:
        found: by the answer's name.
        dropped: cells that are not run, because they hold nothing of their own.
        notes: plain lines.
    """

    def __init__(self, expected: Sequence[Expected], cells: Sequence[Submitted], lost: bool = False) -> None:
        self.expected = list(expected)
        self.by_name = {one.name: one for one in expected}
        self.cells = [cell for cell in cells if cell.source.strip() or cell.label]
        self.stretches = stretches(self.cells, [one.name for one in expected])
        self.found: dict[str, Answer] = {}
        self.dropped: set[Submitted] = set()
        self.notes: list[str] = []
        self._searched = 0
        self._defined: dict[Submitted, set[str]] = {}
        self._prose: dict[Submitted, bool] = {}
        self._retyped: list[str] = []
        self._empty: list[str] = []
        for one in self.expected:
            if one.is_answer:
                pieces = [cell for cell in self.cells if cell.label == one.name]
                self.found[one.name] = self._of_pieces(one, pieces) if pieces else self._retyped_one(one)
        self._say(lost)

    def natural(self, one: Expected) -> Stretch:
        """The stretch in which an instructor's cell has its place."""
        return next(s for s in self.stretches if s.begin <= one.index < s.end)

    def defined(self, cell: Submitted, wanted: frozenset[str]) -> set[str]:
        """What of some names a cell defines."""
        if not wanted or not mentions(cell.source, wanted):
            return set()
        if cell not in self._defined:
            self._defined[cell] = definitions(cell.source) if self._may_search(cell) else set()
        return self._defined[cell] & wanted

    def _is_prose(self, cell: Submitted) -> bool:
        """Whether a cell that the student added holds words for a reader."""
        if cell not in self._prose:
            prose = cell.is_text or (self._may_search(cell) and is_prose(cell.cell_type, cell.source))
            self._prose[cell] = cell.label is None and prose
        return self._prose[cell] and cell.label is None

    def _may_search(self, cell: Submitted) -> bool:
        self._searched += len(cell.source)
        return self._searched <= _MAX_SEARCHED

    def _of_pieces(self, one: Expected, pieces: list[Submitted]) -> Answer:
        written = [cell for cell in pieces if not one.untouched(cell.source)]
        kept = written or pieces[:1]
        if one.is_essay:
            once: dict[str, Submitted] = {}
            for cell in kept:
                once.setdefault(plain_lines(cell.source), cell)
            kept = list(once.values())
        self.dropped |= {cell for cell in pieces if cell not in kept}
        if len(pieces) > 1:
            self.notes.append(f"the cell {one.name} is there more than once; all of its texts count, in their order")
        if one.is_essay:
            return self._essay(one, kept) if written else self._unwritten(one, kept)
        stretch = self.natural(one)
        here = [cell for cell in kept if cell is stretch.anchor or cell in stretch.cells]
        if here:
            return Answer(kept, here[0])
        if any(self._stretch_of(cell).begin < self._first_test(one) for cell in kept):
            return Answer(kept, None, ELSEWHERE.format("where the student has moved it"))
        # Below its check nothing of it could count; this is the order that the notebook was given out in.
        return Answer(kept, kept[0])

    def _essay(self, one: Expected, kept: list[Submitted]) -> Answer:
        """All texts that follow each other in one cell; the others stay where they are."""
        first, *rest = kept
        places = {cell: place for place, cell in enumerate(self.cells)}
        last = first
        while rest and not any(
            cell.source.strip() and cell not in self.dropped for cell in self.cells[places[last] + 1 : places[rest[0]]]
        ):
            if len(first.source) + len(rest[0].source) > _MAX_JOINED:
                break
            last = rest.pop(0)
            first.source = f"{first.source}\n\n{last.source}"
            self.dropped.add(last)
        return Answer([first, *rest], first)

    def _unwritten(self, one: Expected, kept: list[Submitted]) -> Answer:
        """An essay's cell is as it was given out; students write below it, or above it, too."""
        stretch = self.natural(one)
        around = [*self._between(stretch), *(self._between(self._before(stretch)) if stretch.anchor else [])]
        near = [cell for cell in around if self._is_prose(cell)]
        if not near:
            return Answer(kept, kept[0])
        self._may_be(one, near)
        self.notes.append(
            f"nothing is written in {one.name}; text in cells added beside it may be the answer, see there"
        )
        self.dropped |= set(kept)
        return Answer(near, None, one.released.replace(UNTOUCHED, SEE_MARKED))

    def _retyped_one(self, one: Expected) -> Answer:
        return self._retyped_essay(one) if one.is_essay else self._retyped_code(one)

    def _retyped_code(self, one: Expected) -> Answer:
        here = [cell for cell in self._between(self.natural(one)) if self._defines(cell, one, some=True)]
        together = set().union(*(self.defined(cell, one.defines) for cell in here if not cell.is_text))
        whole = [cell for cell in here if self._defines(cell, one)]
        if here and together == one.defines:
            here = [cell for cell in here if not cell.is_text]
        elif whole:
            here = whole[:1]
        elif here:
            # A part of it is there: what the stub defines beside it stays, above.
            self._empty.append(one.name)
            return Answer([], None, one.released)
        if here:
            here[0].label = one.name
            for cell in here[1:]:
                cell.of.append(one.name)
            self._retyped.append(one.name)
            return Answer(here, here[0])
        return self._elsewhere(one)

    def _elsewhere(self, one: Expected) -> Answer:
        everywhere = [(s, cell) for s in self.stretches for cell in (*([s.anchor] if s.anchor else []), *s.cells)]
        usable = [
            (s, cell) for s, cell in everywhere if not cell.is_text and self.runs(cell) and self._defines(cell, one)
        ]
        above = [cell for s, cell in usable if s.begin < self._first_test(one)]
        if above:
            above[-1].of.append(one.name)
            label = above[-1].label
            answer = label is not None and self.by_name[label].is_answer
            place = f"in {label}" if answer else "in a cell that the student added or changed"
            self.notes.append(f"the answer cell {one.name} is missing; what it asks for is defined {place}, and counts")
            return Answer([above[-1]], None, ELSEWHERE.format(place))
        if usable:
            self.notes.append(
                f"the answer cell {one.name} is missing; what it asks for is defined below its check, and was put above"
            )
            return Answer([], None, usable[0][1].source)
        self._empty.append(one.name)
        return Answer([], None, one.released)

    def _retyped_essay(self, one: Expected) -> Answer:
        stretch = self.natural(one)
        near = [cell for cell in self._between(stretch) if self._is_prose(cell)]
        missing = [
            other
            for other in self.expected[stretch.begin + 1 : stretch.end]
            if other.is_essay and not any(cell.label == other.name for cell in self.cells)
        ]
        if near and len(missing) == 1:
            self._retyped.append(one.name)
            for cell in near:
                cell.label = one.name
            return self._essay(one, near)
        holders = [
            cell
            for cell in self.cells
            if cell.label and self.by_name[cell.label].is_essay and one.heading and one.heading in cell.source
        ]
        if holders:
            self.notes.append(f"the answer cell {one.name} is missing; its text stands in {holders[0].label}")
            return Answer([], None, one.released.replace(UNTOUCHED, f"*(The text stands in {holders[0].label}.)*"))
        near = near or [cell for cell in self.cells if self._is_prose(cell)]
        if not near:
            self._empty.append(one.name)
            return Answer([], None, one.released)
        self._may_be(one, near)
        self.notes.append(
            f"the answer cell {one.name} is missing; added cells that may be it are marked for the reader"
        )
        return Answer(near, None, one.released.replace(UNTOUCHED, SEE_MARKED))

    def _may_be(self, one: Expected, cells: Sequence[Submitted]) -> None:
        for cell in cells:
            cell.maybe.append(one.name)

    def _between(self, stretch: Stretch) -> list[Submitted]:
        return [cell for cell in stretch.cells if cell.source.strip()]

    def _before(self, stretch: Stretch) -> Stretch:
        return self.stretches[self.stretches.index(stretch) - 1]

    def _stretch_of(self, cell: Submitted) -> Stretch:
        return next(s for s in self.stretches if cell is s.anchor or cell in s.cells)

    def _first_test(self, one: Expected) -> int:
        tests = (other.index for other in self.expected[one.index :] if other.role == "test")
        return next(tests, len(self.expected))

    def runs(self, cell: Submitted) -> bool:
        """Whether it is the student's text that is run in the place of a cell."""
        one = self.by_name.get(cell.label or "")
        if one is None or one.is_answer:
            return True
        # As it was given out, it is run where the instructor has put it; copies are run besides.
        copied = sum(other.label == cell.label for other in self.cells) > 1
        return one.is_free and not cell.is_text and (copied or not one.untouched(cell.source))

    def _defines(self, cell: Submitted, one: Expected, some: bool = False) -> bool:
        """Whether a cell defines all, or some, of what a stub does."""
        if some and cell.label is not None:
            return False
        there = self.defined(cell, one.defines)
        return bool(there) if some and not cell.is_text else bool(there) and there == one.defines

    def _say(self, lost: bool) -> None:
        for names, words in (
            ([] if lost else self._retyped, "missing; what stands in its place was taken for it"),
            (self._empty, "missing; it counts as unanswered"),
        ):
            if len(names) > 3:
                others = words.replace("it counts", "they count").replace("its place", "their places")
                self.notes.append(f"the answer cells {_listed(names)} are {others.replace('for it', 'for them')}")
            else:
                self.notes += [f"the answer cell {name} is {words}" for name in names]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def layout(answers: Answers) -> Iterator[tuple[Expected | None, Submitted | None]]:
    """The graded notebook from top to bottom: an instructor's cell, a cell of the file, or both for an answer."""
    mains = {a.main: answers.by_name[name] for name, a in answers.found.items() if a.main is not None}
    inside = {one.name for one in mains.values() if _at_home(answers, one)}
    for stretch in answers.stretches:
        there = answers.expected[max(stretch.begin, 0) : stretch.end]
        own = list(_of_stretch(answers, stretch, mains, inside))
        before, after = _split(answers, stretch, [one for one in there if one.name not in inside], own)
        yield from (_with_text(answers, one, stretch) for one in before)
        yield from own
        yield from (_with_text(answers, one, stretch) for one in after)


def _at_home(answers: Answers, one: Expected) -> bool:
    return answers.found[one.name].main in answers.natural(one).cells


def _with_text(answers: Answers, one: Expected, stretch: Stretch) -> tuple[Expected | None, Submitted | None]:
    if one.is_answer:
        return one, answers.found[one.name].main
    anchor = stretch.anchor
    changed = anchor is not None and one.index == stretch.begin and one.is_free and not anchor.is_text
    if changed and not one.untouched(anchor.source):
        return None, anchor
    return one, None


def _of_stretch(
    answers: Answers, stretch: Stretch, mains: dict[Submitted, Expected], inside: set[str]
) -> Iterator[tuple[Expected | None, Submitted | None]]:
    for cell in stretch.cells:
        main = mains.get(cell)
        if cell in answers.dropped:
            continue
        if main is not None:
            if main.name in inside:
                yield main, cell
        elif cell.source.strip() and answers.runs(cell):
            yield None, cell


def _split(
    answers: Answers,
    stretch: Stretch,
    there: Sequence[Expected],
    own: Sequence[tuple[Expected | None, Submitted | None]],
) -> tuple[list[Expected], list[Expected]]:
    """What of a stretch's instructor's cells stands before the student's own, and what behind.

    Before them stand stubs, which would undo what the student has defined by their names, and what comes before an
    answer among them. Tests see all of them.
    """
    anchored = [one for one in there if one.index == stretch.begin]
    missing = [one for one in there if one.index != stretch.begin]
    inside = min((one.index for one, _ in own if one is not None), default=-1)
    last = max([inside, *(one.index for one in missing if _is_early(answers, one, own))])
    before = [one for one in missing if one.role != "test" and one.index <= last]
    return [*anchored, *before], [one for one in missing if one not in before]


def _is_early(answers: Answers, one: Expected, own: Sequence[tuple[Expected | None, Submitted | None]]) -> bool:
    # Whatever the student's cells do there, they may define its names: also `from mine import *` and `%run` do.
    answer = answers.found.get(one.name)
    empty = one.is_code and answer is not None and answer.main is None and answer.text == one.released
    return empty and any(not cell.is_text for _, cell in own if cell is not None)
