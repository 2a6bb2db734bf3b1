"""Pictures of a notebook's file go with the texts that show them, wherever those end up."""

import json

import pytest
from exercise import instructor_notebook

from proctor.intake.attached import MAX_PICTURES, pictures_apart
from proctor.intake.rebuild import rebuild
from proctor.pages.notes import is_students
from proctor.pages.written import as_written

PNG = "iVBORw0KGgo" + "A" * 500


def text(source: str, name: str = "own", **attachments) -> dict:
    made = {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}
    return made | {"attachments": {key.replace("_", "."): value for key, value in attachments.items()}}


def rebuilt(*cells: dict) -> list[dict]:
    handed = instructor_notebook()
    handed["cells"] += cells
    return rebuild(instructor_notebook(), json.dumps(handed).encode()).notebook["cells"]


def test_names_that_occur_in_several_cells_are_told_apart():
    # JupyterLab calls each first picture of a cell image.png.
    one, other = {"image/png": "one"}, {"image/png": "other"}
    show = "![image.png](attachment:image.png)"
    first, second, third = rebuilt(
        text(show, "a", image_png=one), text(show, "b", image_png=other), text(show, "c", image_png=one)
    )[-3:]
    assert first["attachments"] == third["attachments"] == {"image.png": one}
    assert second["attachments"] == {"image-2.png": other}
    assert as_written(second["source"]) == "![image.png](attachment:image-2.png)"


def test_a_picture_goes_with_the_text_that_shows_it_and_no_other():
    cells = rebuilt(text("nothing", "a", image_png={"image/png": "x"}), text("![](attachment:image.png)", "b"))
    assert "attachments" not in cells[-2]
    assert cells[-1]["attachments"] == {"image.png": {"image/png": "x"}}


def test_a_long_picture_in_a_text_costs_the_text_nothing():
    source = f"before ![a](data:image/png;base64,{PNG}) behind"
    (cell,) = rebuilt(text(source))[-1:]
    assert as_written(cell["source"]) == "before ![a](attachment:in-the-text) behind"
    assert cell["attachments"] == {"in-the-text": {"image/png": PNG}}
    assert (
        as_written(rebuilt(text("![](data:image/png;base64,AAAA)"))[-1]["source"]) == "![](data:image/png;base64,AAAA)"
    )


def test_code_has_no_pictures_and_stays_as_it_is():
    code = {"cell_type": "code", "id": "own", "metadata": {}, "source": f"x = 'data:image/png;base64,{PNG}' < 3"}
    (cell,) = rebuilt(code | {"attachments": {"a": {"image/png": "x"}}})[-1:]
    assert cell["source"] == code["source"]
    assert "attachments" not in cell


def test_texts_of_students_are_marked_and_those_of_staff_are_not():
    cells = rebuilt(text("a < b"))
    marked = [cell["id"] for cell in cells if is_students(cell["metadata"])]
    assert marked == ["q4_why", cells[-1]["id"]]
    assert cells[-1]["source"] == "a &lt; b"


@pytest.mark.parametrize(
    "attachments",
    [[], "x", 3, {"a": 3}, {"a": {"image/png": [1, "x"]}}, {"a" * 400: {"image/png": "x"}}, {"a": {"é": "x"}}],
)
def test_odd_attachments_are_no_accident(attachments):
    cell = text("![](attachment:a)") | {"attachments": attachments}
    (made,) = rebuilt(cell)[-1:]
    assert set(made.get("attachments", {}).get("a", {}).values()) <= {"x"}


def test_only_so_many_are_taken():
    cells = [text(f"![](attachment:{number}.png)", f"c{number}") for number in range(MAX_PICTURES + 5)]
    for number, cell in enumerate(cells):
        cell["attachments"] = {f"{number}.png": {"image/png": "x"}}
    _, kept = pictures_apart(json.dumps({"cells": cells}).encode())
    assert len(kept) == MAX_PICTURES


@pytest.mark.parametrize(
    "content", [None, b"", b"no JSON data:image/", b'["attachments"]', b'{"attachments": 1, "cells": 2}']
)
def test_what_is_no_notebook_is_handed_on(content):
    assert pictures_apart(content) == (content, {})
