"""A submission is graded from one copy: its files, its state, and what inputs of checks are drawn from."""

import json
import os
import zipfile

import pytest

from proctor.intake import staging, unpacked
from proctor.intake.copier import Caps
from proctor.intake.inert import restore
from proctor.intake.staging import stage, state_of
from proctor.plugin.run_times import graded

PNG = b"\x89PNG\r\n\x1a\n rest"
SECRET = "0f" * 64


@pytest.fixture
def submitted(tmp_path):
    folder = tmp_path / "submitted"
    (folder / "runs").mkdir(parents=True)
    (folder / "one.ipynb").write_text("first")
    (folder / "two.ipynb").write_text("second")
    (folder / "helper.py").write_text("x = 1")
    (folder / "runs" / "a.json").write_text("{}")
    (folder / "submission_secret.txt").write_text(SECRET)
    (folder / "timestamp.txt").write_text("2026-01-01 00:00:00 UTC")
    return folder


@pytest.fixture
def own(tmp_path):
    """Files of the assignment: figures/map.svg and note.txt."""
    folder = tmp_path / "source"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "map.svg").write_text("the assignment's")
    (folder / "note.txt").write_text("the assignment's")
    return {"figures/map.svg": folder / "figures" / "map.svg", "note.txt": folder / "note.txt"}


def in_sandbox(staged, tmp_path) -> dict[str, str]:
    target = tmp_path / "work"
    target.mkdir()
    restore(staged.files, target)
    return {p.relative_to(target).as_posix(): p.read_text() for p in target.rglob("*") if p.is_file()}


def test_notebooks_and_files_are_taken_and_files_have_their_names_in_the_sandbox(submitted, own, tmp_path):
    staged = stage(submitted, tmp_path / "files", own, {"one": {}, "two": {}})
    assert staged.matched.content == {"one": b"first", "two": b"second"}
    assert staged.notes == staged.for_staff == []
    found = in_sandbox(staged, tmp_path)
    assert set(found) == {
        "helper.py",
        "runs/a.json",
        "figures/map.svg",
        "note.txt",
        "submission_secret.txt",
        "timestamp.txt",
    }
    assert found["note.txt"] == found["figures/map.svg"] == "the assignment's"
    assert not [path for path in staged.files.rglob("*.py") if path.is_file()]


@pytest.mark.parametrize(
    "path", ["helper.py", "runs/a.json", "one.ipynb", "submission_secret.txt", "runs/b.json", "x/"]
)
def test_inputs_of_every_notebook_change_with_any_file_of_the_submission(submitted, tmp_path, path):
    before = stage(submitted, tmp_path / "files", {})
    if path.endswith("/"):
        (submitted / path).mkdir()
    else:
        (submitted / path).write_text("changed")
    after = stage(submitted, tmp_path / "files", {})
    for name in ("one", "two"):
        assert before.digest(name) != after.digest(name)
    assert before.state != after.state


def test_inputs_change_with_a_name_and_are_others_for_each_notebook_but_not_with_the_time(submitted, tmp_path):
    before = stage(submitted, tmp_path / "files", {})
    assert before.digest("one") != before.digest("two")
    (submitted / "timestamp.txt").write_text("2026-01-02 00:00:00 UTC")
    later = stage(submitted, tmp_path / "files", {})
    assert later.digest("one") == before.digest("one")
    assert later.state != before.state
    (submitted / "helper.py").rename(submitted / "helpers.py")
    assert stage(submitted, tmp_path / "files", {}).digest("one") != before.digest("one")


def test_the_state_is_that_of_the_copy_and_does_not_depend_on_how_files_are_named_on_disk(submitted, tmp_path):
    staged = stage(submitted, tmp_path / "files", {})
    assert state_of(submitted) == staged.state
    (submitted / "helper.py").rename(submitted / "helper.py.handed-in")
    (submitted / "runs").rename(submitted / "runs.handed-in")
    assert state_of(submitted) == staged.state
    (submitted / "helper.py").write_text("newer, beside the older one")
    assert state_of(submitted) != staged.state
    assert in_sandbox(stage(submitted, tmp_path / "files", {}), tmp_path)["helper.py"] == "newer, beside the older one"


def test_a_file_where_the_assignment_has_a_folder_is_set_aside(submitted, own, tmp_path):
    (submitted / "figures").write_text("in the way")
    staged = stage(submitted, tmp_path / "files", own)
    assert staged.notes == ["left out figures: the assignment has a folder of this name"]
    assert in_sandbox(staged, tmp_path)["figures/map.svg"] == "the assignment's"


def test_a_folder_where_the_assignment_has_a_file_is_set_aside(submitted, own, tmp_path):
    for path in ("note.txt", "figures/map.svg"):
        (submitted / path).mkdir(parents=True)
        (submitted / path / "x.png").write_bytes(PNG)
    staged = stage(submitted, tmp_path / "files", own)
    assert [line.split(":")[0] for line in staged.notes] == [
        "left out the folder figures/map.svg",
        "left out the folder note.txt",
    ]  # noqa: E501
    assert staged.pictures == {}
    assert in_sandbox(staged, tmp_path)["note.txt"] == "the assignment's"


@pytest.mark.parametrize("text", ["", " ", "0f", "x" * 128, SECRET + "\n", "../" * 40])
def test_a_secret_that_nbgrader_did_not_write_is_left_out(submitted, tmp_path, text):
    (submitted / "submission_secret.txt").write_text(text)
    staged = stage(submitted, tmp_path / "files", {})
    assert not (staged.files / "submission_secret.txt").exists()
    assert "feedback can't be released" in staged.notes[0]


def test_folders_in_place_of_the_files_of_nbgrader_and_of_a_notebook(submitted, tmp_path):
    for name in ("submission_secret.txt", "timestamp.txt", "two.ipynb"):
        (submitted / name).unlink()
        (submitted / name).mkdir()
        (submitted / name / "x").write_text("x")
    staged = stage(submitted, tmp_path / "files", {}, {"one": {}, "two": {}})
    assert staged.matched.content == {"one": b"first", "two": None}
    assert staged.notes == ["left out two.ipynb: it is a folder, not a notebook"]
    assert not (staged.files / "timestamp.txt").exists()
    assert not (staged.files / "submission_secret.txt").exists()


def test_pictures_are_known_by_name_and_content(submitted, tmp_path):
    for path in ("plot.png", "my plots/a.png", "one.html/a.png", ".x/a.png", "runs/-a.png", "two.png/a.png"):
        (submitted / path).parent.mkdir(exist_ok=True)
        (submitted / path).write_bytes(PNG)
    (submitted / "fake.png").write_text("#!/bin/sh")
    (submitted / "a.svg").write_text("<svg onload=alert(1)>")
    staged = stage(submitted, tmp_path / "files", {})
    assert set(staged.pictures) == {"plot.png", "my plots/a.png"}
    assert {path.read_bytes() for path in staged.pictures.values()} == {PNG}


def test_staff_are_told_what_begins_with_a_dot_and_what_would_run(submitted, tmp_path):
    for name in (".git", ".jupyter"):
        (submitted / name).mkdir()
        (submitted / name / "config").write_text("x")
    (submitted / "torch.py").write_text("x")
    os.symlink("/etc/passwd", submitted / "link")
    staged = stage(submitted, tmp_path / "files", {})
    assert staged.for_staff == [
        "left out what begins with a dot: .git, .jupyter",
        "holds files that a tool would run or load, were they not renamed: torch.py",
    ]
    assert staged.notes == ["left out link: it is a link, or can't be read"]
    found = in_sandbox(staged, tmp_path)
    assert "torch.py" in found
    assert not [path for path in found if "config" in path]


NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "id": "q1",
            "metadata": {"nbgrader": {"grade_id": "q1", "solution": True, "grade": False}},
            "source": "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION",
        }
    ],
    "nbformat": 4,
}


def worked(text: str) -> str:
    return json.dumps({"cells": [NOTEBOOK["cells"][0] | {"source": text}], "nbformat": 4})


def packed(place, files: dict[str, str]) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_what_lies_beside_a_notebook_further_down_comes_with_it_and_replaces_nothing(submitted, own, tmp_path):
    for name in ("one.ipynb", "two.ipynb"):
        (submitted / name).unlink()
    inner = submitted / "home" / "work"
    (inner / "runs").mkdir(parents=True)
    (inner / "one.ipynb").write_text(worked("1"))
    (inner / "runs" / "b.json").write_text("further down")
    (inner / "helper.py").write_text("further down")
    (inner / "curve.png").write_bytes(PNG)
    for name in ("timestamp.txt", "submission_secret.txt"):
        (inner / name).write_text("1999-01-01 00:00:00 UTC")
    staged = stage(submitted, tmp_path / "files", own, {"one": NOTEBOOK})
    assert staged.matched.content == {"one": worked("1").encode()}
    assert (staged.files / "timestamp.txt").read_text() == "2026-01-01 00:00:00 UTC"
    assert set(staged.pictures) == {"curve.png"}
    assert staged.state == state_of(submitted)
    (staged.files / "curve.png.handed-in").unlink()
    found = in_sandbox(staged, tmp_path)
    assert (found["helper.py"], found["runs/a.json"], found["runs/b.json"]) == ("x = 1", "{}", "further down")
    assert found["submission_secret.txt"] == SECRET


def test_a_notebook_that_is_too_large_to_be_copied_is_not_called_missing(submitted, tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "Caps", lambda: Caps(total_bytes=300))
    (submitted / "one.ipynb").write_text("x" * 400)
    staged = stage(submitted, tmp_path / "files", {}, {"one": {}, "two": {}, "three": {}})
    assert staged.matched.lost == {"one": "not readable", "two": "not readable", "three": "not handed in"}
    assert "left out one.ipynb: more than" in staged.notes[0]


def test_archives_in_a_submission(submitted, tmp_path):
    for name in ("one.ipynb", "two.ipynb"):
        (submitted / name).unlink()
    packed(submitted / "all.zip", {"x/one.ipynb": worked("1"), "x/gpt.py": "from the archive", "x/helper.py": "y = 2"})
    packed(submitted / "runs.zip", {"runs/b.json": "results", "runs/a.json": "older"})
    (submitted / "broken.zip").write_bytes(b"PK\x03\x04")
    (submitted / "two.rar").write_bytes(b"Rar!")
    before = {path.name for path in tmp_path.iterdir()}
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK, "two": {}})
    assert staged.matched.paths == {"one": "all.zip/x/one.ipynb"}
    assert staged.matched.lost == {"two": "not handed in"}
    assert staged.unreadable == ["broken.zip", "two.rar"]
    assert [line.split(":")[0] for line in staged.notes] == ["broken.zip was not opened", "two.rar was not opened"]
    assert {path.name for path in tmp_path.iterdir()} == before | {"files"}
    # The archives themselves stay: a notebook may read one. They can't be read as text here.
    for name in ("all.zip", "runs.zip", "broken.zip", "two.rar"):
        (staged.files / f"{name}.handed-in").unlink()
    found = in_sandbox(staged, tmp_path)
    assert (found["gpt.py"], found["helper.py"]) == ("from the archive", "x = 1")
    assert (found["runs/a.json"], found["runs/b.json"]) == ("{}", "results")


def test_archives_of_one_submission_have_its_caps_together(submitted, tmp_path, monkeypatch):
    for number in range(7):
        packed(submitted / f"{number}.zip", {f"{number}.bin": "x" * 100})
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK})
    laid = sorted(path.name[0] for path in staged.files.glob("?.bin.handed-in"))
    assert laid == ["0", "1", "2", "3", "4"]
    assert staged.notes == ["of 7 archives the first 5 were opened"]
    monkeypatch.setattr(unpacked, "Caps", lambda: Caps(total_bytes=250))
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK})
    assert len(list(staged.files.glob("?.bin.handed-in"))) == 2


def test_archives_are_known_by_their_content_and_may_hold_others(submitted, tmp_path):
    (submitted / "one.ipynb").unlink()
    packed(submitted / "inner.zip", {"one.ipynb": worked("1"), "gpt.py": "from within"})
    packed(submitted / "two.ipynb", {"inner.zip": (submitted / "inner.zip").read_bytes()})
    (submitted / "inner.zip").unlink()
    packed(submitted / "weights.pt", {"two.ipynb": worked("2")})
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK, "two": {}})
    assert staged.matched.paths == {"one": "two.ipynb/inner.zip/one.ipynb"}
    assert staged.matched.content["one"] == worked("1").encode()
    # A third level is not opened: an archive may hold itself.
    packed(submitted / "third.zip", {"second.zip": (submitted / "two.ipynb").read_bytes()})
    (submitted / "two.ipynb").unlink()
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK})
    assert staged.matched.lost == {"one": "not handed in"}


@pytest.mark.parametrize("name", ["page.html", "one.py", "One (1).pdf", "one.crdownload", "gone.webloc"])
def test_what_was_handed_in_for_a_notebook_is_named(submitted, tmp_path, name):
    (submitted / "one.ipynb").unlink()
    (submitted / name).write_text("x")
    staged = stage(submitted, tmp_path / "files", {}, {"one": NOTEBOOK})
    said = f"what counts is the file that ends in .ipynb; handed in was {name}"
    assert said in staged.notes
    assert said not in stage(submitted, tmp_path / "files", {}, {"two": NOTEBOOK}).notes


@pytest.mark.parametrize(
    "place", [".ipynb_checkpoints", "home work/.ipynb_checkpoints", "homework.zip/.ipynb_checkpoints"]
)
def test_a_notebook_that_is_only_a_checkpoint_is_missing_and_the_table_says_why(submitted, tmp_path, place):
    path = f"{place}/three-checkpoint.ipynb"
    archive, _, inside = path.partition(".zip/")
    if inside:
        with zipfile.ZipFile(submitted / f"{archive}.zip", "w") as file:
            file.writestr(inside, "{}")
    else:
        (submitted / path).parent.mkdir(parents=True)
        (submitted / path).write_text("{}")
    staged = stage(submitted, tmp_path / "files", {}, {"one": {}, "two": {}, "three": {}})
    assert staged.matched.content["three"] is None
    said = graded(len(staged.notes), {"three": staged.matched.lost["three"]})
    assert said == "graded, but 1 notebook was not handed in (only a checkpoint of Jupyter was): three; 1 note"
    assert staged.notes[0].startswith(f"{place} holds what Jupyter has kept of a notebook")
    # Beside the notebook itself it is no news.
    (submitted / "three.ipynb").write_text("third")
    staged = stage(submitted, tmp_path / "files", {}, {"one": {}, "two": {}, "three": {}})
    assert "three" not in {name for name, why in staged.matched.lost.items() if "checkpoint" in why}
    assert staged.notes == []
