"""The command that seals a catalogue's hints, and the one that lets every answer open what it can."""

import base64
import json
import os
import re

import exercise
import pytest

from proctor.catalogue import __main__ as command
from proctor.catalogue import hint_sealing
from proctor.notebooks.hint_lines import file_of, read_sealed, with_line

MORE = """
[[wrong]]
name = "norm-of-absolutes"
cell = "q2_norm"
hint = "your length is a sum of absolute values"
loses = ["q2_test"]
source = "def unit(x):\\n    return x / x.abs().sum()"

[[wrong]]
name = "norm-of-largest"
cell = "q2_norm"
hint = "your length is the largest number"
loses = ["q2_test"]
source = "def unit(x):\\n    return x / x.max()"

[[wrong]]
name = "norm-nothing"
cell = "q2_norm"
hint = "your unit vector is nothing but zeros"
loses = ["q2_test"]
source = "def unit(x):\\n    return 0 * x"

[[wrong]]
name = "norm-method"
cell = "q2_norm"
hint = "a tensor has no such method"
loses = ["q2_test"]
source = "def unit(x):\\n    return x / x.length()"

[[wrong]]
name = "norm-of-chance"
cell = "q2_norm"
hint = "your unit vector is another one each time"
loses = ["q2_test"]
source = "import random\\ndef unit(x):\\n    return x * random.SystemRandom().random()"

[[right]]
name = "norm-by-hand"
cell = "q2_norm"
why = "by hand"
source = "def unit(x):\\n    return x / (x * x).sum().sqrt()"
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Folders of notebooks and catalogue, with sealed hints; and what the second command said about them."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "source").mkdir()
    (folder / "catalogue").mkdir()
    notebook = folder / "source" / f"{exercise.NOTEBOOK}.ipynb"
    notebook.write_text(json.dumps(exercise.instructor_notebook()))
    (folder / "catalogue" / f"{exercise.NOTEBOOK}.toml").write_text(exercise.CATALOGUE + MORE)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MPLBACKEND", "NBGRADER_EXECUTION"):
            patch.setenv(name, os.environ.get(name, ""))
        patch.setattr(hint_sealing, "_COST", 2)
        options = [str(folder / "source"), str(folder / "catalogue"), "--jobs", "1"]
        assert command.main([*options, "--seal"]) == 0
        yield folder, options


def sealed(folder):
    return read_sealed(file_of(folder / "catalogue", exercise.NOTEBOOK))


def test_each_mistake_opens_its_own_hint_and_right_and_unfinished_answers_none(course, capfd):
    folder, options = course
    assert {name: bool(one.line) for name, one in sealed(folder).items()} == {"q1_test": True, "q2_test": True}
    assert command.main([*options, "--sealed"]) == 0
    said = capfd.readouterr().out
    assert "9 wrong variants: 3 opens its own, 2 opens a set with its own, 2 passes the public part, 1 answers" in said
    assert "double-squares: opens a set with its own: double-squares, double-triples" in said
    assert "norm-nothing: answers what comes of anything" in said
    assert "norm-of-chance: answers another thing each time" in said
    # The reference and a right answer to each of two questions; two cells that nobody has begun.
    assert "4 right, 2 as keys, 2 unfinished: 0 open a hint" in said


def test_a_hint_that_does_not_open_and_one_that_is_another_s_are_found(course, capfd):
    folder, options = course
    file = file_of(folder / "catalogue", exercise.NOTEBOOK)
    before = file.read_text()
    catalogue = folder / "catalogue" / f"{exercise.NOTEBOOK}.toml"
    entries = catalogue.read_text()
    try:
        file.write_text(before.replace(sealed(folder)["q1_test"].line, sealed(folder)["q2_test"].line))
        catalogue.write_text(entries.replace("a sum of absolute values", "another one's"))
        assert command.main([*options, "--sealed"]) == 1
        said = capfd.readouterr().out
        assert "double-squares: opens nothing" in said
        assert "norm-of-absolutes: opens others" in said
    finally:
        file.write_text(before)
        catalogue.write_text(entries)


def test_nothing_of_the_catalogue_can_be_read_in_a_released_cell(course):
    folder, _ = course
    cells = [with_line("# Check", one.line) for one in sealed(folder).values()]
    cells += [base64.b64decode(cell.rpartition(": ")[2]).decode("latin-1") for cell in cells]
    for words in re.findall(r'(?:name|hint|source) = "(.*)"', exercise.CATALOGUE + MORE):
        assert not any(words in cell for cell in cells), words


def test_only_what_changed_is_sealed_again(course):
    folder, options = course
    before = sealed(folder)
    catalogue = folder / "catalogue" / f"{exercise.NOTEBOOK}.toml"
    entries = catalogue.read_text()
    try:
        catalogue.write_text(entries.replace("the largest number", "its largest number"))
        assert command.main([*options, "--seal"]) == 0
        now = sealed(folder)
        assert now["q1_test"] == before["q1_test"]
        assert now["q2_test"].line != before["q2_test"].line
    finally:
        catalogue.write_text(entries)
