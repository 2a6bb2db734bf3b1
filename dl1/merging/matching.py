"""Which of the files that a student handed in is which notebook of the assignment.

What counts is what is in a file: the grade_ids of its cells, or where an editor has dropped them the texts that were
given out. Its name decides only where nothing of that is left, or where it can't be read. Of several files for one
notebook the one in which most answers were worked on counts; of equals the one with the notebook's own name, nearest to
the top; then the copy with the highest number, which is the newest. No answer is judged for that, so that a second
version gains nothing, and no answers are put together from two files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dl1.merging import cells as notebook_cells
from dl1.merging.notebook_file import looks_like_notebook, parsed, printable, slimmed

MISSING = "not handed in"
UNREADABLE = "not readable"
# Known to whoever looks at what is left out, not here.
AS_CHECKPOINT = "not handed in (only a checkpoint of Jupyter was)"
# More files than this are not opened; those nearest to the top come first.
_MOST = 200
_ANSWERS = ("solution", "manual")
# What stands in the place of an answer in a notebook that was given out.
_STUB = re.compile(r"#\s*YOUR CODE HERE|YOUR ANSWER HERE|raise NotImplementedError(\(\))?")
_LONG = 40
_SPACE = re.compile(r"\s+")
_IN_ARCHIVE = re.compile(r"\.(zip|tar|tgz|gz)/", re.IGNORECASE)


@dataclass
class Matched:
    """What was found of an assignment's notebooks.

    Attributes:
        content: of the file that counts, by notebook; None where there is none.
        paths: of these files, as handed in; only of notebooks that have one.
        digests: SHA-256 of these files, in hexadecimal, by notebook: what a receipt and a feedback page name them by.
        notes: plain lines for student and staff, by notebook.
        others: such lines about files that are none of them.
        lost: why a notebook has no answers though it should, by notebook: `MISSING` or `UNREADABLE`.
    """

    content: dict[str, bytes | None] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass
class _File:
    """A file that may be a notebook.

    Attributes:
        known: texts of its cells that are some notebook's, by grade_id.
        readable: it has cells.
        answers: how many answers of the notebook that it is taken for have no stub any more, and how many are not as
            they were given out.
    """

    path: str
    known: dict[str, str]
    readable: bool
    notes: list[str]
    answers: tuple[int, int] = (0, 0)

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
    paths = sorted(paths, key=lambda path: (not _is_named(path), path.count("/"), path))
    others, named = [], sum(map(_is_named, paths))
    if named > _MOST:
        others.append(f"of {named:,} files that may be notebooks the first {_MOST} were looked at")
    ours = set().union(*map(_names, notebooks.values()))
    given = [(text, name) for one in notebooks.values() for name, text in _given_texts(one)]
    often = Counter(text for text, _ in given)
    by_text = {text: name for text, name in given if often[text] == 1}
    files = [one for one in (_looked_at(path, ours, by_text, read(path)) for path in paths[:_MOST]) if one]
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
        content = read(chosen.path) or b""
        made.digests[name] = hashlib.sha256(content).hexdigest()
        made.content[name] = slimmed(content)[0]
        made.notes[name] += _lines(name, found)
        if not chosen.readable:
            made.lost[name] = UNREADABLE
    used = {id(one) for found in by_notebook.values() for one in found}
    made.others += [
        f"{printable(one.path)} is no notebook of this assignment and was left out"
        for one in files
        if id(one) not in used and _is_named(one.path)
    ]
    return made


def _looked_at(path: str, ours: set[str], by_text: Mapping[str, str], content: bytes | None) -> _File | None:
    """What a file holds; None if it is something else than a notebook.

    Args:
        ours: names of all the notebooks' cells.
        by_text: names of those that students don't write in, by their texts.
    """
    named = _is_named(path)
    if content is None or not (named or looks_like_notebook(content)):
        return None
    content, notes = slimmed(content)
    found, _ = parsed(content)
    cells = _students_cells(found) if found is not None else None
    if cells is None:
        return _File(path, {}, False, notes) if named else None
    known: dict[str, str] = {}
    for names, text in cells:
        name = next((name for name in names if name in ours), None)
        if name is not None:
            known[name] = f"{known.get(name, '')}{text}"
    # Some editors drop all names; what was given out is still there.
    known = known or {by_text[_bare(text)]: "" for _, text in cells if _bare(text) in by_text}
    return _File(path, known, True, notes) if named or known else None


def _students_cells(notebook: Mapping[str, Any]) -> list[tuple[list[str], str]] | None:
    """Of each cell the names that it may have, and its text; None if there are no cells."""
    cells = notebook.get("cells")
    if type(cells) is not list:
        sheets = notebook.get("worksheets")
        if type(sheets) is not list:
            return None
        cells = [c for s in sheets if type(s) is dict and type(s.get("cells")) is list for c in s["cells"]]
    return [_names_and_text(cell) for cell in cells if type(cell) is dict]


def _names_and_text(cell: Mapping[str, Any]) -> tuple[list[str], str]:
    metadata = cell.get("metadata")
    metadata = metadata if type(metadata) is dict else {}
    nbgrader = metadata.get("nbgrader")
    # Where an editor has dropped the grade_id, the id is the same, or it was moved.
    names = [nbgrader.get("grade_id") if type(nbgrader) is dict else None, cell.get("id"), metadata.get("id")]
    text = cell.get("source", cell.get("input", ""))
    text = "".join(part for part in text if type(part) is str) if type(text) is list else text
    return [name for name in names if type(name) is str], text if type(text) is str else ""


def _cells(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    return notebook.get("cells", [])


def _names(notebook: Mapping[str, Any]) -> set[str]:
    return {name for cell in _cells(notebook) if (name := notebook_cells.grade_id(cell) or cell.get("id"))}


def _given_texts(notebook: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and text of what students only read; a short one says nothing."""
    found = []
    for cell in _cells(notebook):
        text = _bare(notebook_cells.source(cell))
        if notebook_cells.role(cell) not in (*_ANSWERS, "test") and len(text) >= _LONG:
            found.append((notebook_cells.grade_id(cell) or cell.get("id") or "", text))
    return found


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
    readable = [one for one in left if one.readable and _is_named(one.path)]
    if len(missing) == len(readable) == 1 and (readable[0].known or len(notebooks) == 1):
        made[missing[0]].append(readable[0])
    return made


def _is_named(path: str) -> bool:
    return ".ipynb" in path.rpartition("/")[2].casefold()


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
    inside = _IN_ARCHIVE.search(one.path) is not None
    number = int(number.group(1)[-6:]) if number else 0
    return one.readable, one.answers, one.name == f"{name}.ipynb", not inside, -one.path.count("/"), number, one.path


def _worked(one: _File, notebook: Mapping[str, Any]) -> tuple[int, int]:
    # A notebook that was given out before its last correction differs from today's without any work.
    finished = touched = 0
    for cell in _cells(notebook):
        text = one.known.get(notebook_cells.grade_id(cell) or "", "")
        is_answer = notebook_cells.role(cell) in _ANSWERS and bool(text.strip())
        if is_answer and _bare(text) != _given_out(cell):
            touched += 1
            finished += not _STUB.search(text)
    return finished, touched


def _given_out(cell: dict[str, Any]) -> str:
    source = notebook_cells.source(cell)
    found, _ = notebook_cells.scan_regions(source, "SOLUTION")
    lines = source.split("\n") if found else []
    for region in reversed(found):
        del lines[region.begin - 1 : region.end]
    return _bare("\n".join(lines))


def _bare(text: str) -> str:
    return _SPACE.sub("", _STUB.sub("", text))


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
