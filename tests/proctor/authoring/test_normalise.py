import copy
import io
import json
import os

import nbformat
import pytest
from nbformat import v4

from proctor.authoring import normalise as module
from proctor.authoring.normalise import main, normalise, normalised_text, to_text
from proctor.errors import ProctorError

NBGRADER = {
    "grade": False,
    "grade_id": "rope-answer",
    "locked": False,
    "schema_version": 3,
    "solution": True,
    "task": False,
}
MESSY = {
    "cells": [
        {
            "cell_type": "markdown",
            "id": "intro",
            "metadata": {"tags": [], "editable": False, "jp-MarkdownHeadingCollapsed": True},
            "source": "# Grüße — 你好 \U0001f600\n\ntrailing  \nform\x0cfeed and \u2028 separator",
            "attachments": {
                "a.png": {"image/png": ["aGVs", "bG8="]},
                "b.svg": {
                    "image/svg+xml": "<svg>\n</svg>",
                    "text/plain": ["a\n", "b"],
                    "application/javascript": "a\nb",
                },
                "c.json": {
                    "application/json": ["b\n", "a"],
                    "application/geo+json": ["b", "a"],
                    "image/x+json": ["b", "a"],
                },
                "d.json": {"application/json": {"b": 1, "a": [1]}},
            },
        },
        {
            "cell_type": "code",
            "id": "something",
            "metadata": {
                "nbgrader": {**NBGRADER, "checksum": "0", "cell_type": "code"},
                "trusted": True,
                "tags": ["x"],
            },
            "execution_count": 7,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
            "source": ["x = 1   \n", "\n", "y = 'ä'\n"],
        },
        {"cell_type": "raw", "metadata": {}, "source": ""},
        {"cell_type": "code", "id": "intro", "metadata": {"nbgrader": {}}, "outputs": [], "source": "a\r\nb\rc"},
    ],
    "metadata": {
        "kernelspec": {"name": "conda-env-x", "display_name": "mine", "language": "python"},
        "language_info": {"name": "python", "version": "3.9.1"},
        "proctor": {"points": 44, "interface": ["B", "A"]},
        "widgets": {},
        "toc": {},
    },
    "nbformat": 4,
    "nbformat_minor": 2,
}


def text_cell(text, cell_id=None):
    return {"cell_type": "markdown", "metadata": {}, "source": text} | ({"id": cell_id} if cell_id else {})


def solution_cell(name, cell_id):
    metadata = {"nbgrader": {**NBGRADER, "grade_id": name}}
    return {"cell_type": "code", "metadata": metadata, "source": "", "id": cell_id, "outputs": []}


def ids(*cells):
    return [cell["id"] for cell in normalise({"cells": list(cells), "metadata": {}})["cells"]]


def write(path, notebook):
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def test_what_stays_and_what_goes():
    original = copy.deepcopy(MESSY)
    result = normalise(MESSY)
    assert original == MESSY
    assert result["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "proctor": {"points": 44, "interface": ["B", "A"]},
    }
    assert (result["nbformat"], result["nbformat_minor"]) == (4, 5)
    intro, solution, raw, last = result["cells"]
    assert intro["metadata"] == raw["metadata"] == last["metadata"] == {}
    assert solution["metadata"] == {"nbgrader": NBGRADER, "tags": ["x"]}
    assert (solution["execution_count"], solution["outputs"]) == (None, [])
    assert solution["source"] == ["x = 1   \n", "\n", "y = 'ä'\n"]
    assert "".join(intro["source"]) == MESSY["cells"][0]["source"]
    assert last["source"] == ["a\n", "b\n", "c"]
    assert intro["attachments"]["a.png"] == {"image/png": "aGVsbG8="}


def test_a_check_stays_folded_and_other_cells_unfold():
    remembered = {"jupyter": {"source_hidden": True, "outputs_hidden": True}}
    check, answer = solution_cell("q1_check", "a"), solution_cell("q1_answer", "b")
    check["metadata"]["nbgrader"] |= {"grade": True, "solution": False, "locked": True, "points": 1}
    for cell in (check, answer):
        cell["metadata"] |= remembered
    made = normalise({"cells": [check, answer, text_cell("text") | {"metadata": remembered}], "metadata": {}})["cells"]
    assert [cell["metadata"].get("jupyter") for cell in made] == [{"source_hidden": True}, None, None]
    check["metadata"]["jupyter"] = {"source_hidden": False, "outputs_hidden": True}
    assert "jupyter" not in normalise({"cells": [check], "metadata": {}})["cells"][0]["metadata"]


def test_same_bytes_as_nbformat_and_valid(tmp_path):
    path = write(tmp_path / "a.ipynb", MESSY)
    assert main([str(path)]) == 0
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    stream = io.StringIO()
    nbformat.write(notebook, stream)
    assert path.read_bytes() == stream.getvalue().encode()


def test_same_bytes_as_nbformat_for_the_normalised_content():
    # Not via a file of ours: the content goes to nbformat as objects, with sources as single strings.
    content = normalise(MESSY)
    notebook = v4.to_notebook(copy.deepcopy(content))
    assert all(isinstance(cell.source, str) for cell in notebook.cells)
    stream = io.StringIO()
    nbformat.write(notebook, stream)
    assert to_text(content) == stream.getvalue()


def test_form_of_the_file(tmp_path):
    text = normalised_text(write(tmp_path / "a.ipynb", MESSY))
    assert text.endswith("\n}\n")
    assert "\r" not in text
    assert text.startswith('{\n "cells": [\n  {\n')
    assert "你好 \U0001f600" in text


def test_idempotent():
    once = to_text(normalise(MESSY))
    assert to_text(normalise(json.loads(once))) == once


def test_ids_of_managed_cells_are_grade_ids_even_where_a_plain_cell_has_the_name():
    assert ids(text_cell("t", "task1"), solution_cell("task1", "zz"), text_cell("u", "zz"))[1:] == ["task1", "zz"]


def test_valid_ids_stay_and_others_are_derived():
    assert ids(text_cell("a", "kept-1_A"), text_cell("b", "x" * 64)) == ["kept-1_A", "x" * 64]
    for bad in (None, "", "with space", "ü", "x" * 65, "line\n", 5):
        (made,) = ids(text_cell("a", bad))
        assert len(made) == 8
        assert made != bad


def test_derived_ids_are_unique_stable_and_local():
    cells = [text_cell("same") for _ in range(6)]
    made = ids(*cells)
    assert len(set(made)) == 6
    assert ids(*cells) == made
    # An edit further away than the next cell leaves the id alone.
    assert (
        ids(text_cell("a"), text_cell("b"), text_cell("c"), text_cell("d"))[0]
        == ids(text_cell("a"), text_cell("b"), text_cell("C"), text_cell("D"))[0]
    )
    assert ids(text_cell("a"), text_cell("b"))[0] != ids(text_cell("a"), text_cell("B"))[0]


def test_a_derived_id_avoids_ids_that_are_kept():
    (made,) = ids(text_cell("a"))
    neighbour = text_cell("b", "other")
    with_neighbour = ids(text_cell("a"), neighbour)[0]
    taken = ids(text_cell("a"), {**neighbour, "id": with_neighbour})
    assert taken[1] == with_neighbour != taken[0]
    assert made != with_neighbour


def test_repeated_and_invalid_grade_ids_still_give_a_valid_notebook():
    first, second, third = ids(solution_cell("q", "1"), solution_cell("q", "2"), solution_cell("a b", "2"))
    assert (first, second) == ("q", "2")
    assert len(third) == 8


def test_check_lists_and_changes_nothing(tmp_path, capsys):
    messy = write(tmp_path / "messy.ipynb", MESSY)
    tidy = tmp_path / "tidy.ipynb"
    tidy.write_text(to_text(normalise(MESSY)), encoding="utf-8")
    before = messy.read_bytes()
    assert main(["--check", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "messy.ipynb" in output
    assert "tidy.ipynb" not in output
    assert messy.read_bytes() == before
    assert main([str(tmp_path)]) == 0
    assert "messy.ipynb: normalised" in capsys.readouterr().out
    assert main(["--check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    assert messy.read_bytes() == tidy.read_bytes()


def test_check_sees_other_line_ends(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_bytes(to_text(normalise(MESSY)).replace("\n", "\r\n").encode())
    assert main(["--check", str(path)]) == 1


def test_an_unchanged_file_is_not_written(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(to_text(normalise(MESSY)), encoding="utf-8")
    inode = path.stat().st_ino
    assert main([str(path)]) == 0
    assert path.stat().st_ino == inode


def test_writing_is_atomic_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "a.ipynb", MESSY)
    before = path.read_bytes()

    def refuse(source, target):
        assert os.path.getsize(source) > 0
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "replace", refuse)
    assert main([str(path)]) == 2
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ipynb"]


def test_mode_and_link_survive(tmp_path):
    target = write(tmp_path / "target.ipynb", MESSY)
    target.chmod(0o640)
    link = tmp_path / "link.ipynb"
    link.symlink_to(target)
    assert main([str(link)]) == 0
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert main(["--check", str(target)]) == 0


def test_one_bad_file_does_not_stop_the_others(tmp_path, capsys):
    (tmp_path / "a.ipynb").write_text("{", encoding="utf-8")
    good = write(tmp_path / "b.ipynb", MESSY)
    assert main([str(tmp_path)]) == 2
    assert "is not JSON" in capsys.readouterr().err
    assert main(["--check", str(good)]) == 0
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"cell_type": "markdown", "source": "", "attachments": ["x"]}, "damaged attachments"),
        ({"cell_type": "markdown", "source": "", "attachments": {"x": 1}}, "damaged attachments"),
        ({"cell_type": "code", "source": "", "attachments": {"x": {}}}, "only text can"),
        ({"cell_type": "raw", "source": "half \ud83d"}, "half of a character"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, cell, words):
    path = write(tmp_path / "a.ipynb", {"cells": [{**cell, "metadata": {}}], "metadata": {}, "nbformat": 4})
    with pytest.raises(ProctorError, match=words):
        normalised_text(path)
