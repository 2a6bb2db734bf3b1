"""Which file is which notebook: by the cells in it, then by its name; of several the one with most answers."""

import json

import pytest

from dl1.merging.matching import MISSING, UNREADABLE, match_files
from dl1.merging.notebook_file import may_be_notebook


def cell(name: str, source: str, kind: str = "code", **nbgrader) -> dict:
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if nbgrader:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, **nbgrader}
        made["metadata"]["nbgrader"] = {"grade_id": name, "schema_version": 3, **flags}
    return made


def instructors(letter: str) -> dict:
    """A notebook with two answers and an essay; its first cell has the same id in every one."""
    code = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    essay = "Why?\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
    return {
        "cells": [
            cell("intro", "# Title", "markdown"),
            cell(f"{letter}_f", code, solution=True),
            cell(f"{letter}_g", code, solution=True),
            cell(f"{letter}_test", "assert f() == 1", grade=True, points=1),
            cell(f"{letter}_why", essay, "markdown", grade=True, solution=True, points=1),
        ],
        "nbformat": 4,
    }


COURSE = {"1a_pad": instructors("a"), "1b_turn": instructors("b")}
UNTOUCHED = "def f():\n    # YOUR CODE HERE\n    raise NotImplementedError()"


def handed(letter: str, answers: int = 2, text: str = "def f():\n    return 1") -> bytes:
    """A student's notebook with so many of its two answers worked on."""
    cells = [cell("intro", "# Title", "markdown")]
    cells += [
        cell(f"{letter}_{name}", text if number < answers else UNTOUCHED, solution=True)
        for number, name in enumerate("fg")
    ]
    cells.append(cell(f"{letter}_why", "Why?\n\nYOUR ANSWER HERE", "markdown", grade=True, solution=True))
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode()


def bare(content: bytes) -> bytes:
    """As an editor leaves it that drops ids and metadata."""
    notebook = json.loads(content)
    notebook["cells"] = [{"cell_type": one["cell_type"], "source": one["source"]} for one in notebook["cells"]]
    return json.dumps(notebook).encode()


def match(found: dict[str, bytes], course=COURSE):
    return match_files(course, [path for path in found if may_be_notebook(path)], found.get)


def test_proper_names_need_no_words():
    found = {"1a_pad.ipynb": handed("a"), "1b_turn.ipynb": handed("b"), "runs/x.json": b'{"loss": 1}'}
    made = match(found)
    assert made.content == {"1a_pad": handed("a"), "1b_turn": handed("b")}
    assert (made.notes, made.others, made.lost) == ({"1a_pad": [], "1b_turn": []}, [], {})


@pytest.mark.parametrize(
    "name",
    [
        "1a_pad (1).ipynb",
        "1a_pad-Copy1.ipynb",
        "1a_pad_final.ipynb",
        "1a_pad - Copy.ipynb",
        "Kopie von 1a_pad.ipynb",
        "1a_pad.ipynb.txt",
        "1a_pad.IPYNB",
        "1A_Pad.ipynb",
        "1a_pad.json",
        "1a_pad.ipynb.json",
        "1a_pad.ipynb (1)",
        "1a_pad.ipynb.download",
        "1a_pad",
        "my work.ipynb",
        "1b_turn_old.ipynb",
        "homework/1a_pad.ipynb",
        "a/b/c/1a_pad (2).ipynb",
        "1a_pad.ipynb/1a_pad.ipynb",
        "homework.zip/1a_pad.ipynb",
    ],
)
def test_a_notebook_is_known_by_its_cells_whatever_its_name_and_place(name):
    made = match({name: handed("a"), "scratch.ipynb": b'{"cells": [], "nbformat": 4}', "1b_turn.ipynb": handed("b")})
    assert made.content == {"1a_pad": handed("a"), "1b_turn": handed("b")}
    assert made.lost == {}
    (line,) = made.notes["1a_pad"]
    assert line.startswith(f"{name} was taken for 1a_pad.ipynb: the file has another ")
    assert made.others == ["scratch.ipynb is no notebook of this assignment and was left out"]


def test_all_notebooks_renamed():
    made = match({"1a_pad (1).ipynb": handed("a"), "1b_turn (1).ipynb": handed("b")})
    assert made.content == {"1a_pad": handed("a"), "1b_turn": handed("b")}
    assert made.lost == {}


def test_two_files_exchanged_are_told_apart_by_their_cells():
    made = match({"1a_pad.ipynb": handed("b"), "1b_turn.ipynb": handed("a")})
    assert made.content == {"1a_pad": handed("a"), "1b_turn": handed("b")}
    assert made.notes["1a_pad"] == ["1b_turn.ipynb was taken for 1a_pad.ipynb: the file has another name"]


def test_without_ids_the_name_decides():
    for name in ("1a_pad.ipynb", "1a_pad (1).ipynb", "Kopie von 1a_pad.ipynb", "janssen_1a-pad.ipynb"):
        made = match({name: bare(handed("a")), "1b_turn.ipynb": bare(handed("b"))})
        assert made.content == {"1a_pad": bare(handed("a")), "1b_turn": bare(handed("b"))}, name
    # A name inside another word, or two of them, says nothing.
    for name in ("21a_pads.ipynb", "1a_pad and 1b_turn.ipynb"):
        assert match({name: bare(handed("a"))}).lost == {"1a_pad": MISSING, "1b_turn": MISSING}


def test_without_ids_and_name_the_texts_decide():
    course = {
        name: {"cells": [*one["cells"], cell(f"{name}-text", f"What part {name} is about. " * 3, "markdown")]}
        for name, one in COURSE.items()
    }
    given = [json.loads(bare(handed(letter))) for letter in "ab"]
    for notebook, name in zip(given, course, strict=True):
        notebook["cells"].append({"cell_type": "markdown", "source": [f"What part {name} is about.\n"] * 3})
    first, second = (json.dumps(one).encode() for one in given)
    assert match({"x.ipynb": second, "1b_turn.ipynb": first}, course).content == {"1a_pad": first, "1b_turn": second}
    # Names that an editor has moved.
    moved = json.loads(handed("a"))
    for one in moved["cells"]:
        one["metadata"] = {"id": one.pop("id")}
    moved = json.dumps(moved).encode()
    assert match({"x.ipynb": moved, "y.ipynb": bare(moved)}, course).content["1a_pad"] == moved


def test_the_longer_name_is_meant():
    course = {"part": instructors("a"), "part_two": instructors("b")}
    made = match({"part_two (1).ipynb": bare(handed("b")), "part (1).ipynb": bare(handed("a"))}, course)
    assert made.content == {"part": bare(handed("a")), "part_two": bare(handed("b"))}


def test_a_worked_copy_beside_an_untouched_notebook_counts_and_it_is_said():
    made = match({"1a_pad.ipynb": handed("a", 0), "1a_pad-Copy1.ipynb": handed("a"), "1b_turn.ipynb": handed("b")})
    assert made.content["1a_pad"] == handed("a")
    assert made.notes["1a_pad"] == [
        "1a_pad-Copy1.ipynb was taken for 1a_pad.ipynb: the file has another name",
        "2 files were handed in for 1a_pad.ipynb: 1a_pad-Copy1.ipynb counts, since it has more answers; not "
        "1a_pad.ipynb",
    ]


def test_an_older_version_that_was_given_out_is_no_work():
    older = handed("a", 2, UNTOUCHED.replace("def f():", 'def f():\n    """As it was before a correction."""'))
    made = match({"1a_pad.ipynb": handed("a", 1), "1a_pad (1).ipynb": older, "1b_turn.ipynb": handed("b")})
    assert made.content["1a_pad"] == handed("a", 1)
    # An answer that was begun counts more than none.
    begun = handed("a", 1, UNTOUCHED.replace("def f():", "def f():\n    x = 1"))
    made = match({"1a_pad.ipynb": handed("a", 0), "1a_pad (1).ipynb": begun})
    assert made.content["1a_pad"] == begun


@pytest.mark.parametrize("other", ["1a_pad-Copy1.ipynb", "1a_pad (3).ipynb", "old/1a_pad.ipynb", "x.zip/1a_pad.ipynb"])
def test_of_two_with_as_many_answers_the_one_with_its_own_name_counts(other):
    made = match({other: handed("a", text="def f():\n    return 'old'"), "1a_pad.ipynb": handed("a")})
    assert made.content["1a_pad"] == handed("a")
    assert made.notes["1a_pad"] == [f"2 files were handed in for 1a_pad.ipynb: 1a_pad.ipynb counts; not {other}"]


def test_of_two_downloads_the_newer_counts():
    first, last = handed("a", text="1"), handed("a", text="2")
    assert match({"1a_pad (9).ipynb": first, "1a_pad (10).ipynb": last}).content["1a_pad"] == last
    assert match({"1a_pad-Copy1.ipynb": first, "1a_pad-Copy2.ipynb": last}).content["1a_pad"] == last


def test_a_readable_copy_beside_a_broken_file_counts():
    made = match({"1a_pad.ipynb": handed("a")[:50], "1a_pad (1).ipynb": handed("a", 0)})
    assert made.content["1a_pad"] == handed("a", 0)
    assert "1a_pad" not in made.lost


def test_what_is_missing_and_what_can_not_be_read_are_told_apart():
    made = match({"1a_pad.ipynb": b"\x00" * 40, "1a_pad.json": b"{", "readme.txt": b"I forgot"})
    assert made.lost == {"1a_pad": UNREADABLE, "1b_turn": MISSING}
    assert made.content == {"1a_pad": b"\x00" * 40, "1b_turn": None}
    assert made.others == []


def test_the_only_file_for_the_only_notebook_without_one():
    # No id and no name says what it is, but nothing else can be meant.
    course = {"1a_pad": instructors("a")}
    assert match({"colab.ipynb": bare(handed("a"))}, course).content["1a_pad"] == bare(handed("a"))
    # Of several notebooks a scratch file is none.
    assert match({"scratch.ipynb": bare(handed("a")), "1b_turn.ipynb": handed("b")}).content["1a_pad"] is None
    assert match({"x.ipynb": bare(handed("a")), "y.ipynb": bare(handed("a"))}, course).content["1a_pad"] is None


def test_what_is_wrong_with_the_instructors_notebook_does_not_stop_the_others():
    odd = instructors("a")
    odd["cells"][1]["source"] = "### BEGIN SOLUTION\n### BEGIN SOLUTION"
    for course in ({"1a_pad": odd, "1b_turn": instructors("b")}, {"1a_pad": {}, "1b_turn": instructors("b")}):
        found = {"1a_pad.ipynb": handed("a"), "1a_pad-Copy1.ipynb": handed("a"), "1b_turn.ipynb": handed("b")}
        assert match(found, course).content["1b_turn"] == handed("b")


@pytest.mark.parametrize(
    "content", [b"[]", b"3", b'{"cells": 3}', b'{"worksheets": [3]}', b'{"cells": [3, {"id": []}]}']
)
def test_odd_contents_are_no_trouble(content):
    made = match({"1a_pad.ipynb": content, "x.json": content, "1b_turn.ipynb": handed("b")})
    assert made.content["1b_turn"] == handed("b")


def test_very_many_files_are_not_all_opened():
    opened = []
    found = {f"deep/down/{number}.ipynb": b"{}" for number in range(1_000)} | {"1a_pad.ipynb": handed("a")}
    found |= {f"runs/{number}.json": b"{}" for number in range(1_000)}
    made = match_files(COURSE, list(found), lambda path: opened.append(path) or found[path])
    assert made.content["1a_pad"] == handed("a")
    assert len(set(opened)) == 200
    assert len(made.others) == 200
    assert made.others[0] == "of 1,001 files that may be notebooks the first 200 were looked at"
