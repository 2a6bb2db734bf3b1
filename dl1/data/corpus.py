"""The text that the language model learns: Grimms' fairy tales where they were downloaded, else the kit's own tales."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from dataclasses import dataclass
from pathlib import Path

from dl1.data.folder import KnownData, data_folder, known_data
from dl1.errors import CourseError

NAMES = ("grimm", "tales")
_GRIMM, _EMBEDDED = "Grimm", "embedded tales"
_HOW_TO_GET_IT = "python -m dl1.download grimm"
# Each is a line of its own; older files have no space behind the asterisks, and a long title goes on in the next line.
_START, _END = (
    re.compile(rf"^\*\*\* ?{word} OF TH(?:E|IS) PROJECT GUTENBERG EBOOK\b[^*]{{0,300}}\*\*\*[ \t]*$", re.MULTILINE)
    for word in ("START", "END")
)


@dataclass(frozen=True, repr=False)
class Corpus:
    """A text to train on.

    Attributes:
        name: "Grimm", "embedded tales", or the name of the reader's own file.
        text: lines end with a line feed; no blank lines at the outer ends.
    """

    name: str
    text: str

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self.text):,} characters, {len(set(self.text))} different ones)"

    @property
    def sha256(self) -> str:
        """Checksum of the text in UTF-8, hexadecimal digits: by it a run says what it was trained on."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_embedded(self) -> bool:
        """Whether these are the tales that come with the kit."""
        return self.name == _EMBEDDED

    def split(self, validation_share: float = 0.1) -> tuple[str, str]:
        """The text to train on, and the end of the text, which is for validation.

        Args:
            validation_share: of the characters, between 0 and 1.

        Raises:
            CourseError: one of the two would be empty.
        """
        training = round(len(self.text) * (1 - validation_share)) if 0 < validation_share < 1 else 0
        if not 0 < training < len(self.text):
            raise CourseError(
                f"with validation_share={validation_share}, one part of {self!r} is empty: choose a share between 0 "
                "and 1, such as 0.1"
            )
        return self.text[:training], self.text[training:]


def load_corpus(name: str | None = None) -> Corpus:
    """Grimms' fairy tales if they are in the data folder, else the tales that come with the kit.

    When the kit's tales stand in, the output says so, with the folder in which the book was looked for and the command
    that downloads it.

    Args:
        name: "grimm" or "tales" for that one and no other.

    Raises:
        CourseError: the book is there but damaged, it was asked for and isn't there, there is no such corpus, or
            DL1_DATA is not a folder.
    """
    if name is not None and name not in NAMES:
        raise CourseError(
            f"there is no corpus {name!r}: choose one of {', '.join(NAMES)}, or give a file to read_corpus"
        )
    if name == "tales":
        return _tales()
    data, grimm = data_folder(), known_data("grimm")
    if grimm.is_in(data):
        return _grimm(data, grimm)
    if name == "grimm":
        raise CourseError(f"{grimm.title} was not found in {data}: {_HOW_TO_GET_IT} gets it; then run the cell again")
    tales = _tales()
    print(
        f"{grimm.title} was not found in {data}: these are the {tales.name} of the kit instead "
        f"({len(tales.text):,} characters).\nThis command gets {grimm.title}: {_HOW_TO_GET_IT}"
    )
    return tales


def read_corpus(path: Path | str, block_size: int | None = None) -> Corpus:
    """A text file of the reader's own, in UTF-8; of a Project Gutenberg file, the book alone.

    Args:
        path: the file.
        block_size: the model's, in characters: then the text is long enough for it, with a tenth for validation.

    Raises:
        CourseError: the file is missing, not a text file, not UTF-8, or empty; it has one of Project Gutenberg's
            markers without the other; or the text is too short for the block size.
    """
    path = Path(path)
    text = _read(path)
    if _START.search(text) or _END.search(text):
        text = _body(text, path)
    text = text.strip("\n")
    if not text.strip():
        raise CourseError(f"{path} is empty: give a file with text in it")
    corpus = Corpus(path.name, text)
    # Both parts need a block and the character that follows it; the validation part is the shorter one.
    if block_size is not None and len(text) - round(len(text) * 0.9) <= block_size:
        raise CourseError(
            f"{path} has {len(text):,} characters, too few for block_size={block_size}: give a text of "
            f"{10 * (block_size + 1):,} or more, because a tenth of it is kept for validation, or take smaller blocks"
        )
    return corpus


def _tales() -> Corpus:
    packaged = importlib.resources.files("dl1.data") / "tales.txt"
    try:
        content = packaged.read_bytes()
    except OSError as error:
        raise CourseError(f"the tales of dl1 can't be read ({error}): install dl1 again") from None
    return Corpus(_EMBEDDED, _with_line_feeds(content.decode()).strip("\n"))


def _grimm(data: Path, known: KnownData) -> Corpus:
    problems = known.problems(data)
    if problems:
        raise CourseError(f"{problems[0]}: {_HOW_TO_GET_IT} puts {known.title} right; then run the cell again")
    (name,) = known.files
    path = data / known.folder / name
    return Corpus(_GRIMM, _body(_read(path), path))


def _read(path: Path) -> str:
    """The text of a file, without a byte-order mark, lines ended by a line feed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path} was not found in {Path.cwd()}: correct the path") from None
    except OSError as error:
        raise CourseError(f"{path} can't be read ({error.strerror}): give the path of a text file") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CourseError(f"{path} is in UTF-16: save it in UTF-8, which every editor can do")
    if b"\0" in content:
        raise CourseError(f"{path} is a binary file: give a text file, in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CourseError(
            f"{path} is not in UTF-8 (byte {content[error.start]:#04x} in line {line:,}): if it is a text, save it in "
            "UTF-8, which every editor can do"
        ) from None
    return _with_line_feeds(text)


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _body(text: str, path: Path) -> str:
    """What is between Project Gutenberg's markers, without the blank lines at both ends."""
    start = _START.search(text)
    end = _END.search(text, start.end() if start else 0)
    if not start or not end:
        missing = "*** END OF" if start else "*** START OF"
        raise CourseError(
            f"{path} has no line '{missing} THE PROJECT GUTENBERG EBOOK ... ***' where it should: the file is not "
            "whole, get it again"
        )
    body = text[start.end() : end.start()].strip("\n")
    if not body.strip():
        raise CourseError(f"{path} has nothing between Project Gutenberg's markers: get it again")
    return body
