import shutil

import pytest

from dl1.errors import CourseError
from dl1.notebook.places import output_folder, write_whole


def test_a_students_files_lie_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output_folder() == tmp_path.resolve()


def test_an_authors_files_go_to_a_scratch_folder(tmp_path, monkeypatch):
    source = tmp_path / "source" / "assignment2"
    source.mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").touch()
    monkeypatch.chdir(source)
    assert output_folder() == tmp_path / "scratch" / "assignment2"
    assert output_folder().is_dir()
    assert list(source.iterdir()) == []


def test_a_missing_folder_is_made(tmp_path):
    assert output_folder(tmp_path / "new" / "one").is_dir()


def test_a_link_to_the_source_is_seen_through(tmp_path):
    source = tmp_path / "course" / "source" / "assignment2"
    source.mkdir(parents=True)
    (tmp_path / "course" / "nbgrader_config.py").touch()
    (tmp_path / "work").symlink_to(source)
    assert output_folder(tmp_path / "work") == tmp_path / "course" / "scratch" / "assignment2"


def test_a_folder_that_is_only_called_source_is_a_students(tmp_path):
    folder = tmp_path / "source" / "assignment2"
    folder.mkdir(parents=True)
    assert output_folder(folder) == folder


def test_a_released_copy_in_the_course_is_a_students(tmp_path):
    folder = tmp_path / "release" / "assignment2"
    folder.mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").touch()
    assert output_folder(folder) == folder


def test_a_deleted_folder_is_explained(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.rmtree(folder)
    with pytest.raises(CourseError, match="moved or deleted"):
        output_folder()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "result"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"

    def fails(*arguments):
        raise OSError("interrupted")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="interrupted"):
        write_whole(path, b"newest")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["result"]
