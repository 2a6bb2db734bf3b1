"""Twelve broken hand-ins, each said in one line that names the file and what to do; a whole one has nothing said."""

import json
import shutil
from pathlib import Path

import pytest

from dl1.handing_in.findings import findings
from dl1.handing_in.folder import look_into
from dl1.merging.given_out import NAME
from tests.dl1.handing_in.small_assignment import ESSAY, change, finished, one, write


def said(folder: Path) -> list[str]:
    return [f"{finding.kind} | {finding}" for finding in findings(look_into(folder))]


def test_a_whole_folder_has_nothing_to_be_said(tmp_path):
    assert said(finished(tmp_path / "ps1")) == []


def conflicted(folder):
    text = (folder / "1_one.ipynb").read_text(encoding="utf-8")
    (folder / "1_one.ipynb").write_text(f"<<<<<<< HEAD\n{text}\n=======\n{{}}\n>>>>>>> theirs\n", encoding="utf-8")


def conflicted_in_a_cell(folder):
    change(folder / "1_one.ipynb", "q1_2_why", f"{ESSAY}\n\n<<<<<<< HEAD\nBecause.\n=======\nSo.\n>>>>>>> theirs")


def copied_cell(folder):
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(json.dumps(content["cells"][3]))
    again["source"] = "def f(x):\n    return 3 * x"
    content["cells"].insert(4, again)
    write(path, content)


def half_saved(folder):
    path = folder / "2_two.ipynb"
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")


def kept_as_checkpoint(folder):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "2_two.ipynb").rename(folder / ".ipynb_checkpoints" / "2_two-checkpoint.ipynb")


def two_versions(folder):
    write(folder / "1_one (conflicted copy).ipynb", one())


def kept_stub(folder):
    change(
        folder / "1_one.ipynb", "q1_3_g", "def g(x):\n    if x:\n        return x**2\n    raise NotImplementedError()"
    )


def deleted_cell(folder):
    path = folder / "1_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"] = [cell for cell in content["cells"] if cell["id"] != "q1_3_g"]
    write(path, content)


BROKEN = {
    "missing": (
        lambda folder: (folder / "2_two.ipynb").unlink(),
        ["missing | 2_two.ipynb: is not there; without it its questions have no points"],
    ),
    "renamed": (
        lambda folder: (folder / "2_two.ipynb").rename(folder / "Untitled.ipynb"),
        ["name | Untitled.ipynb was taken for 2_two.ipynb: the file has another name"],
    ),
    "only a checkpoint": (kept_as_checkpoint, ["missing | 2_two.ipynb: is not there; "]),
    "two versions": (two_versions, ["name | 2 files were handed in for 1_one.ipynb: 1_one.ipynb counts, since it has"]),
    "conflict in the file": (conflicted, ["conflict | 1_one.ipynb: has the marks", "unreadable | 1_one.ipynb: can't"]),
    "conflict in a cell": (conflicted_in_a_cell, ["conflict | 1_one.ipynb: has the marks of two versions"]),
    "cut off": (half_saved, ["unreadable | 2_two.ipynb: can't be read as a notebook"]),
    "a stub left": (kept_stub, ["stub | 1_one.ipynb: q1_3_g still has `raise NotImplementedError()` in it"]),
    "an essay left": (
        lambda folder: change(folder / "1_one.ipynb", "q1_2_why", f"{ESSAY}\n\nYOUR ANSWER HERE\n"),
        ["left | 1_one.ipynb: 1 of 3 answers are as they were given out: q1_2_why"],
    ),
    "too many words": (
        lambda folder: change(folder / "1_one.ipynb", "q1_2_why", f"{ESSAY}\n\n{'so ' * 11} $x = 2 y$ - it is."),
        ["words | 1_one.ipynb: q1_2_why has 14 words, and at most 12 are asked for"],
    ),
    "a copied cell": (copied_cell, ["cells | 1_one.ipynb: the cell q1_1_f is there more than once; all of its texts"]),
    "a deleted cell": (
        deleted_cell,
        ["cells | 1_one.ipynb: the answer cell q1_3_g is missing", "left | 1_one.ipynb: 1"],
    ),
    "no Python": (
        lambda folder: change(folder / "2_two.ipynb", "q2_1_h", "h = = 3"),
        ["syntax | 2_two.ipynb: q2_1_h is not Python: invalid syntax (line 1)"],
    ),
    "an import": (
        lambda folder: change(folder / "2_two.ipynb", "q2_1_h", "import no_such_module\nimport own\nh = 3"),
        [
            "imports | 2_two.ipynb: imports no_such_module, which is neither",
            "imports | 2_two.ipynb: imports own, which",
        ],
    ),
    "a large file": (
        lambda folder: (folder / "weights.pt").write_bytes(b"w" * 260_000),
        ["size | weights.pt: has 0 MiB: nbgrader leaves out", "size | the folder has 0 MiB"],
    ),
    "many files": (
        lambda folder: [(folder / f"{number}.txt").touch() for number in range(50)],
        ["size | the folder has 53 files, and 40 are taken"],
    ),
    "nothing known": (
        lambda folder: (folder / NAME).unlink(),
        ["release | what was given out isn't known here: put assignment.json"],
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_said_in_a_line(kind, tmp_path):
    folder = finished(tmp_path / "ps1")
    breaks, lines = BROKEN[kind]
    breaks(folder)
    found = said(folder)
    assert len(found) == len(lines), found
    for line, begin in zip(found, lines, strict=True):
        assert line.startswith(begin)
        assert "\n" not in line


def test_a_module_beside_the_notebook_and_one_that_may_fail_are_no_lack(tmp_path):
    folder = finished(tmp_path / "ps1")
    (folder / "own.py").write_text("three = 3\n")
    text = "import own\ntry:\n    import no_such_module\nexcept ImportError:\n    pass\nimport numpy\nh = own.three"
    change(folder / "2_two.ipynb", "q2_1_h", text)
    assert said(folder) == []


def test_results_that_took_minutes_are_missed_where_the_notebook_was_worked_on(tmp_path):
    folder = finished(tmp_path / "ps1")
    given = json.loads((folder / NAME).read_text(encoding="utf-8"))
    given["notebooks"] = {"2b_gpt_training": given["notebooks"].pop("1_one")}
    (folder / NAME).write_text(json.dumps(given), encoding="utf-8")
    (folder / "2_two.ipynb").unlink()
    (folder / "1_one.ipynb").rename(folder / "2b_gpt_training.ipynb")
    runs = folder / "runs" / "2b_gpt_training"
    where = "runs | 2b_gpt_training.ipynb: runs/2b_gpt_training"
    assert said(folder) == [f"{where} has nothing: run its training cells to their end; grading trains nothing"]
    runs.mkdir(parents=True)
    (runs / "run.json").write_text('{"half')
    lines = said(folder)
    assert lines[0].startswith(f"{where} lacks the weights: run")
    assert lines[1].startswith(f"{where}/run.json can't be read: delete it")
    shutil.rmtree(runs.parent)
    write(folder / "2b_gpt_training.ipynb", one())
    assert [line.partition(" ")[0] for line in said(folder)] == ["left"]
