"""Rules for what stands between a student and the text: checks are folded, and so are hints under each answer.

Hints are a ladder, by symptom: two or three `<details>` in one text cell, from general to nearly the answer. The last
one is not the answer, so none may copy a piece of a solution or of a hidden test.
"""

from __future__ import annotations

import html.parser
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from proctor.notebooks import cells as notebook_cells

FEWEST, MOST = 2, 3
# So many words and signs in a row are a piece of a program. What needs fewer is an argument, a shape or a call.
COPIED = 8
_WORDS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\w+|[^\w\s]")
_DETAILS = re.compile(
    r"^<details><summary>(?P<symptom>[^\n]*)</summary>\n(?P<gap>\n?)(?P<text>.*?)\n</details>$",
    re.DOTALL | re.MULTILINE,
)
# "# Check 2.6, query: turned queries"
_TITLE = re.compile(r"# Check \S.*[ ,:]\S.*")
_EDGE = re.compile(r"</?details\b", re.IGNORECASE)


class Hint(NamedTuple):
    """A folded hint: the line that is always seen, and the text that opens under it."""

    symptom: str
    text: str


def hints(cell: Mapping[str, Any]) -> list[Hint]:
    """The hints of a cell in the form that the linter demands; what stands between them is left out."""
    if notebook_cells.role(dict(cell)) != "text":
        return []
    found = _DETAILS.finditer(notebook_cells.source(dict(cell)))
    return [Hint(_plain(match["symptom"]), match["text"].strip()) for match in found]


def help_findings(cells: Sequence[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """What is wrong with the help that a notebook gives: number of the cell, from 0, and what to do."""
    secret = [text for cell in cells for text in _secret_texts(cell)]
    titles: set[str] = set()
    hinted = False
    for number, cell in enumerate(cells):
        role = notebook_cells.role(cell)
        if role == "test":
            yield from ((number, message) for message in _of_check(cell, titles))
        if role == "text" and _EDGE.search(notebook_cells.source(cell)):
            hinted = True
            yield from ((number, message) for message in _of_ladder(cell, secret))
        elif role == "test" and not hinted:
            yield (
                number,
                (
                    "the question has no hints; add a text cell under its answer with two or three of "
                    "<details><summary>symptom</summary>, an empty line, the hint, an empty line, </details>"
                ),
            )
            # One finding is enough for a question of several checks.
            hinted = True
        elif role in ("solution", "manual"):
            hinted = False


def _of_check(cell: dict[str, Any], titles: set[str]) -> Iterator[str]:
    """What is wrong with how a check looks before it is opened; its title is added to those that there are."""
    if not notebook_cells.is_folded(cell):
        yield (
            "the code of a check stands between students and the text; fold it: View → Collapse Selected Code in "
            'JupyterLab, or "jupyter": {"source_hidden": true} in its metadata'
        )
    title = notebook_cells.source(cell).partition("\n")[0].strip()
    if not _TITLE.fullmatch(title):
        yield "of a folded check JupyterLab shows the first line; let that be # Check <question>: <what it checks>"
    elif title in titles:
        yield f"an earlier check has the same title, {title}; say what is different"
    titles.add(title)


def _of_ladder(cell: dict[str, Any], secret: Sequence[str]) -> Iterator[str]:
    found = hints(cell)
    text = notebook_cells.source(cell)
    if 2 * len(found) != len(_EDGE.findall(text)):
        yield (
            "a hint is not folded everywhere: <details><summary>symptom</summary> in a line of its own, an empty line, "
            "the hint in markdown, an empty line, </details>"
        )
        return
    if not FEWEST <= len(found) <= MOST:
        yield f"{len(found)} hints; make a ladder of {FEWEST} or {MOST}, from general to nearly the answer"
    for match in _DETAILS.finditer(text):
        if not match["gap"] or not match["text"].strip():
            yield "a hint has no text below an empty line, without which its markdown is not drawn; add both"
    for hint in found:
        if not hint.symptom:
            yield "a hint has no symptom in its <summary>; say in the student's words what goes wrong"
    for copied in sorted({piece for hint in found for piece in copies(f"{hint.symptom}\n{hint.text}", secret)}):
        yield f"a hint has a piece of the solution or of a hidden test in it ({copied}); say it in words"


def copies(text: str, secret: Sequence[str]) -> Iterator[str]:
    """Pieces of a text, of `COPIED` words and signs each, that stand in one of the secret texts as well."""
    known = {piece for other in secret for piece in _pieces(other)}
    yield from (" ".join(piece) for piece in _pieces(text) if piece in known)


def _pieces(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORDS.findall(text.replace("`", " "))
    yield from (tuple(words[start : start + COPIED]) for start in range(len(words) - COPIED + 1))


def _secret_texts(cell: dict[str, Any]) -> list[str]:
    """What students don't get of an autograded question's cells."""
    text = notebook_cells.source(cell)
    kind = {"solution": "SOLUTION", "test": "HIDDEN TESTS"}.get(notebook_cells.role(cell))
    return [region.text for region in notebook_cells.scan_regions(text, kind)[0]] if kind else []


def _plain(text: str) -> str:
    reader = _Text()
    reader.feed(text)
    reader.close()
    return "".join(reader.words).strip()


class _Text(html.parser.HTMLParser):
    """The text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)
