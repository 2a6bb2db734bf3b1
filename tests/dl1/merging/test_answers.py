"""The graded notebook is what *Run All* of the student's would be, whatever became of the cells."""

import ast
import json

import pytest

from proctor.intake.rebuild import rebuild
from proctor.notebooks import cells as notebook_cells
from proctor.pages.notes import is_note


def cell(name: str | None, source: str, kind: str = "code", **nbgrader) -> dict:
    made = {"cell_type": kind, "id": name or f"new-{abs(hash(source)) % 10**8}", "metadata": {}, "source": source}
    if nbgrader:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, **nbgrader}
        made["metadata"]["nbgrader"] = {"grade_id": name, "schema_version": 3, **flags}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def answer(name: str, head: str, body: str) -> dict:
    return cell(name, f"{head}\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION", solution=True)


def check(name: str, text: str) -> dict:
    source = f"{text}\n### BEGIN HIDDEN TESTS\nassert hidden\n### END HIDDEN TESTS"
    return cell(name, source, grade=True, locked=True, points=2)


def essay(name: str, heading: str) -> dict:
    text = f"{heading}\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
    return cell(name, text, "markdown", grade=True, solution=True, points=1)


SOURCE = {
    "cells": [
        cell("intro", "# Title", "markdown"),
        cell("setup", "import math"),
        cell("task-f", "Write f.", "markdown"),
        answer("f", "def f(x):", "return 2 * x"),
        check("f_test", "assert f(1) == 2"),
        cell("given", "class Net:\n    pass", locked=True),
        answer("net", "@method_of(Net)\ndef forward(self, x):", "return x"),
        answer("g", "def g(x):", "return f(x)"),
        check("g_test", "assert g(1) == 2"),
        cell("task-why", "Explain.", "markdown"),
        essay("why", "*Your answer to (a):*"),
        cell("task-how", "And how?", "markdown"),
        essay("how", "*Your answer to (b):*"),
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
WRITTEN = {
    "f": "def f(x):\n    return x + x",
    "net": "@method_of(Net)\ndef forward(self, x):\n    return x",
    "g": "def g(x):\n    return f(x)",
    "why": "*Your answer to (a):*\n\nSo.",
    "how": "*Your answer to (b):*\n\nThus.",
}
NAMES = [one["id"] for one in SOURCE["cells"]]


class Handed:
    """A student's file, with right answers at first."""

    def __init__(self) -> None:
        self.cells = json.loads(json.dumps(SOURCE["cells"]))
        for one in self.cells:
            one["source"] = WRITTEN.get(one["id"], one["source"].partition("\n### BEGIN")[0])

    def at(self, name: str) -> int:
        return next(i for i, one in enumerate(self.cells) if one["id"] == name)

    def __getitem__(self, name: str) -> dict:
        return self.cells[self.at(name)]

    def insert(self, place: int, *cells: dict) -> "Handed":
        self.cells[place:place] = json.loads(json.dumps(cells))
        return self

    def after(self, name: str, *cells: dict) -> "Handed":
        return self.insert(self.at(name) + 1, *cells)

    def copy_of(self, name: str, source: str) -> dict:
        return {**json.loads(json.dumps(self[name])), "id": f"piece-{len(source)}", "source": source}

    def without(self, *names: str) -> "Handed":
        self.cells = [one for one in self.cells if one["id"] not in names]
        return self

    def bare(self) -> "Handed":
        self.cells = [{k: v for k, v in one.items() if k != "id"} | {"metadata": {}} for one in self.cells]
        return self

    def rebuilt(self):
        content = {"cells": self.cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        return rebuild(SOURCE, json.dumps(content).encode())


def code_of(result) -> list[str]:
    """What is run, in its order: names of the instructor's cells, and texts of the student's."""
    return [
        one["id"] if notebook_cells.grade_id(one) and notebook_cells.role(one) != "solution" else one["source"]
        for one in result.notebook["cells"]
        if one["cell_type"] == "code"
    ]


def by_id(result) -> dict[str, str]:
    return {one["id"]: one["source"] for one in result.notebook["cells"]}


def valid(result) -> None:
    """Each of the instructor's cells is there, answers and tests once and in their order, and ids are unique."""
    ids = [one["id"] for one in result.notebook["cells"]]
    assert len(ids) == len(set(ids))
    named = [one["id"] for one in result.notebook["cells"] if notebook_cells.grade_id(one)]
    assert named == [one["id"] for one in SOURCE["cells"] if notebook_cells.grade_id(one)]
    for one in result.notebook["cells"]:
        if notebook_cells.role(one) == "test":
            assert one["source"] == SOURCE["cells"][NAMES.index(one["id"])]["source"]


RIGHT = ["import math", WRITTEN["f"], "f_test", "given", WRITTEN["net"], WRITTEN["g"], "g_test"]


def test_a_plain_submission_is_what_it_was():
    result = Handed().rebuilt()
    valid(result)
    assert [one["id"] for one in result.notebook["cells"]] == NAMES
    assert code_of(result) == RIGHT
    assert result.notes == []


@pytest.mark.parametrize("between", [[], ["own = 1"], ["own = 1", "own = 2"]])
@pytest.mark.parametrize("pieces", [2, 3])
def test_all_pieces_of_a_split_cell_run_in_their_place(pieces, between):
    handed = Handed()
    handed["f"]["source"] = "helper_0 = 1"
    texts = [*(f"helper_{i} = {i}" for i in range(1, pieces - 1)), "def f(x):\n    return 2 * x"]
    more = [handed.copy_of("f", text) for text in texts]
    handed.after("f", *[cell(None, text) for text in between], *more)
    result = handed.rebuilt()
    valid(result)
    assert code_of(result)[: 3 + len(between) + pieces - 1] == [
        "import math",
        "helper_0 = 1",
        *between,
        *texts,
        "f_test",
    ]
    assert any("f is there more than once" in line for line in result.notes)


def test_a_copy_below_its_check_comes_too_late_for_it_and_in_time_for_the_next():
    handed = Handed()
    other = "def f(x):\n    return 0"
    handed.after("f_test", handed.copy_of("f", other))
    result = handed.rebuilt()
    valid(result)
    assert code_of(result) == [*RIGHT[:3], other, *RIGHT[3:]]


def test_an_untouched_copy_undoes_nothing():
    handed = Handed()
    stub = "def f(x):\n    raise NotImplementedError()"
    handed.after("f", handed.copy_of("f", stub))
    assert code_of(handed.rebuilt()) == RIGHT
    handed = Handed()
    handed.insert(handed.at("f"), handed.copy_of("f", stub))
    assert code_of(handed.rebuilt()) == RIGHT


def test_parts_of_a_split_answer_are_known_as_such():
    handed = Handed()
    handed.after("f", handed.copy_of("f", "def f(x):\n    return 3 * x"))
    (part,) = [one for one in handed.rebuilt().notebook["cells"] if one["source"].endswith("3 * x")]
    assert part["metadata"] == {notebook_cells.PARTS: ["f"]}


def test_a_split_essay_is_read_in_one_cell():
    handed = Handed()
    handed.after("why", handed.copy_of("why", "Second."), handed.copy_of("why", "Third, last."))
    result = handed.rebuilt()
    valid(result)
    assert by_id(result)["why"] == "*Your answer to (a):*\n\nSo.\n\nSecond.\n\nThird, last."
    assert len(result.notebook["cells"]) == len(NAMES)


def test_a_part_of_an_essay_behind_an_own_cell_is_marked_in_its_place():
    handed = Handed()
    handed.after("why", cell(None, "plot()"), handed.copy_of("why", "Second."))
    result = handed.rebuilt()
    valid(result)
    cells = result.notebook["cells"]
    place = [one["id"] for one in cells].index("why")
    assert [one["source"] for one in cells][place + 1] == "plot()"
    assert is_note(cells[place + 2]["metadata"])
    assert "part of the answer why" in cells[place + 2]["source"]
    assert cells[place + 3]["source"] == "Second."


def test_a_part_that_is_there_twice_is_read_once_where_it_is_first():
    handed = Handed()
    handed.after("why", handed.copy_of("why", "Second."), handed.copy_of("why", WRITTEN["why"]))
    assert by_id(handed.rebuilt())["why"] == f"{WRITTEN['why']}\n\nSecond."


def test_pictures_of_a_split_essay_come_with_their_texts():
    shown = "![p](attachment:image.png)"
    handed = Handed()
    handed["why"].update({"source": f"First. {shown}", "attachments": {"image.png": {"image/png": "first"}}})
    part = handed.copy_of("why", f"Second. {shown}") | {"attachments": {"image.png": {"image/png": "second"}}}
    cells = handed.after("why", part).rebuilt().notebook["cells"]
    (why,) = [one for one in cells if one["id"] == "why"]
    assert sorted(bundle["image/png"] for bundle in why["attachments"].values()) == ["first", "second"]
    assert why["source"].startswith("First.")
    assert "Second." in why["source"]


def test_an_essay_answered_in_a_copy_is_read():
    handed = Handed()
    handed["why"]["source"] = "*Your answer to (a):*\n\nYOUR ANSWER HERE"
    handed.after("why", handed.copy_of("why", "My answer."))
    assert by_id(handed.rebuilt())["why"] == "My answer."


@pytest.mark.parametrize(
    "typed", ["def f(x):\n    return x + x", "f = lambda x: 2 * x", "%%time\ndef f(x):\n    return 1"]
)
@pytest.mark.parametrize("place", ["task-f", "f_test"])
def test_a_retyped_answer_is_the_answer(typed, place):
    handed = Handed()
    if place == "f_test":
        # Typed where it was, but below a cell of one's own.
        handed.insert(handed.at("f_test"), cell(None, "own = 1"), cell(None, typed)).without("f")
    else:
        handed.after("task-f", cell(None, typed)).without("f")
    result = handed.rebuilt()
    valid(result)
    assert by_id(result)["f"] == typed
    assert not any("NotImplemented" in text for text in code_of(result))
    assert result.notes == ["the answer cell f is missing; what stands in its place was taken for it"]


def test_of_a_partly_retyped_answer_the_stub_stays_above():
    source = json.loads(json.dumps(SOURCE))
    source["cells"][3] = answer("f", "def helper():\n    pass\n\n\ndef f(x):", "return 2")
    handed = Handed().after("task-f", cell(None, "def f(x):\n    return 9")).without("f")
    content = json.dumps({"cells": handed.cells, "nbformat": 4, "metadata": {}})
    texts = code_of(rebuild(source, content.encode()))
    stub = next(i for i, text in enumerate(texts) if "NotImplemented" in text)
    assert texts[stub + 1] == "def f(x):\n    return 9"


def test_an_own_cell_that_defines_something_else_leaves_the_stub():
    handed = Handed().after("task-f", cell(None, "def h(x):\n    return x + x")).without("f")
    result = handed.rebuilt()
    assert "NotImplemented" in by_id(result)["f"]
    assert result.notes == ["the answer cell f is missing; it counts as unanswered"]


def test_methods_of_different_classes_are_not_mixed_up():
    other = "@method_of(Other)\ndef forward(self, x):\n    return 0"
    handed = Handed().after("given", cell(None, other)).without("net")
    assert "NotImplemented" in by_id(handed.rebuilt())["net"]
    handed = Handed().after("given", cell(None, WRITTEN["net"] + " + 1")).without("net")
    assert by_id(handed.rebuilt())["net"].endswith("return x + 1")


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_an_answer_in_a_cell_of_another_type_counts(kind):
    handed = Handed().after("task-f", cell(None, WRITTEN["f"], kind)).without("f")
    assert code_of(handed.rebuilt()) == RIGHT


def test_a_retyped_answer_further_up_runs_where_it_is():
    handed = Handed().after("setup", cell(None, "def g(x):\n    return 7")).without("g")
    result = handed.rebuilt()
    valid(result)
    texts = code_of(result)
    assert texts[1] == "def g(x):\n    return 7"
    assert not any("NotImplemented" in text for text in texts)
    assert by_id(result)["g"].startswith("# The text of this answer stands in another cell")
    (part,) = [one for one in result.notebook["cells"] if one["source"] == texts[1]]
    assert part["metadata"][notebook_cells.PARTS] == ["g"]


def test_an_answer_that_was_moved_up_runs_where_it_is_and_one_that_was_moved_down_where_it_was():
    handed = Handed()
    moved = handed["g"]
    handed.without("g").after("setup", moved)
    texts = code_of(handed.rebuilt())
    assert texts[:2] == ["import math", WRITTEN["g"]]
    assert texts[-2].startswith("# The text of this answer")
    handed = Handed()
    moved = handed["f"]
    handed.without("f").after("g_test", moved)
    result = handed.rebuilt()
    valid(result)
    assert code_of(result) == RIGHT


def test_an_answer_that_was_merged_into_the_one_above():
    handed = Handed()
    handed["net"]["source"] = f"{WRITTEN['net']}\n\n{WRITTEN['g']}"
    handed.without("g")
    result = handed.rebuilt()
    valid(result)
    assert not any("NotImplemented" in text for text in code_of(result))
    assert any("g is missing; what it asks for is defined in net" in line for line in result.notes)
    assert next(one for one in result.notebook["cells"] if one["id"] == "net")["metadata"][notebook_cells.PARTS] == [
        "g"
    ]


def test_an_answer_that_was_merged_into_the_test_above():
    handed = Handed()
    handed["f_test"]["source"] = f"{handed['f_test']['source']}\n\n{WRITTEN['g']}"
    result = handed.without("g").rebuilt()
    valid(result)
    assert WRITTEN["g"] in code_of(result)
    assert not any("NotImplemented" in text for text in code_of(result))


def test_an_essay_that_was_merged_into_the_text_above():
    handed = Handed()
    handed["task-why"]["source"] = f"Explain.\n\n{WRITTEN['why']}"
    result = handed.without("why").rebuilt()
    valid(result)
    assert by_id(result)["task-why"] == "Explain."
    assert "So." in by_id(result)["why"]


def test_an_essay_typed_into_the_text_above():
    handed = Handed()
    handed["why"]["source"] = "*Your answer to (a):*\n\nYOUR ANSWER HERE"
    handed["task-why"]["source"] = "Explain.\n\nBecause I say so."
    result = handed.rebuilt()
    cells = result.notebook["cells"]
    place = next(i for i, one in enumerate(cells) if one["source"] == "Because I say so.")
    assert is_note(cells[place - 1]["metadata"])
    assert "YOUR ANSWER HERE" not in by_id(result)["why"]


def test_what_goes_on_in_a_text_is_shown_though_the_answer_beside_it_is_written():
    handed = Handed()
    handed["why"]["source"] = "*Your answer to (a):*\n\nBecause, see above."
    handed["task-why"]["source"] = "My first thought.\n\nExplain.\n\nMore of it."
    sources = [one["source"] for one in handed.rebuilt().notebook["cells"]]
    place = sources.index("Explain.")
    assert (sources[place - 1], sources[place + 1]) == ("My first thought.", "More of it.")
    # An older text of the instructor's is nobody's answer.
    handed["task-why"]["source"] = "Explain it."
    assert "Explain it." not in [one["source"] for one in handed.rebuilt().notebook["cells"]]


@pytest.mark.parametrize("kind", ["markdown", "raw", "code"])
def test_an_essay_typed_anew_in_its_place(kind):
    handed = Handed().after("task-why", cell(None, "Because it is so.", kind)).without("why")
    result = handed.rebuilt()
    valid(result)
    assert by_id(result)["why"] == "Because it is so."
    assert next(one for one in result.notebook["cells"] if one["id"] == "why")["cell_type"] == "markdown"


@pytest.mark.parametrize("place", ["intro", "f_test", "how"])
def test_whoever_reads_is_pointed_to_an_essay_typed_elsewhere(place):
    handed = Handed().after(place, cell(None, "Because it is so.", "markdown")).without("why")
    result = handed.rebuilt()
    valid(result)
    assert "YOUR ANSWER HERE" not in by_id(result)["why"]
    assert "marked" in by_id(result)["why"]
    cells = result.notebook["cells"]
    at = next(i for i, one in enumerate(cells) if one["source"] == "Because it is so.")
    assert is_note(cells[at - 1]["metadata"])
    assert "may be the answer why" in cells[at - 1]["source"]


def test_an_untouched_essay_with_the_answer_below_it():
    handed = Handed()
    handed["why"]["source"] = "*Your answer to (a):*\n\nYOUR ANSWER HERE"
    handed.after("why", cell(None, "Because it is so.", "markdown"))
    result = handed.rebuilt()
    assert "YOUR ANSWER HERE" not in by_id(result)["why"]
    assert any(is_note(one["metadata"]) for one in result.notebook["cells"])


def test_an_unanswered_essay_stays_unanswered():
    handed = Handed()
    handed["why"]["source"] = "*Your answer to (a):*\n\nYOUR ANSWER HERE"
    handed.after("f_test", cell(None, "Notes of my own.", "markdown"))
    result = handed.rebuilt()
    assert by_id(result)["why"] == "*Your answer to (a):*\n\nYOUR ANSWER HERE"
    assert result.notes == []


def test_a_file_without_ids_and_metadata_is_found_by_its_texts():
    handed = Handed().after("f_test", cell(None, "own = 1")).bare()
    result = handed.rebuilt()
    valid(result)
    assert code_of(result) == [*RIGHT[:3], "own = 1", *RIGHT[3:]]
    assert [by_id(result)[name] for name in ("why", "how")] == [WRITTEN["why"], WRITTEN["how"]]
    assert "5 of 5 answers were found by the texts that are still there" in result.notes[0]
    assert len(result.notes) <= 2


def test_ids_that_are_left_in_the_metadata_are_read():
    handed = Handed()
    handed.cells = [{**one, "id": f"n{i}", "metadata": {"id": one["id"]}} for i, one in enumerate(handed.cells)]
    result = handed.rebuilt()
    assert code_of(result) == RIGHT
    assert result.notes == []


def test_code_that_was_not_locked_may_be_changed_and_counts_as_the_students():
    handed = Handed()
    handed["setup"]["source"] = "import math\nimport statistics"
    handed["given"]["source"] = "class Net:\n    mine = True"
    result = handed.rebuilt()
    assert code_of(result) == ["import math\nimport statistics", *RIGHT[1:]]
    (changed,) = [one for one in result.notebook["cells"] if "statistics" in one["source"]]
    assert changed["id"].startswith("added-")


def test_cells_between_copies_keep_their_place():
    handed = Handed()
    handed.after("f_test", json.loads(json.dumps(handed["setup"])), cell(None, "own = f(1)"))
    texts = code_of(handed.rebuilt())
    assert texts.index("own = f(1)") > texts.index("f_test")


def test_deep_and_long_texts_cost_nothing():
    chain = "if a:\n    pass\n" + "elif a:\n    pass\n" * 5_000
    texts = [chain, "(" * 90_000, "f = " + "-" * 90_000 + "1", "def f(x):\n    pass\n" * 4_000, "f " * 500_000]
    handed = Handed().after("task-f", *[cell(f"x{i}", text) for i, text in enumerate(texts)]).without("f")
    result = handed.rebuilt()
    valid(result)
    ast.parse(by_id(result)["f"])


def test_many_large_copies_are_soon_sorted():
    filler = "word " * 1_000
    handed = Handed().without("f", "how")
    copies = [handed.copy_of("why", f"{filler}{i}") for i in range(700)]
    texts = [{**handed["task-why"], "source": f"{filler}{i}"} for i in range(700)]
    code = [cell(f"c{i}", f"f_{i} = '{filler}'") for i in range(700)]
    result = handed.after("task-why", *texts, *copies, *code).rebuilt()
    valid(result)
    assert "f is missing" in " ".join(result.notes)
