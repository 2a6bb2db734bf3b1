r"""Finds in a text in markdown what markdown must not touch: formulas, pictures, and what only looks like a link.

Each such piece is taken out before markdown reads the text, as notebooks in a browser do it with formulas, and a mark
stands in its place: `$a_i*b_i$` would else be half italic, and `x[i](j)` a link. Where a mark ends up in code, the
piece is put back as it was written.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import quote, unquote

FORMULA, PICTURE, TEXT = "formula", "picture", "text"
HARMLESS = re.compile(r"(?:https?://|mailto:)[^\s\"'<>`\\]+\Z", re.IGNORECASE)
# Characters of no meaning; one that the text does not hold marks places in it.
_PRIVATE = range(0xE000, 0xF900)
# nbconvert's and others' expressions need quadratic time for these.
_SPACES = re.compile(r"[ \t]{200,}")
_BLANK = re.compile(r"\n[ \t]*(?=\n)")
_SPECIAL = re.compile(
    r"(?P<fence>^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*){0,8}(?P<ticks>`{3,}|~{3,})(?P<info>[^\n]*)$)"
    r"|(?P<code>`+)"
    r"|(?P<begin>\\begin\{(?P<name>[A-Za-z]{1,30}\*?)\})"
    r"|(?P<round>\\\\?\()|(?P<square>\\\\?\[)"
    r"|\\."
    r"|(?P<double>\$\$)|(?P<dollar>\$)"
    r"|(?P<image>!\[)|(?P<link>\]\()|(?P<tag><img\b[^<>]*+>)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
# A picture in the text itself, which may be long.
_DATA = r"data:image/[a-z+.-]{1,30}+;base64,[A-Za-z0-9+/=]{2000,}+"
_IMAGE = re.compile(
    r"!\[(?P<words>[^\[\]\n]{0,1000}+)\]\([ \t]{0,20}+"
    rf"(?:<(?P<angled>{_DATA}|[^<>\n]{{0,2000}}+)>|(?P<plain>{_DATA}|(?:[^\s<>()]|\([^\s<>()]{{0,200}}+\)){{0,2000}}+))"
    r"(?:[ \t]{1,20}+(?:\"[^\"\n]{0,500}+\"|'[^'\n]{0,500}+'))?+[ \t]{0,20}+\)"
)
_ATTACHED = re.compile(r"!\[(?P<words>[^\[\]\n]{0,1000}+)\]\([ \t]{0,20}+<?attachment:")
_ATTACHED_END = re.compile(r">?[ \t]*\)")
# A picture whose address stands in a line of its own: that line stays, as text.
_NAMED = re.compile(r"!\[(?P<words>[^\[\]\n]{0,1000}+)\](?:\[(?P<name>[^\[\]\n]{0,200}+)\])?+")
_NAME_LINE = re.compile(r"^ {0,3}\[([^\[\]\n]{1,200}+)\]:[ \t]*(?:<([^<>\n]+)>|(\S+))", re.MULTILINE)
_ADDRESS = re.compile(r"\]\(\s{0,20}+<?+([^)\s>]{0,2000}+)")
_QUOTED = re.compile(r"[ \t]*>")
_QUOTES = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_TEX = re.compile(r"[\\^_={}<>]")
_LETTER = re.compile(r"\s*[A-Za-z]\w?\s*\Z")
_PROSE = re.compile(r"[A-Za-z]{3,}\s+[A-Za-z]{2,}|\s(?:and|or|to|of|in|is|the|per|und|oder|en)\s")


class Piece(NamedTuple):
    """A piece of a text.

    Attributes:
        kind: `FORMULA`, `PICTURE`, or `TEXT`, which is shown as it is.
        source: as it was written.
        tex: of a formula, without what it stands between.
        display: whether a formula stands in a line of its own.
        address: of a picture, without escapes.
        words: of a picture, in place of it.
    """

    kind: str
    source: str
    tex: str = ""
    display: bool = False
    address: str = ""
    words: str = ""


@dataclass
class Scanned:
    """A text in which pieces are replaced by marks: the private character, a number, the character again."""

    text: str
    mark: str
    pieces: list[Piece] = field(default_factory=list)

    def pattern(self) -> str:
        """What finds a mark; its group is the number."""
        return rf"{self.mark}(\d+){self.mark}"

    def restored(self, text: str) -> str:
        """A part of the text as it was written."""
        if self.mark not in text:
            return text
        return re.sub(self.pattern(), lambda match: self.pieces[int(match[1])].source, text)


def scanned(text: str, students: bool, attachments: Collection[str] = ()) -> Scanned:
    """Take out the formulas of a text, and of a student's also pictures and what is no link of a harmless kind.

    Args:
        students: whether a student wrote it.
        attachments: names of the cell's attachments, which may hold spaces and brackets.

    Raises:
        ValueError: there is no character left to mark places with.
    """
    text = _SPACES.sub(" " * 200, text)
    there = set(text)
    mark = next((chr(one) for one in _PRIVATE if chr(one) not in there), None)
    if mark is None:
        raise ValueError("a text of all private characters")
    return _Scanner(text, mark, students, sorted(attachments, key=len, reverse=True)).scan()


class _Scanner:
    def __init__(self, text: str, mark: str, students: bool, attachments: Sequence[str]) -> None:
        self._text = text
        self._students = students
        self._attachments = attachments
        self._blank = [match.start() for match in _BLANK.finditer(text)] + [len(text)]
        # From where on there is none of these before the paragraph's end.
        self._missing: dict[tuple[str, int], int] = {}
        self._found = Scanned("", mark)
        self._parts: list[str] = []
        self._done = 0

    def scan(self) -> Scanned:
        place = 0
        while match := _SPECIAL.search(self._text, place):
            place = self._step(match)
        self._parts.append(self._text[self._done :])
        self._found.text = "".join(self._parts)
        return self._found

    def _step(self, match: re.Match) -> int:
        """Look at one place; gives the next one to look at."""
        if match["fence"] is not None:
            # A tick in its line: it is code in a line.
            if match["ticks"][0] != "`" or "`" not in match["info"]:
                return self._behind_fence(match)
            return self._behind_code(match.start("ticks"))
        if match["code"] is not None:
            return self._behind_code(match.start())
        if match["begin"] is not None:
            return self._formula(match, rf"\end{{{match['name']}}}", True, whole=True)
        if match["round"] is not None:
            return self._formula(match, match["round"][:-1] + ")", False)
        if match["square"] is not None:
            # Within a line it is an escaped bracket.
            begins = not self._before(match.start()).strip(" \t>-*+.)0123456789")
            return self._formula(match, match["square"][:-1] + "]", True) if begins else match.end()
        if match["double"] is not None:
            return self._formula(match, "$$", True)
        if match["dollar"] is not None:
            return self._dollar(match)
        if self._students and match["image"] is not None:
            return self._image(match)
        if self._students and match["tag"] is not None:
            return self._tag(match)
        if self._students and match["link"] is not None:
            return self._link(match)
        return match.end()

    def _behind_fence(self, match: re.Match) -> int:
        end = re.compile(rf"^[ \t>]*{re.escape(match['ticks'])}{match['ticks'][0]}*[ \t]*$", re.MULTILINE)
        closing = end.search(self._text, match.end())
        return closing.end() if closing else len(self._text)

    def _behind_code(self, begin: int) -> int:
        ticks = re.compile("`+").match(self._text, begin)
        length = ticks.end() - ticks.start()
        limit = self._paragraph_end(begin)
        missing = self._missing.get(("`" * length, limit))
        if missing is None or begin < missing:
            for other in re.compile("`+").finditer(self._text, ticks.end(), limit):
                if other.end() - other.start() == length:
                    return other.end()
            self._missing["`" * length, limit] = begin
        return ticks.end()

    def _paragraph_end(self, place: int) -> int:
        return self._blank[bisect_left(self._blank, place)]

    def _find(self, what: str, place: int) -> int:
        """Where it stands before the end of the paragraph, not escaped; -1 if nowhere."""
        limit = self._paragraph_end(place)
        missing = self._missing.get((what, limit))
        if missing is not None and place >= missing:
            return -1
        found = self._text.find(what, place, limit)
        while found > 0 and what[0] == "$" and _is_escaped(self._text, found):
            found = self._text.find(what, found + 1, limit)
        if found < 0:
            self._missing[what, limit] = place
        return found

    def _formula(self, match: re.Match, closing: str, display: bool, whole: bool = False) -> int:
        end = self._find(closing, match.end())
        if end < 0 or not self._text[match.end() : end].strip():
            return match.end()
        behind = end + len(closing)
        tex = self._text[match.start() : behind] if whole else self._text[match.end() : end]
        return self._take(match.start(), behind, self._piece(match.start(), behind, tex, display))

    def _piece(self, begin: int, behind: int, tex: str, display: bool) -> Piece:
        if _QUOTED.match(self._before(begin)):
            head, end, rest = tex.partition("\n")
            tex = head + end + _QUOTES.sub("", rest)
        return Piece(FORMULA, self._text[begin:behind], tex=tex, display=display)

    def _before(self, place: int) -> str:
        """What stands before it in its line."""
        return self._text[self._text.rfind("\n", 0, place) + 1 : place]

    def _dollar(self, match: re.Match) -> int:
        end = self._find("$", match.end())
        if end < 0:
            return match.end()
        tex = self._text[match.end() : end]
        before = self._text[match.start() - 1 : match.start()] if match.start() else ""
        if not _is_formula(tex, before, self._text[end + 1 : end + 2]):
            return match.end()
        return self._take(match.start(), end + 1, self._piece(match.start(), end + 1, tex, False))

    def _image(self, match: re.Match) -> int:
        if attached := _ATTACHED.match(self._text, match.start()):
            for name in self._attachments:
                for written in (name, quote(name), quote(name, safe="()!*'~")):
                    if not self._text.startswith(written, attached.end()):
                        continue
                    if end := _ATTACHED_END.match(self._text, attached.end() + len(written)):
                        return self._picture(match.start(), end.end(), f"attachment:{name}", attached["words"])
        image = _IMAGE.match(self._text, match.start())
        if image is None:
            return self._named_image(match)
        address = image["angled"] if image["angled"] is not None else image["plain"]
        return self._picture(match.start(), image.end(), unquote(address), image["words"])

    def _named_image(self, match: re.Match) -> int:
        named = _NAMED.match(self._text, match.start())
        name = (named["name"] or named["words"]) if named else ""
        address = self._lines.get(_bare(name))
        if address is None:
            return match.end()
        return self._picture(match.start(), named.end(), unquote(address), named["words"])

    @cached_property
    def _lines(self) -> dict[str, str]:
        """Addresses by the names under which pictures can be shown; the first one of a name counts."""
        found: dict[str, str] = {}
        for line in _NAME_LINE.finditer(self._text):
            found.setdefault(_bare(line[1]), line[2] or line[3])
        return found

    def _tag(self, match: re.Match) -> int:
        reader = _ImageTag()
        reader.feed(match["tag"])
        if reader.address is None:
            return match.end()
        return self._picture(match.start(), match.end(), unquote(reader.address), reader.words)

    def _picture(self, begin: int, behind: int, address: str, words: str) -> int:
        source = self._text[begin:behind]
        return self._take(begin, behind, Piece(PICTURE, source, address=address, words=words))

    def _link(self, match: re.Match) -> int:
        address = _ADDRESS.match(self._text, match.start())
        if HARMLESS.match(address[1]):
            # What stands in the address is no formula.
            return address.end()
        return self._take(match.start(), match.end(), Piece(TEXT, "]("))

    def _take(self, begin: int, behind: int, piece: Piece) -> int:
        mark = self._found.mark
        self._parts += [self._text[self._done : begin], f"{mark}{len(self._found.pieces)}{mark}"]
        self._found.pieces.append(piece)
        self._done = behind
        return behind


def _bare(name: str) -> str:
    return " ".join(name.split()).casefold()


def _is_escaped(text: str, place: int) -> bool:
    before = text[max(0, place - 100) : place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _is_formula(tex: str, before: str, behind: str) -> bool:
    """Whether what stands between two dollar signs is a formula, and not the price of two things."""
    if not tex.strip():
        return False
    sure = _TEX.search(tex) is not None or _LETTER.match(tex) is not None
    if tex[0].isspace() or tex[-1].isspace() or behind.isdigit() or before.isalnum():
        return sure
    return "\\" in tex or not _PROSE.search(tex)


class _ImageTag(HTMLParser):
    address: str | None = None
    words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.address, self.words = found.get("src"), found.get("alt") or ""

    handle_startendtag = handle_starttag
