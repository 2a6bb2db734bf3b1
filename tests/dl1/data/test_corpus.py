import hashlib
import importlib.resources
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from dl1.data.corpus import Corpus, load_corpus, read_corpus
from dl1.data.folder import known_data
from dl1.errors import CourseError

ROOT = Path(__file__).resolve().parents[3]
REAL = os.environ.get("DL1_TEST_GRIMM")
START = "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***"
BODY = "THE HEN’S TALE\n\n  A hen laid an egg.\n\n‘Well,’ she said."
BOOK = f"The Project Gutenberg eBook of A Book\n\n{START}\n\n\n{BODY}\n\n\n{END}\n\n*** START: FULL LICENSE ***\n"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder, named by DL1_DATA, whose manifest knows BOOK as grimm; the current folder belongs to no course."""
    folder = tmp_path / "data"
    folder.mkdir()
    checksum = f"sha256:{hashlib.sha256(BOOK.encode()).hexdigest()}"
    table = {
        "title": "Grimms’ Fairy Tales",
        "urls": ["https://example.org/book.txt"],
        "folder": "grimm",
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    text = "\n".join(["[grimm]", *lines, "[grimm.files]", f'"book.txt" = "{checksum}"'])
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DL1_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def book(data):
    """The book, in the data folder."""
    (data / "grimm").mkdir()
    path = data / "grimm" / "book.txt"
    path.write_bytes(BOOK.encode())
    return path


@pytest.fixture
def write(tmp_path):
    """Writes a file, in UTF-8 if it is text, and returns its path."""

    def to(content, name="mine.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to


def test_the_book_is_read_from_the_data_folder(book, capsys):
    corpus = load_corpus()
    assert corpus.name == "Grimm"
    assert corpus.text == BODY
    assert not corpus.is_embedded
    assert capsys.readouterr().out == ""
    assert load_corpus("grimm") == corpus


def test_the_tales_stand_in_and_the_output_says_so(data, capsys):
    corpus = load_corpus()
    assert corpus.name == "embedded tales"
    assert corpus.is_embedded
    said = capsys.readouterr().out
    assert f"Grimms’ Fairy Tales was not found in {data}" in said
    assert f"these are the embedded tales of the kit instead ({len(corpus.text):,} characters)" in said
    assert said.splitlines()[-1].endswith(": python -m dl1.download grimm")


def test_tales_that_were_asked_for_need_no_remark(book, capsys):
    assert load_corpus("tales").is_embedded
    assert capsys.readouterr().out == ""


def test_tales_that_were_asked_for_need_no_data_folder(monkeypatch):
    monkeypatch.setenv("DL1_DATA", "no such folder")
    assert load_corpus("tales").is_embedded


def test_nothing_stands_in_for_a_book_that_was_asked_for(data):
    with pytest.raises(CourseError, match=r"was not found in .*: python -m dl1\.download grimm gets it"):
        load_corpus("grimm")


@pytest.mark.parametrize("name", [None, "grimm"])
def test_a_damaged_book_is_an_error(name, book):
    book.write_bytes(BOOK[:-1].encode())
    with pytest.raises(CourseError, match=r"book\.txt is damaged: python -m dl1\.download grimm puts"):
        load_corpus(name)


def test_another_name_is_refused(data):
    with pytest.raises(CourseError, match="there is no corpus 'Grimm': choose one of grimm, tales"):
        load_corpus("Grimm")


def test_the_checksum_is_of_the_text_in_utf_8():
    assert Corpus("x", "‘é’\n").sha256 == hashlib.sha256("‘é’\n".encode()).hexdigest()


def test_a_corpus_is_shown_without_its_text():
    assert repr(Corpus("x", "abc" * 1000)) == "Corpus('x', 3,000 characters, 3 different ones)"


def test_the_end_is_for_validation():
    text = "".join(map(chr, range(1000, 2000)))
    corpus = Corpus("x", text)
    assert corpus.split() == (text[:900], text[900:])
    assert corpus.split(validation_share=0.25) == (text[:750], text[750:])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, 0.0001, float("nan"), float("inf")])
def test_no_part_is_empty(share):
    with pytest.raises(CourseError, match="one part .* is empty: choose a share between 0 and 1"):
        Corpus("x", "a" * 1000).split(share)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_and_line_ends_make_no_difference(ending, mark, write):
    path = write(mark + BOOK.replace("\n", ending).encode())
    assert read_corpus(path) == Corpus("mine.txt", BODY)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START.replace("THE", "THIS"), END.replace("THE", "THIS")),
        (START.replace("*** S", "***S"), END.replace("*** E", "***E")),
        (START.replace(" ***", "***"), END.replace(" ***", "*** \t")),
        (START.replace("A BOOK", "A BOOK\nOF TWO LINES"), END.replace("A BOOK", "A BOOK\nOF TWO LINES")),
    ],
)
def test_variants_of_the_markers(start, end, write):
    assert read_corpus(write(BOOK.replace(START, start).replace(END, end))).text == BODY


@pytest.mark.parametrize("marker", [START, END])
def test_a_marker_within_a_line_does_not_count(marker, write):
    body = f"He wrote {marker}\n{marker} was on the wall.\n> {marker}"
    assert read_corpus(write(BOOK.replace(BODY, body))).text == body
    assert read_corpus(write(body)).text == body


def test_a_heading_of_the_licence_is_no_marker(write):
    text = "*** START: FULL LICENSE ***\n*****\nSome text."
    assert read_corpus(write(text)).text == text


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (BOOK.replace(START, ""), "START OF"),
        (BOOK.replace(END, ""), "END OF"),
        (f"{END}\n{BODY}\n{START}\n", "END OF"),
    ],
)
def test_a_missing_marker_is_an_error(text, missing, write):
    with pytest.raises(CourseError, match=rf"has no line '\*\*\* {missing} THE PROJECT GUTENBERG EBOOK"):
        read_corpus(write(text))


def test_the_book_needs_both_markers(data):
    plain = BODY.encode()
    manifest = data / "manifest.toml"
    old, new = (hashlib.sha256(content).hexdigest() for content in (BOOK.encode(), plain))
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    (data / "grimm").mkdir()
    (data / "grimm" / "book.txt").write_bytes(plain)
    with pytest.raises(CourseError, match=r"has no line '\*\*\* START OF THE PROJECT GUTENBERG EBOOK"):
        load_corpus()


def test_nothing_between_the_markers_is_an_error(write):
    with pytest.raises(CourseError, match="has nothing between"):
        read_corpus(write(f"{START}\n\n{END}\n"))


def test_a_text_of_ones_own_keeps_all_but_outer_blank_lines(write):
    path = write("\n\n  one\n\n\ntwo \n\n")
    corpus = read_corpus(str(path))
    assert corpus == Corpus("mine.txt", "  one\n\n\ntwo ")
    assert not corpus.is_embedded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file"),
        ("tale".encode("utf-16"), "is in UTF-16: save it in UTF-8"),
        (b"one\ntwo caf\xe9\n", r"is not in UTF-8 \(byte 0xe9 in line 2\)"),
        (b"cut off \xe2\x80", r"is not in UTF-8 \(byte 0xe2 in line 1\)"),
    ],
)
def test_what_is_no_text_in_utf_8_is_refused(content, message, write):
    with pytest.raises(CourseError, match=rf"mine\.txt {message}"):
        read_corpus(write(content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CourseError, match=r"none\.txt was not found"):
        read_corpus(tmp_path / "none.txt")
    with pytest.raises(CourseError, match="can't be read"):
        read_corpus(tmp_path)


def test_a_text_must_hold_a_block_in_its_validation_part(write):
    assert len(read_corpus(write("a" * 90), block_size=8).split()[1]) == 9
    with pytest.raises(CourseError, match=r"has 80 characters, too few for block_size=8: give a text of 90 or more"):
        read_corpus(write("a" * 80), block_size=8)
    with pytest.raises(CourseError, match="too few"):
        read_corpus(write("a"), block_size=1)
    assert read_corpus(write("a")).text == "a"


def test_a_package_without_the_tales_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(CourseError, match="install dl1 again"):
        load_corpus("tales")


def test_the_tales_are_long_plain_and_not_repeated():
    text = load_corpus("tales").text
    assert len(text) >= 42_000
    # The punctuation of the book's edition with typographic quotation marks: a model of it can read the tales.
    assert re.fullmatch(r"[A-Za-z \n!,\-.:;?‘’]+", text)
    assert max(map(len, text.split("\n"))) <= 72
    paragraphs = re.split(r"\n\n+", text)
    assert len(set(paragraphs)) == len(paragraphs)
    sentences = re.findall(r"[^.!?]{40,}[.!?]", text.replace("\n", " "))
    assert len(set(sentences)) == len(sentences)
    titles = [paragraph for paragraph in paragraphs if paragraph.upper() == paragraph]
    assert 25 <= len(titles) <= 30
    assert text.startswith(titles[0])
    for paragraph in paragraphs:
        # Apostrophes are closing marks, too.
        assert paragraph.count("‘") <= paragraph.count("’"), paragraph


@pytest.mark.skipif(not REAL, reason="DL1_TEST_GRIMM names no file of the book")
def test_the_real_book(write):
    corpus = read_corpus(REAL, block_size=128)
    assert len(corpus.text) > 500_000
    assert len(set(corpus.text)) < 100
    assert "SNOW-WHITE AND ROSE-RED" in corpus.text
    assert not re.search(r"\r|\ufeff|PROJECT GUTENBERG EBOOK|FULL LICENSE", corpus.text)
    with_line_feeds = Path(REAL).read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    for content in (with_line_feeds, b"\xef\xbb\xbf" + with_line_feeds.replace(b"\n", b"\r\n")):
        assert read_corpus(write(content)).sha256 == corpus.sha256


@pytest.mark.skipif(not REAL, reason="DL1_TEST_GRIMM names no file of the book")
def test_the_real_book_is_taken_from_a_data_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DL1_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    known = known_data("grimm")
    (tmp_path / known.folder).mkdir()
    (name,) = known.files
    shutil.copyfile(REAL, tmp_path / known.folder / name)
    corpus = load_corpus()
    assert corpus.name == "Grimm"
    assert corpus.text == read_corpus(REAL).text
    assert capsys.readouterr().out == ""
