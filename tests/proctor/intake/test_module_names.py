"""Own modules that are called like installed packages are said, if something imports them by that name."""

import pytest

from proctor.intake.inert import stored_name
from proctor.intake.module_names import shadowed


def notebook(*sources: str) -> dict:
    return {"cells": [{"cell_type": "code", "source": source} for source in sources]}


@pytest.fixture
def files(tmp_path):
    (tmp_path / stored_name("toml", True, True)).mkdir()
    texts = {"decorator.py": "def mine(): pass", "helpers.py": "x = 1\nimport networkx as nx", "networkx.py": ""}
    for name, text in {**texts, "test.py": "", "data.json": "{}"}.items():
        (tmp_path / stored_name(name, True, False)).write_text(text)
    return tmp_path


def test_each_that_is_imported_is_named(files):
    said = shadowed(files, notebook("x = 1\nif x:\n    import os, toml", "from decorator import mine"))
    assert [line.split(" is called like")[0] for line in said] == ["decorator.py", "networkx.py", "the folder toml"]
    assert "`import decorator` means the package" in said[0]


def test_what_nobody_imports_and_what_python_itself_has_needs_no_word(files):
    (files / stored_name("helpers.py", True, False)).write_text("# no import networkx\n")
    # A file test.py is found, as in a notebook.
    assert shadowed(files, notebook("from test import helper\n'import toml'", "import helpers")) == []


def test_a_submission_without_such_files_asks_nothing(tmp_path):
    assert shadowed(tmp_path, {}) == []
