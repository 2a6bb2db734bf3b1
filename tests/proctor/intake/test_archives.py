"""What a student's archive may put on the disk, and under which names."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.intake.archives import Archive, top_folder
from proctor.intake.copier import Caps
from proctor.intake.inert import handed_in_name


def write(place: Path, files: dict, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place


def unpack(place: Path, target: Path, caps: Caps = Caps(), chosen=None):  # noqa: B008 (it can't change)
    with Archive(place) as archive:
        return archive.unpack(target, caps, chosen)


def found(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"/".join(map(handed_in_name, path.relative_to(folder).parts)): path.read_text() for path in files}


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_files_have_names_that_no_tool_runs(tmp_path):
    files = {"a.ipynb": "1", "torch.py": "2", "runs\\x\\y.bin": "3", ".git/config": "4", "__MACOSX/._a.ipynb": "5"}
    taken = unpack(write(tmp_path / "a.zip", files), tmp_path / "to")
    assert found(tmp_path / "to") == {"a.ipynb": "1", "torch.py": "2", "runs/x/y.bin": "3"}
    assert set(taken.digests) == {"a.ipynb", "torch.py", "runs/x/y.bin"}
    assert (taken.lines, sorted(taken.dotted)) == ([], [".git/config", "__MACOSX/._a.ipynb"])
    assert not list((tmp_path / "to").rglob("*.py"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "to").rglob("*") if path.is_file()} == {0o644}


def test_paths_that_lead_out_links_and_devices_are_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../a", "x/../../b", "/c", "\\d", "C:/e", "..\\f", "ok", "a\nb", "n" * 151):
            archive.writestr(name, "x")
        for name, kind in (("link", stat.S_IFLNK), ("fifo", stat.S_IFIFO), ("disk", stat.S_IFBLK)):
            archive.writestr(special(name, kind | 0o777), "/etc/passwd")
    taken = unpack(tmp_path / "a.zip", tmp_path / "in" / "to")
    assert found(tmp_path / "in" / "to") == {"ok": "x"}
    assert len(taken.lines) == 11
    assert all(line.isprintable() for line in taken.lines)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "in", "ok.handed-in", "to"]


def test_caps_leave_out_what_matters_least(tmp_path):
    files = {f"data/{number}": "x" * 100 for number in range(10)} | {"z/a.ipynb": "n", "z/runs/m": "m" * 100}
    write(tmp_path / "a.zip", files)
    taken = unpack(tmp_path / "a.zip", tmp_path / "few", Caps(files=3))
    assert set(found(tmp_path / "few")) == {"z/a.ipynb", "z/runs/m", "data/0"}
    assert taken.lines == ["left out data/1 and more after it: more than 3 files"]
    unpack(tmp_path / "a.zip", tmp_path / "small", Caps(total_bytes=150))
    assert set(found(tmp_path / "small")) == {"z/a.ipynb", "z/runs/m"}
    taken = unpack(write(tmp_path / "b.zip", {"/".join("abcdefghi"): "x"}), tmp_path / "deep")
    assert taken.lines == ["left out a/b/c/d/e/f/g/h/i: more than 8 folders deep"]


def test_what_grows_a_hundredfold_is_left_out_unless_it_is_small(tmp_path):
    write(tmp_path / "a.zip", {"small": bytes(2**20), "bomb": bytes(20 * 2**20)})
    taken = unpack(tmp_path / "a.zip", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["small.handed-in"]
    assert taken.lines == ["left out bomb: unpacked it is more than may be taken"]


def test_sizes_that_lie_are_not_believed(tmp_path):
    # The table says ten bytes, and there are five million.
    content = bytearray(write(tmp_path / "a.zip", {"a.bin": "x" * 5_000_000, "b": "ok"}).read_bytes())
    place = content.find(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<L", 10)
    (tmp_path / "a.zip").write_bytes(bytes(content))
    taken = unpack(tmp_path / "a.zip", tmp_path / "to", Caps(total_bytes=100))
    assert found(tmp_path / "to") == {"b": "ok"}
    assert len(taken.lines) == 1


def test_a_damaged_file_costs_only_itself(tmp_path):
    content = bytearray(write(tmp_path / "a.zip", {"a.txt": "x" * 100, "b.txt": "y"}, zipfile.ZIP_STORED).read_bytes())
    content[content.find(b"xxxx") + 5] = 0
    (tmp_path / "a.zip").write_bytes(bytes(content))
    taken = unpack(tmp_path / "a.zip", tmp_path / "to")
    assert found(tmp_path / "to") == {"b.txt": "y"}
    assert taken.lines[0].startswith("left out a.txt: it is damaged in the archive")


def test_a_file_and_a_folder_of_one_name_and_two_files_of_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, text in (("a", "file"), ("a/b", "inside"), ("c", "first")):
            archive.writestr(name, text)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("c", "second")
    taken = unpack(tmp_path / "a.zip", tmp_path / "to")
    assert found(tmp_path / "to") == {"a": "file", "c": "second"}
    assert taken.lines == ["left out a/b: there is a file and a folder of this name"]


def test_only_what_is_chosen_under_the_name_that_was_chosen(tmp_path):
    write(tmp_path / "a.zip", {"x/1": "1", "y/1": "2"})
    unpack(tmp_path / "a.zip", tmp_path / "to", chosen={"y/1": "..", "x/1": "z"})
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["_...handed-in", "z.handed-in"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no zip archive"),
        (b"Rar!\x1a\x07\x00 and more", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"PK\x03\x04 and no end", "damaged or incomplete"),
        (b"PK\x05\x06" + bytes(8) + struct.pack("<LL", 2**31, 0) + bytes(2), "more files than can be looked at"),
        (b"PK\x05\x06" + bytes(8) + struct.pack("<LL", 100, 0) + bytes(2), "damaged"),
        (bytes(30) + b"PK\x05\x06" + bytes(8) + struct.pack("<LL", 30, 0) + bytes(2), "damaged"),
    ],
)
def test_what_is_no_archive_is_said_in_words(tmp_path, content, words):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ProctorError, match=words):
        Archive(tmp_path / "a.zip")


def test_a_table_of_contents_that_fills_the_memory_is_not_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(200):
            archive.writestr(f"{number}" + "n" * 1_000, "")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with Archive(tmp_path / "a.zip"):
        pass
    with pytest.raises(ProctorError, match="more files than can be looked at"):
        Archive(tmp_path / "a.zip", max_table=100_000)


def test_the_folder_that_all_lie_in():
    assert top_folder(["a/b/x", "a/b/c/y"]) == "a/b/"
    assert top_folder(["a/x", "y"]) == top_folder(["runs/x"]) == top_folder([]) == ""
    assert top_folder(["a/runs/x", "a/runs/y"]) == "a/"
