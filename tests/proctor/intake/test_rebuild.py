"""What a student's file may do to the notebook that is graded: nothing but hold answers."""

import json

import pytest

from proctor.intake.rebuild import MAX_BYTES, rebuild
from proctor.notebooks import cells as notebook_cells
from proctor.pages import notes


def cell(name: str, source: str, kind: str = "code", **nbgrader) -> dict:
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if nbgrader:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, **nbgrader}
        made["metadata"]["nbgrader"] = {"grade_id": name, "schema_version": 3, **flags}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


ANSWER = "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
TEST = "assert f(1) == 2\n### BEGIN HIDDEN TESTS\nassert f(2) == 4\n### END HIDDEN TESTS"
ESSAY = "Why?\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
INSTRUCTOR = {
    "cells": [
        cell("intro", "# Title", "markdown"),
        cell("q1_f", ANSWER, solution=True),
        cell("given", "size = 3", locked=True),
        cell("q1_values", TEST, grade=True, locked=True, points=2),
        cell("q1_why", ESSAY, "markdown", grade=True, solution=True, points=1),
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
OURS = ["intro", "q1_f", "given", "q1_values", "q1_why"]


def submission(*cells: dict, **more) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


MINE = cell("q1_f", "def f(x):\n    return x + x", solution=True)
WHY = cell("q1_why", "Why?\n\nSo.", "markdown", grade=True, solution=True, points=1)


def sources(result) -> dict[str, str]:
    return {one["id"]: one["source"] for one in result.notebook["cells"]}


def test_answers_come_from_the_student_and_all_else_from_the_instructor():
    forged = [
        cell("intro", "<script>", "markdown"),
        MINE,
        cell("given", "size = 4", locked=True),
        cell("q1_values", "pass", grade=True, locked=True, points=200),
        WHY,
    ]
    result = rebuild(INSTRUCTOR, submission(*forged))
    assert [one["id"] for one in result.notebook["cells"]] == OURS
    assert sources(result) == {
        "intro": "# Title",
        "q1_f": "def f(x):\n    return x + x",
        "given": "size = 3",
        "q1_values": TEST,
        "q1_why": "Why?\n\nSo.",
    }
    assert result.notes == []
    assert result.notebook["cells"][3]["metadata"]["nbgrader"]["points"] == 2


def test_flags_points_types_and_outputs_of_the_student_are_ignored():
    forged = json.loads(json.dumps(MINE))
    forged["metadata"] |= {"x": 1, "image": {"width": "1"}}
    forged["metadata"]["nbgrader"] |= {
        "grade": True,
        "points": 99,
        "locked": True,
        "schema_version": 1,
        "solution": False,
    }
    forged["attachments"] = {"a.png": {"image/png": "x"}}
    forged["outputs"] = [{"output_type": "display_data", "data": {"text/html": "<script>"}, "metadata": {}}]
    forged["cell_type"] = "markdown"
    result = rebuild(INSTRUCTOR, submission(forged, metadata={"kernelspec": {"name": "evil"}, "celltoolbar": "x"}))
    (made,) = [one for one in result.notebook["cells"] if one["id"] == "q1_f"]
    assert made["cell_type"] == "code"
    assert made["metadata"] == INSTRUCTOR["cells"][1]["metadata"]
    assert made["outputs"] == []
    assert "attachments" not in made
    assert set(result.notebook["metadata"]) == {"kernelspec", "language_info"}
    assert result.notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize(
    "submitted", [submission(), None, b"", b"not json", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000]
)
def test_missing_and_unreadable_notebooks_are_untouched_ones(submitted):
    result = rebuild(INSTRUCTOR, submitted)
    found = sources(result)
    assert "raise NotImplementedError()" in found["q1_f"]
    assert "return 2" not in found["q1_f"]
    assert found["q1_why"] == "Why?\n\nYOUR ANSWER HERE"
    assert found["q1_values"] == TEST
    assert result.notes
    assert all("\n" not in line for line in result.notes)


def test_missing_answers_are_named():
    result = rebuild(INSTRUCTOR, submission(WHY))
    assert result.notes == ["the answer cell q1_f is missing; it counts as unanswered"]


def test_added_cells_keep_their_place_and_nothing_else():
    top = cell("mine-0", "import os")
    helper = cell("mine-1", "def helper():\n    return 1", grade=True, points=50, locked=True)
    text = cell("mine-2", "a note", "raw")
    result = rebuild(
        INSTRUCTOR, submission(top, cell("intro", "", "markdown"), MINE, helper, text, WHY, cell("e", "  "))
    )
    cells = result.notebook["cells"]
    assert [one["source"] for one in cells][:2] == ["import os", "# Title"]
    assert [one["source"] for one in cells][3:5] == [helper["source"], "a note"]
    assert [one["cell_type"] for one in cells][3:5] == ["code", "markdown"]
    assert [one["metadata"] for one in (cells[0], *cells[3:5])] == [{}, {}, notes.students_metadata()]
    assert len(cells) == len(OURS) + 3
    assert len({one["id"] for one in cells}) == len(cells)


def test_an_answer_whose_metadata_an_editor_dropped_is_found_by_its_id():
    bare = {"cell_type": "code", "id": "q1_f", "metadata": {}, "source": ["def f(x):\n", "    return 5"]}
    assert sources(rebuild(INSTRUCTOR, submission(bare)))["q1_f"] == "def f(x):\n    return 5"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda text: b"\xef\xbb\xbf" + text.encode(), None),
        (lambda text: text.encode("utf-16"), "utf-16"),
        (lambda text: text.replace("return", "# é\\n    return").encode("latin-1"), "latin-1"),
        (lambda text: text.replace("\\n", "\\r\\n").encode(), None),
    ],
)
def test_encodings_and_line_ends(data, words):
    text = json.dumps({"cells": [MINE, WHY], "nbformat": 4}, ensure_ascii=False)
    result = rebuild(INSTRUCTOR, data(text))
    assert "return x + x" in sources(result)["q1_f"]
    assert "\r" not in sources(result)["q1_f"]
    assert [words in line for line in result.notes] == ([True] if words else [])


def test_the_old_format_with_sheets():
    old = {"nbformat": 3, "worksheets": [{"cells": [{**MINE, "input": MINE["source"]}, WHY]}]}
    del old["worksheets"][0]["cells"][0]["source"]
    result = rebuild(INSTRUCTOR, json.dumps(old).encode())
    assert sources(result)["q1_f"] == MINE["source"]


def test_lone_surrogates_can_be_written():
    result = rebuild(INSTRUCTOR, submission({**MINE, "source": "x = '\ud800'"}))
    json.dumps(result.notebook, ensure_ascii=False).encode()
    assert sources(result)["q1_f"] == "x = '?'"


@pytest.mark.parametrize("source", [None, 3, {"a": 1}, [1, None], True])
def test_sources_that_are_no_text_are_empty(source):
    assert sources(rebuild(INSTRUCTOR, submission({**MINE, "source": source})))["q1_f"] == ""


@pytest.mark.parametrize("cells", [None, 3, {"a": 1}, [None, 3, "x", []]])
def test_cells_that_are_none(cells):
    result = rebuild(INSTRUCTOR, json.dumps({"cells": cells, "worksheets": cells, "nbformat": 4}).encode())
    assert [one["id"] for one in result.notebook["cells"]] == OURS


def test_odd_metadata():
    for metadata in (None, [], {"nbgrader": 3}, {"nbgrader": {"grade_id": ["q1_f"]}}):
        odd = {**MINE, "id": "x", "metadata": metadata, "source": "def g(x):\n    return x"}
        assert "NotImplementedError" in sources(rebuild(INSTRUCTOR, submission(odd)))["q1_f"]


def test_huge_files_are_not_read():
    result = rebuild(INSTRUCTOR, b" " * (MAX_BYTES + 1))
    assert any("larger than" in line for line in result.notes)


@pytest.mark.parametrize("named", [True, False])
def test_sealed_hints_in_a_check_cell_are_nothing_of_the_student_s(named):
    released = notebook_cells.source(INSTRUCTOR["cells"][3]).partition("\n")[0]
    hinted = [f"{released}\n# Sealed hints: AbC+/9==", f"# Sealed hints: AbC+/9==\n{released}"]
    results = []
    for text in (released, *hinted):
        test = cell("q1_values", text, grade=True, locked=True, points=2)
        if not named:
            # An editor has dropped all that says which cell it is.
            test |= {"id": "x", "metadata": {}}
        results.append(rebuild(INSTRUCTOR, submission(MINE, test, WHY)))
    assert [one["id"] for one in results[0].notebook["cells"]] == OURS
    for result in results[1:]:
        assert result == results[0]
    # What else stands there is the student's, as it was.
    more = cell("q1_values", f"{hinted[0]}\n# mine", grade=True, locked=True, points=2)
    assert "# mine" in str(rebuild(INSTRUCTOR, submission(MINE, more, WHY)).notebook)
