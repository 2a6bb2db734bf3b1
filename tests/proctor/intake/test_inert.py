"""No file of a submission has a name that a tool looks for, and each gets its own name back in the sandbox."""

import os
import random
import subprocess
from pathlib import Path

import hostile_files
import pytest

from proctor.intake.copier import copy_tree
from proctor.intake.inert import (
    ENDING,
    handed_in_name,
    lay_over,
    make_inert,
    place_of,
    restore,
    run_by_tools,
    stored_name,
    stored_path,
)

NAMES = [
    *(
        "torch.py",
        "_own.py",
        "__init__.py",
        "-rf",
        "~",
        "a.handed-in",
        "_.handed-in",
        "_a.handed-in",
        "Makefile",
        "HEAD",
    ),
    *("x.ipynb", "timestamp.txt", "submission_secret.txt", ENDING, "%2E", "é.png", "a b", "_", "__", "exercise.html"),
]


@pytest.mark.parametrize("on_top", [True, False])
@pytest.mark.parametrize("is_folder", [True, False])
def test_every_name_comes_back_and_no_two_become_one(on_top, is_folder):
    stored = [stored_name(name, on_top, is_folder) for name in NAMES]
    assert [handed_in_name(name) for name in stored] == NAMES
    assert len(set(stored)) == len(NAMES)


def test_any_name_comes_back():
    rng = random.Random(3)
    for _ in range(5_000):
        name = "".join(rng.choice("a_.-1") for _ in range(rng.randint(1, 6))) + rng.choice(["", ENDING, ".ipynb"])
        for on_top in (True, False):
            stored = stored_name(name, on_top, False)
            assert handed_in_name(stored) == name
            assert stored == name or stored.endswith(ENDING)
            assert stored[0].isalnum() or stored[0] == "_"


def test_only_notebooks_and_on_top_what_nbgrader_wrote_keep_their_names():
    for name in NAMES:
        kept = name in ("x.ipynb", "timestamp.txt", "submission_secret.txt")
        assert (stored_name(name, True, False) == name) is kept, name
        for on_top, is_folder in ((False, False), (True, True)):
            assert (stored_name(name, on_top, is_folder) == name) is (name == "x.ipynb"), name
    assert stored_name("-x.ipynb", True, False) != "-x.ipynb"
    assert str(stored_path("runs/.x/a.json")) == "runs.handed-in/_.x.handed-in/a.json.handed-in"


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def write(folder: Path, **files: str) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_what_was_put_into_submitted_by_hand_is_renamed_where_it_lies(tmp_path):
    write(tmp_path, **{"a.ipynb": "n", "torch.py": "1", ".git/config": "2", "runs/a/b.json": "3", "runs/x.ipynb": "4"})
    os.symlink("/nowhere", tmp_path / ".jupyter")
    assert make_inert(tmp_path) == []
    assert set(tree(tmp_path)) == {
        "a.ipynb",
        "torch.py.handed-in",
        "_.git.handed-in/config.handed-in",
        "runs.handed-in/a.handed-in/b.json.handed-in",
        "runs.handed-in/x.ipynb",
    }
    assert (tmp_path / "_.jupyter.handed-in").is_symlink()
    before = tree(tmp_path)
    assert make_inert(tmp_path) == []
    assert tree(tmp_path) == before


def test_what_was_put_beside_an_older_version_takes_its_place(tmp_path):
    write(tmp_path, **{"torch.py": "1", "runs/a.json": "1", "runs/b.json": "1", "old": "1", "new/x": "1"})
    make_inert(tmp_path)
    write(tmp_path, **{"torch.py": "2", "runs/a.json": "2", "old/x": "2", "new": "2"})
    assert make_inert(tmp_path) == []
    assert tree(tmp_path) == {
        "torch.py.handed-in": "2",
        "runs.handed-in/a.json.handed-in": "2",
        "runs.handed-in/b.json.handed-in": "1",
        "old.handed-in/x.handed-in": "2",
        "new.handed-in": "2",
    }


def test_a_name_that_can_not_be_changed_is_named_and_the_others_are_changed(tmp_path):
    write(tmp_path, **{"n" * 250: "x", "torch.py": "x"})
    (line,) = make_inert(tmp_path)
    assert "can't be renamed" in line
    assert "torch.py.handed-in" in tree(tmp_path)


def test_a_thousand_folders_inside_each_other_do_not_stop_it(tmp_path):
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    (tmp_path / "torch.py").write_text("x")
    try:
        assert all("can't be" in line for line in make_inert(tmp_path))
        assert (tmp_path / "torch.py.handed-in").exists()
    finally:
        # pytest's own cleaning would recurse, and fail.
        subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_restored_are_the_names_that_were_handed_in_and_nothing_lies_outside(tmp_path):
    stored, target = tmp_path / "in" / "stored", tmp_path / "in" / "to"
    write(
        stored,
        **{
            "torch.py.handed-in": "1",
            "runs.handed-in/a.json.handed-in": "2",
            "a.ipynb": "no",
            "runs.handed-in/b.ipynb.handed-in": "no",
            # Such names were never given by the engine: ".." and nothing at all.
            "_...handed-in/evil.handed-in": "no",
            "_..handed-in": "no",
            "_.handed-in": "no",
        },
    )
    target.mkdir()
    restore(stored, target)
    assert tree(target) == {"torch.py": "1", "runs/a.json": "2"}
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["stored", "to"]


def test_a_file_is_found_under_the_name_that_another_system_takes_for_its_own(tmp_path):
    names = ["Figs/Fig 1.PNG", "u\u0308bung.jpg", "two/a.png", "two/A.png"]
    for name in names:
        place = tmp_path / stored_path(name)
        place.parent.mkdir(exist_ok=True)
        place.write_text(name)
    asked = {"figs/fig 1.png": names[0], "\u00dcbung.JPG": names[1], "two/A.png": names[3], "two/a.png": names[2]}
    assert {path: place_of(tmp_path, path).read_text() for path in asked} == asked
    for path in ("two/a.PNG", "none.png", "two/a.png/x"):
        assert not place_of(tmp_path, path).exists()


def test_results_make_room_for_themselves(tmp_path):
    write(tmp_path / "one", **{"runs": "a file", "gpt.py/x": "a folder", "kept": "1"})
    write(tmp_path / "two", **{"runs/a.json": "2", "gpt.py": "2"})
    lay_over(tmp_path / "two", tmp_path / "one")
    assert tree(tmp_path / "one") == {"runs/a.json": "2", "gpt.py": "2", "kept": "1"}


def test_what_is_installed_is_looked_for_only_if_a_file_could_stand_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr("proctor.intake.inert._modules", lambda: asked.append(1) or {"torch"})
    assert run_by_tools(["runs/a.json", "notes.txt", "torch"]) == []
    assert asked == []
    assert run_by_tools(["torch.py"]) == ["torch.py"]


def test_staff_are_told_of_what_would_have_run():
    quiet = ["my_solution.py", "runs/torch/a.json", "gpt.py", "notes.txt", "plot.png", "data/numpy.csv"]
    loud = [".git/config", "torch.py", "numpy/__init__.py", "json.py", "sub/conftest.py", "nbgrader_config.py"]
    loud += ["jupyter_server_config.json", "Makefile", "x.pth", "sitecustomize.py", "pyproject.toml", "package.json"]
    assert run_by_tools([*quiet, *loud]) == sorted(loud)


@pytest.mark.slow
def test_no_tool_runs_anything_in_a_folder_that_was_copied_or_renamed(tmp_path):
    source, canary = tmp_path / "handed in", tmp_path / "canary"
    hostile_files.lay_traps(source, canary)
    write(source, **{"a.ipynb": "{}"})
    hostile_files.spring_traps(source)
    # They do work where nothing was done about them.
    said = canary.read_text()
    assert all(word in said for word in ("git", "torch.py", "nbgrader_config.py", "conftest.py", "__main__.py", "make"))
    canary.unlink()
    copy_tree(source, tmp_path / "copied")
    make_inert(source)
    for folder in (tmp_path / "copied", source):
        hostile_files.spring_traps(folder)
    assert not canary.exists(), canary.read_text()
