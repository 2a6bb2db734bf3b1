"""Which of the files that a student handed in is which notebook of the assignment.

What counts is what is in a file: the grade_ids of its cells. Its name decides only where no such cell is left, or where
it can't be read. Of several files for one notebook the one in which most answers were worked on counts; of equals the
one with the notebook's own name, nearest to the top; then the copy with the highest number, which is the newest. No
answer is judged for that, so that a second version gains nothing, and no answers are put together from two files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proctor.intake.copier import printable
from proctor.intake.notebook_file import looks_like_notebook, parsed, slimmed
from proctor.notebooks import cells as notebook_cells

MISSING = "not handed in"
UNREADABLE = "not readable"
# More files than this are not opened; those nearest to the top come first.
_MOST = 200
_ANSWERS = ("solution", "manual")
# What stands in the place of an answer in a notebook that was given out.
_STUBS = re.compile(r"#\s*YOUR CODE HERE|YOUR ANSWER HERE|raise NotImplementedError(\(\))?|\s+")


@dataclass
class Matched:
    """What was found of an assignment's notebooks.

    Attributes:
        content: of the file that counts, by notebook; None where there is none.
        paths: of these files, as handed in; only of notebooks that have one.
        notes: plain lines for student and staff, by notebook.
        others: such lines about files that are none of them.
        lost: why a notebook has no answers though it should, by notebook: `MISSING` or `UNREADABLE`.
    """

    content: dict[str, bytes | None] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass
class _File:
    """A file that may be a notebook.

    Attributes:
        known: texts of its cells that are some notebook's, by grade_id.
        readable: it has cells.
        answers: how many answers of the notebook that it is taken for were worked on.
    """

    path: str
    known: dict[str, str]
    readable: bool
    notes: list[str]
    answers: int = 0

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def match_files(
    notebooks: Mapping[str, Mapping[str, Any]], paths: list[str], read: Callable[[str], bytes | None]
) -> Matched:
    """Find the notebooks of an assignment among the files of a submission.

    Args:
        notebooks: the instructor's, all of the assignment, by name without ending; one that can't be read is empty.
        paths: of the files that may be notebooks (`notebook_file.may_be_notebook`), relative and with /.
        read: gives the content of one of them, or None.
    """
    paths = sorted(paths, key=lambda path: (".ipynb" not in path.casefold(), path.count("/"), path))
    others = []
    if len(paths) > _MOST:
        others.append(f"of {len(paths):,} files that may be notebooks the first {_MOST} were looked at")
    ours = set().union(*map(_names, notebooks.values()))
    files = [one for one in (_looked_at(path, ours, read(path)) for path in paths[:_MOST]) if one]
    by_notebook = _assigned(notebooks, files)
    made = Matched(others=others)
    for name, notebook in notebooks.items():
        found = sorted(by_notebook[name], key=lambda one: _rank(one, name, notebook), reverse=True)
        made.notes[name] = []
        if not found:
            made.content[name], made.lost[name] = None, MISSING
            continue
        chosen = found[0]
        made.paths[name] = chosen.path
        made.content[name] = slimmed(read(chosen.path) or b"")[0]
        made.notes[name] += _lines(name, found)
        if not chosen.readable:
            made.lost[name] = UNREADABLE
    used = {id(one) for found in by_notebook.values() for one in found}
    made.others += [
        f"{printable(one.path)} is no notebook of this assignment and was left out"
        for one in files
        if id(one) not in used and ".ipynb" in one.name.casefold()
    ]
    return made


def _looked_at(path: str, ours: set[str], content: bytes | None) -> _File | None:
    """What a file holds; None if it is something else than a notebook."""
    named = ".ipynb" in path.rpartition("/")[2].casefold()
    if content is None or not (named or looks_like_notebook(content)):
        return None
    content, notes = slimmed(content)
    found, _ = parsed(content)
    texts = _texts(found) if found is not None else None
    if texts is None:
        return _File(path, {}, False, notes) if named else None
    known = {name: text for name, text in texts.items() if name in ours}
    return _File(path, known, True, notes) if named or known else None


def _texts(notebook: Mapping[str, Any]) -> dict[str, str] | None:
    """Texts of a student's cells by grade_id, or by id where an editor has dropped that; None if there are no cells."""
    cells = notebook.get("cells")
    if type(cells) is not list:
        sheets = notebook.get("worksheets")
        if type(sheets) is not list:
            return None
        cells = [c for s in sheets if type(s) is dict and type(s.get("cells")) is list for c in s["cells"]]
    found: dict[str, str] = {}
    for cell in cells:
        if type(cell) is not dict:
            continue
        metadata = cell.get("metadata")
        nbgrader = metadata.get("nbgrader") if type(metadata) is dict else None
        name = nbgrader.get("grade_id") if type(nbgrader) is dict else None
        name = name if type(name) is str else cell.get("id")
        text = cell.get("source", cell.get("input", ""))
        text = "".join(part for part in text if type(part) is str) if type(text) is list else text
        if type(name) is str and type(text) is str:
            found[name] = f"{found.get(name, '')}{text}"
    return found


def _cells(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    return notebook.get("cells", [])


def _names(notebook: Mapping[str, Any]) -> set[str]:
    return {name for cell in _cells(notebook) if (name := notebook_cells.grade_id(cell) or cell.get("id"))}


def _assigned(notebooks: Mapping[str, Mapping[str, Any]], files: list[_File]) -> dict[str, list[_File]]:
    """The files that may be meant, by notebook."""
    names = {name: _names(notebook) for name, notebook in notebooks.items()}
    # Cells that every notebook has, such as the first one, say nothing.
    own = {
        name: ids - set().union(*(other for key, other in names.items() if key != name)) for name, ids in names.items()
    }
    made: dict[str, list[_File]] = {name: [] for name in notebooks}
    left = []
    for one in files:
        counts = {name: len(ids & set(one.known)) for name, ids in own.items()}
        most = max(counts.values(), default=0)
        fitting = [name for name, count in counts.items() if count == most]
        named = _by_name(one.name, list(notebooks))
        if most and (len(fitting) == 1 or named not in fitting):
            made[fitting[0]].append(one)
        elif named is not None:
            made[named].append(one)
        else:
            left.append(one)
    # The only file for the only notebook that is missing, whatever it is called, if it is a notebook at all.
    missing = [name for name, found in made.items() if not found]
    readable = [one for one in left if one.readable and ".ipynb" in one.name.casefold()]
    if len(missing) == len(readable) == 1 and (readable[0].known or len(notebooks) == 1):
        made[missing[0]].append(readable[0])
    return made


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", name).casefold())


def _by_name(file: str, notebooks: list[str]) -> str | None:
    """The notebook whose name stands in that of a file with nothing but marks around it: "Kopie von x (1).ipynb"."""
    stem = _plain(file)
    found = [name for name in notebooks if re.search(rf"(?<![^\W_]){re.escape(_plain(name))}(?![^\W_])", stem)]
    longest = [name for name in found if not any(name != more and _plain(name) in _plain(more) for more in found)]
    return longest[0] if len(longest) == 1 else None


def _rank(one: _File, name: str, notebook: Mapping[str, Any]) -> tuple:
    """The larger counts."""
    one.answers = _worked(one, notebook)
    number = re.search(r"(\d+)\)?$", one.name.partition(".")[0].removeprefix(name))
    inside = ".zip/" in one.path.casefold()
    number = int(number.group(1)[-6:]) if number else 0
    return one.readable, one.answers, one.name == f"{name}.ipynb", not inside, -one.path.count("/"), number, one.path


def _worked(one: _File, notebook: Mapping[str, Any]) -> int:
    """How many answers are no longer as they were given out."""
    count = 0
    for cell in _cells(notebook):
        text = one.known.get(notebook_cells.grade_id(cell) or "")
        if notebook_cells.role(cell) in _ANSWERS and text is not None and text.strip():
            count += _STUBS.sub("", text) != _given_out(cell)
    return count


def _given_out(cell: dict[str, Any]) -> str:
    source = notebook_cells.source(cell)
    found, _ = notebook_cells.scan_regions(source, "SOLUTION")
    lines = source.split("\n") if found else []
    for region in reversed(found):
        del lines[region.begin - 1 : region.end]
    return _STUBS.sub("", "\n".join(lines))


def _lines(name: str, found: list[_File]) -> list[str]:
    chosen, *rest = found
    lines = [f"{printable(chosen.path)}: {line}" for line in chosen.notes]
    if chosen.path != f"{name}.ipynb":
        where = "another name" if chosen.name != f"{name}.ipynb" else "another folder"
        lines.append(f"{printable(chosen.path)} was taken for {name}.ipynb: the file has {where}")
    if rest:
        names = ", ".join(printable(one.path) for one in rest[:5]) + (" and more" if len(rest) > 5 else "")
        why = ""
        if rest[0].answers < chosen.answers:
            why = ", since it has more answers" if rest[0].readable else ", since it can be read"
        lines.append(
            f"{len(found)} files were handed in for {name}.ipynb: {printable(chosen.path)} counts{why}; not {names}"
        )
    return lines
