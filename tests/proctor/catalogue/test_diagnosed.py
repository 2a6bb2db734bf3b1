"""`python -m proctor.catalogue --diagnosed`: each mistake is named, or stands among those that answer alike."""

import json
import os

import pytest

from proctor.catalogue.__main__ import main

SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
TEST = """\
import torch
from dl1 import check_equal, generator, probe

@probe
def doubled(x):
    return double(x)

check_equal(doubled(3), 6)
### BEGIN HIDDEN TESTS
x = int(torch.randint(100, 200, (), generator=generator("x")))
check_equal(doubled(x), 2 * x)
### END HIDDEN TESTS"""
WRONG = {
    "adds": "return x + 3",
    "squares": "return x * x",
    "triples": "return 3 * x",
    "draws": "import os; return float(os.getpid())",
    "stub": "raise NotImplementedError",
}


def cell(source, grade_id, **nbgrader):
    flags = {"grade": False, "solution": False, "locked": False, "grade_id": grade_id, **nbgrader}
    return {"cell_type": "code", "metadata": {"nbgrader": flags}, "source": source}


def entry(name, body):
    text = json.dumps(f"def double(x):\n    {body}")
    head = f'[[wrong]]\nname = "{name}"\ncell = "q1_1_double"\nhint = "you {name}"\nloses = ["q1_1_values"]\n'
    return f"{head}source = {text}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND", "NBGRADER_EXECUTION"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    for folder in ("source", "catalogue"):
        (tmp_path / folder).mkdir()
    cells = [cell(SOLUTION, "q1_1_double", solution=True), cell(TEST, "q1_1_values", grade=True, locked=True, points=2)]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "source" / "1a_numbers.ipynb").write_text(json.dumps(content))

    def run(*names, more=""):
        text = "\n".join(entry(name, WRONG[name]) for name in names) + more
        (tmp_path / "catalogue" / "1a_numbers.toml").write_text(text)
        return main([str(tmp_path / "source"), str(tmp_path / "catalogue"), "--jobs", "1", "--diagnosed"])

    return run


def test_what_a_student_with_each_mistake_reads(run, capsys):
    assert run("adds", "squares", "triples", "draws", "stub") == 0
    assert capsys.readouterr().out.splitlines() == [
        "1a_numbers: 1 named, 2 in a set, 2 unnamed, 0 wrongly named",
        "  unnamed: draws: q1_1_values (wrong type): no name",
        "  unnamed: stub: q1_1_values (not finished): no name",
        "  in a set: squares: q1_1_values (wrong value): squares, triples",
        "  in a set: triples: q1_1_values (wrong value): squares, triples",
        "5 wrong variants: 1 named, 2 in a set, 2 unnamed, 0 wrongly named",
    ]


def test_a_wrong_name_is_an_error(run, capsys):
    # Draws once for the student and once for the catalogue, and so looks like the one and then like the other.
    flips = "import os\n    return x + 3 if os.path.exists('been') else [open('been', 'w').close(), x * x][1]"
    assert run("adds", "squares", more=entry("flips", flips)) == 1
    assert "  wrongly named: flips: q1_1_values (wrong value): " in capsys.readouterr().out
