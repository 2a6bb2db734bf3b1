"""What lies beside a notebook before its variants are run."""

import json

import pytest

from proctor.catalogue.__main__ import main
from proctor.catalogue.setup import Setup, read_setup
from proctor.errors import ProctorError

ENTRY = """
[[wrong]]
name = "nothing-read"
cell = "q1_1_answer"
hint = "you don't read the file"
loses = ["q1_1_check"]
change = [["return open('given.txt').read() + exported()", "return ''"]]
"""


def cell(source, grade_id=None, **flags):
    nbgrader = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3, **flags}
    metadata = {"nbgrader": nbgrader | {"grade_id": grade_id}} if grade_id else {}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def write(path, cells):
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A notebook that reads what another one exported, and a file that was handed in."""
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "source" / "1a_first.ipynb",
        [
            cell("open('exported.txt', 'w').write('from the first')"),
            cell("raise ValueError('a test')", "q0_1_test", grade=True, points=1),
        ],
    )
    answer = (
        "def exported():\n    return open('exported.txt').read()\ndef answer():\n    ### BEGIN SOLUTION\n"
        "    return open('given.txt').read() + exported()\n    ### END SOLUTION"
    )
    write(
        tmp_path / "source" / "1b_second.ipynb",
        [
            cell(answer, "q1_1_answer", solution=True, locked=False),
            cell("assert answer() == 'a run from the first'", "q1_1_check", grade=True, points=1),
        ],
    )
    (tmp_path / "handed_in").mkdir()
    (tmp_path / "handed_in" / "given.txt").write_text("a run ")
    (tmp_path / "misconceptions").mkdir()

    def run(setup):
        (tmp_path / "misconceptions" / "1b_second.toml").write_text(setup + ENTRY)
        return main(["source", "misconceptions", "--jobs", "1"])

    return run


SETUP = '[setup]\nbefore = ["1a_first"]\nfiles = "../handed_in"\n'


def test_exports_and_files_lie_beside_the_variants_but_not_beside_the_untouched_version(course, capsys, tmp_path):
    assert course(SETUP) == 0
    assert "1 wrong variant caught" in capsys.readouterr().out
    # Nothing lands in the sources.
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == ["1a_first.ipynb", "1b_second.ipynb"]


@pytest.mark.parametrize("left", ['[setup]\nbefore = ["1a_first"]\n', '[setup]\nfiles = "../handed_in"\n', ""])
def test_without_them_the_reference_fails(course, capsys, left):
    assert course(left) == 2
    assert "the reference solution has to run without a failure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setup", "says"),
    [
        ('[setup]\nbefore = "1a_first"\n', "a list of notebooks"),
        ("[setup]\nbefore = [1]\n", "a list of notebooks"),
        ("[setup]\nafter = []\n", "nothing else"),
        ("setup = 3\n", "nothing else"),
        ('[setup]\nfiles = "../nowhere"\n', "is no folder"),
        ('[setup]\nbefore = ["9z_none"]\n', "there is no such notebook"),
    ],
)
def test_mistakes_in_the_table_are_named(course, capsys, setup, says):
    assert course(setup) == 2
    assert says in capsys.readouterr().err


def test_a_notebook_that_runs_first_and_fails_is_named(course, capsys, tmp_path):
    write(tmp_path / "source" / "1a_first.ipynb", [cell("1 / 0")])
    assert course(SETUP) == 2
    said = capsys.readouterr().err
    assert "1a_first.ipynb, which has to run before 1b_second.ipynb, fails" in said
    assert "ZeroDivisionError" in said


def test_a_catalogue_without_the_table_has_an_empty_setup(tmp_path):
    (tmp_path / "x.toml").write_text(ENTRY)
    assert read_setup(tmp_path / "x.toml") == Setup()
    with pytest.raises(ProctorError, match="cannot be read"):
        read_setup(tmp_path / "y.toml")
