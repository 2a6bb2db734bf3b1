"""Takes the release apart: what students get holds no answer, no hidden test, nothing of an author's own."""

import base64
import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from demo.commands import Command, Commands
from demo.run_folder import ASSIGNMENT, RunFolder
from dl1.merging import given_out
from proctor.catalogue.entries import load
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import MARKER, file_of, read_sealed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "source" / ASSIGNMENT
# Everything that source/assignment2 may hold: nbgrader gives all of it to students.
ALLOWED = re.compile(r"[123][ab]_\w+\.ipynb|figures/\w+\.svg")
STUB = "raise NotImplementedError()"
# One cell of an untouched notebook takes seconds; this only ends one that hangs.
CELL_HANGS = 120


def names(folder: Path) -> list[str]:
    return sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and ".ipynb_checkpoints" not in file.parts
    )


NOTEBOOKS = [name for name in names(SOURCE) if name.endswith(".ipynb")]


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The release folder that nbgrader makes of the sources, with the course's own configuration."""
    run = RunFolder(tmp_path_factory.mktemp("release") / "run")
    run.set_up_course("bwrap")
    Commands(run).run([Command(("generate_assignment", ASSIGNMENT), run.staff_home, run.course)])
    return run.course / "release" / ASSIGNMENT


def test_source_holds_nothing_but_notebooks_and_figures():
    assert NOTEBOOKS
    assert [name for name in names(SOURCE) if not ALLOWED.fullmatch(name)] == []


def test_release_has_the_same_files(release):
    assert names(release) == sorted([*names(SOURCE), given_out.NAME])


def cells(folder: Path, name: str) -> list[dict]:
    return notebook_cells.read(folder / name)["cells"]


def secret_and_public_lines(name: str) -> tuple[set[str], set[str]]:
    """The lines inside and outside the marked regions of a source notebook."""
    secret, public = set(), set()
    for cell in cells(SOURCE, name):
        lines = notebook_cells.source(cell).split("\n")
        inside = {
            number
            for kind in notebook_cells.REGION_NAMES
            for region in notebook_cells.regions("\n".join(lines), kind)
            for number in range(region.begin, region.end + 1)
        }
        for number, line in enumerate(lines, start=1):
            (secret if number in inside else public).add(line.strip())
    return secret, public


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_line_of_a_solution_or_hidden_test(release, name):
    secret, public = secret_and_public_lines(name)
    secret -= public
    assert len(secret) > 20
    for file in names(release):
        text = (release / file).read_text(encoding="utf-8")
        if file.endswith((".ipynb", ".json")):
            # The strings as they read, wherever in the file they stand: sources, outputs, metadata, attachments.
            text = "\n".join(strings(json.loads(text)))
        # In other notebooks short lines ("check_equal(") say nothing and stand in any program.
        telling = secret if file == name else {line for line in secret if len(line) >= 25}
        assert not telling & {line.strip() for line in text.split("\n")}, file
        assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)", text), file


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_checks_carry_their_sealed_hints_and_no_word_of_the_catalogue(release, name):
    stem = name.removesuffix(".ipynb")
    sealed = read_sealed(file_of(ROOT / "misconceptions", stem))
    given = {notebook_cells.grade_id(cell): notebook_cells.source(cell) for cell in cells(release, name)}
    lines = {test: one.line for test, one in sealed.items() if one.line}
    assert lines
    assert {test for test, text in given.items() if test and MARKER in text} == set(lines)
    for test, line in lines.items():
        assert line in given[test].split("\n")
    words = [words for one in load(ROOT / "misconceptions") for words in (one.hint, one.name, one.why) if words]
    assert len(words) > 400
    text = "\n".join(strings(json.loads((release / name).read_text(encoding="utf-8"))))
    text += "".join(base64.b64decode(line.removeprefix(MARKER)).decode("latin-1") for line in lines.values())
    # A name can be a plain word.
    assert not [one for one in words if one in text and (" " in one or one.count("-") > 1)]


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in strings(item))]
    if isinstance(value, list):
        # A source is a list of lines.
        return (
            ["".join(value)] if all(isinstance(item, str) for item in value) else [t for v in value for t in strings(v)]
        )
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_solution_is_a_stub(release, name):
    stubs = 0
    for before, after in zip(cells(SOURCE, name), cells(release, name), strict=True):
        role, text = notebook_cells.role(before), notebook_cells.source(after)
        assert role == notebook_cells.role(after)
        if role == "solution":
            regions = notebook_cells.regions(notebook_cells.source(before), "SOLUTION")
            assert text.count(STUB) == max(1, len(regions))
            stubs += text.count(STUB)
        elif role == "manual":
            assert "YOUR ANSWER HERE" in text
        else:
            assert STUB not in text
    assert stubs


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_hints_are_there_and_checks_come_folded(release, name):
    for before, after in zip(cells(SOURCE, name), cells(release, name), strict=True):
        if notebook_cells.role(before) == "text":
            assert notebook_cells.source(after) == notebook_cells.source(before)
        assert after["metadata"].get("jupyter") == before["metadata"].get("jupyter")
        assert notebook_cells.is_folded(after) == (notebook_cells.role(after) == "test")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_untouched_notebook_fails_with_not_implemented_only(release, name, tmp_path, monkeypatch):
    # As Validate does, under which nothing is trained for long.
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    notebook = nbformat.read(release / name, as_version=4)
    client = NotebookClient(notebook, timeout=CELL_HANGS, allow_errors=True, resources={"metadata": {"path": tmp_path}})
    client.execute()
    errors = {
        notebook_cells.grade_id(cell) or cell.id: output.ename
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    }
    tests = {notebook_cells.grade_id(cell) for cell in notebook.cells if notebook_cells.role(cell) == "test"}
    assert set(errors.values()) == {"NotImplementedError"}, errors
    assert tests <= set(errors)


@pytest.mark.parametrize("of_staff", [True, False], ids=["source", "release"])
def test_the_last_cell_says_what_the_folder_lacks_and_hands_nothing_in(release, tmp_path, monkeypatch, of_staff):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    folder = tmp_path / ASSIGNMENT
    shutil.copytree(SOURCE if of_staff else release, folder)
    notebook = nbformat.read(folder / NOTEBOOKS[0], as_version=4)
    del notebook.cells[:-1]
    NotebookClient(notebook, timeout=CELL_HANGS, resources={"metadata": {"path": folder}}).execute()
    told = "".join(output.text for output in notebook.cells[0].outputs)
    if of_staff:
        assert f"{folder} is the staff's" in told
    else:
        assert f"{len(NOTEBOOKS)} notebooks of the assignment" in told
        for name in NOTEBOOKS:
            assert re.search(rf"  - {name}: (\d+) of \1 answers are as they were given out", told), name
        assert "hand_in(submit=True)" in told
    assert [path.name for path in tmp_path.iterdir()] == [ASSIGNMENT]
