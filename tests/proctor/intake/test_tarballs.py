"""Tar archives and files packed by gzip are unpacked like zip archives; what is odd in them costs nobody anything."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.intake.archives import Archive, holds_files, without_ending
from proctor.intake.copier import Caps
from proctor.intake.inert import handed_in_name
from proctor.intake.tarballs import as_zip

MOST = 2**20
LONG = "/".join(["a folder of some length"] * 6) + "/übung 练习.ipynb"


def tarred(place: Path, files: dict[str, bytes], kind: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(place, kind, format=form) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return place


def inside(place: Path, most: int = MOST) -> dict[str, bytes]:
    with as_zip(place, most) as made, zipfile.ZipFile(made) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_files_have_their_names_and_contents(tmp_path, kind, form):
    files = {"hw/one.ipynb": b"1" * 511, "hw/empty": b"", "hw/runs/m.bin": bytes(1024), f"hw/{'x' * 90}/y.py": b"y"}
    files |= {} if form == tarfile.USTAR_FORMAT else {LONG: b"long"}
    assert inside(tarred(tmp_path / "hw.tar", files, kind, form)) == files


def test_links_devices_and_folders_stay_behind(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
        for number, kind in enumerate(kinds):
            entry = tarfile.TarInfo(f"odd{number}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        entry = tarfile.TarInfo("../../out.py")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
        entry.name = "in.py"
        archive.addfile(entry, io.BytesIO(b"y"))
    with Archive(tmp_path / "a.tgz") as archive:
        taken = archive.unpack(tmp_path / "to", Caps())
    # The rules are those of zip archives, and so are the names on the disk.
    assert list(taken.digests) == ["in.py"]
    assert [handed_in_name(path.name) for path in (tmp_path / "to").iterdir()] == ["in.py"]
    assert archive.taken.lines == ["left out ../../out.py: its path leads out of the archive"]


def test_a_single_file_that_is_packed(tmp_path):
    (tmp_path / "one.ipynb.gz.handed-in").write_bytes(gzip.compress(b"{}"))
    assert inside(tmp_path / "one.ipynb.gz.handed-in") == {"one.ipynb": b"{}"}


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"ustar" * 200, b"Rar!"])
def test_what_is_something_else_is_left_to_others(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert as_zip(tmp_path / "a", MOST) is None


def field(block: bytes, place: int, content: bytes) -> bytes:
    """A header with another field, that adds up again."""
    block = block[:place] + content + block[place + len(content) :]
    total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


PLAIN = tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT)
PAX = field(PLAIN, 156, b"x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (field(PLAIN, 124, b"00000007777\0"), "ends too early"),
        (field(PLAIN, 124, b"-0000000001\0"), "a number in it is none"),
        (field(PLAIN, 124, b"\xff" * 12), "a number in it is none"),
        (field(PAX, 124, b"00010000000\0") + bytes(2**21), "a header takes too much room"),
        (field(PAX, 124, b"00000000013\0") + b"9999 path=x".ljust(512, b"\0"), "an odd extended header"),
        (field(PAX, 124, b"00000000013\0") + b"x path=abcd".ljust(512, b"\0"), "an odd extended header"),
        (field(PAX, 124, b"00000000013\0") + b"0 path=abcd".ljust(512, b"\0"), "an odd extended header"),
        (field(PAX, 124, b"00000020000\0") + b"8192 path=" + b"n" * 8182, "a name takes too much room"),
        (PLAIN + b"\1" * 512, "a header that is none"),
        (PLAIN * 20_001, "more files than can be looked at"),
        (gzip.compress(PLAIN * 5, mtime=0)[:-9], "damaged or incomplete"),
        (gzip.compress(bytes(2 * MOST), mtime=0), "larger than 1 MiB"),
        (gzip.compress(field(PLAIN, 124, b"00010000000\0") + bytes(2**21), mtime=0), "larger than 1 MiB"),
    ],
)
def test_what_is_damaged_or_made_to_cost_something_is_refused_in_words(tmp_path, content, said):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ProctorError, match=said):
        as_zip(tmp_path / "a.tar", MOST if len(content) < 4 * MOST else 32 * MOST)


@pytest.mark.parametrize(
    ("name", "is_zip", "opened"),
    [
        *[("a.zip", False, True), ("a.tar.gz", False, True), ("a.ipynb.gz", False, True), ("A.TGZ", False, True)],
        *[("one.ipynb", True, True), ("homework", True, True), ("a.zip.txt", True, True), ("one.ipynb", False, False)],
        # Weights, tables and documents are zip archives inside.
        *[("m.pt", True, False), ("x.npz", True, False), ("a.docx", True, False), ("train.gz", False, False)],
    ],
)
def test_which_files_are_opened(tmp_path, name, is_zip, opened):
    (tmp_path / "x").write_bytes(b"PK\x03\x04..." if is_zip else b"{}")
    assert holds_files(name, tmp_path / "x") is opened


def test_the_name_without_the_ending():
    assert [without_ending(name) for name in ("ada.zip", "ada.TAR.GZ", "a.da.tgz", "ada")] == [
        "ada",
        "ada",
        "a.da",
        "ada",
    ]
