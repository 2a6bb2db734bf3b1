"""A student's notebook in the form of a new release: its cells, and the student's answers and own cells in their place.

Where an answer belongs is found as grading finds it. What is the student's is what differs from what was given out;
whatever of that has no place in the new notebook is kept in a cell of its own: nothing is thrown away.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dl1.merging import cells as notebook_cells
from dl1.merging import given_out
from dl1.merging.answers import Answers, layout
from dl1.merging.expected import Expected, definitions, plain_lines
from dl1.merging.labels import label, with_own_parts
from dl1.merging.places import Submitted
from dl1.merging.submitted import cells_of

_KEPT = "**Kept from before the update**: your text of {}, which is another one now."
_GONE = "**Kept from before the update**: your answer {}, which is asked for no more."


@dataclass
class Merged:
    """A notebook, and what became of the student's texts in it.

    Attributes:
        answered: names of the answers that are the student's.
        kept: names of the cells of which the student's text is kept beside the new one; "" for one without a name.
        notes: what grading would say about the cells, in plain lines.
    """

    notebook: dict[str, Any]
    answered: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(released: Mapping[str, Any], before: Mapping[str, Any] | None, student: Mapping[str, Any]) -> Merged:
    """Put a student's texts into a new release.

    Args:
        released: the new notebook, as its file has it.
        before: the notebook as it was given out before, as `given_out.described` has made it; None if nobody knows.
        student: content of the student's file.
    """
    return _Merge(released, before, student).merged()


class _Merge:
    def __init__(self, released: Mapping[str, Any], before: Mapping[str, Any] | None, student: Mapping[str, Any]):
        self.released = released
        self.new = given_out.expected_cells(given_out.described(released))
        self.given = {one.name: cell for one, cell in zip(self.new, released["cells"], strict=True)}
        self.before = {one.name: one for one in given_out.expected_cells(before)} if before else {}
        self.originals = [copy.deepcopy(cell) for cell in _cells(student)]
        self.found = list(cells_of(dict(student)))
        for number, cell in enumerate(self.found, start=1):
            cell.number = number
        self.texts = [cell.source for cell in self.found]
        self.was = self._labelled()
        self.made: list[dict[str, Any]] = []
        self.result = Merged({})

    def _labelled(self) -> dict[Submitted, str]:
        """Labels the cells, and gives back which cell of those given out before each was: also without their names."""
        label(self.found, list(self.before.values()))
        was = {cell: cell.label for cell in self.found if cell.label}
        label(self.found, self.new)
        new, there = {one.name for one in self.new}, {cell.label for cell in self.found}
        for cell, name in was.items():
            if cell.label is None and name in new and name not in there:
                cell.label = name
        return was

    def merged(self) -> Merged:
        by_name = {one.name: one for one in self.new}
        theirs = [cell for cell in self.found if not self._is_dropped(cell, by_name)]
        self._pictures = self._with_own_names(theirs, by_name)
        answers = Answers(self.new, with_own_parts(self._with_new(theirs), by_name))
        for one, cell in layout(answers):
            self._lay(one, cell, answers)
        self._keep_what_is_left(by_name)
        self.result.notes = answers.notes
        self.result.notebook = {**copy.deepcopy(dict(self.released)), "cells": self.made}
        return self.result

    def _is_dropped(self, cell: Submitted, new: Mapping[str, Expected]) -> bool:
        """Whether a cell is as it was given out before, and no more; where it still is one, it takes the new text."""
        name = cell.label or self.was.get(cell)
        was = self.before.get(name or "")
        if was is None or not was.untouched(cell.source):
            return False
        if name in new:
            cell.source = new[name].released
            return False
        return True

    def _with_new(self, cells: list[Submitted]) -> list[Submitted]:
        """The cells, and those that were not given out before: each behind the one above it, and what follows that."""
        made, there = list(cells), {cell.label for cell in cells if cell.label}
        above = None
        for one in self.new:
            if self.before and one.name not in self.before and one.name not in there:
                place = next((n for n, cell in enumerate(made, start=1) if cell.label == above), 0) if above else 0
                while place < len(made) and made[place].label is None:
                    place += 1
                kind = "code" if one.is_code else "markdown"
                made.insert(place, Submitted((one.name,), kind, one.released, label=one.name))
                there.add(one.name)
            above = one.name if one.name in there else above
        return made

    def _lay(self, one: Expected | None, cell: Submitted | None, answers: Answers) -> None:
        if one is None:
            changed = answers.by_name.get(cell.label or "")
            was = self.before.get(changed.name) if changed is not None else None
            if changed is not None and changed.is_free:
                if was is not None and not changed.untouched(was.released):
                    # Both have changed it: the course's text runs first.
                    self._add(copy.deepcopy(self.given[changed.name]))
                    self.result.kept.append(changed.name)
                else:
                    self._add(self._own(cell, changed.name))
                    return
            self._add(self._own(cell))
            return
        made = copy.deepcopy(self.given[one.name])
        if one.is_answer:
            found = answers.found[one.name]
            if cell is not None and not one.untouched(cell.source):
                self._take_of(cell, made)
                made["source"] = cell.source
            elif cell is None and one.is_code and not one.untouched(found.text):
                # Where the answer stands elsewhere, a stub would undo it.
                made["source"] = found.text
            typed = cell is None and one.is_code and not one.untouched(found.text)
            if typed or any(not one.untouched(piece.source) for piece in found.cells):
                self.result.answered.add(one.name)
        self._add(made)

    def _take_of(self, cell: Submitted, made: dict[str, Any]) -> None:
        original = self.originals[cell.number - 1]
        if made["cell_type"] == "code" and original.get("cell_type") == "code":
            made["outputs"] = original.get("outputs", [])
            made["execution_count"] = original.get("execution_count")
        if pictures := self._pictures.get(cell.label or "") or original.get("attachments"):
            made["attachments"] = pictures

    def _own(self, cell: Submitted, name: str | None = None) -> dict[str, Any]:
        """A cell of the student, without what would make it one of the assignment's."""
        original = self.originals[cell.number - 1]
        kind = cell.cell_type if cell.cell_type in ("code", "markdown", "raw") else "markdown"
        metadata = {key: value for key, value in _metadata(original).items() if key != "nbgrader"}
        made = {"cell_type": kind, "id": name or _new_id(), "metadata": metadata, "source": cell.source}
        if kind == "code":
            outputs = original.get("outputs", []) if original.get("cell_type") == "code" else []
            made |= {"outputs": outputs, "execution_count": original.get("execution_count")}
        elif original.get("attachments"):
            made["attachments"] = original["attachments"]
        return made

    def _with_own_names(self, cells: Sequence[Submitted], new: Mapping[str, Expected]) -> dict[str, dict[str, Any]]:
        """Pictures pasted into the cells of an essay, of which several may become one, under names of their own."""
        found: dict[str, dict[str, Any]] = {}
        for cell in cells:
            pictures = self.originals[cell.number - 1].get("attachments")
            if not isinstance(pictures, dict) or cell.label is None or not new[cell.label].is_essay:
                continue
            all_of_it = found.setdefault(cell.label, {})
            for name, picture in pictures.items():
                own = name if all_of_it.get(name, picture) == picture else f"{cell.number}-{name}"
                if own != name:
                    cell.source = cell.source.replace(f"attachment:{name}", f"attachment:{own}")
                    self.texts[cell.number - 1] = cell.source
                all_of_it[own] = picture
        return found

    def _keep_what_is_left(self, new: Mapping[str, Expected]) -> None:
        """What the student has written and is nowhere by now, behind the cell in which it stood."""
        for cell, text in zip(self.found, self.texts, strict=True):
            name = cell.label or self.was.get(cell) or self._gone(cell, new)
            known = [one.released for one in (self.before.get(name), new.get(name)) if one is not None]
            # Where nobody knows what was given out, a cell that is locked is taken to be as it was.
            was = notebook_cells.nbgrader_metadata(self.originals[cell.number - 1])
            locked = not self.before and was.get("locked") and not was.get("solution")
            plain = plain_lines(text)
            if not plain or locked or any(plain == plain_lines(one) for one in known):
                continue
            if any(plain in plain_lines(notebook_cells.source(made)) for made in self.made):
                if name and name not in new:
                    self.result.kept.append(name)
                continue
            self.result.kept.append(name)
            heading = (_KEPT if name in new else _GONE).format(f"`{name}`" if name else "a cell")
            is_code = cell.cell_type == "code"
            body = f"{heading}\n\n```python\n{text}\n```" if is_code else f"{heading}\n\n{text}"
            made = {"cell_type": "markdown", "id": _new_id(), "metadata": {}, "source": body}
            if pictures := self.originals[cell.number - 1].get("attachments"):
                made["attachments"] = pictures
            self.made.insert(self._behind(name), made)

    def _gone(self, cell: Submitted, new: Mapping[str, Expected]) -> str:
        """The answer, asked for no more, that a cell without a name is: it defines the same. Empty if there is none."""
        made = definitions(cell.source) if cell.cell_type == "code" else set()
        gone = (one for one in self.before.values() if one.name not in new)
        return next((one.name for one in gone if one.defines and one.defines <= made), "")

    def _behind(self, name: str) -> int:
        places = [number for number, made in enumerate(self.made, start=1) if _name_of(made) == name]
        return places[-1] if name and places else len(self.made)

    def _add(self, made: dict[str, Any]) -> None:
        if any(made.get("id") == other.get("id") for other in self.made):
            made["id"] = _new_id()
        self.made.append(made)


def _cells(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cells as they lie in a file, one for each that `cells_of` gives."""
    cells = content.get("cells")
    if type(cells) is not list:
        sheets = content.get("worksheets") if type(content.get("worksheets")) is list else []
        cells = [c for s in sheets if type(s) is dict and type(s.get("cells")) is list for c in s["cells"]]
    return [cell for cell in cells if type(cell) is dict]


def _metadata(cell: Mapping[str, Any]) -> dict[str, Any]:
    found = cell.get("metadata")
    return found if isinstance(found, dict) else {}


def _name_of(cell: Mapping[str, Any]) -> str:
    return notebook_cells.grade_id(dict(cell)) or cell.get("id") or ""


def _new_id() -> str:
    return uuid.uuid4().hex
