import json

import pytest

from proctor.errors import ProctorError
from proctor.notebooks.cells import (
    STUB,
    Region,
    cleared,
    find_notebooks,
    grade_id,
    read,
    regions,
    role,
    scan_regions,
    source,
)

CELL = {"cell_type": "markdown", "metadata": {}, "source": ["Grüße\n", "two"]}
NOTEBOOK = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def managed(cell_type="code", **flags):
    return {"cell_type": cell_type, "metadata": {"nbgrader": {"grade_id": "a", **flags}}, "source": ""}


def test_read_gives_plain_json(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    assert read(path) == NOTEBOOK
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(str(path)) == NOTEBOOK


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{oops", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "not a notebook"),
        (b"7", "not a notebook"),
        (b'{"cells": []}', "not a notebook"),
        (b'{"nbformat": 3, "worksheets": []}', "format 3 and 4 is needed"),
        (b'{"nbformat": 4, "metadata": {}}', "'cells' or 'metadata' is missing"),
        (b'{"nbformat": 4, "cells": []}', "'cells' or 'metadata' is missing"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [7]}', "neither code"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "essay"}]}', "neither code"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "raw", "source": ""}]}', "no metadata"),
        (
            b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "raw", "metadata": {}, "source": [1]}]}',
            "not text",
        ),
    ],
)
def test_read_refuses_what_is_no_notebook(tmp_path, content, words):
    path = tmp_path / "bad.ipynb"
    path.write_bytes(content)
    with pytest.raises(ProctorError, match=r"bad\.ipynb") as caught:
        read(path)
    assert words in str(caught.value)


def test_read_names_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ProctorError, match="no such file"):
        read(tmp_path / "none.ipynb")
    with pytest.raises(ProctorError, match="cannot be read"):
        read(tmp_path)


def test_source_of_lines_and_of_one_string():
    assert source(CELL) == source({"source": "Grüße\ntwo"}) == "Grüße\ntwo"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (managed(solution=True, grade=False, locked=False), "solution"),
        (managed(solution=False, grade=True, locked=True), "test"),
        (managed("markdown", solution=True, grade=True, locked=False), "manual"),
        (managed("markdown", solution=False, grade=True, task=True), "manual"),
        (managed(solution=False, grade=False, locked=True), "given"),
        (managed("markdown", solution=False, grade=False, locked=False), "text"),
        (managed(solution=False, grade=False, locked=False), "code"),
        ({"cell_type": "raw", "metadata": {}, "source": ""}, "text"),
        ({"cell_type": "code", "metadata": {"nbgrader": "?"}, "source": ""}, "code"),
    ],
)
def test_role(cell, expected):
    assert role(cell) == expected


def test_grade_id_only_where_nbgrader_has_one():
    assert grade_id(managed()) == "a"
    assert grade_id(CELL) is None
    assert grade_id({"metadata": {"nbgrader": {"grade_id": ""}}}) is None
    assert grade_id({"metadata": {"nbgrader": {"grade_id": 5}}}) is None


def test_regions_with_lines_and_text():
    text = "a\n    ### BEGIN SOLUTION\n    b\n    c\n    ### END SOLUTION\nd\n### BEGIN SOLUTION\n### END SOLUTION"
    assert regions(text, "SOLUTION") == [Region(2, 5, "    b\n    c"), Region(7, 8, "")]
    assert regions(text, "HIDDEN TESTS") == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x\n### BEGIN SOLUTION\ny", 2, "without END"),
        ("x\n### END SOLUTION", 2, "without BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", 2, "nested"),
    ],
)
def test_regions_that_do_not_pair_up(text, line, words):
    with pytest.raises(ProctorError, match=f"line {line}: .*{words}"):
        regions(text, "SOLUTION")
    assert [number for number, _ in scan_regions(text, "SOLUTION")[1]] == [line]


def test_find_notebooks_once_each_without_checkpoints(tmp_path):
    for name in ("b/2.ipynb", "b/1.ipynb", "b/.ipynb_checkpoints/1-checkpoint.ipynb", "b/notes.md", "a.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b/folder.ipynb").mkdir()
    found = find_notebooks([tmp_path / "b", tmp_path / "a.ipynb", tmp_path / "b/2.ipynb"])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b/1.ipynb", "b/2.ipynb", "a.ipynb"]


@pytest.mark.parametrize(("name", "words"), [("gone", "no such"), ("x.md", "not a notebook"), ("empty", "no notebook")])
def test_find_notebooks_refuses(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.md").touch()
    with pytest.raises(ProctorError, match=words):
        find_notebooks([tmp_path / name])


def test_solutions_are_cleared_as_nbgrader_does():
    preprocessors = pytest.importorskip("nbgrader.preprocessors")
    nbformat = pytest.importorskip("nbformat")
    mean = (
        "def mean(numbers):\n    ### BEGIN SOLUTION\n    total = sum(numbers)\n    return total\n    ### END SOLUTION"
    )
    method = "    def f(self):\n        ### BEGIN SOLUTION\n        pass\n        ### END SOLUTION\n"
    several = f"import math\n{mean}\n\n\nclass A:\n{method}"
    clear = preprocessors.ClearSolutions(code_stub={"python": STUB})
    for text in (mean, several, "no = 'markers'"):
        content = managed("code", solution=True) | {"source": text}
        copy, _ = clear.preprocess_cell(nbformat.from_dict(content), {"language": "python"}, 0)
        assert cleared(text) == copy.source
