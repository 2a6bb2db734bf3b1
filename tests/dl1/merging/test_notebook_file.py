"""What a notebook's file loses when it is too large, and that reading it costs bounded memory and time."""

import json

import pytest

from dl1.merging.notebook_file import looks_like_notebook, may_be_notebook, parsed, slimmed

MB = 2**20


def picture(megabytes: float) -> dict:
    return {"photo.png": {"image/png": "A" * int(megabytes * MB)}}


def notebook(*cells: dict) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


ANSWER = {"cell_type": "code", "id": "q1", "metadata": {"outputs": [1], "attachments": 2}, "source": 'x = "{[\\"'}


def test_small_files_stay_as_they_are():
    assert slimmed(b"no json at all") == (b"no json at all", [])


def test_outputs_go_before_pictures_and_pictures_before_answers():
    essay = {"cell_type": "markdown", "id": "why", "metadata": {}, "source": "Because.", "attachments": picture(3)}
    code = ANSWER | {"outputs": [{"data": {"image/png": "A" * 9 * MB}, "outputs": [[], {}]}], "execution_count": 3}
    content, lines = slimmed(notebook(code, essay), 4 * MB)
    first, second = json.loads(content)["cells"]
    assert first == ANSWER | {"outputs": [], "execution_count": 3}
    assert second == essay
    assert lines == []
    both = picture(3) | {"second.png": {"image/png": "A" * 2 * MB}}
    content, lines = slimmed(notebook(code, essay | {"attachments": both}, essay | {"attachments": {}}), 4 * MB)
    kept = json.loads(content)["cells"]
    assert [one.get("attachments") for one in kept[1:]] == [{**both, "photo.png": {}}, {}]
    assert kept[1]["source"] == "Because."
    assert lines == [
        "1 of 2 pictures pasted into its cells (3 MB) were left out: with them it is larger than 4 MiB; "
        "the answers count"
    ]


def test_four_photos_of_seven_megabytes_stay():
    # As a browser pastes them: a third larger than the photo.
    essay = {"cell_type": "markdown", "id": "why", "metadata": {}, "source": "Because.", "attachments": picture(9.4)}
    content, lines = slimmed(notebook(*[essay] * 4))
    assert (len(json.loads(content)["cells"]), lines) == (4, [])


def test_old_format_and_other_encodings():
    old = {"nbformat": 3, "worksheets": [{"cells": [{"outputs": ["x" * 9 * MB], "input": "ä", "cell_type": "code"}]}]}
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        content, _ = slimmed(json.dumps(old, ensure_ascii=False).encode(encoding), 4 * MB)
        assert parsed(content)[0]["worksheets"][0]["cells"] == [{"outputs": [], "input": "ä", "cell_type": "code"}]


def test_what_is_no_output_of_a_cell_stays():
    odd = {
        "cells": [{"source": "x", "outputs": None}],
        "outputs": ["y" * MB],
        "metadata": {"cells": [[{"outputs": 1}]]},
    }
    content, _ = slimmed(json.dumps(odd).encode(), MB // 2)
    assert json.loads(content) == odd


@pytest.mark.parametrize(
    "content",
    [
        b'{"cells":[' + b"[]," * (6 * MB) + b"[]]}",
        b'{"cells":["' + b'\\"' * (10 * MB),
        b'{"cells":[' + b'"a" ' * (5 * MB),
        b"}" * (9 * MB),
        b"[" * (9 * MB),
    ],
    ids=["very many parts", "a string without end", "very many strings", "closed, never opened", "nested"],
)
def test_large_files_made_to_cost_are_not_parsed(content):
    made, (line,) = slimmed(content)
    assert made == b""
    assert "no JSON, or has more than" in line


def test_names_and_contents_that_are_looked_into():
    for name in ("x.ipynb", "a/b/X.IPYNB", "x.ipynb.txt", "x.json", "x", "x.ipynb (1)", "notes.txt"):
        assert may_be_notebook(name), name
    for name in ("x.py", "x.ipynb/x.png", "model.safetensors", "x.zip"):
        assert not may_be_notebook(name), name
    for content in (b'{"cells": []}', b'\xef\xbb\xbf\n {"worksheets": []}', '{"cells": []}'.encode("utf-16")):
        assert looks_like_notebook(content)
    for content in (b'{"loss": 3}', b"cells", b"", b'["cells"]'):
        assert not looks_like_notebook(content)
