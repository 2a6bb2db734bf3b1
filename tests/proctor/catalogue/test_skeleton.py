"""Entries that are begun with an answer: what they lose, and a file that the catalogue command reads."""

import tomllib

import pytest

from proctor.catalogue.entries import load, variants
from proctor.catalogue.skeleton import add_draft, answer_of, lost_with, skeleton
from proctor.errors import ProctorError


def cell(name, text, **nbgrader):
    return {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": name, **nbgrader}}, "source": text}


def answer(name, text="def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"):
    return cell(name, text, solution=True, grade=False)


def test_cell(name):
    return cell(name, "assert f(1) == 2", solution=False, grade=True, locked=True, points=1)


test_cell.__test__ = False
NOTEBOOK = {
    "cells": [
        answer("q1_1_f"),
        test_cell("q1_1_values"),
        answer("q1_2_g"),
        answer("q1_3_h"),
        test_cell("q1_2_a"),
        test_cell("q1_2_b"),
        test_cell("q1_3_a"),
    ],
    "nbformat": 4,
}
WRONG = "def f(x):\n    # ada\n    triple = 3\n    return triple * x * len('''a\n'''[:1])"


def test_a_test_belongs_to_the_answer_of_its_question():
    found = {name: answer_of(NOTEBOOK, name) for name in ("q1_1_values", "q1_2_b", "q1_3_a", "q1_3_h")}
    assert found == {"q1_1_values": "q1_1_f", "q1_2_b": "q1_2_g", "q1_3_a": "q1_3_h", "q1_3_h": "q1_3_h"}
    with pytest.raises(ProctorError, match="no answer and no test cell has this id; there are q1_1_f"):
        answer_of(NOTEBOOK, "q9")
    with pytest.raises(ProctorError, match="no answer stands above"):
        answer_of({"cells": NOTEBOOK["cells"][1:]}, "q1_1_values")


def test_an_entry_loses_what_the_answer_has_failed():
    failed = {"q1_1_values", "q1_2_b", "q1_2_a"}
    assert lost_with(NOTEBOOK, "q1_2_g", failed, "q1_2_g") == ["q1_2_a", "q1_2_b"]
    assert lost_with(NOTEBOOK, "q1_2_g", failed, "q1_2_b") == ["q1_2_a", "q1_2_b"]
    for answer_cell, name in (("q1_3_h", "q1_3_h"), ("q1_3_h", "q1_3_a"), ("q1_2_g", "q1_3_a")):
        with pytest.raises(ProctorError, match="has failed no check"):
            lost_with(NOTEBOOK, answer_cell, failed, name)


def made(text=WRONG):
    return skeleton(NOTEBOOK, "q1_1_f", text, ["q1_1_values"], ["ada"])


def test_the_catalogue_says_what_is_still_to_be_done_and_then_takes_it(tmp_path):
    entry = made()
    file = add_draft(tmp_path, "2a", entry)
    assert file == tmp_path / "drafts" / "2a.toml"
    assert "ada" not in file.read_text()
    with pytest.raises(ProctorError, match=f"wrong entry '{entry['name']}': add `hint`, a text that is not empty"):
        load(file)
    file.write_text(file.read_text().replace('hint = ""', 'hint = "you triple it"'))
    ((loaded, text),) = variants(load(file), NOTEBOOK)
    assert (loaded.cell, loaded.loses) == ("q1_1_f", ("q1_1_values",))
    names = {}
    exec(text, names)
    assert names["f"](2) == 6


def test_what_is_there_stays(tmp_path):
    file = add_draft(tmp_path, "2a", made())
    before = file.read_text()
    with pytest.raises(ProctorError, match="has an entry q1_1_f-.* already"):
        add_draft(tmp_path, "2a", made(WRONG.replace("ada", "another comment")))
    assert file.read_text() == before
    add_draft(tmp_path, "2a", made(WRONG.replace("3", "4")))
    assert file.read_text().startswith(before)
    assert len(tomllib.loads(file.read_text())["wrong"]) == 2


def test_an_entry_of_the_catalogue_itself_is_not_begun_again(tmp_path):
    file = add_draft(tmp_path, "2a", made())
    file.rename(tmp_path / "2a.toml")
    with pytest.raises(ProctorError, match="already"):
        add_draft(tmp_path, "2a", made())
    assert not file.exists()


def test_the_reference_itself_makes_no_entry():
    with pytest.raises(ProctorError, match="changes nothing that Python sees"):
        made("def f(x):\n    return 2 * x")


def test_a_file_that_is_no_catalogue_is_left_alone(tmp_path):
    (tmp_path / "2a.toml").write_text("[[")
    with pytest.raises(ProctorError, match="is not TOML"):
        add_draft(tmp_path, "2a", made())
    assert not (tmp_path / "drafts").exists()
