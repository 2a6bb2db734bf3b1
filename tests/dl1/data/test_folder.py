import dataclasses
import hashlib
import shutil
import tomllib
from pathlib import Path

import pytest
from platformdirs import user_cache_dir
from torchvision.datasets import CIFAR10

from dl1.data.folder import KnownData, data_folder, has_checksum, known_data, known_names, packaged_data
from dl1.errors import CourseError

COURSE = Path(__file__).parents[3]

MANIFEST = """
[letters]
title = "Letters"
urls = ["https://data.example/letters.tar.gz"]
archive = "letters.tar.gz"
checksum = "md5:00"
folder = "letters"
[letters.files]
a = "sha256:{a}"
b = "sha256:{b}"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A current folder that belongs to no course."""
    monkeypatch.delenv("DL1_DATA", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A data folder, named by DL1_DATA, with a manifest and the two files that it describes."""
    data = tmp_path / "letters data"
    (data / "letters").mkdir(parents=True)
    digests = {}
    for name in "ab":
        (data / "letters" / name).write_text(name)
        digests[name] = hashlib.sha256(name.encode()).hexdigest()
    (data / "manifest.toml").write_text(MANIFEST.format(**digests))
    monkeypatch.setenv("DL1_DATA", str(data))
    return data


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    (tmp_path / "nbgrader_config.py").touch()
    (tmp_path / "shared data").mkdir()
    monkeypatch.setenv("DL1_DATA", str(tmp_path / "shared data"))
    assert data_folder() == (tmp_path / "shared data").resolve()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_variable_that_names_no_folder_is_explained(kind, tmp_path, monkeypatch):
    path = tmp_path / kind
    if kind == "file":
        path.touch()
    monkeypatch.setenv("DL1_DATA", str(path))
    with pytest.raises(CourseError, match="DL1_DATA names .* not a folder: make that folder"):
        data_folder()
    assert kind == "file" or not path.exists()


@pytest.mark.parametrize("mark", ["nbgrader_config.py", "data/manifest.toml"])
def test_the_courses_folder_is_found_from_below(mark, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / mark).touch()
    below = tmp_path / "source" / "assignment2"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert data_folder().resolve() == (tmp_path / "data").resolve()


def test_the_nearest_course_counts(tmp_path, monkeypatch):
    (tmp_path / "nbgrader_config.py").touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "nbgrader_config.py").touch()
    monkeypatch.chdir(tmp_path / "inner")
    assert data_folder().resolve() == (tmp_path / "inner" / "data").resolve()
    assert not (tmp_path / "inner" / "data").exists()


def test_without_a_course_it_is_the_users_cache():
    assert data_folder() == Path(user_cache_dir("dl1", appauthor=False))


def test_a_deleted_current_folder_is_explained(elsewhere):
    try:
        shutil.rmtree(elsewhere)
    except PermissionError:
        pytest.skip("this system doesn't delete a current folder")
    with pytest.raises(CourseError, match="moved or deleted"):
        data_folder()


def test_the_courses_manifest_agrees_with_torchvision(monkeypatch):
    from_torchvision = known_data("cifar10")
    monkeypatch.chdir(COURSE / "data")
    ours = known_data("cifar10")
    assert ours.size == 170_498_071
    assert set(ours.files) == set(from_torchvision.files)
    assert all(checksum.startswith("sha256:") and len(checksum) == 71 for checksum in ours.files.values())
    for attribute in ("name", "title", "archive", "checksum", "folder"):
        assert getattr(ours, attribute) == getattr(from_torchvision, attribute)
    assert from_torchvision.urls[0] in ours.urls


@pytest.mark.parametrize("name", ["cora", "grimm"])
def test_the_courses_manifest_agrees_with_the_package(name, monkeypatch):
    packaged = known_data(name)
    monkeypatch.chdir(COURSE / "data")
    ours = known_data(name)
    # A course may add its mirror.
    assert set(packaged.urls) <= set(ours.urls)
    assert dataclasses.replace(ours, urls=packaged.urls) == packaged
    assert packaged_data(name) == packaged


def test_the_courses_manifest_names_source_and_licence_of_each_set(monkeypatch):
    tables = tomllib.loads((COURSE / "data" / "manifest.toml").read_text(encoding="utf-8"))
    assert list(tables) == ["cifar10", "cora", "grimm"]
    for table in tables.values():
        assert table["source"]
        assert table["licence"]


def test_cora_is_eight_files_in_the_folder_that_pyg_reads():
    cora = known_data("cora")
    parts = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
    assert set(cora.files) == {f"ind.cora.{part}" for part in parts}
    assert all(checksum.startswith("sha256:") and len(checksum) == 71 for checksum in cora.files.values())
    assert cora.folder == "Cora/raw"
    assert cora.archive is None
    # Pickles: nothing but what was checked may count as another edition.
    assert cora.marks == ()


def test_a_manifest_without_a_set_leaves_it_to_the_package(letters):
    assert known_data("cora") == packaged_data("cora")
    assert known_names() == ["letters", "cifar10", "cora", "grimm"]


def test_the_package_ignores_what_a_manifest_says(letters):
    path = letters / "manifest.toml"
    path.write_text(path.read_text().replace("[letters", "[cora"))
    assert known_data("cora").title == "Letters"
    assert packaged_data("cora").title == "Cora"


def test_without_a_manifest_torchvision_knows_every_file():
    known = known_data("cifar10")
    assert known.files["batches.meta"] == f"md5:{CIFAR10.meta['md5']}"
    assert known.files["data_batch_1"] == f"md5:{CIFAR10.train_list[0][1]}"
    assert len(known.files) == 7
    assert known.urls == (CIFAR10.url,)


def test_a_python_without_tomllib_does_without_the_manifest(monkeypatch):
    monkeypatch.chdir(COURSE)
    monkeypatch.setattr("dl1.data.folder.tomllib", None)
    assert known_data("cifar10").checksum == f"md5:{CIFAR10.tgz_md5}"
    assert known_data("cifar10").size is None


def test_the_courses_manifest_comes_before_that_of_the_variable(letters, tmp_path, monkeypatch):
    assert known_data("letters").title == "Letters"
    (tmp_path / "course" / "data").mkdir(parents=True)
    (tmp_path / "course" / "data" / "manifest.toml").write_text(
        (letters / "manifest.toml").read_text().replace("Letters", "The course's letters")
    )
    monkeypatch.chdir(tmp_path / "course")
    assert known_data("letters").title == "The course's letters"


def test_intact_files_have_no_problems(letters):
    known = known_data("letters")
    assert known.is_in(letters)
    assert known.problems(letters) == []


def test_each_damaged_and_missing_file_is_named(letters):
    (letters / "letters" / "a").write_text("other")
    (letters / "letters" / "b").unlink()
    known = known_data("letters")
    assert known.is_in(letters)
    assert known.problems(letters) == [
        f"{letters / 'letters' / 'a'} is damaged",
        f"{letters / 'letters' / 'b'} is missing",
    ]


def test_an_empty_folder_holds_nothing_of_it(letters, tmp_path):
    assert not known_data("letters").is_in(tmp_path)


def test_an_unknown_data_set_is_answered_with_the_known_ones(letters):
    with pytest.raises(CourseError, match=r"no data set 'numbers'.*letters"):
        known_data("numbers")


def test_without_a_manifest_the_packages_sets_are_known():
    assert known_names() == ["cifar10", "cora", "grimm"]
    with pytest.raises(CourseError, match=r"no data set 'letters': choose one of cifar10, cora, grimm"):
        known_data("letters")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[letters]", "[letters", "can't be read .*restore"),
        ('folder = "letters"', "", r"\[letters\] .*incomplete or wrong .*folder"),
        ('"md5:00"', '"crc:00"', "incomplete or wrong .*crc:00"),
        ('"md5:00"', '""', "incomplete or wrong .*checksum ''"),
        ('archive = "letters.tar.gz"', "", "incomplete or wrong .*without an archive, .* slash"),
    ],
)
def test_a_wrong_manifest_is_explained(old, new, message, letters):
    path = letters / "manifest.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CourseError, match=message):
        known_data("letters")


def test_checksums_are_of_the_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # RFC 1321, A.5
    assert has_checksum(tmp_path / "file", "md5:900150983cd24fb0d6963f7d28e17f72")
    assert has_checksum(tmp_path / "file", "md5:900150983CD24FB0D6963F7D28E17F72")
    assert not has_checksum(tmp_path / "file", "md5:900150983cd24fb0d6963f7d28e17f73")


def test_one_of_several_checksums_is_enough(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, B.1, beside RFC 1321
    right = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert has_checksum(tmp_path / "file", f"md5:00 {right}")
    assert has_checksum(tmp_path / "file", f"{right} sha256:00")
    assert not has_checksum(tmp_path / "file", "md5:00 sha256:00")
    # The digits of one algorithm under the name of another
    assert not has_checksum(tmp_path / "file", "sha256:900150983cd24fb0d6963f7d28e17f72 md5:00")


def test_another_edition_has_the_marks_in_their_order(tmp_path):
    known_text = b"2008 START one END licence"
    checksum = f"sha256:{hashlib.sha256(known_text).hexdigest()}"
    known = KnownData("x", "X", (), None, None, "", "x", {"a": checksum}, marks=("START", "END"))
    path = tmp_path / "x" / "a"
    path.parent.mkdir()
    for content, intact, other in (
        (known_text, True, False),
        (b"2021 START one END licence", True, True),
        (b"2021 START one", False, False),
        (b"2021 END one START", False, False),
    ):
        path.write_bytes(content)
        assert known.is_intact("a", path) == intact
        assert known.problems(tmp_path) == ([] if intact else [f"{path} is damaged"])
        assert known.other_editions(tmp_path) == ([path] if other else [])


def test_a_folder_in_place_of_a_file_is_a_problem(tmp_path):
    known = KnownData("x", "X", (), "x.tar.gz", None, "md5:00", "x", {"a": "md5:00"})
    (tmp_path / "x" / "a").mkdir(parents=True)
    assert len(known.problems(tmp_path)) == 1
